// SPDX-License-Identifier: GPL-2.0
//! Just enough of HTTP/1.1 for a scraper: one GET a connection, with limits in time, size and
//! number, which the small server crates don't have.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::page::Format;

/// A wish for a page, and where it goes.
#[derive(Debug)]
pub struct Wish {
    /// The form that is understood.
    pub format: Format,
    /// To whom.
    pub reply: Sender<String>,
}

/// Bytes of a request's head at most.
const HEAD_MAX: usize = 8192;

/// Header lines of it at most.
const HEADERS_MAX: usize = 64;

/// Connections at once. Who comes then takes the place of the one that has been silent for longest,
/// or is told to come again.
const CONNECTIONS_MAX: usize = 16;

/// How long a request may take to come, and its answer to go.
const LIMIT: Duration = Duration::from_secs(10);

/// Hands the wishes of those who connect to `wishes`.
pub fn serve(listener: &TcpListener, wishes: &Sender<Wish>) {
    let room = Arc::<Room>::default();
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, or the peer was gone before: neither gets better at once.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let stream = Arc::new(stream);
        let begun = Seat::take(&room, &stream).and_then(|seat| {
            let wishes = wishes.clone();
            // Who does not listen to the end has no use for an error either.
            let thread = Builder::new().spawn(move || drop(talk(&seat, &wishes)));
            thread.ok()
        });
        if begun.is_none() {
            let status = "503 Service Unavailable";
            let _ = answer(&stream, status, TEXT, "Too many connections.\n");
        }
    }
}

/// Who is connected.
#[derive(Default)]
struct Room(Mutex<Seats>);

#[derive(Default)]
struct Seats {
    taken: BTreeMap<u64, Peer>,
    /// The number of the seat that is taken next.
    next: u64,
}

/// One of them.
struct Peer {
    stream: Arc<TcpStream>,
    has_asked: bool,
}

/// The place of a connection; it is free again when this goes.
struct Seat {
    room: Arc<Room>,
    number: u64,
    stream: Arc<TcpStream>,
}

impl Room {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// A free one, or that of who has said nothing for longest; none if all have.
    fn take(room: &Arc<Room>, stream: &Arc<TcpStream>) -> Option<Self> {
        let mut seats = room.seats();
        if seats.taken.len() >= CONNECTIONS_MAX {
            let silent = |(&number, peer): (&u64, &Peer)| (!peer.has_asked).then_some(number);
            let number = seats.taken.iter().find_map(silent)?;
            let peer = seats.taken.remove(&number)?;
            // That ends its thread. It may be gone already.
            let _ = peer.stream.shutdown(Shutdown::Both);
        }
        let number = seats.next;
        seats.next += 1;
        let peer = Peer {
            stream: Arc::clone(stream),
            has_asked: false,
        };
        seats.taken.insert(number, peer);
        drop(seats);
        Some(Self {
            room: Arc::clone(room),
            number,
            stream: Arc::clone(stream),
        })
    }

    /// The request is there: nobody else gets the seat any more.
    fn keep(&self) {
        if let Some(peer) = self.room.seats().taken.get_mut(&self.number) {
            peer.has_asked = true;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.seats().taken.remove(&self.number);
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

const INDEX: &str = "<!DOCTYPE html><title>accelctl export</title>\
    <p>Accelerators, for Prometheus: <a href=\"/metrics\">metrics</a>\n";

fn talk(seat: &Seat, wishes: &Sender<Wish>) -> io::Result<()> {
    let stream = &*seat.stream;
    let request = match read_request(stream, Instant::now() + LIMIT)? {
        Ok(request) => request,
        Err(status) => return answer(stream, status, TEXT, "Not understood.\n"),
    };
    seat.keep();
    if !matches!(&request.method[..], "GET" | "HEAD") {
        return answer(stream, "405 Method Not Allowed", TEXT, "Only GET.\n");
    }
    let (status, kind, body) = match request.path.split('?').next() {
        Some("/metrics") => match wish(request.format, wishes) {
            Some(page) => ("200 OK", request.format.content_type(), page),
            None => ("500 Internal Server Error", TEXT, "No page.\n".into()),
        },
        Some("/") => ("200 OK", HTML, INDEX.into()),
        _ => ("404 Not Found", TEXT, "Only /metrics is here.\n".into()),
    };
    if request.method == "HEAD" {
        let head = head(status, kind, body.len());
        return send(stream, head.as_bytes(), Instant::now() + LIMIT);
    }
    answer(stream, status, kind, &body)
}

fn wish(format: Format, wishes: &Sender<Wish>) -> Option<String> {
    let (reply, page) = channel();
    wishes.send(Wish { format, reply }).ok()?;
    page.recv().ok()
}

fn head(status: &str, kind: &str, len: usize) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\
         Connection: close\r\n\r\n"
    )
}

fn answer(stream: &TcpStream, status: &str, kind: &str, body: &str) -> io::Result<()> {
    let text = head(status, kind, body.len()) + body;
    send(stream, text.as_bytes(), Instant::now() + LIMIT)
}

/// Writes all of `bytes` until `deadline`, however slowly they are read.
fn send(mut stream: &TcpStream, mut bytes: &[u8], deadline: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_write_timeout(Some(left))?;
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What is needed of a request.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    format: Format,
}

/// The request, or the status with which it is refused.
type Parsed = Result<Request, &'static str>;

fn read_request(mut stream: &TcpStream, deadline: Instant) -> io::Result<Parsed> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err("408 Request Timeout"));
        }
        stream.set_read_timeout(Some(left))?;
        let len = stream.read(&mut part)?;
        if len == 0 {
            return Ok(Err("400 Bad Request"));
        }
        head.extend_from_slice(&part[..len]);
        if let Some(parsed) = parse(&head) {
            return Ok(parsed);
        }
        if head.len() > HEAD_MAX {
            return Ok(Err("431 Request Header Fields Too Large"));
        }
    }
}

/// None while the head is not complete.
fn parse(head: &[u8]) -> Option<Parsed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return None,
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Some(Err("431 Request Header Fields Too Large"));
        }
        Err(_) => return Some(Err("400 Bad Request")),
    }
    let accepts = |header: &httparse::Header| {
        let wanted = Format::OpenMetrics.content_type().split(';').next();
        let value = String::from_utf8_lossy(header.value);
        header.name.eq_ignore_ascii_case("accept")
            && value
                .split([',', ';'])
                .any(|part| Some(part.trim()) == wanted)
    };
    let format = match request.headers.iter().any(accepts) {
        true => Format::OpenMetrics,
        false => Format::Prometheus,
    };
    Some(Ok(Request {
        method: request.method?.into(),
        path: request.path?.into(),
        format,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_accepts_openmetrics_gets_it() {
        let format = |accept: &str| {
            let head = format!("GET /metrics HTTP/1.1\r\nHost: x\r\n{accept}\r\n");
            parse(head.as_bytes()).unwrap().unwrap().format
        };
        for (accept, expected) in [
            ("", Format::Prometheus),
            ("Accept: */*\r\n", Format::Prometheus),
            (
                "accept: application/openmetrics-text\r\n",
                Format::OpenMetrics,
            ),
            (
                "Accept: text/plain;q=0.5, application/openmetrics-text;version=1.0.0;q=0.6\r\n",
                Format::OpenMetrics,
            ),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }

    /// It does not help to read a little now and then.
    #[test]
    fn who_reads_slowly_is_not_waited_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut slow = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (stream, _) = listener.accept().unwrap();
        let reader = std::thread::spawn(move || {
            while slow.read(&mut [0; 1000]).is_ok_and(|count| count > 0) {
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        let page = vec![b'x'; 256 << 20];
        let deadline = Instant::now() + Duration::from_millis(300);
        let error = send(&stream, &page, deadline).unwrap_err();
        let expected = [ErrorKind::TimedOut, ErrorKind::WouldBlock];
        assert!(expected.contains(&error.kind()), "{error}");
        stream.shutdown(Shutdown::Both).unwrap();
        drop(reader);
    }

    #[test]
    fn a_head_comes_in_parts_or_is_refused() {
        assert_eq!(parse(b"GET /metrics HT"), None);
        assert_eq!(parse(b"\x16\x03\x01"), Some(Err("400 Bad Request")));
        let many = "GET / HTTP/1.1\r\n".to_string() + &"A: b\r\n".repeat(HEADERS_MAX + 1) + "\r\n";
        assert!(matches!(parse(many.as_bytes()), Some(Err(status)) if status.starts_with("431")));
    }
}
