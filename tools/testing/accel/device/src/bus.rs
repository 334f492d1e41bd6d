// SPDX-License-Identifier: GPL-2.0

//! What the device needs from the machine it is plugged into.

use crate::engine::Task;

/// Bytes in a page: the unit of translation and of page requests.
pub const PAGE_SIZE: u64 = 4096;

/// The IOMMU refused an access by the function's own id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// How an access to a job's data ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataAccess {
    /// All bytes were copied.
    Done,
    /// The page is not present, or not writable; it may be requested.
    Missing,
    /// The address can never be accessed.
    Refused,
}

/// What became of the attempt to request a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageRequest {
    /// Sent; [`crate::Device::page_answer`] will be called.
    Sent,
    /// The way is full for now; try again later.
    Busy,
    /// Page requests are not possible.
    Refused,
}

/// Errors as PCI Express sorts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PciError {
    /// Hardware has mended it.
    Correctable,
    /// The transaction is lost, the link is not.
    NonFatal,
    /// The link can't be relied on.
    Fatal,
}

/// The device's way to memory, to interrupts and to processor time.
pub trait Bus {
    /// Reads memory at I/O address `addr` by the function's own id.
    fn read(&mut self, addr: u64, buf: &mut [u8]) -> Result<(), Refused>;

    /// Writes memory at I/O address `addr` by the function's own id.
    fn write(&mut self, addr: u64, data: &[u8]) -> Result<(), Refused>;

    /// Reads at `addr` of the address space `pasid`. The range lies in one page.
    fn read_data(&mut self, pasid: u32, addr: u64, buf: &mut [u8]) -> DataAccess;

    /// Writes at `addr` of the address space `pasid`. The range lies in one page.
    fn write_data(&mut self, pasid: u32, addr: u64, data: &[u8]) -> DataAccess;

    /// Asks for the page at `page` (a multiple of [`PAGE_SIZE`]) of the address space `pasid`.
    ///
    /// `group` (0 to 511) comes back with the answer.
    fn request_page(&mut self, pasid: u32, page: u64, write: bool, group: u16) -> PageRequest;

    /// Raises MSI `vector` (0 to 3).
    fn interrupt(&mut self, vector: u8);

    /// Reports `error` by Advanced Error Reporting.
    fn report_error(&mut self, error: PciError);

    /// Pulls the device out of its slot. It is back, and reset, `away_ms` after the slot was
    /// switched off; never if that is 0.
    fn unplug(&mut self, away_ms: u32);

    /// Has the configuration space tell another revision.
    fn set_revision(&mut self, revision: u8);

    /// Lets [`Task::run`] be called, on any thread, and the task be given back to
    /// [`crate::Device::computed`].
    fn compute(&mut self, task: Box<Task>);
}
