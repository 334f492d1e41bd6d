// SPDX-License-Identifier: GPL-2.0
//! Which files are dealt with, and opening them.

use std::fs::{File, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::cli::Args;
use crate::error::{Error, Result};

/// Opens `path`, or, decompressing, the compressed file that belongs to it; returns which.
pub fn open(path: &Path, args: &Args) -> Result<(File, PathBuf)> {
    let direct = open_one(path, args);
    if !args.compresses() && matches!(&direct, Err(errno) if *errno == Errno::NOENT) {
        let mut other = path.as_os_str().to_owned();
        other.push(&args.suffix);
        if let Ok(file) = open_one(Path::new(&other), args) {
            return Ok((file, other.into()));
        }
    }
    match direct {
        Ok(file) => Ok((file, path.into())),
        Err(Errno::LOOP) => Err(Error::Usage(
            "is a symbolic link (-f, -c and -t follow it)".into(),
        )),
        Err(errno) => Err(Error::Read(errno.into())),
    }
}

fn open_one(path: &Path, args: &Args) -> std::result::Result<File, Errno> {
    let only_reads = args.stdout || args.test || args.bench.is_some();
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC;
    flags.set(OFlags::NOFOLLOW, !args.force && !only_reads);
    // A FIFO will be left alone, and is not to be waited for.
    flags.set(OFlags::NONBLOCK, !only_reads);
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    rustix::fs::fcntl_setfl(&fd, OFlags::empty())?;
    Ok(File::from(fd))
}

/// Refuses what is not to be replaced by its compressed or plain form.
pub fn check_kind(metadata: &Metadata, args: &Args) -> Result<()> {
    let skip = |why: String| Err(Error::Skipped(why));
    if metadata.is_dir() {
        return skip("is a directory -- ignored".into());
    }
    if args.stdout || args.test {
        return Ok(());
    }
    if !metadata.is_file() {
        return skip("is not a regular file -- ignored".into());
    }
    let others = metadata.nlink().saturating_sub(1);
    if others > 0 && !args.force && !args.keep {
        return skip(format!(
            "has {others} other links -- unchanged (-f replaces it)"
        ));
    }
    Ok(())
}
