// SPDX-License-Identifier: GPL-2.0
//! `accelctl export`: metrics for Prometheus and whoever else reads OpenMetrics.

mod http;
mod ledger;
mod metrics;
mod page;

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;
use std::time::Duration;

use listenfd::ListenFd;

use crate::failure::{Failure, Result};
use crate::file;
use crate::report::Report;
use crate::sensors;
use crate::system::System;

use http::Wish;
use ledger::Ledger;
use page::Format;

/// Where the metrics go.
#[derive(Clone, Debug)]
pub enum Target {
    /// To who asks at this address.
    Listen(String),
    /// To who asks at a socket that systemd has opened.
    Activated,
    /// To a file.
    Textfile {
        path: PathBuf,
        /// Time between two of them; none for one alone.
        interval: Option<Duration>,
    },
}

/// Exports without end, or one file.
pub fn run(system: &dyn System, target: &Target, out: &mut dyn Write) -> Result<()> {
    let mut exporter = Exporter::new(system);
    match target {
        Target::Listen(address) => {
            let listener = listen(address)?;
            let local = listener
                .local_addr()
                .map_err(|error| trouble(address, error))?;
            let wishes = serve(vec![listener])?;
            writeln!(out, "http://{local}/metrics")?;
            out.flush()?;
            exporter.fulfil(wishes);
            Ok(())
        }
        Target::Activated => {
            exporter.fulfil(serve(activated()?)?);
            Ok(())
        }
        Target::Textfile { path, interval } => loop {
            exporter.write_to(path)?;
            match interval {
                Some(interval) => system.sleep(*interval),
                None => return Ok(()),
            }
        },
    }
}

fn trouble(what: &str, error: impl std::fmt::Display) -> Failure {
    format!("{what}: {error}").into()
}

fn listen(address: &str) -> Result<TcpListener> {
    match address.to_socket_addrs() {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.collect();
            TcpListener::bind(&addresses[..]).map_err(|error| trouble(address, error))
        }
        Err(error) if error.kind() == ErrorKind::InvalidInput => Err(Failure::Misused(format!(
            "{address} is not an address and a port, such as 127.0.0.1:9950"
        ))),
        Err(error) => Err(trouble(address, error)),
    }
}

/// The sockets that systemd hands over.
fn activated() -> Result<Vec<TcpListener>> {
    let mut handed = ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..handed.len() {
        let listener = handed.take_tcp_listener(index);
        listeners.extend(listener.map_err(|error| trouble("socket of systemd", error))?);
    }
    if listeners.is_empty() {
        let sentence = "where to? --listen, --textfile, or a socket of systemd's";
        return Err(Failure::Misused(sentence.into()));
    }
    Ok(listeners)
}

/// Takes the wishes of who asks at `listeners`.
fn serve(listeners: Vec<TcpListener>) -> Result<Receiver<Wish>> {
    let (sender, wishes) = channel();
    for listener in listeners {
        let sender = sender.clone();
        let thread = Builder::new().spawn(move || http::serve(&listener, &sender));
        thread.map_err(|error| trouble("a thread", error))?;
    }
    Ok(wishes)
}

/// Asks devices, and remembers what would go back.
struct Exporter<'a> {
    system: &'a dyn System,
    ledger: Ledger,
}

impl<'a> Exporter<'a> {
    fn new(system: &'a dyn System) -> Self {
        let ledger = Ledger::default();
        Self { system, ledger }
    }

    fn page(&mut self, format: Format) -> Result<String> {
        let devices = self.system.devices()?;
        sensors::refresh(self.system, &devices);
        let report = |device| Report::of(self.system, device);
        let reports: Vec<_> = devices.iter().map(report).collect();
        let page = metrics::page(&reports, &mut self.ledger, self.system.now());
        page.render(format)
            .map_err(|error| trouble("metrics", error))
    }

    /// Answers who asks. A page that can't be made is no reason to end.
    fn fulfil(&mut self, wishes: Receiver<Wish>) {
        for Wish { format, reply } in wishes {
            if let Ok(page) = self.page(format) {
                // Who asked may be gone.
                let _ = reply.send(page);
            }
        }
    }

    fn write_to(&mut self, path: &Path) -> Result<()> {
        file::replace(path, &self.page(Format::Prometheus)?)
    }
}

#[cfg(test)]
mod tests;
