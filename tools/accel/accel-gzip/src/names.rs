// SPDX-License-Identifier: GPL-2.0
//! Names of compressed and plain files.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Suffixes of compressed files, and what takes their place in the plain file's name.
const SUFFIXES: [(&str, &str); 7] = [
    (".gz", ""),
    (".z", ""),
    (".taz", ".tar"),
    (".tgz", ".tar"),
    ("-gz", ""),
    ("-z", ""),
    ("_z", ""),
];

/// Suffixes that a compressed file may have whose plain name is given.
const GUESSES: [&str; 4] = [".gz", ".z", "-z", ".Z"];

/// A known suffix of `path`, in whatever case, and what takes its place. A name is not all suffix.
fn known<'a>(path: &Path, suffix: &'a str) -> Option<(&'a str, &'static str)> {
    let name = path.file_name().map_or(&b""[..], OsStr::as_bytes);
    let has = |suffix: &str| {
        let start = name.len().checked_sub(suffix.len());
        start.is_some_and(|at| at > 0 && name[at..].eq_ignore_ascii_case(suffix.as_bytes()))
    };
    let all = [(suffix, "")].into_iter().chain(SUFFIXES);
    all.into_iter().find(|(suffix, _)| has(suffix))
}

/// Name for what `path` compresses to; one that has a suffix gets another if `anyway`.
pub fn compressed(path: &Path, suffix: &str, anyway: bool) -> Result<PathBuf> {
    if let Some((known, _)) = known(path, suffix).filter(|_| !anyway) {
        return Err(Error::Compressed(format!(
            "already has {known} suffix -- unchanged"
        )));
    }
    Ok(with_suffix(path, suffix))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Names that the compressed file may have whose plain name is `path`, the likeliest first; none
/// if this has a suffix already.
pub fn guesses(path: &Path, suffix: &str) -> Vec<PathBuf> {
    if known(path, suffix).is_some() {
        return Vec::new();
    }
    let all = [suffix].into_iter().chain(GUESSES);
    all.map(|suffix| with_suffix(path, suffix)).collect()
}

/// Name for what `path` decompresses to.
pub fn plain(path: &Path, suffix: &str) -> Result<PathBuf> {
    let name = path.as_os_str().as_bytes();
    let (suffix, instead) = known(path, suffix).ok_or(Error::UnknownSuffix)?;
    let stem = &name[..name.len() - suffix.len()];
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
        let there = |name: &str| compressed(Path::new(name), ".x", false).ok();
        assert_eq!(there("a/b"), Some("a/b.x".into()));
        for name in [
            "b.gz", "b.x", "b.X", "b.tgz", "U.GZ", "y.z", "y-z", "y.Z", "y_z",
        ] {
            assert_eq!(there(name), None, "{name}");
        }
        let anyway = compressed(Path::new("x.gz"), ".gz", true).unwrap();
        assert_eq!(anyway, Path::new("x.gz.gz"));
    }

    #[test]
    fn decompressing_takes_it_away() {
        for (from, to) in [
            ("a/b.gz", "a/b"),
            ("U.GZ", "U"),
            ("b.tgz", "b.tar"),
            ("b.TAZ", "b.tar"),
            ("b-gz", "b"),
            ("b.Z", "b"),
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
    fn the_compressed_file_is_looked_for_under_all_its_names() {
        let guesses = |name: &str| guesses(Path::new(name), ".x");
        assert_eq!(
            guesses("d/a"),
            ["d/a.x", "d/a.gz", "d/a.z", "d/a-z", "d/a.Z"].map(PathBuf::from)
        );
        assert!(guesses("d/a.gz").is_empty());
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
