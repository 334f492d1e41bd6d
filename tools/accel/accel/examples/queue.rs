// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Compresses a file in pieces, each a member of its own, by jobs on a queue: nothing is copied on
//! the way in, and there is no system call for a job.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use accel::hisi_zip::{Algorithm, Direction, Job, Wait, ZipQueue};
use accel::memory::{FileMap, Source};
use accel::{AddressMode, Device};

const PIECE: usize = 1 << 20;
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

fn main() -> io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or("/etc/services".into());
    let file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
    let map = FileMap::new(&file, len)?;

    let device = accel::devices(Some(AddressMode::Shared))?
        .swap_remove(0)
        .device;
    accel::survive_removal()?;
    let context = device.context(AddressMode::Shared)?;
    let mut queue = ZipQueue::create(&context, Direction::Compress, 0)?;
    let mut output = io::stdout().lock();
    for start in (0..len).step_by(PIECE) {
        let source = Source::new(map.clone(), start, PIECE.min(len - start));
        let room = context.address_space().memory(2 * PIECE)?;
        let vacancy = queue.vacancy().expect("one job at a time");
        let submitted = vacancy.submit(Job::new(0, Algorithm::Gzip, source, room));
        submitted.map_err(accel::Error::from)?;
        if !queue.wait(Wait::Auto, Some(Duration::from_secs(1)))? {
            // What is in flight goes with the queue.
            return Err(io::ErrorKind::TimedOut.into());
        }
        let done = queue.poll()?.expect("a completion");
        let report = done.result.map_err(io::Error::other)?;
        output.write_all(&HEADER)?;
        output.write_all(&done.job.output.bytes()[..report.produced])?;
    }
    eprintln!("{} has done it", Device::to_string(&device));
    Ok(())
}
