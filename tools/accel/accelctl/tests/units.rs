// SPDX-License-Identifier: GPL-2.0
//! The systemd units of `accelctl export`.

use std::fs;
use std::io::{ErrorKind, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SERVICE: &str = "accel-exporter.service";
const SOCKET: &str = "accel-exporter.socket";

/// Exposure by `systemd-analyze security`, in tenths: below it is what systemd calls OK.
const EXPOSURE_MAX: &str = "15";

/// The units in a directory of their own, with the program of this build.
fn units(directory: &Path) -> [PathBuf; 2] {
    [SERVICE, SOCKET].map(|name| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../systemd")
            .join(name);
        let unit = fs::read_to_string(source).unwrap();
        let path = directory.join(name);
        fs::write(
            &path,
            unit.replace("/usr/bin/accelctl", env!("CARGO_BIN_EXE_accelctl")),
        )
        .unwrap();
        path
    })
}

/// What systemd-analyze says; none where it is not installed.
fn analyze(arguments: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new("systemd-analyze").args(arguments).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // What `eprintln!` writes is not shown of a test that passes.
            let what = "\nnot checked: systemd-analyze is not installed\n";
            let _ = stderr().write_all(what.as_bytes());
            return None;
        }
        output => output.unwrap(),
    };
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let said = [stdout, stderr].concat();
    Some((status.success(), String::from_utf8_lossy(&said).into()))
}

#[test]
fn systemd_understands_them() {
    let directory = tempfile::tempdir().unwrap();
    let [service, socket] = units(directory.path()).map(|path| path.display().to_string());
    if let Some(said) = analyze(&["verify", "--man=no", &service, &socket]) {
        assert!(said.0 && !said.1.contains("accel-exporter"), "{}", said.1);
    }
}

#[test]
fn the_service_is_hardened() {
    let directory = tempfile::tempdir().unwrap();
    let [service, _] = units(directory.path()).map(|path| path.display().to_string());
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    if let Some((is_below, said)) = analyze(&["security", "--offline=true", &threshold, &service]) {
        assert!(is_below, "{said}");
    }
}
