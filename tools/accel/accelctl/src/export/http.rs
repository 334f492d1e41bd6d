// SPDX-License-Identifier: GPL-2.0
//! Just enough of HTTP/1.1 for a scraper: one GET a connection, with limits in time, size and
//! number, which the small server crates don't have.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
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

/// Connections at once; who comes then is told to come again.
const CONNECTIONS_MAX: usize = 16;

/// How long a connection may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Hands the wishes of those who connect to `wishes`; returns when nobody takes them any more.
pub fn serve(listener: &TcpListener, wishes: &Sender<Wish>) {
    let connections = Arc::new(());
    for stream in listener.incoming() {
        let Ok(stream) = stream else {
            // Out of descriptors, or the peer was gone before: neither gets better at once.
            std::thread::sleep(Duration::from_millis(10));
            continue;
        };
        let guard = Arc::clone(&connections);
        if Arc::strong_count(&connections) > CONNECTIONS_MAX + 1 {
            let _ = answer(
                &stream,
                "503 Service Unavailable",
                TEXT,
                "Too many connections.\n",
            );
            continue;
        }
        let wishes = wishes.clone();
        std::thread::spawn(move || {
            let _guard = guard;
            // Who does not listen to the end has no use for an error either.
            let _ = talk(&stream, &wishes);
        });
    }
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

const INDEX: &str = "<!DOCTYPE html><title>accelctl export</title>\
    <p>Accelerators, for Prometheus: <a href=\"/metrics\">metrics</a>\n";

fn talk(stream: &TcpStream, wishes: &Sender<Wish>) -> io::Result<()> {
    stream.set_write_timeout(Some(LIMIT))?;
    let request = match read_request(stream, Instant::now() + LIMIT)? {
        Ok(request) => request,
        Err(status) => return answer(stream, status, TEXT, "Not understood.\n"),
    };
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
        return (&*stream).write_all(head(status, kind, body.len()).as_bytes());
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

fn answer(mut stream: &TcpStream, status: &str, kind: &str, body: &str) -> io::Result<()> {
    stream.write_all((head(status, kind, body.len()) + body).as_bytes())
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

    #[test]
    fn a_head_comes_in_parts_or_is_refused() {
        assert_eq!(parse(b"GET /metrics HT"), None);
        assert_eq!(parse(b"\x16\x03\x01"), Some(Err("400 Bad Request")));
        let many = "GET / HTTP/1.1\r\n".to_string() + &"A: b\r\n".repeat(HEADERS_MAX + 1) + "\r\n";
        assert!(matches!(parse(many.as_bytes()), Some(Err(status)) if status.starts_with("431")));
    }
}
