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

#[test]
fn an_error_that_nobody_reads_is_the_same() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = accelctl(&["info", "accel4095"]);
    let status = command.stderr(Stdio::from(full)).status().unwrap();
    assert_eq!(status.code(), Some(1));
}
