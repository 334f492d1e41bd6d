#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# pahole 1.24 (Debian 12; seen with rustc 1.95.0): of Rust's structures it lists none, and those that
# are asked for by name have holes of 64 KiB.
#
# Expected: of an object of Rust, a driver in the kernel for example, `pahole FILE` lists all
# structures, with the holes that they have. Rust puts the fields of a structure that is not
# repr(C) in an order without holes, and says in the debug information where each is.
# Seen: it lists tuples and nothing that has a name, since names are in the namespace of their
# crate. `pahole -C NAME` finds them. Their size and offsets are right, but fields stay in the
# order of the source, and a way back from one to another counts as a hole of nearly 64 KiB: of a
# structure of 16 bytes, one of them unused, it says "sum holes: 131069", and that this can't be.
# Of an enum with data it shows no tag, and takes all its bytes for padding. A repr(C) structure
# is right.
#
# So a search for structures that waste memory finds nothing in a driver of Rust, or finds each
# one. Take the offsets from it, and holes from size_of() and offset_of!.
#
# Needs Debian 12 (apt-get, dpkg-deb) and rustc; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download pahole=1.24-4.1 libbpf1=1:1.1.2-0+deb12u1 libdw1=0.188-2.1 libelf1=0.188-2.1 \
	>log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done

cat >driver.rs <<'RUST'
use std::hint::black_box;
use std::mem::{offset_of, size_of};

pub struct Queue {
    kind: u8,
    address: u64,
    depth: u16,
    head: u32,
}

#[repr(C)]
pub struct Entry {
    kind: u8,
    address: u64,
    depth: u16,
    head: u32,
}

pub enum State {
    Idle,
    Busy { job: u64 },
    Dead { code: u32, at: u64 },
}

fn main() {
    black_box(&Queue { kind: 1, address: 2, depth: 3, head: 4 });
    black_box(&Entry { kind: 1, address: 2, depth: 3, head: 4 });
    black_box(&[State::Idle, State::Busy { job: 1 }, State::Dead { code: 1, at: 2 }]);
    black_box(&(1_u8, 2_u32));
    println!("Queue: kind {}, address {}, depth {}, head {}, of {} bytes",
        offset_of!(Queue, kind), offset_of!(Queue, address), offset_of!(Queue, depth),
        offset_of!(Queue, head), size_of::<Queue>());
    println!("State: {} bytes", size_of::<State>());
}
RUST
rustc --version
rustc -g --emit link,obj -A dead_code driver.rs
./driver

pahole() {
	LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu root/usr/bin/pahole "$@" 2>>log
}
pahole driver.o >list
echo "structures in the list: tuples $(grep -c '^struct (' list || :)," \
	"ours $(grep -cE '^struct (Queue|Entry|State) ' list || :)"
for name in Queue Entry State; do
	pahole -C $name driver.o >$name
	sed -n "s,^\t/\* \(.*sum holes: .*\|padding: .*\|BRAIN.*\) \*/,$name: \1,p" $name
done | tee seen
grep -q '^struct (u8, u32) ' list
! grep -qE '^struct (Queue|Entry|State) ' list || exit 1
grep -q '^Queue: .*sum holes: 131069$' seen
grep -q '^Queue: BRAIN FART ALERT' seen
grep -q '^Entry: .*sum holes: 9$' seen
grep -q '^State: padding: 16$' seen
echo "as described"
