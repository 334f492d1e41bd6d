// SPDX-License-Identifier: GPL-2.0
//! Which addresses of the kernel are code of the subsystem and of its drivers.

use std::{fs, io};

/// Part of the names of what the core is made of, and of general code that is made for types of the
/// core: module `accel`, in the mangling of Rust.
const CORE: &str = "5accel";
const RUST: &str = "_R";
const MODULE: &str = "[accel";
/// Code of one image lies within this; modules lie further away from the kernel.
const FAR: u64 = 1 << 28;

/// A stretch of addresses, with a bit for each that is ours.
struct Window {
    start: u64,
    ours: Vec<u64>,
    /// Number of its first bit among those of all windows.
    first: usize,
}

/// Code that counts.
pub struct Symbols {
    windows: Vec<Window>,
    bits: usize,
}

impl Symbols {
    /// Those of the running kernel and its modules.
    pub fn of_kernel() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/kallsyms")?))
    }

    fn parse(text: &str) -> Self {
        let mut symbols: Vec<(u64, bool)> = text.lines().filter_map(symbol).collect();
        symbols.sort_unstable();
        let ranges: Vec<(u64, u64)> = symbols
            .windows(2)
            .filter(|pair| pair[0].1 && pair[1].0 - pair[0].0 < FAR)
            .map(|pair| (pair[0].0, pair[1].0))
            .collect();
        let mut windows = Vec::new();
        let mut bits = 0;
        for group in ranges.chunk_by(|one, next| next.0 - one.1 < FAR) {
            let (start, end) = (group[0].0, group[group.len() - 1].1);
            let mut ours = vec![0; ((end - start) as usize).div_ceil(64)];
            for bit in group
                .iter()
                .flat_map(|range| range.0 - start..range.1 - start)
            {
                ours[bit as usize / 64] |= 1 << (bit % 64);
            }
            let first = bits;
            bits += ours.len() * 64;
            windows.push(Window { start, ours, first });
        }
        Self { windows, bits }
    }

    /// How many numbers [`number`](Self::number) can give.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// A number for an address that is ours.
    pub fn number(&self, address: u64) -> Option<usize> {
        self.windows.iter().find_map(|window| {
            let bit = address.checked_sub(window.start)? as usize;
            let ours = window.ours.get(bit / 64)? >> (bit % 64) & 1 == 1;
            ours.then_some(window.first + bit)
        })
    }
}

/// Address of a function or another label of code, and whether it is ours.
fn symbol(line: &str) -> Option<(u64, bool)> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    if !matches!(words.next()?, "t" | "T" | "w" | "W") {
        return None;
    }
    let name = words.next()?;
    let module = words
        .next()
        .is_some_and(|module| module.starts_with(MODULE));
    Some((
        address,
        module || (name.starts_with(RUST) && name.contains(CORE)),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
ffffffff81000000 T _text
ffffffff81000100 t _RNvNtCs_6kernel5accel6device4open
ffffffff81000180 T schedule
ffffffff81000200 t _RNvNtCs_6kernel5accel5queue6create
ffffffff81000240 D data
ffffffff81000280 T end
ffffffffa0000000 t sim_probe\t[accel_sim]
ffffffffa0000010 t other\t[zlib]
";

    #[test]
    fn what_is_ours_lies_between_our_symbol_and_the_next() {
        let symbols = Symbols::parse(TEXT);
        let ours = |address| symbols.number(address).is_some();
        assert!(ours(0xffff_ffff_8100_0100) && ours(0xffff_ffff_8100_017f));
        assert!(!ours(0xffff_ffff_8100_00ff) && !ours(0xffff_ffff_8100_0180));
        assert!(ours(0xffff_ffff_8100_0250) && !ours(0xffff_ffff_8100_0280));
        assert!(ours(0xffff_ffff_a000_000f) && !ours(0xffff_ffff_a000_0010));
        assert!(symbols.number(0xffff_ffff_a000_0000).unwrap() < symbols.bits());
    }
}
