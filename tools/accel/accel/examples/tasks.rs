// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Tasks of tokio that share a queue, and give up what takes too long.

use std::time::Duration;

use accel::AddressMode;
use accel::hisi_zip::{Algorithm, Direction, Job, ZipQueue};
use accel::memory::Source;
use accel::tokio::AsyncQueue;
use tokio::time::timeout;

#[tokio::main]
async fn main() -> accel::Result<()> {
    let device = accel::devices(Some(AddressMode::Shared))?
        .swap_remove(0)
        .device;
    let context = device.context(AddressMode::Shared)?;
    let queue = AsyncQueue::new(ZipQueue::create(&context, Direction::Compress, 0)?)?;
    let run = async |tag| {
        let space = context.address_space();
        let source = Source::new(space.memory(1 << 20)?, 0, 1 << 20);
        let job = Job::new(tag, Algorithm::Gzip, source, space.memory(2 << 20)?);
        match timeout(Duration::from_millis(100), queue.run(job)).await {
            Ok(done) => println!("job {tag}: {:?}", done?.result),
            // Its memory stays with the queue until the engine is done with it.
            Err(_) => println!("job {tag} takes too long"),
        }
        accel::Result::Ok(())
    };
    let (one, other) = tokio::join!(run(1), run(2));
    one.and(other)
}
