// SPDX-License-Identifier: GPL-2.0
//! Random programs, and random changes of programs.

use crate::{
    grammar::{Field, Grammar, Type},
    program::{CALLS_MAX, Call, Program, Value},
};
use fastrand::Rng;

/// Pages of the memory that programs play with.
pub const PAGES: u16 = 256;

/// Numbers at which something ends, or an addition overflows.
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    23,
    24,
    31,
    32,
    40,
    48,
    56,
    63,
    64,
    65,
    100,
    127,
    128,
    255,
    256,
    1023,
    1024,
    2047,
    4095,
    4096,
    4097,
    8192,
    65535,
    65536,
    65537,
    0x10_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_f000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x7fff_ffff_ffff,
    0x8000_0000_0000,
    0x7fff_ffff_ffff_f000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_f000,
    0xffff_ffff_ffff_fffe,
    0xffff_ffff_ffff_ffff,
];
/// Where no pointer should point: nowhere, out of all mappings, and to the kernel.
const BAD_POINTERS: &[u64] = &[
    0,
    1,
    0x1000,
    0x2010_0000,
    0x7fff_ffff_f000,
    0xffff_8880_0000_0000,
    u64::MAX,
];
const SIZES: &[usize] = &[
    0, 1, 4, 7, 8, 16, 24, 32, 48, 64, 72, 128, 256, 1024, 4096, 65536,
];

/// Calls that a new program has at most, producers of what it needs aside.
const NEW_CALLS: usize = 12;
/// Producers that a call has made for it, which need others, at most.
const DEPTH: usize = 4;

/// Makes programs.
pub struct Generator<'g> {
    grammar: &'g Grammar,
    /// Each call as often as its weight.
    urn: Vec<usize>,
    pub random: Rng,
}

impl<'g> Generator<'g> {
    pub fn new(grammar: &'g Grammar, seed: u64) -> Self {
        let mut urn = Vec::new();
        for (at, call) in grammar.calls.iter().enumerate() {
            let weight = match (call.base(), call.variant()) {
                (_, "remove" | "hang") => 1,
                ("accel_sim" | "setuid" | "accel_fork" | "accel_memlock" | "fcntl", _) => 2,
                ("ioctl", "ACCEL_RESET" | "accel_unknown" | "accel_queue_unknown") => 2,
                (_, variant) if variant.contains("hisi_zip") => 1,
                ("ioctl", variant) if variant.starts_with("ACCEL") => 10,
                ("mmap" | "accel_ring", _) => 8,
                _ => 4,
            };
            urn.extend(std::iter::repeat_n(at, weight));
        }
        Self {
            grammar,
            urn,
            random: Rng::with_seed(seed),
        }
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.random.u32(0..n) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.random.usize(0..from.len())]
    }

    /// A program from nothing.
    pub fn program(&mut self) -> Program {
        let mut program = Program::default();
        for _ in 0..self.random.usize(1..=NEW_CALLS) {
            self.add(&mut program, 0);
        }
        program.calls.truncate(CALLS_MAX);
        program
    }

    /// Adds a random call, and what it needs before it.
    fn add(&mut self, program: &mut Program, depth: usize) {
        let what = self.pick(&self.urn.clone());
        self.add_call(program, what, depth);
    }

    fn add_call(&mut self, program: &mut Program, what: usize, depth: usize) {
        let grammar = self.grammar;
        let mut values = Vec::new();
        for field in &grammar.calls[what].arguments {
            let value = self.value(program, field, depth);
            values.push(value);
        }
        let mut call = Call {
            what,
            values,
            ..Call::default()
        };
        self.circumstances(&mut call);
        program.calls.push(call);
    }

    fn circumstances(&mut self, call: &mut Call) {
        call.how.aside = self.one_in(25);
        call.how.elsewhere = self.one_in(40);
        call.how.dirty = self.one_in(50);
        if self.one_in(20) {
            call.how.fail = self.random.u32(1..=40);
        }
    }

    fn value(&mut self, program: &mut Program, field: &Field, depth: usize) -> Value {
        if field.out && !self.one_in(100) {
            return Value::Auto;
        }
        self.value_of(program, &field.of, depth)
    }

    fn value_of(&mut self, program: &mut Program, of: &Type, depth: usize) -> Value {
        match of {
            Type::Int {
                range: Some((low, high)),
                ..
            } if !self.one_in(8) => Value::Int(self.random.u64(*low..=*high)),
            Type::Int { width: 1, .. } => Value::Auto,
            Type::Int { .. } => self.number(),
            Type::Const { .. } if !self.one_in(60) => Value::Auto,
            Type::Length { .. } if !self.one_in(30) => Value::Auto,
            // A size of something, as an older or newer program has it.
            Type::Const { value, .. } if *value != 0 && self.one_in(2) => {
                let more = 4 * self.random.u64(0..24);
                Value::Int(value.saturating_add(more).saturating_sub(32))
            }
            Type::Const { .. } | Type::Length { .. } => self.number(),
            Type::Flags { values, .. } => self.flags(values),
            Type::Resource { kind, .. } => self.resource(program, kind, depth),
            Type::Vma => self.pages(),
            Type::Pointer { optional: true, .. } if self.one_in(2) => Value::Int(0),
            Type::Pointer { .. } if self.one_in(60) => Value::Int(self.pick(BAD_POINTERS)),
            Type::Pointer { to, .. } => self.value_of(program, to, depth),
            Type::Array { of, least, most } => self.array(program, of, *least, *most, depth),
            Type::Struct(name) => {
                let grammar = self.grammar;
                let fields = grammar.structs[name].iter();
                Value::List(
                    fields
                        .map(|field| self.value(program, field, depth))
                        .collect(),
                )
            }
        }
    }

    fn number(&mut self) -> Value {
        let number = self.pick(NUMBERS);
        Value::Int(match self.random.u32(0..8) {
            0 => number.wrapping_add(self.random.u64(0..9)).wrapping_sub(4),
            1 => 1 << self.random.u32(0..64),
            2 => self.random.u64(..) >> self.random.u32(0..64),
            _ => number,
        })
    }

    fn flags(&mut self, values: &[u64]) -> Value {
        if self.one_in(30) {
            return self.number();
        }
        let mask = values
            .iter()
            .all(|value| value.is_power_of_two() || *value == 0);
        let mut flags = self.pick(values);
        while mask && values.len() < 8 && self.one_in(2) {
            flags |= self.pick(values);
        }
        Value::Int(flags)
    }

    /// Something of that kind that was made before; else what makes it is put before it.
    fn resource(&mut self, program: &mut Program, kind: &str, depth: usize) -> Value {
        if self.one_in(40) {
            return Value::Int(self.pick(self.grammar.special(kind)));
        }
        let made = makers(self.grammar, program, kind);
        if !made.is_empty() && !self.one_in(20) {
            // Rather the last than the first.
            let at = self
                .random
                .usize(0..made.len())
                .max(self.random.usize(0..made.len()));
            return Value::Made(made[at]);
        }
        if depth >= DEPTH || program.calls.len() >= CALLS_MAX {
            return Value::Int(self.pick(self.grammar.special(kind)));
        }
        let grammar = self.grammar;
        let able: Vec<_> = (0..grammar.calls.len())
            .filter(|at| {
                let call = &grammar.calls[*at];
                !matches!(call.base(), "dup" | "accel_pass")
                    && grammar
                        .makes(call)
                        .is_some_and(|made| grammar.suits(made, kind))
            })
            .collect();
        if able.is_empty() {
            return Value::Int(u64::MAX);
        }
        let what = self.pick(&able);
        self.add_call(program, what, depth + 1);
        Value::Made(program.calls.len() - 1)
    }

    /// Mostly in the same few places, so that calls meet there.
    fn pages(&mut self) -> Value {
        let first = match self.random.u32(0..4) {
            0 => self.random.u16(0..PAGES),
            _ => self.random.u16(0..8) * 16,
        };
        let count = match self.random.u32(0..4) {
            0 => self.random.u16(1..=64),
            _ => self.random.u16(1..=4),
        };
        Value::Pages(first, count.min(PAGES - first))
    }

    fn array(
        &mut self,
        program: &mut Program,
        of: &Type,
        least: usize,
        most: usize,
        depth: usize,
    ) -> Value {
        if let Type::Int { width: 1, .. } = of {
            return match least == most {
                true => Value::Auto,
                false => Value::Room(self.pick(SIZES).min(most)),
            };
        }
        let count = self.random.usize(least..=most);
        Value::List(
            (0..count)
                .map(|_| self.value_of(program, of, depth))
                .collect(),
        )
    }

    /// Changes a program here and there; `other` is one that a piece may come from.
    pub fn mutate(&mut self, program: &mut Program, other: &Program) {
        loop {
            self.mutate_once(program, other);
            if !self.one_in(2) {
                break;
            }
        }
        program.calls.truncate(CALLS_MAX);
    }

    fn mutate_once(&mut self, program: &mut Program, other: &Program) {
        let count = program.calls.len();
        if count == 0 {
            return self.add(program, 0);
        }
        let at = self.random.usize(0..count);
        match self.random.u32(0..20) {
            0..8 => self.insert(program),
            8..14 => self.change(program, at),
            14..16 => program.remove(at),
            16 => program.append(other),
            17 => {
                let again = program.calls[at].clone();
                program.insert(at + 1, vec![again]);
            }
            18 => {
                let mut call = std::mem::take(&mut program.calls[at]);
                self.circumstances(&mut call);
                program.calls[at] = call;
            }
            _ => program.calls[at].how.fail = self.random.u32(1..=60),
        }
    }

    fn insert(&mut self, program: &mut Program) {
        let at = self.random.usize(0..=program.calls.len());
        let mut before = Program {
            calls: program.calls[..at].to_vec(),
        };
        self.add(&mut before, 0);
        program.insert(at, before.calls.split_off(at));
    }

    /// Changes one of the values of a call.
    fn change(&mut self, program: &mut Program, at: usize) {
        let what = program.calls[at].what;
        let grammar = self.grammar;
        let fields = &grammar.calls[what].arguments;
        if fields.is_empty() {
            return;
        }
        let mut before = Program {
            calls: program.calls[..at].to_vec(),
        };
        let mut values = program.calls[at].values.clone();
        self.change_one(&mut before, fields, &mut values);
        program.calls[at].values = Vec::new();
        let new = before.calls.split_off(at);
        let shifted = at + new.len();
        // What the value refers to is already where it will be.
        let call = Call {
            values,
            ..program.calls[at].clone()
        };
        program.insert(at, new);
        program.calls[shifted] = call;
    }

    fn change_one(&mut self, before: &mut Program, fields: &[Field], values: &mut [Value]) {
        let grammar = self.grammar;
        let inputs: Vec<usize> = (0..fields.len()).filter(|at| !fields[*at].out).collect();
        let at = self.pick(&inputs);
        let inner = match &fields[at].of {
            Type::Pointer { to, .. } => to,
            other => other,
        };
        match (&mut values[at], inner) {
            (Value::List(members), Type::Struct(name)) if !self.one_in(20) => {
                self.change_one(before, &grammar.structs[name], members);
            }
            (Value::List(elements), Type::Array { of, most, .. }) if !self.one_in(6) => {
                self.change_element(before, of, *most, elements);
            }
            (value, _) => *value = self.value_of(before, &fields[at].of, 1),
        }
    }

    fn change_element(
        &mut self,
        before: &mut Program,
        of: &Type,
        most: usize,
        elements: &mut Vec<Value>,
    ) {
        let grammar = self.grammar;
        if elements.is_empty() || (elements.len() < most && self.one_in(4)) {
            let element = self.value_of(before, of, 1);
            return elements.push(element);
        }
        let at = self.random.usize(0..elements.len());
        match (&mut elements[at], of) {
            (Value::List(members), Type::Struct(name)) if !self.one_in(8) => {
                self.change_one(before, &grammar.structs[name], members);
            }
            _ if self.one_in(5) => {
                elements.remove(at);
            }
            _ => elements[at] = self.value_of(before, of, 1),
        }
    }
}

/// The calls that make something of that kind.
fn makers(grammar: &Grammar, program: &Program, kind: &str) -> Vec<usize> {
    program
        .calls
        .iter()
        .enumerate()
        .filter(|(_, call)| {
            let made = grammar.makes(&grammar.calls[call.what]);
            made.is_some_and(|made| grammar.suits(made, kind))
        })
        .map(|(at, _)| at)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;

    fn refers_backwards(program: &mut Program) -> bool {
        let mut good = true;
        for (at, call) in program.calls.iter_mut().enumerate() {
            for value in &mut call.values {
                value.each(&mut |value| good &= !matches!(value, Value::Made(by) if *by >= at));
            }
        }
        good
    }

    #[test]
    fn programs_refer_to_what_stands_before() {
        let grammar = Grammar::built_in();
        let mut generator = Generator::new(&grammar, 1);
        let mut last = Program::default();
        for _ in 0..3000 {
            let mut program = generator.program();
            for _ in 0..5 {
                generator.mutate(&mut program, &last);
                assert!(program.calls.len() <= CALLS_MAX);
                assert!(
                    refers_backwards(&mut program),
                    "{}",
                    text::print(&grammar, &program)
                );
            }
            last = program;
        }
    }

    #[test]
    fn what_is_generated_survives_as_text() {
        let grammar = Grammar::built_in();
        let mut generator = Generator::new(&grammar, 2);
        for _ in 0..2000 {
            let program = generator.program();
            let printed = text::print(&grammar, &program);
            assert_eq!(
                text::parse(&grammar, &printed).as_ref(),
                Ok(&program),
                "{printed}"
            );
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_programs() {
        let grammar = Grammar::built_in();
        let ten = |seed| {
            let mut generator = Generator::new(&grammar, seed);
            (0..10).map(|_| generator.program()).collect::<Vec<_>>()
        };
        assert_eq!(ten(7), ten(7));
        assert_ne!(ten(7), ten(8));
    }
}
