// SPDX-License-Identifier: GPL-2.0
//! What a script sees of the program as a whole. There is no accel4095.

use std::fs::File;
use std::process::{Command, Stdio};

fn accelctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_accelctl"));
    command.args(arguments);
    command
}

#[test]
fn a_mistake_is_two_and_an_error_is_one() {
    for (arguments, code) in [
        (&["info", "zip"][..], 2),
        (&["top", "--once", "zip"], 2),
        (&["fly"], 2),
        (&["info", "accel4095"], 1),
        (&["info", "/dev/accel_monitor4095"], 1),
    ] {
        let output = accelctl(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// Of all commands that tell something, and of clap's own answers.
#[test]
fn a_closed_standard_output_is_an_error() {
    let program = env!("CARGO_BIN_EXE_accelctl");
    for arguments in [
        "list --json",
        "info --json",
        "top --once --json",
        "find --all --json",
        "export --listen 127.0.0.1:0",
        "completions bash",
        "schema",
        "--help",
        "--version",
        "help list",
    ] {
        let script = format!("\"$0\" {arguments} >&-");
        let output = Command::new("sh").args(["-c", &script, program]).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {said}");
        assert!(
            said.starts_with("accelctl: standard output: "),
            "{arguments}: {said}"
        );
    }
}

#[test]
fn a_full_standard_output_is_one_too() {
    for arguments in [&["schema"][..], &["list", "--json"], &["--help"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = accelctl(arguments)
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn an_error_that_nobody_reads_is_the_same() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = accelctl(&["info", "accel4095"]);
    let status = command.stderr(Stdio::from(full)).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
