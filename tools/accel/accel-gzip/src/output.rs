// SPDX-License-Identifier: GPL-2.0
//! An output file: invisible until it is complete.

use std::fs::{File, Metadata};
use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, fchmod, fchown, futimens};
use tempfile::NamedTempFile;

use crate::error::{Error, Result};
use crate::signals::Partial;
use crate::sink::Sink;

/// A file being written under another name beside the final one.
pub struct Output {
    temporary: NamedTempFile,
    partial: Partial,
    path: PathBuf,
}

impl Output {
    /// Begins with a file that is to be `path`.
    pub fn create(path: PathBuf) -> Result<Self> {
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let temporary = tempfile::Builder::new()
            .prefix(".accel-gzip-")
            .tempfile_in(directory);
        let temporary = temporary.map_err(|source| Error::Write {
            path: path.clone(),
            source,
        })?;
        let partial = Partial::new(temporary.path());
        Ok(Self {
            temporary,
            partial,
            path,
        })
    }

    /// Where to write the content.
    pub fn sink(&self) -> Result<Sink> {
        let file = self.temporary.as_file().try_clone();
        file.map(|file| Sink::file(file, self.path.clone()))
            .map_err(|e| self.error(e))
    }

    fn error(&self, source: IoError) -> Error {
        Error::Write {
            path: self.path.clone(),
            source,
        }
    }

    /// Gives the file owner, mode and times of `like`, its name, and then calls `replaced`.
    ///
    /// `overwrite`: an older file of that name goes. `modified` is another modification time.
    /// `replaced` is called, if there is something to call, when the file is on the disk for sure.
    pub fn commit(
        self,
        like: &Metadata,
        modified: Option<u32>,
        overwrite: bool,
        replaced: Option<&dyn Fn() -> Result<()>>,
    ) -> Result<()> {
        let write_error = |e: IoError| Error::Write {
            path: self.path.clone(),
            source: e,
        };
        copy_attributes(self.temporary.as_file(), like, modified).map_err(write_error)?;
        if replaced.is_some() {
            self.temporary.as_file().sync_all().map_err(write_error)?;
        }
        let Self {
            temporary,
            partial,
            path,
        } = self;
        partial.commit(|| {
            let persisted = match overwrite {
                true => temporary.persist(&path),
                false => temporary.persist_noclobber(&path),
            };
            persisted.map_err(|e| persist_error(&path, e.error))?;
            replaced.map_or(Ok(()), |replaced| {
                sync_directory(&path).map_err(|source| Error::Write {
                    path: path.clone(),
                    source,
                })?;
                replaced()
            })
        })
    }
}

fn persist_error(path: &Path, source: IoError) -> Error {
    if source.kind() == ErrorKind::AlreadyExists {
        return exists(path);
    }
    Error::Write {
        path: path.into(),
        source,
    }
}

/// The output is there already.
pub fn exists(path: &Path) -> Error {
    Error::Skipped(format!(
        "{} already exists -- not overwritten (-f overwrites)",
        path.display()
    ))
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    match File::open(parent.unwrap_or(Path::new(".")))?.sync_all() {
        // Some file systems have nothing to sync in a directory.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

fn copy_attributes(file: &File, like: &Metadata, modified: Option<u32>) -> std::io::Result<()> {
    let owner = Some(Uid::from_raw(like.uid()));
    let group = Some(Gid::from_raw(like.gid()));
    let mut mode = like.mode() & 0o777;
    if fchown(file, owner, group).is_err() {
        // Another group is not to get what the first one had.
        let group_kept = fchown(file, None, group).is_ok();
        mode &= if group_kept { 0o777 } else { 0o707 };
    }
    fchmod(file, Mode::from_raw_mode(mode))?;
    let modified = match modified {
        Some(seconds) => Timespec {
            tv_sec: seconds.into(),
            tv_nsec: 0,
        },
        None => Timespec {
            tv_sec: like.mtime(),
            tv_nsec: like.mtime_nsec(),
        },
    };
    let accessed = Timespec {
        tv_sec: like.atime(),
        tv_nsec: like.atime_nsec(),
    };
    futimens(
        file,
        &Timestamps {
            last_access: accessed,
            last_modification: modified,
        },
    )?;
    Ok(())
}
