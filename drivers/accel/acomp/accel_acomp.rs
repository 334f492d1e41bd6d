// SPDX-License-Identifier: GPL-2.0

//! Compression for the kernel itself: an algorithm of the crypto API that has accelerators do the
//! work, and software what they can't.
//!
//! The algorithm belongs to this module, not to a device: it can be had before there is one, and
//! whoever has it does not keep a device. So a device comes and goes, and nobody is harmed.

use kernel::{
    accel::{
        Client,
        Function,
        Operation,
        Request, //
    },
    bottom_half,
    crypto::acomp::{
        Algorithm,
        Direction,
        Pending,
        Registration, //
    },
    dma::scatter::ScatterList,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
    zlib::Inflater, //
};

/// What does the work that no device does.
#[pin_data]
struct Software {
    #[pin]
    inflater: SpinLock<Inflater>,
}

impl Software {
    fn new() -> Result<Arc<Self>> {
        let inflater = Inflater::new()?;
        Arc::pin_init(
            pin_init!(Self { inflater <- new_spinlock!(inflater) }),
            GFP_KERNEL,
        )
    }

    /// Does a request, with the result that it has without a device.
    ///
    /// A device refers back further than the transform in software does, which then can't read what
    /// is in several pieces. It must not be lost, whatever becomes of the device.
    fn does(&self, request: &mut Pending) -> Result<usize> {
        match request.do_in_software() {
            Err(e) if e == EINVAL && request.direction() == Direction::Decompress => {
                bottom_half::with_disabled(|| request.inflate(&mut self.inflater.lock()))
            }
            result => result,
        }
    }

    /// Does a request, and gives it back.
    fn give_back(&self, mut request: Pending) -> (Pending, Result<usize>) {
        let result = self.does(&mut request);
        (request, result)
    }
}

/// A request that a device has.
struct Job {
    request: Pending,
    software: Arc<Software>,
}

impl Request for Job {
    fn source(&self) -> ScatterList<'_> {
        self.request.source()
    }

    fn dest(&self) -> ScatterList<'_> {
        self.request.dest()
    }

    fn end(mut self, result: Result<usize>) {
        // What is wrong with the request software says as it does without a device.
        let result = result.or_else(|_| self.software.does(&mut self.request));
        self.request.end(result);
    }
}

/// `deflate`.
struct Deflate {
    compress: Client,
    decompress: Client,
    software: Arc<Software>,
}

impl Deflate {
    fn new() -> Result<Self> {
        Ok(Self {
            compress: Client::new(
                c"deflate-accel compress",
                Operation::Compress(Function::Deflate),
                Client::ANY_NODE,
            )?,
            decompress: Client::new(
                c"deflate-accel decompress",
                Operation::Decompress(Function::Deflate),
                Client::ANY_NODE,
            )?,
            software: Software::new()?,
        })
    }
}

#[vtable]
impl Algorithm for Deflate {
    const NAME: &'static CStr = c"deflate";
    const DRIVER_NAME: &'static CStr = c"deflate-accel";
    /// Software has 0; mainline's driver of the same devices has 300, and one of the two is there.
    const PRIORITY: i32 = 300;

    fn begin(&self, request: Pending) -> Result<(), (Pending, Result<usize>)> {
        if request.is_in_place() {
            return Err(self.software.give_back(request));
        }
        let client = match request.direction() {
            Direction::Compress => &self.compress,
            Direction::Decompress => &self.decompress,
        };
        let job = Job {
            request,
            software: self.software.clone(),
        };
        let given = client.submit(job);
        given.map_err(|(_, job)| self.software.give_back(job.request))
    }
}

struct Module {
    _deflate: Registration<Deflate>,
}

impl kernel::Module for Module {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _deflate: Registration::new(Deflate::new()?)?,
        })
    }
}

module! {
    type: Module,
    name: "accel_acomp",
    authors: ["The accel developers"],
    description: "Compression of the kernel by accelerators",
    license: "GPL",
    alias: ["deflate-accel", "crypto-deflate-accel"],
}
