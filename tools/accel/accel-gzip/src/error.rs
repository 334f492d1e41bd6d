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

    /// There is none.
    #[error("{0}")]
    NoEngine(String),

    /// One request.
    #[error("at byte {offset}: {error}")]
    Job {
        /// Where in the input the request begins.
        offset: u64,
        /// What the engine says.
        error: JobError,
    },

    /// An engine that is not to be trusted.
    #[error("at byte {offset}: {what}")]
    Engine {
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

    /// Compressed data that are not as they should be, in the words of gzip.
    #[error("invalid compressed data--{0}")]
    Invalid(&'static str),

    /// An archive of which one entry alone would be kept.
    #[error("has more than one entry -- unchanged")]
    ManyEntries,

    /// What was done once more came out otherwise.
    #[error("the engine's output is wrong")]
    NotTheSame,

    /// A header of gzip that can't be dealt with, and why.
    #[error("{0} -- not supported")]
    Unsupported(&'static str),

    /// The input could not be read.
    #[error("{}", reason(.0))]
    Read(#[source] std::io::Error),

    /// The output could not be written.
    #[error("{path}: cannot be written: {}", reason(.source), path = path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A file that was left alone: exit status 2.
    #[error("{0}")]
    Skipped(String),

    /// The same: nothing tells how the plain file would be called.
    #[error("unknown suffix -- ignored")]
    UnknownSuffix,

    /// A file that was left alone, as it has to be: exit status 0.
    #[error("{0}")]
    Compressed(String),

    /// Something that the person asked for can't be.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// Whether it is what the engine did, or did not, while the file is compressed: what can be
    /// done without it.
    pub fn is_of_engine(&self) -> bool {
        matches!(
            self,
            Self::Device(_) | Self::NoEngine(_) | Self::Job { .. } | Self::Engine { .. }
        )
    }

    /// What stands before the line that tells it. gzip has an empty line before what it finds in
    /// compressed data, and scripts compare.
    pub fn lead(&self) -> &'static str {
        match self {
            Self::NotGzip | Self::UnexpectedEnd | Self::Invalid(_) => "\n",
            _ => "",
        }
    }
}

/// What the system says, without the number behind it.
fn reason(error: &std::io::Error) -> String {
    let mut text = error.to_string();
    if let Some(number) = text.find(" (os error ") {
        text.truncate(number);
    }
    text
}
