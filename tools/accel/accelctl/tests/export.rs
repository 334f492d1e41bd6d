// SPDX-License-Identifier: GPL-2.0
//! `accelctl export` as a service: what it holds after a thousand scrapes is what it held before.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// The service, which ends with the test.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Service {
    /// Starts it at a free port; its address is on its first line.
    fn start() -> (Self, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_accelctl"))
            .args(["export", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap();
        let address = address.strip_suffix("/metrics").unwrap().to_string();
        (Self(child), address)
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.0.id()))
            .unwrap()
            .count()
    }

    /// Pages of memory in use.
    fn pages(&self) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.0.id())).unwrap();
        text.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

fn scrape(address: &str) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        answer.contains("accel_exporter_build_info{version="),
        "{answer}"
    );
}

#[test]
fn a_thousand_scrapes_leave_nothing() {
    let (service, address) = Service::start();
    (0..100).for_each(|_| scrape(&address));
    let before = service.pages();
    (0..1000).for_each(|_| scrape(&address));
    // A thread of the last connection may not have ended yet, and the allocator has its caches.
    assert!(service.descriptors() <= 10, "{}", service.descriptors());
    assert!(
        service.pages() < before + 256,
        "{} to {}",
        before,
        service.pages()
    );
}

/// As its unit has it.
#[test]
fn a_socket_of_systemd_will_do() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut activate = Command::new("systemd-socket-activate");
    activate.args([
        "--listen",
        &address,
        env!("CARGO_BIN_EXE_accelctl"),
        "export",
    ]);
    let child = match activate.stderr(Stdio::piped()).spawn() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("not checked: systemd-socket-activate is not installed");
            return;
        }
        child => child.unwrap(),
    };
    let mut service = Service(child);
    // It says that it listens, and goes on to talk.
    let mut line = String::new();
    let mut told = BufReader::new(service.0.stderr.take().unwrap());
    told.read_line(&mut line).unwrap();
    scrape(&address);
    scrape(&address);
    drop(told);
}

#[test]
fn who_says_nothing_keeps_nobody_waiting() {
    let (_service, address) = Service::start();
    let silent: Vec<_> = (0..8)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    scrape(&address);
    drop(silent);
}
