#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# container-device-interface 1.1.1 (a crate), the Rust form of CDI, by which containers get
# accelerators: one file that it does not read takes the devices of all others away, and edits are
# not applied as the Go form does it, which its README says it mirrors.
#
# Expected: as in Go, an error is that of a file, and get_errors() tells it; a device that two
# files of one directory have is not injected; mounts are sorted, so that what is below another
# comes after it; an edit of the environment replaces the variable of that name.
# Seen: with a YAML file beside it whose device node has "fileMode: 0660" (octal for YAML 1.1,
# which Go's reader takes; here a string, and refused), no device of any file is known, and
# get_errors() is empty. A device of two files is an error of refresh(), and is injected all the
# same, from one of them. Mounts stay in the order of the file: /a after /a/deep hides it. PATH of
# an edit comes behind the PATH that is there, and which of the two holds is up to the runtime.
#
# So a CDI file for an accelerator writes fileMode as decimal number, names mounts from the top
# down, and sets no variable that an image may have; and "unresolvable CDI devices" may be about
# another vendor's file.
#
# Needs cargo; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
mkdir src good twice octal
cat >Cargo.toml <<'TOML'
[package]
name = "show"
version = "0.0.0"
edition = "2021"

[dependencies]
container-device-interface = "=1.1.1"
oci-spec = "=0.10.0"

[workspace]
TOML
cat >src/main.rs <<'RUST'
use container_device_interface::cache::{new_cache, with_auto_refresh};
use container_device_interface::spec_dirs::with_spec_dirs;
use oci_spec::runtime::Spec;

fn main() {
    for dir in ["good", "twice", "octal"] {
        let cache = new_cache(vec![with_auto_refresh(false), with_spec_dirs(&[dir])]);
        let mut cache = cache.lock().unwrap();
        let refreshed = if cache.refresh().is_ok() { "fine" } else { "an error" };
        let devices = cache.list_devices();
        let errors = cache.get_errors().len();
        println!("{dir}: refresh() is {refreshed}, {devices:?}, get_errors() has {errors}");
        let mut spec = Spec::default();
        let mounts = spec.mounts().as_ref().unwrap().len();
        match cache.inject_devices(Some(&mut spec), vec!["example.org/accel=0".into()]) {
            Err(error) => println!("{error}"),
            Ok(_) => {
                let all = spec.mounts().as_ref().unwrap();
                for mount in all.iter().filter(|each| each.source() == &Some("/opt".into())) {
                    println!("mount {}", mount.destination().display());
                }
                assert_eq!(all.len(), mounts + 2);
                for variable in spec.process().as_ref().unwrap().env().as_ref().unwrap() {
                    println!("{variable}");
                }
            }
        }
    }
}
RUST
cat >good/accel.json <<'JSON'
{
	"cdiVersion": "0.6.0", "kind": "example.org/accel", "devices": [{
		"name": "0", "containerEdits": {
			"env": ["PATH=/opt/accel"],
			"mounts": [
				{ "hostPath": "/opt", "containerPath": "/a/deep" },
				{ "hostPath": "/opt", "containerPath": "/a" }
			]
		}
	}]
}
JSON
cp good/accel.json twice/accel.json
cp good/accel.json twice/other.json
cp good/accel.json octal/accel.json
cat >octal/other.yaml <<'YAML'
cdiVersion: "0.6.0"
kind: example.org/other
devices:
- name: "0"
  containerEdits:
    deviceNodes:
    - path: /dev/other
      type: c
      major: 1
      minor: 3
      fileMode: 0660
YAML
CARGO_TARGET_DIR=target cargo run --quiet 2>log | tee seen
cat >wanted <<'TEXT'
good: refresh() is fine, ["example.org/accel=0"], get_errors() has 0
mount /a/deep
mount /a
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
TERM=xterm
PATH=/opt/accel
twice: refresh() is an error, ["example.org/accel=0"], get_errors() has 0
mount /a/deep
mount /a
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
TERM=xterm
PATH=/opt/accel
octal: refresh() is an error, [], get_errors() has 0
unresolvable CDI devices example.org/accel=0
TEXT
cmp seen wanted || { cat log; exit 1; }
echo "as described"
