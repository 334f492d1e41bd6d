// SPDX-License-Identifier: GPL-2.0
//! JSON for programs.

use std::io::Write;

use serde::Serialize;

use crate::failure::Result;

/// One value over several lines.
pub fn write<T: Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> Result<()> {
    Ok(writeln!(out, "{}", serde_json::to_string_pretty(value)?)?)
}

/// One value on one line, handed on at once.
pub fn line<T: Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string(value)?)?;
    Ok(out.flush()?)
}
