// SPDX-License-Identifier: GPL-2.0
//! A program: calls in their order, each with its values.

/// Calls of a program at most.
pub const CALLS_MAX: usize = 40;

/// One value, as the type at its place in the grammar takes it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// What the type says by itself: a constant, a length, zero.
    Auto,
    Int(u64),
    /// What the call of this index has made.
    Made(usize),
    /// Pages of the memory that programs play with: the first, and how many.
    Pages(u16, u16),
    /// So many bytes of zeroes.
    Room(usize),
    /// The elements of an array, or the members of a struct in their order. In place of a pointer
    /// it is what that points to.
    List(Vec<Value>),
}

/// One call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// Index in the grammar.
    pub what: usize,
    pub values: Vec<Value>,
    pub how: How,
    /// The errno that it is known to end with; 0 if it works.
    pub known: Option<i32>,
}

/// The circumstances of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct How {
    /// In a thread of its own, while the program goes on.
    pub aside: bool,
    /// In another process.
    pub elsewhere: bool,
    /// The memory behind each struct is not zero.
    pub dirty: bool,
    /// Which allocation, or copy from and to the caller, fails; 0 for none.
    pub fail: u32,
}

/// Calls, the later of which use what the earlier ones have made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    pub calls: Vec<Call>,
}

impl Program {
    /// Takes a call out. What used its result uses nothing then.
    pub fn remove(&mut self, at: usize) {
        self.calls.remove(at);
        for call in &mut self.calls[at..] {
            for value in &mut call.values {
                value.each(&mut |value| match value {
                    Value::Made(by) if *by == at => *value = Value::Int(u64::MAX),
                    Value::Made(by) if *by > at => *by -= 1,
                    _ => {}
                });
            }
        }
    }

    /// Puts calls in. They may use what stands before `at`, and each other by their final places.
    pub fn insert(&mut self, at: usize, calls: Vec<Call>) {
        let count = calls.len();
        for call in &mut self.calls[at..] {
            call.shift(at, count);
        }
        self.calls.splice(at..at, calls);
    }

    /// Appends another program.
    pub fn append(&mut self, other: &Self) {
        let count = self.calls.len();
        self.calls
            .extend(other.calls.iter().cloned().map(|mut call| {
                call.shift(0, count);
                call
            }));
    }
}

impl Call {
    /// After `count` calls were put in at `at`.
    fn shift(&mut self, at: usize, count: usize) {
        for value in &mut self.values {
            value.each(&mut |value| match value {
                Value::Made(by) if *by >= at => *by += count,
                _ => {}
            });
        }
    }
}

impl Value {
    /// Calls `f` for this and all values in it.
    pub fn each(&mut self, f: &mut impl FnMut(&mut Self)) {
        f(self);
        if let Self::List(values) = self {
            values.iter_mut().for_each(|value| value.each(f));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn using(value: Value) -> Call {
        Call {
            values: vec![Value::List(vec![value])],
            ..Call::default()
        }
    }

    #[test]
    fn what_used_a_removed_call_uses_nothing() {
        let mut program = Program {
            calls: vec![
                Call::default(),
                Call::default(),
                using(Value::Made(0)),
                using(Value::Made(1)),
            ],
        };
        program.remove(0);
        assert_eq!(program.calls[1], using(Value::Int(u64::MAX)));
        assert_eq!(program.calls[2], using(Value::Made(0)));
    }

    #[test]
    fn what_stands_behind_an_inserted_call_still_finds_its_own() {
        let mut program = Program {
            calls: vec![
                Call::default(),
                Call::default(),
                using(Value::Made(0)),
                using(Value::Made(1)),
            ],
        };
        program.insert(1, vec![using(Value::Made(0))]);
        assert_eq!(program.calls[3], using(Value::Made(0)));
        assert_eq!(program.calls[4], using(Value::Made(2)));
    }
}
