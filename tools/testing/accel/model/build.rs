// SPDX-License-Identifier: GPL-2.0

//! Puts modules together: the kernel's files as they are, and once more for each mutant, with one
//! line that is wrong.

use std::{env, fmt::Write as _, fs, path::Path};

/// Files of `rust/kernel/accel/` that are run.
const KERNEL: &[&str] = &[
    "descriptor",
    "device",
    "notices",
    "pipeline",
    "queue",
    "recovery",
    "slots",
    "submission",
    "submit",
    "usage",
];

/// Stand-ins for others, and the scenarios.
const OURS: &[&str] = &[
    "buffers",
    "class",
    "client",
    "context",
    "driver",
    "events",
    "ioctl",
    "irq",
    "local_memory",
    "records",
    "region",
    "scenarios",
    "sensors",
    "status_page",
    "table",
    "trace",
];

struct Mutant {
    name: String,
    file: String,
    right: String,
    wrong: String,
}

/// `mutants/NAME` says what goes wrong, and has the name of a file, lines that are right, and the
/// wrong ones, with blank lines between them.
fn mutant(path: &Path) -> Mutant {
    let text = fs::read_to_string(path).unwrap();
    let mut parts = text.splitn(4, "\n\n").skip(1);
    let mut part = || {
        parts
            .next()
            .expect("it has four parts")
            .trim_end()
            .to_string()
    };
    Mutant {
        name: path.file_name().unwrap().to_str().unwrap().into(),
        file: part(),
        right: part(),
        wrong: part(),
    }
}

fn main() {
    let here = env::var("CARGO_MANIFEST_DIR").unwrap();
    let here = Path::new(&here);
    let out = env::var("OUT_DIR").unwrap();
    let kernel = here.join("../../../../rust/kernel/accel");
    let mutants = here.join("mutants");
    for watched in [&kernel, &mutants, &here.join("src/accel")] {
        println!("cargo:rerun-if-changed={}", watched.display());
    }

    let mut trees = String::new();
    let mut tree = |name: &str, mutant: Option<&Mutant>| {
        let allowed = "dead_code, unused, private_interfaces, unsafe_op_in_unsafe_fn, clippy::all";
        writeln!(trees, "#[allow({allowed})]\npub mod {name} {{").unwrap();
        for file in KERNEL {
            let mut path = kernel.join(format!("{file}.rs"));
            if let Some(mutant) = mutant.filter(|mutant| mutant.file == *file) {
                let text = fs::read_to_string(&path).unwrap();
                assert_eq!(
                    text.matches(&mutant.right).count(),
                    1,
                    "mutants/{name}: what is to be wrong stands in {file}.rs once"
                );
                path = Path::new(&out).join(format!("{name}.rs"));
                fs::write(&path, text.replace(&mutant.right, &mutant.wrong)).unwrap();
            }
            writeln!(trees, "#[path = {path:?}]\nmod {file};").unwrap();
        }
        for file in OURS {
            let path = here.join(format!("src/accel/{file}.rs"));
            writeln!(trees, "#[path = {path:?}]\npub mod {file};").unwrap();
        }
        writeln!(trees, "}}").unwrap();
    };
    tree("real", None);
    for entry in fs::read_dir(&mutants).unwrap() {
        let mutant = mutant(&entry.unwrap().path());
        tree(&mutant.name, Some(&mutant));
    }
    fs::write(Path::new(&out).join("trees.rs"), trees).unwrap();
}
