// SPDX-License-Identifier: GPL-2.0
//! From the text of a description to a [`Grammar`].

use super::{CallType, Field, Grammar, Resource, Type};
use std::collections::HashMap;

/// What is wrong in which line.
pub type Error = String;

/// A type as it is written: `flags[accel_memory, int32]`.
#[derive(Clone)]
enum Expression {
    Word(String, Vec<Expression>),
    Range(u64, u64),
    Text,
}

/// Named sets of numbers.
type Sets = HashMap<String, Vec<u64>>;

impl Grammar {
    /// Reads `NAME = number` lines.
    pub fn read_constants(&mut self, text: &str) -> Result<(), Error> {
        for line in meaningful(text) {
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| format!("no constant: {line}"))?;
            if name.trim() == "arches" {
                continue;
            }
            let value = number(value.trim()).ok_or_else(|| format!("no number: {line}"))?;
            self.constants.insert(name.trim().to_owned(), value);
        }
        Ok(())
    }

    /// Reads descriptions; each may use what stands in any other.
    pub fn read(&mut self, texts: &[&str]) -> Result<(), Error> {
        let mut reader = Reader {
            sets: Sets::new(),
            structs: Vec::new(),
            calls: Vec::new(),
        };
        for text in texts {
            reader.sort(self, text)?;
        }
        for (name, _) in &reader.structs {
            self.structs.insert(name.clone(), Vec::new());
        }
        for (name, lines) in &reader.structs {
            let fields: Result<Vec<_>, _> = lines
                .iter()
                .map(|line| field(self, &reader.sets, line, 4))
                .collect();
            self.structs.insert(name.clone(), fields?);
        }
        for line in &reader.calls {
            let call = call(self, &reader.sets, line)?;
            self.calls.push(call);
        }
        Ok(())
    }
}

/// Lines by what they are, those that need the others for later.
struct Reader {
    sets: Sets,
    structs: Vec<(String, Vec<String>)>,
    calls: Vec<String>,
}

impl Reader {
    fn sort(&mut self, grammar: &mut Grammar, text: &str) -> Result<(), Error> {
        let mut lines = meaningful(text);
        while let Some(line) = lines.next() {
            if line.starts_with("include ") {
                continue;
            } else if let Some(rest) = line.strip_prefix("resource ") {
                self.resource(grammar, rest)?;
            } else if let Some(name) = line.strip_suffix(" {") {
                let members = lines
                    .by_ref()
                    .take_while(|line| *line != "}")
                    .map(str::to_owned);
                self.structs.push((name.to_owned(), members.collect()));
            } else if line.contains('(') {
                self.calls.push(line.to_owned());
            } else if let Some((name, values)) = line.split_once(" = ") {
                let values: Result<_, _> = values
                    .split(", ")
                    .map(|value| constant(grammar, value))
                    .collect();
                self.sets.insert(name.to_owned(), values?);
            } else {
                return Err(format!("what is this: {line}"));
            }
        }
        Ok(())
    }

    /// `name[kind]: special, special`
    fn resource(&mut self, grammar: &mut Grammar, rest: &str) -> Result<(), Error> {
        let (head, special) = rest.split_once(": ").unwrap_or((rest, ""));
        let special: Result<Vec<_>, _> = special
            .split(", ")
            .filter(|value| !value.is_empty())
            .map(|value| constant(grammar, value))
            .collect();
        let (name, base) = head
            .strip_suffix(']')
            .and_then(|head| head.split_once('['))
            .ok_or_else(|| format!("no resource: {rest}"))?;
        let mut resource = match (grammar.resources.get(base), width_of(base)) {
            (Some(base), _) => Resource {
                kinds: base.kinds.clone(),
                width: base.width,
                special: base.special.clone(),
            },
            (None, Some(width)) => Resource {
                kinds: Vec::new(),
                width,
                special: special.clone()?,
            },
            // Linux's own kind of resource for descriptors.
            (None, None) if base == "fd" => {
                let fd = || Resource {
                    kinds: vec!["fd".to_owned()],
                    width: 4,
                    special: Vec::new(),
                };
                grammar.resources.insert("fd".to_owned(), fd());
                fd()
            }
            (None, None) => return Err(format!("no such resource: {base}")),
        };
        resource.kinds.push(name.to_owned());
        grammar.resources.insert(name.to_owned(), resource);
        Ok(())
    }
}

fn meaningful(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn constant(grammar: &Grammar, text: &str) -> Result<u64, Error> {
    number(text)
        .or_else(|| grammar.constants.get(text).copied())
        .ok_or_else(|| format!("no such constant: {text}"))
}

fn width_of(name: &str) -> Option<usize> {
    match name {
        "int8" => Some(1),
        "int16" => Some(2),
        "int32" => Some(4),
        "int64" | "intptr" => Some(8),
        _ => None,
    }
}

/// `name(argument type, …) resource`
fn call(grammar: &Grammar, sets: &Sets, line: &str) -> Result<CallType, Error> {
    let wrong = || format!("no call: {line}");
    let (name, rest) = line.split_once('(').ok_or_else(wrong)?;
    let (arguments, returns) = rest.rsplit_once(')').ok_or_else(wrong)?;
    let arguments: Result<Vec<_>, _> = split(arguments)
        .into_iter()
        .map(|text| field(grammar, sets, text, 8))
        .collect();
    let returns = returns.trim();
    if !returns.is_empty() && !grammar.resources.contains_key(returns) {
        return Err(wrong());
    }
    Ok(CallType {
        name: name.to_owned(),
        arguments: arguments?,
        returns: (!returns.is_empty()).then(|| returns.to_owned()),
    })
}

/// `name type (direction)`; `width` is that of a type that has none of its own there.
fn field(grammar: &Grammar, sets: &Sets, line: &str, width: usize) -> Result<Field, Error> {
    let wrong = || format!("no field: {line}");
    let (name, rest) = line.split_once(char::is_whitespace).ok_or_else(wrong)?;
    let (rest, direction) = match rest.trim().split_once('\t') {
        Some((rest, direction)) => (rest.trim(), direction.trim()),
        None => (rest.trim(), ""),
    };
    let (expression, left) = expression(grammar, rest)?;
    if !left.is_empty() {
        return Err(wrong());
    }
    Ok(Field {
        name: name.to_owned(),
        of: resolve(grammar, sets, &expression, width)?,
        out: direction == "(out)",
        inout: direction == "(inout)",
    })
}

/// At the commas that are in no brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// An expression, and what stands behind it.
fn expression<'a>(grammar: &Grammar, text: &'a str) -> Result<(Expression, &'a str), Error> {
    if let Some(rest) = text.strip_prefix('"') {
        let end = rest
            .find('"')
            .ok_or_else(|| format!("no end of the text: {text}"))?;
        return Ok((Expression::Text, &rest[end + 1..]));
    }
    let end = text.find(['[', ']', ',']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if let Some((low, high)) = word.split_once(':') {
        let range = Expression::Range(constant(grammar, low)?, constant(grammar, high)?);
        return Ok((range, rest));
    }
    let Some(inside) = rest.strip_prefix('[') else {
        return Ok((Expression::Word(word.to_owned(), Vec::new()), rest));
    };
    let mut arguments = Vec::new();
    let mut rest = inside;
    loop {
        let (argument, left) = expression(grammar, rest.trim_start())?;
        arguments.push(argument);
        match left.split_at_checked(1) {
            Some((",", left)) => rest = left,
            Some(("]", left)) => {
                return Ok((Expression::Word(word.to_owned(), arguments), left));
            }
            _ => return Err(format!("no end of the brackets: {text}")),
        }
    }
}

fn resolve(
    grammar: &Grammar,
    sets: &Sets,
    expression: &Expression,
    default: usize,
) -> Result<Type, Error> {
    let Expression::Word(word, arguments) = expression else {
        return Err("a number is no type".to_owned());
    };
    let name = |at: usize| match arguments.get(at) {
        Some(Expression::Word(name, _)) => Ok(name.as_str()),
        _ => Err(format!("{word} lacks a name")),
    };
    let width = |at: usize| {
        arguments
            .get(at)
            .and_then(|_| width_of(name(at).ok()?))
            .unwrap_or(default)
    };
    let inner = |at: usize| match arguments.get(at) {
        Some(inner) => resolve(grammar, sets, inner, default),
        None => Err(format!("{word} lacks a type")),
    };
    if let Some(width) = width_of(word) {
        let range = match arguments.first() {
            Some(Expression::Range(low, high)) => Some((*low, *high)),
            _ => None,
        };
        return Ok(Type::Int { width, range });
    }
    Ok(match word.as_str() {
        "const" => Type::Const {
            width: width(1),
            value: constant(grammar, name(0)?)?,
        },
        "flags" => {
            let set = sets
                .get(name(0)?)
                .ok_or_else(|| format!("no such flags: {}", name(0).unwrap()))?;
            Type::Flags {
                width: width(1),
                values: set.clone(),
            }
        }
        "len" | "bytesize" => {
            let bytes = word == "bytesize";
            Type::Length {
                width: width(1),
                of: name(0)?.to_owned(),
                bytes,
            }
        }
        "ptr" | "ptr64" => Type::Pointer {
            to: Box::new(inner(1)?),
            optional: arguments.len() > 2,
        },
        "vma" | "vma64" => Type::Vma,
        "string" => Type::Array {
            of: Box::new(Type::Int {
                width: 1,
                range: None,
            }),
            least: 0,
            most: 0,
        },
        "array" => {
            let (least, most) = match arguments.get(1) {
                Some(Expression::Range(least, most)) => (*least as usize, *most as usize),
                Some(Expression::Word(number, _)) => {
                    let exactly = constant(grammar, number)? as usize;
                    (exactly, exactly)
                }
                _ => (0, 4),
            };
            Type::Array {
                of: Box::new(inner(0)?),
                least,
                most,
            }
        }
        other if grammar.structs.contains_key(other) => Type::Struct(other.to_owned()),
        other => match grammar.resources.get(other) {
            Some(resource) => Type::Resource {
                width: if default == 8 { 8 } else { resource.width },
                kind: other.to_owned(),
            },
            None => return Err(format!("no such type: {other}")),
        },
    })
}
