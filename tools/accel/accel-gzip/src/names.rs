// SPDX-License-Identifier: GPL-2.0
//! Names of compressed and plain files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Suffixes of compressed files, and what takes their place in the plain file's name.
const SUFFIXES: [(&str, &str); 7] = [
    (".gz", ""),
    (".tgz", ".tar"),
    (".taz", ".tar"),
    ("-gz", ""),
    (".z", ""),
    ("-z", ""),
    ("_z", ""),
];

/// Name for what `path` compresses to.
pub fn compressed(path: &Path, suffix: &str) -> Result<PathBuf> {
    let name = path.as_os_str().as_bytes();
    let has = |suffix: &str| name.ends_with(suffix.as_bytes());
    if let Some(known) = [suffix, ".gz", ".tgz", ".taz", "-gz"]
        .into_iter()
        .find(|s| has(s))
    {
        return Err(Error::Skipped(format!(
            "already has {known} suffix -- unchanged"
        )));
    }
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    Ok(name.into())
}

/// Name for what `path` decompresses to.
pub fn plain(path: &Path, suffix: &str) -> Result<PathBuf> {
    let name = path.as_os_str().as_bytes();
    let base = path.file_name().map_or(0, OsStr::len);
    let stem = |suffix: &str| {
        let stem = name.strip_suffix(suffix.as_bytes());
        stem.filter(|_| !suffix.is_empty() && suffix.len() < base)
    };
    let found = [(suffix, "")].into_iter().chain(SUFFIXES);
    let found = found
        .filter_map(|(suffix, instead)| Some((stem(suffix)?, instead)))
        .next();
    let (stem, instead) =
        found.ok_or_else(|| Error::Skipped("unknown suffix -- ignored".into()))?;
    Ok(OsString::from_vec([stem, instead.as_bytes()].concat()).into())
}

/// `path` with the file name `name` that a header tells, if that is one.
pub fn restored(path: &Path, name: &[u8]) -> Option<PathBuf> {
    // A header must not choose the directory.
    let name = name.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let sensible = !name.is_empty() && name != b"." && name != b"..";
    sensible.then(|| path.with_file_name(OsStr::from_bytes(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressing_appends_the_suffix_once() {
        assert_eq!(
            compressed(Path::new("a/b"), ".gz").unwrap(),
            Path::new("a/b.gz")
        );
        assert_eq!(compressed(Path::new("b.gz"), ".x").ok(), None);
        assert!(compressed(Path::new("b.x"), ".x").is_err());
        assert!(compressed(Path::new("b.tgz"), ".gz").is_err());
    }

    #[test]
    fn decompressing_takes_it_away() {
        for (from, to) in [
            ("a/b.gz", "a/b"),
            ("b.tgz", "b.tar"),
            ("b-gz", "b"),
            ("b.x", "b"),
        ] {
            assert_eq!(
                plain(Path::new(from), ".x").unwrap(),
                Path::new(to),
                "{from}"
            );
        }
        for odd in ["b", ".gz", "a/.gz", "b.bz2"] {
            assert!(plain(Path::new(odd), ".gz").is_err(), "{odd}");
        }
    }

    #[test]
    fn a_header_does_not_choose_the_directory() {
        let path = Path::new("dir/x.gz");
        assert_eq!(restored(path, b"name"), Some("dir/name".into()));
        assert_eq!(
            restored(path, b"../../etc/passwd"),
            Some("dir/passwd".into())
        );
        for odd in [&b""[..], b"/", b"..", b"a/.."] {
            assert_eq!(restored(path, odd), None, "{odd:?}");
        }
    }
}
