#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# pci_types 0.10.1 (a crate), by which kernels and loaders in Rust read PCI devices: a 64-bit BAR
# of 2 GiB has a size of nearly 2^64.
#
# Expected: EndpointHeader::bar() gives the size of the BAR, 0x80000000, as it gives those of the
# sizes around it.
# Seen: 0xffffffff80000000 for a 64-bit BAR of 2 GiB, prefetchable or not. 1 GiB, 4 GiB and 1 TiB
# are right, and so is a 32-bit BAR of 2 GiB. A bit 31 was taken for a sign.
#
# So an accelerator with a window of 2 GiB, of all sizes, is refused, or what maps it goes far
# beyond its end; one with more or less memory is fine. Check the size against a power of two, and for
# this one keep the lower 32 bits. virtio-drivers 0.13.0, beside it here, has its own code and is
# right.
#
# Needs cargo; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "show"
version = "0.0.0"
edition = "2021"

[dependencies]
pci_types = "=0.10.1"
virtio-drivers = { version = "=0.13.0", default-features = false }

[workspace]
TOML
cat >src/main.rs <<'RUST'
use pci_types::{Bar, ConfigRegionAccess, EndpointHeader, PciAddress, PciHeader};
use std::cell::RefCell;
use std::rc::Rc;
use virtio_drivers::transport::pci::bus::{BarInfo, ConfigurationAccess, DeviceFunction, PciRoot};

/// The configuration space of an accelerator whose first BAR has this size.
struct Device {
    words: Rc<RefCell<[u32; 64]>>,
    size: u64,
    wide: bool,
}

impl Device {
    fn new(size: u64, wide: bool) -> Self {
        let mut words = [0; 64];
        words[0] = 0xa250_19e5;
        words[2] = 0x1200_0000;
        words[4] = if wide { 0b1100 } else { 0 };
        Self { words: Rc::new(RefCell::new(words)), size, wide }
    }

    fn get(&self, offset: usize) -> u32 {
        self.words.borrow()[offset / 4]
    }

    /// Of an address, only the bits above the size can be set.
    fn set(&self, offset: usize, value: u32) {
        let mask = !(self.size - 1);
        let mut words = self.words.borrow_mut();
        match offset / 4 {
            1 => words[1] = value & 0xffff,
            4 => words[4] = value & mask as u32 & !0xf | words[4] & 0xf,
            5 if self.wide => words[5] = value & (mask >> 32) as u32,
            _ => {}
        }
    }
}

impl ConfigRegionAccess for &Device {
    unsafe fn read(&self, _: PciAddress, offset: u16) -> u32 {
        self.get(offset.into())
    }

    unsafe fn write(&self, _: PciAddress, offset: u16, value: u32) {
        self.set(offset.into(), value);
    }
}

impl ConfigurationAccess for Device {
    fn read_word(&self, _: DeviceFunction, offset: u8) -> u32 {
        self.get(offset.into())
    }

    fn write_word(&mut self, _: DeviceFunction, offset: u8, value: u32) {
        self.set(offset.into(), value);
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Self { words: self.words.clone(), ..*self }
    }
}

fn main() {
    for (size, wide) in [
        (1 << 30, true),
        (1 << 31, true),
        (1 << 32, true),
        (1 << 40, true),
        (1 << 31, false),
    ] {
        let device = &Device::new(size, wide);
        let header = PciHeader::new(PciAddress::new(0, 0, 1, 0));
        let seen = match EndpointHeader::from_header(header, device).unwrap().bar(0, device) {
            Some(Bar::Memory64 { size, .. }) => size,
            Some(Bar::Memory32 { size, .. }) => size.into(),
            other => panic!("{other:?}"),
        };
        let function = DeviceFunction { bus: 0, device: 1, function: 0 };
        let beside = match PciRoot::new(Device::new(size, wide)).bar_info(function, 0) {
            Ok(Some(BarInfo::Memory { size, .. })) => size,
            other => panic!("{other:?}"),
        };
        let bits = if wide { 64 } else { 32 };
        println!("{size:#x}, {bits} bits: pci_types {seen:#x}, virtio-drivers {beside:#x}");
    }
}
RUST
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
cat >wanted <<'TEXT'
0x40000000, 64 bits: pci_types 0x40000000, virtio-drivers 0x40000000
0x80000000, 64 bits: pci_types 0xffffffff80000000, virtio-drivers 0x80000000
0x100000000, 64 bits: pci_types 0x100000000, virtio-drivers 0x100000000
0x10000000000, 64 bits: pci_types 0x10000000000, virtio-drivers 0x10000000000
0x80000000, 32 bits: pci_types 0x80000000, virtio-drivers 0x80000000
TEXT
cmp seen wanted || { cat log; exit 1; }
echo "as described"
