// SPDX-License-Identifier: GPL-2.0
//! `accelctl top` on a terminal of its own. It needs no device: one that is named and can't be
//! opened is shown as that.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A terminal, and `accelctl top` on it.
struct Session {
    person: File,
    child: Child,
}

impl Session {
    fn start() -> Self {
        let person =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&person, size).unwrap();
        let path = ptsname(&person, Vec::new()).unwrap();
        let open = || {
            let path = path.to_str().unwrap();
            File::options().read(true).write(true).open(path).unwrap()
        };
        let child = Command::new("setsid")
            .args(["--ctty", env!("CARGO_BIN_EXE_accelctl"), "top", "accel4095"])
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()))
            .spawn()
            .unwrap();
        let mut session = Self {
            person: File::from(person),
            child,
        };
        session.wait_for("accel4095");
        session
    }

    /// Reads the screen until this stands there.
    fn wait_for(&mut self, text: &str) {
        let mut screen = Vec::new();
        while !String::from_utf8_lossy(&screen).contains(text) {
            let mut fds = [PollFd::new(&self.person, PollFlags::IN)];
            let time = Timespec::try_from(LIMIT).unwrap();
            let ready = rustix::event::poll(&mut fds, Some(&time)).unwrap();
            assert_eq!(ready, 1, "expected {text:?} on the screen");
            let mut part = [0; 4096];
            let len = self.person.read(&mut part).unwrap();
            screen.extend_from_slice(&part[..len]);
        }
    }

    fn end(mut child: Child) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return status;
            }
            if begin.elapsed() > LIMIT {
                child.kill().unwrap();
                panic!("it goes on without its terminal, or after a signal");
            }
            sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn it_ends_with_its_terminal() {
    let Session { person, child } = Session::start();
    drop(person);
    Session::end(child);
}

#[test]
fn it_ends_by_a_signal() {
    let Session { person, child } = Session::start();
    let pid = child.id().to_string();
    let kill = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(kill.unwrap().success());
    assert!(Session::end(child).success());
    drop(person);
}

#[test]
fn q_gives_the_screen_back() {
    const LEAVE_ALTERNATE_SCREEN: &str = "\x1b[?1049l";
    let mut session = Session::start();
    session.person.write_all(b"q").unwrap();
    session.wait_for(LEAVE_ALTERNATE_SCREEN);
    assert!(Session::end(session.child).success());
}
