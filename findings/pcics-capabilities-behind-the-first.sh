#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# pcics 0.3.2 (a crate), which decodes the configuration space of PCI devices: some extended
# capabilities are right only if they are the first in the list.
#
# Expected: ExtendedCapabilities decodes each where it stands; PCI Express leaves their order to
# the device.
# Seen: the designated vendor-specific capability (DVSEC, by which CXL devices show what they are)
# and the resizable BAR are right at 0x100. Behind a serial number they are made of the serial
# number's bits: another vendor, another length, another BAR and another size, or an error, by the
# number. `offset` is that of the capability itself. PASID, ATS and PRI are right anywhere.
#
# So what this crate says of a CXL accelerator, or of how far a BAR can grow, holds for one device
# and not for the next, which has error reporting in front. Hand it the bytes from the capability
# on, to the type itself, whose try_from() is right.
#
# Needs cargo and python3; installs nothing outside of a temporary folder.
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
pcics = "=0.3.2"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use pcics::extended_capabilities::resizable_bar::ResizableBar;
use pcics::extended_capabilities::{ExtendedCapability, ExtendedCapabilityKind};
use pcics::{ExtendedCapabilities, ECS_OFFSET};

fn show(bar: ResizableBar) {
    for entry in bar {
        let control = entry.control;
        println!("  BAR {}, size {}", control.bar_index, control.bar_size);
    }
}

fn main() {
    for name in ["dvsec", "rebar", "serial-dvsec", "serial-rebar", "serial-pasid"] {
        let space = std::fs::read(name).unwrap();
        println!("{name}:");
        for each in ExtendedCapabilities::new(&space[ECS_OFFSET..]) {
            let ExtendedCapability { kind, offset, .. } = each.unwrap();
            println!("  offset {offset:#x}");
            match kind {
                ExtendedCapabilityKind::DesignatedVendorSpecificExtendedCapability(dvsec) => {
                    println!("  vendor {:#x}, {} bytes", dvsec.dvsec_vendor_id, dvsec.dvsec_length);
                }
                ExtendedCapabilityKind::ResizableBar(bar) => {
                    show(bar);
                    let itself = &space[offset.into()..];
                    print!("  by itself:");
                    show(itself.try_into().unwrap());
                }
                ExtendedCapabilityKind::ProcessAddressSpaceId(pasid) => {
                    println!("  {} bits", pasid.pacid_capability.max_pasid_width);
                }
                _ => {}
            }
        }
    }
}
RUST
python3 - <<'PY'
import struct

# The first word: the capability's number, version 1, where the next one stands.
serial = [0x3, 0x01812345, 0x00188225]
dvsec = [0x23, 0x19e5 | 1 << 16 | 16 << 20, 7, 0]
rebar = [0x15, 0x1fff0, 1 << 5 | 13 << 8]
pasid = [0x1b, 20 << 8]


def write(name, *capabilities):
    space = bytearray(4096)
    for at, words in enumerate(capabilities):
        offset = 0x100 + 0x40 * at
        last = at == len(capabilities) - 1
        head = words[0] | 1 << 16 | (0 if last else offset + 0x40) << 20
        struct.pack_into(f"<{len(words)}I", space, offset, head, *words[1:])
    open(name, "wb").write(space)


write("dvsec", dvsec)
write("rebar", rebar)
write("serial-dvsec", serial, dvsec)
write("serial-rebar", serial, rebar)
write("serial-pasid", serial, pasid)
PY
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
cat >wanted <<'TEXT'
dvsec:
  offset 0x100
  vendor 0x19e5, 16 bytes
rebar:
  offset 0x100
  BAR 0, size 13
  by itself:  BAR 0, size 13
serial-dvsec:
  offset 0x100
  offset 0x140
  vendor 0x2345, 24 bytes
serial-rebar:
  offset 0x100
  offset 0x140
  BAR 5, size 2
  by itself:  BAR 0, size 13
serial-pasid:
  offset 0x100
  offset 0x140
  20 bits
TEXT
cmp seen wanted || { cat log; exit 1; }
echo "as described"
