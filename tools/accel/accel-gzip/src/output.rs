// SPDX-License-Identifier: GPL-2.0
//! An output file: invisible until it is complete.

use std::fs::{File, Metadata};
use std::io::{Error as IoError, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, Gid, Mode, OFlags, Timespec, Timestamps, Uid, fchmod, fchown, futimens,
};
use tempfile::{Builder, TempPath};

use crate::error::{Error, Result};
use crate::signals::Partial;
use crate::sink::Sink;

/// A file being written that has no name yet, or, where the file system knows no such files,
/// another one beside the final one.
pub struct Output {
    file: File,
    hidden: Option<TempPath>,
    partial: Partial,
    path: PathBuf,
}

impl Output {
    /// Begins with a file that is to be `path`.
    pub fn create(path: PathBuf) -> Result<Self> {
        match nameless(directory(&path)) {
            Some(file) => Ok(Self {
                file,
                hidden: None,
                partial: Partial::new(None),
                path,
            }),
            None => Self::hidden(path),
        }
    }

    fn hidden(path: PathBuf) -> Result<Self> {
        let temporary = hidden_names().tempfile_in(directory(&path));
        let temporary = temporary.map_err(|source| write_error(&path, source))?;
        let (file, hidden) = temporary.into_parts();
        Ok(Self {
            file,
            partial: Partial::new(Some(&hidden)),
            hidden: Some(hidden),
            path,
        })
    }

    /// Where to write the content.
    pub fn sink(&self) -> Result<Sink> {
        let file = self.file.try_clone();
        file.map(|file| Sink::file(file, self.path.clone()))
            .map_err(|e| write_error(&self.path, e))
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
        let Self {
            file,
            hidden,
            partial,
            path,
        } = self;
        copy_attributes(&file, like, modified).map_err(|e| write_error(&path, e))?;
        // An older file is not to go before this one is there.
        if overwrite && replaced.is_some() {
            file.sync_all().map_err(|e| write_error(&path, e))?;
        }
        partial.commit(|| {
            let named = match hidden {
                Some(hidden) => rename(hidden, &path, overwrite),
                None => link(&file, &path, overwrite),
            };
            named.map_err(|e| persist_error(&path, e))?;
            match replaced {
                None => Ok(()),
                Some(replaced) => sync(&file, &path, overwrite).and_then(|()| replaced()),
            }
        })
    }
}

/// The directory in which `path` is.
fn directory(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    parent.unwrap_or(Path::new("."))
}

/// Names of files that are not complete, or not in their place.
fn hidden_names() -> Builder<'static, 'static> {
    let mut names = Builder::new();
    names.prefix(".accel-gzip-");
    names
}

/// A name for `file` that does not depend on a directory.
fn own_name(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A file without a name in `directory`, if there can be one, and it can get a name.
fn nameless(directory: &Path) -> Option<File> {
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let fd = rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR).ok()?;
    let file = File::from(fd);
    own_name(&file).exists().then_some(file)
}

/// Gives a file without a name its name. It takes that of another by a detour alone.
fn link(file: &File, path: &Path, overwrite: bool) -> std::io::Result<()> {
    let own = own_name(file);
    let link = |path: &Path| {
        let linked = rustix::fs::linkat(CWD, &own, CWD, path, AtFlags::SYMLINK_FOLLOW);
        linked.map_err(IoError::from)
    };
    match link(path) {
        Err(error) if overwrite && error.kind() == ErrorKind::AlreadyExists => {
            let hidden = hidden_names().make_in(directory(path), link)?;
            rename(hidden.into_temp_path(), path, true)
        }
        other => other,
    }
}

fn rename(hidden: TempPath, path: &Path, overwrite: bool) -> std::io::Result<()> {
    let persisted = match overwrite {
        true => hidden.persist(path),
        false => hidden.persist_noclobber(path),
    };
    persisted.map_err(|e| e.error)
}

/// Sees to it that `file` is on the disk under the name `path`. Most file systems do both at once,
/// and what is left to the second call is little.
fn sync(file: &File, path: &Path, overwrite: bool) -> Result<()> {
    let synced = file.sync_all().and_then(|()| sync_directory(path));
    if synced.is_err() && !overwrite {
        // What may be damaged is no output.
        let _ = std::fs::remove_file(path);
    }
    synced.map_err(|e| write_error(path, e))
}

fn write_error(path: &Path, source: IoError) -> Error {
    Error::Write {
        path: path.into(),
        source,
    }
}

fn persist_error(path: &Path, source: IoError) -> Error {
    if source.kind() == ErrorKind::AlreadyExists {
        return exists(path);
    }
    write_error(path, source)
}

/// The output is there already.
pub fn exists(path: &Path) -> Error {
    Error::Skipped(format!(
        "{} already exists -- not overwritten (-f overwrites)",
        path.display()
    ))
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    match File::open(directory(path))?.sync_all() {
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

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use super::*;

    fn contents(directory: &Path) -> Vec<String> {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let entries = std::fs::read_dir(directory).unwrap();
        entries.map(|entry| read(entry.unwrap().path())).collect()
    }

    #[test]
    fn a_file_gets_its_name_at_the_end_with_and_without_one_before() {
        for create in [Output::create, Output::hidden] {
            let directory = tempfile::tempdir().unwrap();
            let like = directory.path().metadata().unwrap();
            let path = directory.path().join("x");
            let write = |text: &str, overwrite| {
                let output = create(path.clone())?;
                output.sink()?.write(&mut [IoSlice::new(text.as_bytes())])?;
                let seen = || match contents(directory.path()) == [text] {
                    true => Ok(()),
                    false => Err(Error::NotTheSame),
                };
                output.commit(&like, None, overwrite, Some(&seen))
            };
            write("one", false).unwrap();
            assert!(matches!(write("two", false), Err(Error::Skipped(_))));
            assert_eq!(contents(directory.path()), ["one"]);
            write("three", true).unwrap();
            assert_eq!(contents(directory.path()), ["three"]);
        }
    }
}
