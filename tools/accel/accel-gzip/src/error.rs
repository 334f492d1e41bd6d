// SPDX-License-Identifier: GPL-2.0
//! Why a file could not be dealt with.

use std::path::PathBuf;

use accel::hisi_zip::JobError;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a file could not be dealt with. The messages do not name it, the caller does.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device as a whole.
    #[error(transparent)]
    Device(#[from] accel::Error),

    /// One request.
    #[error("at byte {offset}: {error}")]
    Job {
        /// Where in the input the request begins.
        offset: u64,
        /// What the engine says.
        error: JobError,
    },

    /// Data that is not as its trailer says, or an engine that is not to be trusted.
    #[error("at byte {offset}: {what}")]
    Data {
        /// Where in the input.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },

    /// Not gzip at all.
    #[error("not in gzip format")]
    NotGzip,

    /// The input ends inside a member.
    #[error("unexpected end of file")]
    UnexpectedEnd,

    /// The input could not be read.
    #[error("cannot be read: {0}")]
    Read(#[source] std::io::Error),

    /// The output could not be written.
    #[error("{path}: cannot be written: {source}", path = path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A file that was left alone: exit status 2.
    #[error("{0}")]
    Skipped(String),

    /// Something that the person asked for can't be.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Whether it ends the run: no other file would fare better.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Device(_))
    }
}
