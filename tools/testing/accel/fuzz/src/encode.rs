// SPDX-License-Identifier: GPL-2.0
//! From the values of a call to the six words that the kernel gets, and the memory they point to.

use crate::{
    grammar::{Field, Grammar, Type},
    program::Value,
    shared::Shared,
};

/// Where the memory lies that programs play with.
pub const PLAYGROUND: u64 = 0x2000_0000;
pub const PAGE: u64 = 4096;

/// Bytes between two things in memory, which hold a pattern if the call is a dirty one.
const GAP: usize = 64;
const DIRT: u8 = 0xa5;

/// Encodes one call.
pub struct Encoder<'a> {
    grammar: &'a Grammar,
    /// What each call has made.
    results: &'a [i64],
    memory: &'a Shared,
    dirty: bool,
    used: usize,
    /// Where the kernel writes what the call makes: offset and width.
    pub made_at: Option<(usize, usize)>,
}

/// The struct or the arguments that a value stands in.
struct Scope<'a> {
    fields: &'a [Field],
    values: &'a [Value],
    size: usize,
}

impl<'a> Encoder<'a> {
    pub fn new(grammar: &'a Grammar, results: &'a [i64], memory: &'a Shared, dirty: bool) -> Self {
        Self {
            grammar,
            results,
            memory,
            dirty,
            used: 0,
            made_at: None,
        }
    }

    pub fn arguments(&mut self, fields: &[Field], values: &[Value]) -> [u64; 6] {
        let mut words = [0; 6];
        let scope = Scope {
            fields,
            values,
            size: 0,
        };
        for (word, (field, value)) in words.iter_mut().zip(fields.iter().zip(values)) {
            *word = self.word(&field.of, value, &scope);
        }
        words
    }

    /// A value that fits into a word, or a pointer to one that does not.
    fn word(&mut self, of: &Type, value: &Value, scope: &Scope<'_>) -> u64 {
        match (value, of) {
            (Value::Int(number), _) => *number,
            (Value::Made(by), _) => self.results.get(*by).map_or(u64::MAX, |made| *made as u64),
            (Value::Auto, Type::Pointer { optional: true, .. }) => 0,
            (Value::Pages(first, _), _) => PLAYGROUND + u64::from(*first) * PAGE,
            (_, Type::Pointer { to, .. }) => self.pointee(to, value),
            (_, Type::Const { value, .. }) => *value,
            (_, Type::Length { of, bytes, .. }) => self.length(of, *bytes, scope),
            (_, Type::Vma) => PLAYGROUND,
            _ => 0,
        }
    }

    /// Puts something into memory; returns its address.
    fn pointee(&mut self, of: &Type, value: &Value) -> u64 {
        let (size, _) = self.grammar.size(of, elements(of, value));
        let at = self.used;
        self.used = (at + size + GAP).next_multiple_of(16);
        self.memory.fill(at, size, 0);
        self.memory
            .fill(at + size, GAP, if self.dirty { DIRT } else { 0 });
        self.put(
            of,
            value,
            at,
            &Scope {
                fields: &[],
                values: &[],
                size: 0,
            },
        );
        self.memory.address() + at as u64
    }

    fn put(&mut self, of: &Type, value: &Value, at: usize, scope: &Scope<'_>) {
        match of {
            Type::Struct(name) => self.put_struct(name, value, at),
            Type::Array { of: inner, .. } => {
                let (size, _) = self.grammar.size(inner, 0);
                if let Value::List(values) = value {
                    for (number, value) in values.iter().enumerate() {
                        self.put(inner, value, at + number * size, scope);
                    }
                }
            }
            _ => {
                let (width, _) = self.grammar.size(of, 0);
                let word = self.word(of, value, scope);
                self.memory.write(at, &word.to_le_bytes()[..width]);
            }
        }
    }

    fn put_struct(&mut self, name: &str, value: &Value, at: usize) {
        let grammar = self.grammar;
        let fields = &grammar.structs[name];
        let layout = grammar.layout(name);
        let none;
        let values = match value {
            Value::List(values) => values,
            _ => {
                none = vec![Value::Auto; fields.len()];
                &none
            }
        };
        let scope = Scope {
            fields,
            values,
            size: layout.size,
        };
        for ((field, value), offset) in fields.iter().zip(values).zip(&layout.offsets) {
            if let Type::Resource { width, .. } = field.of {
                if field.out || field.inout {
                    self.made_at = Some((at + offset, width));
                }
            }
            self.put(&field.of, value, at + offset, &scope);
        }
    }

    /// Of the member of that name, or of the struct itself.
    fn length(&self, name: &str, bytes: bool, scope: &Scope<'_>) -> u64 {
        if name == "parent" {
            return scope.size as u64;
        }
        let Some(at) = scope.fields.iter().position(|field| field.name == name) else {
            return 0;
        };
        match (&scope.fields[at].of, &scope.values[at]) {
            (Type::Vma, Value::Pages(_, count)) => u64::from(*count) * PAGE,
            (_, Value::Int(0)) | (Type::Pointer { optional: true, .. }, Value::Auto) => 0,
            (Type::Pointer { to, .. }, value) => {
                let count = match value {
                    // It leads nowhere; the kernel shall try it.
                    Value::Int(_) => 1,
                    value => elements(to, value),
                };
                (if bytes {
                    self.grammar.size(to, count).0
                } else {
                    count
                }) as u64
            }
            _ => 0,
        }
    }
}

/// How many elements a value has, where it is an array's.
fn elements(of: &Type, value: &Value) -> usize {
    match (of, value) {
        (_, Value::Room(count)) => *count,
        (Type::Array { .. }, Value::List(values)) => values.len(),
        (Type::Array { least, .. }, _) => *least,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    fn encoded(line: &str) -> (Shared, [u64; 6], Option<(usize, usize)>) {
        let grammar = Grammar::built_in();
        let text = format!("r0 = syz_open_dev$accel()\n{line}");
        let program = text::parse(&grammar, &text).unwrap();
        let memory = Shared::new(1 << 17).unwrap();
        let call = &program.calls[1];
        let mut encoder = Encoder::new(&grammar, &[77], &memory, call.how.dirty);
        let words = encoder.arguments(&grammar.calls[call.what].arguments, &call.values);
        let made_at = encoder.made_at;
        (memory, words, made_at)
    }

    #[test]
    fn a_struct_has_its_size_and_its_constants() {
        let (memory, words, _) = encoded("ioctl$ACCEL_CONTEXT_BIND(fd=r0 arg={mode=2})");
        assert_eq!(words[..3], [77, 0xbc01, memory.address()]);
        assert_eq!(memory.read(0, 8), Some(16));
        assert_eq!(memory.read(8, 8), Some(2));
    }

    #[test]
    fn arrays_are_pointed_to_and_counted() {
        let (memory, ..) =
            encoded("ioctl$ACCEL_QUEUE_SUBMIT(fd=r0 arg={jobs=[{opcode=3 tag=5} {opcode=1}]})");
        let jobs = (memory.read(8, 8).unwrap() - memory.address()) as usize;
        assert_eq!(memory.read(32, 4), Some(2));
        assert_eq!(memory.read(36, 4), Some(64));
        assert_eq!(memory.read(jobs + 8, 8), Some(5));
        assert_eq!(memory.read(jobs + 64, 4), Some(1));
    }

    #[test]
    fn it_is_known_where_the_kernel_writes_what_is_made() {
        let (_, _, made_at) = encoded("r1 = ioctl$ACCEL_QUEUE_CREATE(fd=r0 arg={depth=8})");
        assert_eq!(made_at, Some((28, 4)));
    }

    #[test]
    fn an_optional_pointer_that_is_left_out_leads_nowhere() {
        let (memory, ..) = encoded("r1 = ioctl$ACCEL_QUEUE_CREATE(fd=r0 arg={depth=8})");
        assert_eq!(memory.read(16, 8), Some(0));
        assert_eq!(memory.read(24, 4), Some(0));
    }

    #[test]
    fn pages_are_an_address_and_a_length() {
        let (_, words, _) = encoded("munmap$any(addr=@3/2)");
        assert_eq!(words[..2], [PLAYGROUND + 3 * PAGE, 2 * PAGE]);
    }

    #[test]
    fn behind_a_dirty_struct_it_is_not_zero() {
        let (memory, ..) = encoded("ioctl$ACCEL_RESET(fd=r0 arg={size=0x10}) dirty");
        assert_eq!(memory.read(0, 4), Some(16));
        assert_eq!(memory.read(8, 1), Some(u64::from(DIRT)));
    }
}
