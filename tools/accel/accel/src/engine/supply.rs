// SPDX-License-Identifier: GPL-2.0 OR MIT
//! Where queues come from.

use std::sync::{Mutex, MutexGuard};

use rustix::io::Errno;

use crate::context::Context;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::find::{Candidate, Place, Wish, rank};
use crate::fork::Process;
use crate::hisi_zip::{Direction, ZipQueue, drives};
use crate::info::{AddressMode, Function};
use crate::inquire::Inquire;
use crate::revoked::survive_removal;
use crate::topology::Topology;

/// Where queues come from: the devices that there are, or a model of them.
pub trait Supply: Send + Sync {
    /// A new queue, of the device that suits best at the moment.
    ///
    /// [`Error::QueuesBusy`], and [`Error::Refused`] with `EAGAIN`, are asked about again in a
    /// moment; others are not.
    fn queue(&self, direction: Direction) -> Result<ZipQueue>;
}

/// The devices in service that compress and decompress, in this mode if one is given, the best
/// first, as [`rank`] has them; there is one at least.
pub fn devices(mode: Option<AddressMode>) -> Result<Vec<Candidate>> {
    let devices = Device::list_some()?;
    let candidates = devices.iter().filter_map(|device| candidate(device).ok());
    let candidates = candidates.filter(|candidate| drives(&candidate.facts));
    let wish = Wish {
        functions: vec![Function::Gzip],
        mode,
    };
    let topology = Topology::default();
    let place = Place {
        numa_node: topology.here(),
        path: None,
    };
    let ranked = rank(candidates.collect(), &wish, &place, &topology).into_iter();
    let fit = ranked.filter(|ranked| ranked.fit.is_ok());
    let fit: Vec<_> = fit.map(|ranked| ranked.candidate).collect();
    match fit.is_empty() {
        true => Err(Error::NoneSuits {
            count: devices.len(),
        }),
        false => Ok(fit),
    }
}

fn candidate(device: &Device) -> Result<Candidate> {
    let node = device.monitor()?;
    Ok(Candidate {
        device: device.clone(),
        facts: node.facts()?,
        status: node.status()?,
        busy: None,
    })
}

/// Address modes, the best first: in shared mode nothing has to be copied.
const MODES: [AddressMode; 3] = [
    AddressMode::Shared,
    AddressMode::Private,
    AddressMode::Kernel,
];

/// Contexts that are open, and whose they are.
type Open = (Process, Vec<(Device, Context)>);

/// The devices of the kernel.
#[derive(Default)]
pub(super) struct Devices {
    open: Mutex<Option<Open>>,
}

impl Devices {
    /// The contexts of this process.
    fn contexts<T>(&self, action: impl FnOnce(&mut Vec<(Device, Context)>) -> T) -> T {
        let mut open: MutexGuard<'_, _> = self.open.lock().unwrap_or_else(|e| e.into_inner());
        match &mut *open {
            Some((process, contexts)) if !process.is_parent() => action(contexts),
            _ => {
                let (_, contexts) = open.insert((Process::current(), Vec::new()));
                action(contexts)
            }
        }
    }

    /// The context of a device, opened if there is none.
    fn context(&self, candidate: &Candidate) -> Result<Context> {
        let device = &candidate.device;
        let known = self.contexts(|contexts| {
            let found = contexts.iter().find(|(other, _)| other == device);
            found.map(|(_, context)| context.clone())
        });
        if let Some(context) = known {
            return Ok(context);
        }
        let offered = |mode: &AddressMode| candidate.facts.address_modes.contains(mode);
        let mode = MODES.into_iter().find(offered);
        let context = device.context(mode.unwrap_or(AddressMode::Shared))?;
        self.contexts(|contexts| contexts.push((device.clone(), context.clone())));
        Ok(context)
    }

    fn forget(&self, device: &Device) {
        self.contexts(|contexts| contexts.retain(|(other, _)| other != device));
    }
}

impl Supply for Devices {
    fn queue(&self, direction: Direction) -> Result<ZipQueue> {
        // A device may go away while its rings are looked at.
        survive_removal().map_err(|source| Error::Signals { source })?;
        let mut why = None;
        for candidate in devices(None)? {
            let context = self.context(&candidate);
            match context.and_then(|context| ZipQueue::create(&context, direction, 0)) {
                Ok(queue) => return Ok(queue),
                Err(error) => {
                    if !passes(&error) {
                        // Another device may be there by this name.
                        self.forget(&candidate.device);
                    }
                    // What passes is worth to be waited for.
                    why = why.filter(passes).or(Some(error));
                }
            }
        }
        Err(why.expect("there is a device at least"))
    }
}

/// Whether it may be otherwise in a moment: processes end, resets do.
pub(super) fn passes(error: &Error) -> bool {
    match error {
        Error::QueuesBusy { .. } => true,
        Error::Refused { source, .. } => *source == Errno::AGAIN,
        _ => false,
    }
}
