// SPDX-License-Identifier: GPL-2.0
//! Files that others read while they are written.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::failure::Result;

/// Puts `text` in the place of a file that all may read: readers see what was before or what is
/// now, and nothing between.
pub fn replace(path: &Path, text: &str) -> Result<()> {
    put(path, text).map_err(|error| format!("{}: {error}", path.display()).into())
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    let mut file = tempfile::Builder::new()
        .prefix(".accelctl")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(directory.unwrap_or(Path::new(".")))?;
    // The umask took from it.
    file.as_file()
        .set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Read;

    use super::*;
    use crate::fake::said;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "before").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let mut before = File::open(&path).unwrap();
        replace(&path, "after").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after");
        let mut text = String::new();
        before.read_to_string(&mut text).unwrap();
        assert_eq!(text, "before");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_fails_has_a_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nowhere/file");
        let text = said(replace(&path, ""));
        assert!(text.contains("nowhere/file: "), "{text}");
    }
}
