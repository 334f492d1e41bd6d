#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# fdt 0.1.5 (a crate): of most real devicetrees it gives no interrupts, and of those with several
# memory nodes the first alone.
#
# Expected: interrupts() of a node follows the interrupt-parent, which a node without one has from
# its parents (Devicetree Specification, 2.4); memory() has the regions of each node with
# device_type "memory", of which there may be several (3.4).
# Seen: where the root says interrupt-parent, which is where most trees say it, interrupts() is
# None, as for a node that has none. Where the controller takes three cells, as each GIC of Arm
# does, it is Some and empty. Only a node that names its controller itself, one with one or two
# cells, has its interrupts. Of two nodes of memory, as a machine with NUMA has, regions() lists
# the first one's and not the other's.
#
# So an emulator, a loader or a driver's test that takes "no interrupts" from it for an
# accelerator's node polls or fails without a reason; it must read the properties itself:
# `interrupts`, and `memory@...` by all_nodes().
#
# Needs Debian 12 (apt-get, dpkg-deb) and cargo; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 libyaml-0-2=0.2.5-1 \
	>log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done

cat >tree.dts <<'DTS'
/dts-v1/;
/ {
	#address-cells = <2>;
	#size-cells = <2>;
	compatible = "example,board";
	model = "board";
	interrupt-parent = <&one>;

	memory@80000000 { device_type = "memory"; reg = <0 0x80000000 0 0x10000000>; };
	memory@880000000 { device_type = "memory"; reg = <8 0x80000000 0 0x20000000>; };
	one: controller-1 { interrupt-controller; #interrupt-cells = <1>; };
	gic: controller-3 { interrupt-controller; #interrupt-cells = <3>; };
	own { interrupt-parent = <&one>; interrupts = <5>, <6>; };
	inherited { interrupts = <5>, <6>; };
	three-cells { interrupt-parent = <&gic>; interrupts = <0 5 4>, <0 6 4>; };
	without { };
};
DTS
LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu root/usr/bin/dtc -q -O dtb -o tree.dtb tree.dts

mkdir src
cat >Cargo.toml <<'TOML'
[package]
name = "show"
version = "0.0.0"
edition = "2021"

[dependencies]
fdt = "=0.1.5"

[workspace]
TOML
cat >src/main.rs <<'RUST'
fn main() {
    let blob = std::fs::read("tree.dtb").unwrap();
    let tree = fdt::Fdt::new(&blob).unwrap();
    for path in ["/own", "/inherited", "/three-cells", "/without"] {
        let interrupts = tree.find_node(path).unwrap().interrupts();
        println!("{path}: {:?}", interrupts.map(|each| each.collect::<Vec<_>>()));
    }
    for region in tree.memory().regions() {
        println!("memory: {:?}", region.starting_address);
    }
}
RUST
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
cat >wanted <<'TEXT'
/own: Some([5, 6])
/inherited: None
/three-cells: Some([])
/without: None
memory: 0x80000000
TEXT
cmp seen wanted || { cat log; exit 1; }
echo "as described"
