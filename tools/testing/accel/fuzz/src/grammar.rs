// SPDX-License-Identifier: GPL-2.0
//! What calls there are and what they take, read from descriptions in syzkaller's language.
//!
//! It is the part of the language that `accel.txt` and `bench.txt` use:
//! <https://github.com/google/syzkaller/blob/master/docs/syscall_descriptions_syntax.md>.

use std::collections::HashMap;

#[cfg(test)]
mod header;
mod parse;

/// The descriptions that are built in.
const TEXTS: [&str; 2] = [include_str!("../accel.txt"), include_str!("../bench.txt")];
const CONSTANTS: &str = include_str!("../accel.txt.const");

/// All calls, and the types that they name.
#[derive(Default)]
pub struct Grammar {
    pub calls: Vec<CallType>,
    pub structs: HashMap<String, Vec<Field>>,
    pub constants: HashMap<String, u64>,
    resources: HashMap<String, Resource>,
}

/// A system call, or something that the fuzzer does in its place, with the types of its arguments.
pub struct CallType {
    /// With the variant: `ioctl$ACCEL_INFO`.
    pub name: String,
    pub arguments: Vec<Field>,
    /// The resource that it returns.
    pub returns: Option<String>,
}

impl CallType {
    /// `ioctl` of `ioctl$ACCEL_INFO`.
    pub fn base(&self) -> &str {
        self.name.split('$').next().unwrap_or_default()
    }

    /// `ACCEL_INFO` of `ioctl$ACCEL_INFO`.
    pub fn variant(&self) -> &str {
        self.name.split_once('$').map_or("", |parts| parts.1)
    }
}

/// An argument or a member of a struct.
#[derive(Clone)]
pub struct Field {
    pub name: String,
    pub of: Type,
    /// The kernel writes it, and the caller leaves it zero.
    pub out: bool,
    /// The caller writes it, and the kernel too.
    pub inout: bool,
}

/// Widths are in bytes.
#[derive(Clone)]
pub enum Type {
    Int {
        width: usize,
        range: Option<(u64, u64)>,
    },
    Const {
        width: usize,
        value: u64,
    },
    Flags {
        width: usize,
        values: Vec<u64>,
    },
    Length {
        width: usize,
        of: String,
        bytes: bool,
    },
    Resource {
        width: usize,
        kind: String,
    },
    Pointer {
        to: Box<Type>,
        optional: bool,
    },
    /// An address in the memory that programs play with, and a length that goes with it.
    Vma,
    Array {
        of: Box<Type>,
        least: usize,
        most: usize,
    },
    Struct(String),
}

/// Something that calls make and take: a descriptor, an address.
struct Resource {
    /// The kinds that it is, the most general one first.
    kinds: Vec<String>,
    width: usize,
    special: Vec<u64>,
}

/// Where the members of a struct lie.
pub struct Layout {
    pub offsets: Vec<usize>,
    pub size: usize,
    pub align: usize,
}

impl Grammar {
    /// The descriptions that are built in. They are part of the program, so what is wrong in them
    /// is a panic.
    pub fn built_in() -> Self {
        let mut grammar = Self::default();
        grammar
            .read_constants(CONSTANTS)
            .unwrap_or_else(|error| panic!("{error}"));
        grammar
            .read(&TEXTS)
            .unwrap_or_else(|error| panic!("{error}"));
        grammar
    }

    pub fn call(&self, name: &str) -> Option<usize> {
        self.calls.iter().position(|call| call.name == name)
    }

    /// Whether a resource of `kind` can be used where one of `wanted` is needed.
    pub fn suits(&self, kind: &str, wanted: &str) -> bool {
        self.resources
            .get(kind)
            .is_some_and(|resource| resource.kinds.iter().any(|k| k == wanted))
    }

    /// Values that are worth a try in place of a resource.
    pub fn special(&self, kind: &str) -> &[u64] {
        match self.resources.get(kind) {
            Some(resource) if !resource.special.is_empty() => &resource.special,
            _ => &[u64::MAX],
        }
    }

    /// The resource that a call makes: by its return value, or in a member that is written.
    pub fn makes<'a>(&'a self, call: &'a CallType) -> Option<&'a str> {
        call.returns.as_deref().or_else(|| {
            call.arguments
                .iter()
                .find_map(|argument| self.made_in(&argument.of))
        })
    }

    fn made_in<'a>(&'a self, of: &'a Type) -> Option<&'a str> {
        let Type::Pointer { to, .. } = of else {
            return None;
        };
        let Type::Struct(name) = &**to else {
            return None;
        };
        self.structs[name].iter().find_map(|field| match &field.of {
            Type::Resource { kind, .. } if field.out || field.inout => Some(kind.as_str()),
            _ => None,
        })
    }

    /// Size and alignment, of an array with so many elements.
    pub fn size(&self, of: &Type, elements: usize) -> (usize, usize) {
        match of {
            Type::Int { width, .. }
            | Type::Const { width, .. }
            | Type::Flags { width, .. }
            | Type::Length { width, .. }
            | Type::Resource { width, .. } => (*width, *width),
            Type::Pointer { .. } | Type::Vma => (8, 8),
            Type::Array { of, .. } => {
                let (size, align) = self.size(of, 0);
                (size * elements, align)
            }
            Type::Struct(name) => {
                let layout = self.layout(name);
                (layout.size, layout.align)
            }
        }
    }

    /// As the C compiler does it.
    pub fn layout(&self, name: &str) -> Layout {
        let mut layout = Layout {
            offsets: Vec::new(),
            size: 0,
            align: 1,
        };
        for field in &self.structs[name] {
            let elements = match field.of {
                Type::Array { least, .. } => least,
                _ => 0,
            };
            let (size, align) = self.size(&field.of, elements);
            layout.size = layout.size.next_multiple_of(align);
            layout.offsets.push(layout.size);
            layout.size += size;
            layout.align = layout.align.max(align);
        }
        layout.size = layout.size.next_multiple_of(layout.align);
        layout
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_struct_is_laid_out_as_in_c() {
        let layout = Grammar::built_in().layout("accel_buffer_map");
        assert_eq!(layout.offsets, [0, 4, 8, 12, 16, 24, 32]);
        assert_eq!(layout.size, 40);
    }

    #[test]
    fn a_context_is_a_node_and_no_node_is_a_context() {
        let grammar = Grammar::built_in();
        assert!(grammar.suits("fd_accel", "fd_accel_node"));
        assert!(grammar.suits("fd_accel", "fd"));
        assert!(!grammar.suits("fd_accel_node", "fd_accel"));
    }

    #[test]
    fn what_a_call_makes_is_found_in_its_struct() {
        let grammar = Grammar::built_in();
        let makes = |name| {
            let call = &grammar.calls[grammar.call(name).unwrap()];
            grammar.makes(call)
        };
        assert_eq!(makes("ioctl$ACCEL_QUEUE_CREATE"), Some("fd_accel_queue"));
        assert_eq!(makes("syz_open_dev$accel"), Some("fd_accel"));
        assert_eq!(makes("ioctl$ACCEL_RESET"), None);
    }
}
