// SPDX-License-Identifier: GPL-2.0

//! Rust accelerator driver sample: QEMU's `edu` device, which copies memory.
//!
//! The device has one DMA engine, between memory and a buffer of 4096 bytes. A job, which the
//! kernel hands over, is DMAs into the buffer and out of it; queues take turns after each job.
//! `Documentation/accel/driver-guide.rst` explains it. QEMU has the device by `-device edu`.

use kernel::{
    accel::{
        self,
        AddressMode,
        BufferAccess,
        Buffers,
        ContextRequest,
        DeviceInfo,
        Function,
        Functions,
        NewQueue,
        QueueRequest,
        Submission,
        Ticket, //
    },
    device::{
        Bound,
        Core,
        DeviceContext, //
    },
    dma::{
        DmaAddress,
        DmaMask, //
    },
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    irq::{
        IrqRequest,
        IrqReturn, //
    },
    new_spinlock,
    pci,
    prelude::*,
    sync::{
        Arc,
        SpinLock, //
    },
    time::Delta,
    uapi, //
};

/// Registers in BAR 0, and what is written there.
mod regs {
    pub(super) const ID: usize = 0x00;
    pub(super) const IRQ_CAUSES: usize = 0x24;
    pub(super) const IRQ_ACKNOWLEDGE: usize = 0x64;
    pub(super) const DMA_SOURCE: usize = 0x80;
    pub(super) const DMA_DEST: usize = 0x88;
    pub(super) const DMA_BYTES: usize = 0x90;
    pub(super) const DMA_COMMAND: usize = 0x98;
    pub(super) const BAR_SIZE: usize = 0x10_0000;

    /// The lower half of `ID`.
    pub(super) const EDU: u32 = 0x00ed;
    /// Starts a DMA; is 1 until it has ended.
    pub(super) const RUN: u32 = 1;
    /// From the buffer to memory.
    pub(super) const OUT: u32 = 2;
    /// Interrupt at its end.
    pub(super) const INTERRUPT: u32 = 4;

    /// The buffer, to the DMA engine.
    pub(super) const BUFFER: u32 = 0x4_0000;
    pub(super) const BUFFER_SIZE: u32 = 4096;
}

const QUEUES: usize = 4;
const DEPTH: u32 = 16;

const POLL: Delta = Delta::from_millis(2);
/// A DMA takes a tenth of a second, and can't be broken off.
const DMA_LIMIT: Delta = Delta::from_secs(1);
const JOB_LIMIT: Delta = Delta::from_secs(10);

/// What user space writes: copies `length` bytes, at most 4096.
#[repr(C)]
#[derive(FromBytes)]
struct Job {
    source: u64,
    dest: u64,
    length: u32,
    reserved: u32,
}

/// A DMA, and the bits of its command.
#[derive(Copy, Clone)]
struct Dma {
    source: u32,
    dest: u32,
    bytes: u32,
    direction: u32,
}

/// What a job comes down to.
struct Dmas(KVec<Dma>);

impl Dmas {
    fn new(job: &Job, buffers: &Buffers) -> Result<Self> {
        if job.length == 0 || job.length > regs::BUFFER_SIZE || job.reserved != 0 {
            return Err(EINVAL);
        }
        let length = u64::from(job.length);
        let from = buffers.segments(job.source, length, BufferAccess::Read)?;
        let to = buffers.segments(job.dest, length, BufferAccess::Write)?;
        let mut this = Self(KVec::new());
        this.add(&from, 0)?;
        this.add(&to, regs::OUT)?;
        Ok(this)
    }

    fn add(&mut self, segments: &[(DmaAddress, u64)], direction: u32) -> Result {
        let mut buffer = regs::BUFFER;
        for &(address, bytes) in segments {
            // What `dma_mask()` allows fits.
            let (memory, bytes) = (u32::try_from(address)?, u32::try_from(bytes)?);
            let (source, dest) = match direction {
                regs::OUT => (buffer, memory),
                _ => (memory, buffer),
            };
            let dma = Dma {
                source,
                dest,
                bytes,
                direction,
            };
            self.0.push(dma, GFP_KERNEL_ACCOUNT)?;
            buffer += bytes;
        }
        Ok(())
    }
}

/// A job that the core has handed over.
struct Running {
    dmas: Arc<Dmas>,
    ticket: Ticket<EduDriver>,
    started: usize,
    cancelled: bool,
}

impl Running {
    fn next_dma(&mut self) -> Option<Dma> {
        if self.cancelled {
            return None;
        }
        let next = self.dmas.0.get(self.started).copied()?;
        self.started += 1;
        Some(next)
    }

    fn is_over(&self) -> bool {
        self.cancelled || self.started == self.dmas.0.len()
    }

    fn end(self) {
        // Else the ticket is dropped, which ends the job with the queue's error.
        if !self.cancelled {
            self.ticket.end(Ok(()), &());
        }
    }
}

/// What the DMA engine does, and has to do.
#[derive(Default)]
struct Engine {
    /// A job of each queue.
    jobs: [Option<Running>; QUEUES],
    /// Whose job is under way, or was last.
    turn: usize,
    busy: bool,
}

impl Engine {
    /// Goes on when the engine stands still. Returns the job that is over, for its end to be told
    /// without the lock.
    fn go_on(&mut self, bar: &Bar<'_>) -> Option<Running> {
        let mut over = None;
        if core::mem::take(&mut self.busy) {
            over = self.jobs[self.turn].take_if(|job| job.is_over());
        }
        // First the job that is in the middle, if there is one.
        for queue in (self.turn..self.turn + QUEUES).map(|queue| queue % QUEUES) {
            if let Some(dma) = self.jobs[queue].as_mut().and_then(Running::next_dma) {
                self.turn = queue;
                self.busy = true;
                bar.write32(dma.source, regs::DMA_SOURCE);
                bar.write32(dma.dest, regs::DMA_DEST);
                bar.write32(dma.bytes, regs::DMA_BYTES);
                let command = regs::RUN | regs::INTERRUPT | dma.direction;
                bar.write32(command, regs::DMA_COMMAND);
                break;
            }
        }
        over
    }
}

type Bar<'a> = pci::Bar<'a, { regs::BAR_SIZE }>;

/// A device.
#[pin_data]
struct Edu<'a> {
    pdev: &'a pci::Device<Bound>,
    #[pin]
    engine: SpinLock<Engine>,
    vectors: pci::IrqVectorRegistration<'a>,
    bar: Bar<'a>,
}

impl<'a> Edu<'a> {
    fn new(pdev: &'a pci::Device<Bound>) -> Result<impl PinInit<Self, Error> + 'a> {
        let bar = pdev.iomap_region_sized::<{ regs::BAR_SIZE }>(0, c"rust_driver_accel_edu")?;
        let id = bar.read32(regs::ID);
        if id & 0xffff != regs::EDU {
            dev_err!(pdev, "it says that it is {id:#x}, which is no edu device\n");
            return Err(ENODEV);
        }
        let message = pci::IrqTypes::default().with(pci::IrqType::Msi);
        Ok(try_pin_init!(Self {
            pdev,
            engine <- new_spinlock!(Engine::default()),
            vectors: pdev.alloc_irq_vectors(1, 1, message)?,
            bar,
        }))
    }
}

impl Edu<'_> {
    fn wait_idle(&self) -> Result {
        let command = || Ok(self.bar.read32(regs::DMA_COMMAND));
        read_poll_timeout(command, |command| command & regs::RUN == 0, POLL, DMA_LIMIT)?;
        Ok(())
    }

    fn dma_ended(&self) {
        let mut engine = self.engine.lock();
        if self.bar.read32(regs::DMA_COMMAND) & regs::RUN != 0 {
            return;
        }
        let over = engine.go_on(&self.bar);
        drop(engine);
        if let Some(job) = over {
            job.end();
        }
    }
}

/// The driver, to the core.
struct EduDriver;

#[vtable]
impl accel::Driver for EduDriver {
    type Parent<Ctx: DeviceContext> = pci::Device<Ctx>;
    type Data<'a> = Edu<'a>;
    type Context = ();
    /// Its number.
    type Queue = usize;
    type QueueArgs = accel::NoArgs;

    const SUBMISSION: Option<Submission<Self>> = Some(Submission::of_driver());

    fn dma_mask(_pdev: &pci::Device<Bound>) -> Option<DmaMask> {
        DmaMask::try_new(module_parameters::dma_bits.value().min(32)).ok()
    }

    fn probe<'a>(pdev: &'a pci::Device<Bound>) -> impl PinInit<Edu<'a>, Error> + 'a {
        pin_init::pin_init_scope(move || Edu::new(pdev))
    }

    fn info(_edu: &Edu<'_>) -> DeviceInfo {
        DeviceInfo {
            name: c"QEMU edu",
            functions: Functions::of(&[Function::Copy]),
            modes: &[AddressMode::Kernel],
            queues_max: QUEUES as u32,
            depth_max: DEPTH,
            request_max: u64::from(regs::BUFFER_SIZE),
            job_limit: Some(JOB_LIMIT),
            auto_recovery: true,
            counts: uapi::ACCEL_DEVICE_COUNTS_JOBS,
            ..DeviceInfo::UNKNOWN
        }
    }

    fn interrupts<'a>(edu: &'a Edu<'_>) -> Result<KVec<IrqRequest<'a>>> {
        Ok(kernel::kvec![edu.vectors.index(0)?.into()]?)
    }

    fn interrupt(edu: &Edu<'_>, _device: &Arc<accel::Device>, _index: usize) -> IrqReturn {
        let causes = edu.bar.read32(regs::IRQ_CAUSES);
        // All ones: it was pulled out.
        if causes == 0 || causes == u32::MAX {
            return IrqReturn::None;
        }
        edu.bar.write32(causes, regs::IRQ_ACKNOWLEDGE);
        edu.dma_ended();
        IrqReturn::Handled
    }

    fn start(edu: &Edu<'_>, _device: &Arc<accel::Device>) -> Result {
        edu.wait_idle()?;
        edu.bar.write32(u32::MAX, regs::IRQ_ACKNOWLEDGE);
        // `halt` has switched it off.
        edu.pdev.try_set_master()
    }

    fn context_create(_edu: &Edu<'_>, _: &ContextRequest<'_>) -> Result {
        Ok(())
    }

    fn queue_create(_edu: &Edu<'_>, new: &QueueRequest<'_, Self>) -> Result<NewQueue<usize>> {
        Ok(NewQueue {
            queue: new.id as usize,
            depth: DEPTH,
            regions: KVec::new(),
        })
    }

    fn queue_destroy(edu: &Edu<'_>, queue: &usize) -> Result {
        let mut engine = edu.engine.lock();
        let under_way = engine.busy && engine.turn == *queue;
        let waiting = engine.jobs[*queue].take_if(|job| {
            job.cancelled = true;
            !under_way
        });
        drop(engine);
        drop(waiting);
        match under_way {
            true => Err(EBUSY),
            false => Ok(()),
        }
    }

    fn halt(edu: &Edu<'_>) {
        if let Err(e) = edu.wait_idle() {
            dev_err!(edu.pdev, "a DMA does not end ({e:?}); cutting it off\n");
        }
        // If the bus is resetting the function, it does that itself.
        let _ = edu.pdev.try_clear_master();
        let mut engine = edu.engine.lock();
        engine.busy = false;
        let left = core::mem::take(&mut engine.jobs);
        drop(engine);
        drop(left);
    }

    fn reset(edu: &Edu<'_>) -> Result {
        // It has none. All that it can be in the middle of is a DMA.
        edu.wait_idle()
    }
}

impl accel::Submit for EduDriver {
    type Job = Job;
    const JOB_MIN: usize = 24;
    type Record = ();
    type Prepared = Arc<Dmas>;

    fn prepare(
        _edu: &Edu<'_>,
        _queue: &usize,
        job: &Job,
        buffers: &Arc<Buffers>,
    ) -> Result<Arc<Dmas>> {
        Ok(Arc::new(Dmas::new(job, buffers)?, GFP_KERNEL_ACCOUNT)?)
    }

    fn submit(
        edu: &Edu<'_>,
        queue: &usize,
        dmas: &Arc<Dmas>,
        ticket: Ticket<Self>,
    ) -> Result<(), Ticket<Self>> {
        let mut engine = edu.engine.lock();
        if engine.jobs[*queue].is_some() {
            // There is room when that has ended.
            return Err(ticket);
        }
        engine.jobs[*queue] = Some(Running {
            dmas: dmas.clone(),
            ticket,
            started: 0,
            cancelled: false,
        });
        if !engine.busy {
            // Nothing was under way, so nothing is over.
            let _ = engine.go_on(&edu.bar);
        }
        Ok(())
    }
}

/// QEMU's own; no vendor has it.
const VENDOR: pci::Vendor = pci::Vendor::from_raw(0x1234);

kernel::pci_device_table!(
    PCI_TABLE,
    <PciDriver as pci::Driver>::IdInfo,
    [(pci::DeviceId::from_id(VENDOR, 0x11e8), ())]
);

/// The driver, to the PCI bus.
struct PciDriver {
    accel: Arc<accel::Device>,
}

impl pci::Driver for PciDriver {
    type IdInfo = ();
    type Data<'bound> = Self;

    const ID_TABLE: pci::IdTable<Self::IdInfo> = &PCI_TABLE;
    const SLEEP_OPS: Option<pci::SleepOps<Self>> = Some(pci::SleepOps::of_driver());

    fn probe<'bound>(
        pdev: &'bound pci::Device<Core<'_>>,
        _info: Option<&'bound Self::IdInfo>,
    ) -> impl PinInit<Self, Error> + 'bound {
        pdev.enable_managed()?;
        Ok(Self {
            accel: accel::register::<EduDriver>(pdev)?,
        })
    }
}

impl pci::Sleep for PciDriver {
    fn suspend<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) -> Result {
        this.accel.suspend()
    }

    fn resume<'bound>(_pdev: &'bound pci::Device<Core<'_>>, this: Pin<&Self>) -> Result {
        this.accel.resume()
    }
}

kernel::module_pci_driver! {
    type: PciDriver,
    name: "rust_driver_accel_edu",
    authors: ["The accel developers"],
    description: "Rust accelerator driver sample, for QEMU's edu device",
    license: "GPL",
    params: {
        dma_bits: u32 {
            default: 28,
            description: "Bits of the addresses that the device reaches, at most 32 (default: 28)",
        },
    },
}
