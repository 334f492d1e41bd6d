// SPDX-License-Identifier: GPL-2.0
//! How a command fails.

use std::io::{self, ErrorKind};

/// Result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

/// Why a command ends early.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// For the reason in this sentence.
    Said(String),
    /// For a mistake on the command line, which this sentence names.
    Misused(String),
    /// Nobody wants to read on, which is no error.
    Closed,
}

impl From<accel::Error> for Failure {
    fn from(error: accel::Error) -> Self {
        match error {
            accel::Error::BadName { .. } => Self::Misused(error.to_string()),
            _ => Self::Said(error.to_string()),
        }
    }
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Self::Said(sentence)
    }
}

/// Only what is written can fail in this way.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Said(format!("standard output: {error}")),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_a_mistake() {
        let error = accel::Device::by_name("zip").unwrap_err();
        assert!(matches!(Failure::from(error), Failure::Misused(text) if text.contains("zip")));
    }

    #[test]
    fn a_closed_pipe_is_no_sentence() {
        let closed = io::Error::from(ErrorKind::BrokenPipe);
        assert_eq!(Failure::from(closed), Failure::Closed);
        let full = io::Error::from(ErrorKind::StorageFull);
        assert!(matches!(Failure::from(full), Failure::Said(text) if text.contains("output")));
    }
}
