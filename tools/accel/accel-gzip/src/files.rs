// SPDX-License-Identifier: GPL-2.0
//! Which files are dealt with, and opening them.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::cli::Args;
use crate::error::{Error, Result};
use crate::names;

/// Opens `path`, or, decompressing, the compressed file that belongs to it; returns which.
pub fn open(path: &Path, args: &Args) -> Result<(File, PathBuf)> {
    let errno = match open_one(path, args) {
        Ok(file) => return Ok((file, path.into())),
        Err(errno) => errno,
    };
    if !args.compresses() && errno == Errno::NOENT {
        for guess in names::guesses(path, &args.suffix) {
            if let Ok(file) = open_one(&guess, args) {
                return Ok((file, guess));
            }
        }
    }
    match errno {
        Errno::LOOP => Err(Error::Usage(
            "is a symbolic link (-f, -c and -t follow it)".into(),
        )),
        errno => Err(Error::Read(errno.into())),
    }
}

fn open_one(path: &Path, args: &Args) -> std::result::Result<File, Errno> {
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, !args.force && !args.only_reads());
    // A FIFO will be left alone, and is not to be waited for.
    flags.set(OFlags::NONBLOCK, !args.only_reads());
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::fcntl_setfl(&fd, OFlags::empty())?;
    Ok(File::from(fd))
}

/// What is in the directory `path`, sorted by name.
pub fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(path).map_err(Error::Read)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<_> = paths.collect::<std::io::Result<_>>().map_err(Error::Read)?;
    paths.sort();
    Ok(paths)
}

/// Refuses what is not to be replaced by its compressed or plain form.
pub fn check_kind(metadata: &Metadata, args: &Args) -> Result<()> {
    let skip = |why: String| Err(Error::Skipped(why));
    if metadata.is_dir() {
        return skip("is a directory -- ignored".into());
    }
    if args.only_reads() {
        return Ok(());
    }
    if !metadata.is_file() {
        return skip("is not a directory or a regular file -- ignored".into());
    }
    // What may run as somebody else, or be removed by nobody else, has no equal.
    for (bit, what, forced) in [
        (0o4000, "is set-user-ID on execution - ignored", false),
        (0o2000, "is set-group-ID on execution - ignored", false),
        (0o1000, "has the sticky bit set - file ignored", args.force),
    ] {
        if metadata.mode() & bit != 0 && !forced {
            return skip(what.into());
        }
    }
    let others = metadata.nlink().saturating_sub(1);
    if others > 0 && !args.force && !args.keep {
        return skip(format!(
            "has {others} other link{} -- unchanged (-f replaces it)",
            if others == 1 { "" } else { "s" }
        ));
    }
    Ok(())
}
