// SPDX-License-Identifier: GPL-2.0
//! Programs as text, to be read, edited and run again:
//!
//! ```text
//! r0 = syz_open_dev$accel(flags=2)
//! ioctl$ACCEL_CONTEXT_BIND(fd=r0 arg={mode=1}) fail=3 = ENOMEM
//! ```
//!
//! `rN` is what a call has made; `@4/2` are two pages from the fourth on of the memory that programs
//! play with; `*16` are 16 bytes of zeroes. What is left out is what its type says. Behind a call
//! stand the words `aside`, `elsewhere`, `dirty` and `fail=N` of [`How`], and what it is known to
//! end with.

use crate::{
    errno,
    grammar::{Field, Grammar, Type},
    program::{Call, How, Program, Value},
};
use std::{collections::HashMap, fmt::Write};

/// Comments of a program's text begin with this.
const COMMENT: char = '#';

/// Writes a program.
pub fn print(grammar: &Grammar, program: &Program) -> String {
    let mut text = String::new();
    for (at, call) in program.calls.iter().enumerate() {
        let what = &grammar.calls[call.what];
        if grammar.makes(what).is_some() {
            write_to(&mut text, format_args!("r{at} = "));
        }
        text.push_str(&what.name);
        text.push('(');
        fields(grammar, &mut text, &what.arguments, &call.values);
        text.push(')');
        circumstances(&mut text, call);
        text.push('\n');
    }
    text
}

fn write_to(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("a string takes all");
}

fn circumstances(text: &mut String, call: &Call) {
    for (is, word) in [
        (call.how.aside, " aside"),
        (call.how.elsewhere, " elsewhere"),
        (call.how.dirty, " dirty"),
    ] {
        if is {
            text.push_str(word);
        }
    }
    if call.how.fail != 0 {
        write_to(text, format_args!(" fail={}", call.how.fail));
    }
    if let Some(known) = call.known {
        write_to(text, format_args!(" = {}", errno::name(known)));
    }
}

/// Those that are not left to their type.
fn fields(grammar: &Grammar, text: &mut String, fields: &[Field], values: &[Value]) {
    let mut first = true;
    for (field, value) in fields.iter().zip(values) {
        if *value == Value::Auto {
            continue;
        }
        if !first {
            text.push(' ');
        }
        first = false;
        text.push_str(&field.name);
        text.push('=');
        print_value(grammar, text, &field.of, value);
    }
}

fn print_value(grammar: &Grammar, text: &mut String, of: &Type, value: &Value) {
    match (value, of) {
        (Value::Auto, _) => text.push('_'),
        (Value::Int(number), _) if *number < 10 => write_to(text, format_args!("{number}")),
        (Value::Int(number), _) => write_to(text, format_args!("{number:#x}")),
        (Value::Made(by), _) => write_to(text, format_args!("r{by}")),
        (Value::Pages(first, count), _) => write_to(text, format_args!("@{first}/{count}")),
        (Value::Room(size), _) => write_to(text, format_args!("*{size}")),
        (Value::List(_), Type::Pointer { to, .. }) => print_value(grammar, text, to, value),
        (Value::List(values), Type::Struct(name)) => {
            text.push('{');
            fields(grammar, text, &grammar.structs[name], values);
            text.push('}');
        }
        (Value::List(values), of) => {
            let inner = match of {
                Type::Array { of, .. } => of,
                other => other,
            };
            text.push('[');
            for (at, value) in values.iter().enumerate() {
                if at != 0 {
                    text.push(' ');
                }
                print_value(grammar, text, inner, value);
            }
            text.push(']');
        }
    }
}

/// Reads a program; an error says what is wrong in which line.
pub fn parse(grammar: &Grammar, text: &str) -> Result<Program, String> {
    let mut program = Program::default();
    let mut made = HashMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split(COMMENT).next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let mut reader = Reader {
            grammar,
            made: &made,
            left: line,
        };
        let (name, call) = reader
            .call()
            .map_err(|error| format!("line {}: {error}: {line}", number + 1))?;
        if let Some(name) = name {
            made.insert(name.to_owned(), program.calls.len());
        }
        program.calls.push(call);
    }
    Ok(program)
}

/// Goes through one line.
struct Reader<'a> {
    grammar: &'a Grammar,
    made: &'a HashMap<String, usize>,
    left: &'a str,
}

impl<'a> Reader<'a> {
    fn call(&mut self) -> Result<(Option<&'a str>, Call), String> {
        let mut word = self.word();
        let mut name = None;
        if self.takes(" = ") {
            name = Some(word);
            word = self.word();
        }
        let what = self
            .grammar
            .call(word)
            .ok_or_else(|| format!("no call {word}"))?;
        self.expect("(")?;
        let values = self.fields(&self.grammar.calls[what].arguments, ")")?;
        let mut call = Call {
            what,
            values,
            ..Call::default()
        };
        self.circumstances(&mut call)?;
        Ok((name, call))
    }

    fn circumstances(&mut self, call: &mut Call) -> Result<(), String> {
        let mut words = self.left.split_whitespace();
        while let Some(word) = words.next() {
            let How {
                aside,
                elsewhere,
                dirty,
                fail,
            } = &mut call.how;
            match (word, word.strip_prefix("fail=")) {
                ("aside", _) => *aside = true,
                ("elsewhere", _) => *elsewhere = true,
                ("dirty", _) => *dirty = true,
                (_, Some(nth)) => *fail = nth.parse().map_err(|_| format!("no number {nth}"))?,
                ("=", _) => {
                    let name = words.next().unwrap_or_default();
                    call.known =
                        Some(errno::number(name).ok_or_else(|| format!("no errno {name}"))?);
                }
                _ => return Err(format!("what is {word}")),
            }
        }
        Ok(())
    }

    /// `name=value …` up to `end`.
    fn fields(&mut self, fields: &[Field], end: &str) -> Result<Vec<Value>, String> {
        let mut values = vec![Value::Auto; fields.len()];
        while !self.takes(end) {
            let name = self.word();
            let at = fields
                .iter()
                .position(|field| field.name == name)
                .ok_or_else(|| format!("nothing is called {name}"))?;
            self.expect("=")?;
            values[at] = self.value(&fields[at].of)?;
            self.takes(" ");
        }
        Ok(values)
    }

    fn value(&mut self, of: &Type) -> Result<Value, String> {
        let of = match of {
            Type::Pointer { to, .. } => to,
            other => other,
        };
        if self.takes("{") {
            let Type::Struct(name) = of else {
                return Err("no struct belongs here".to_owned());
            };
            return Ok(Value::List(self.fields(&self.grammar.structs[name], "}")?));
        }
        if self.takes("[") {
            let inner = match of {
                Type::Array { of, .. } => of,
                other => other,
            };
            let mut values = Vec::new();
            while !self.takes("]") {
                values.push(self.value(inner)?);
                self.takes(" ");
            }
            return Ok(Value::List(values));
        }
        if self.takes("@") {
            let first = self.number()?;
            self.expect("/")?;
            let count = self.number()?;
            let page = |number: u64| u16::try_from(number).map_err(|_| "too many pages".to_owned());
            return Ok(Value::Pages(page(first)?, page(count)?));
        }
        if self.takes("*") {
            return Ok(Value::Room(self.number()? as usize));
        }
        match self.word() {
            "_" => Ok(Value::Auto),
            word if word.starts_with('r') => match self.made.get(word) {
                Some(by) => Ok(Value::Made(*by)),
                None => Err(format!("nothing has made {word}")),
            },
            word => parse_number(word).map(Value::Int),
        }
    }

    fn number(&mut self) -> Result<u64, String> {
        parse_number(self.word())
    }

    /// Letters, digits, `$` and `_`.
    fn word(&mut self) -> &'a str {
        let end = self
            .left
            .find(|letter: char| !letter.is_alphanumeric() && letter != '$' && letter != '_')
            .unwrap_or(self.left.len());
        let (word, left) = self.left.split_at(end);
        self.left = left;
        word
    }

    fn takes(&mut self, text: &str) -> bool {
        match self.left.strip_prefix(text) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        match self.takes(text) {
            true => Ok(()),
            false => Err(format!("`{text}` is missing before `{}`", self.left)),
        }
    }
}

fn parse_number(word: &str) -> Result<u64, String> {
    match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    }
    .map_err(|_| format!("no number {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
r0 = syz_open_dev$accel(flags=2)
ioctl$ACCEL_CONTEXT_BIND(fd=r0 arg={mode=1}) fail=3 = ENOMEM
r2 = ioctl$ACCEL_BUFFER_WRAP(fd=r0 arg={address=@4/2})
ioctl$ACCEL_INFO(fd=r0 arg={query=2 data=*16}) aside elsewhere dirty
r4 = ioctl$ACCEL_QUEUE_SUBMIT(fd=0xffffffffffffffff arg={jobs=[{opcode=1} {}] buffers=[{fd=r2 flags=3}] in_fences=[]})
ioctl$ACCEL_RESET(fd=r0 arg=0)
";

    #[test]
    fn what_is_printed_is_read_again() {
        let grammar = Grammar::built_in();
        let program = parse(&grammar, TEXT).unwrap();
        assert_eq!(program.calls.len(), 6);
        assert_eq!(program.calls[1].known, Some(libc::ENOMEM));
        assert_eq!(print(&grammar, &program), TEXT);
    }

    #[test]
    fn an_error_names_the_line() {
        let error = parse(&Grammar::built_in(), "\n# nothing\nclose$any(fd=r7)").unwrap_err();
        assert!(error.contains("line 3") && error.contains("r7"), "{error}");
    }
}
