// SPDX-License-Identifier: GPL-2.0
//! `accelctl export` as a service: what it holds after a thousand scrapes is what it held before.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

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

    /// Pages of address space, and of memory in use.
    fn pages(&self) -> [u64; 2] {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.0.id())).unwrap();
        let mut numbers = text.split(' ').map(|number| number.parse().unwrap());
        [numbers.next().unwrap(), numbers.next().unwrap()]
    }

    /// Lets it have so much address space at most, or as much as this process.
    fn limit(&self, bytes: Option<u64>) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        let own = getrlimit(Resource::As);
        let limit = Rlimit {
            current: bytes.or(own.current),
            ..own
        };
        prlimit(pid, Resource::As, limit).unwrap();
    }
}

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    // Who is told without being asked has a connection that is cut off.
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn scrape(address: &str) {
    let answer = get(address);
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
    let [_, before] = service.pages();
    (0..1000).for_each(|_| scrape(&address));
    // A thread of the last connection may not have ended yet, and the allocator has its caches.
    assert!(service.descriptors() <= 10, "{}", service.descriptors());
    let [_, after] = service.pages();
    assert!(after < before + 256, "{before} to {after}");
}

/// As its unit has it: the socket is descriptor 3.
#[test]
fn a_socket_of_systemd_will_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let script = "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" export 3<&0 </dev/null";
    let mut activate = Command::new("sh");
    activate.args(["-c", script, env!("CARGO_BIN_EXE_accelctl")]);
    let child = activate.stdin(OwnedFd::from(listener)).spawn().unwrap();
    let _service = Service(child);
    scrape(&address);
    scrape(&address);
}

/// More than may be there at once.
#[test]
fn who_says_nothing_keeps_nobody_waiting() {
    let (_service, address) = Service::start();
    let silent: Vec<_> = (0..40)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    scrape(&address);
    drop(silent);
}

#[test]
fn it_lives_on_where_no_thread_can_be_made() {
    let (service, address) = Service::start();
    // Less than the stack of a thread.
    let [size, _] = service.pages();
    let page = rustix::param::page_size() as u64;
    service.limit(Some(size * page + (1 << 20)));
    let answer = get(&address);
    assert!(!answer.contains("200 OK"), "{answer}");
    service.limit(None);
    scrape(&address);
}
