#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds a small QEMU with the emulated hisi-zip device and prints the path of
# its binary as the last line of stdout. `qemu-system-x86_64 -L DIR`, DIR being
# the binary's directory, finds the firmware.
#
#   QEMU_SRC=TARBALL   use this source tarball of QEMU 11.1.x
#   QEMU_SHA256=SUM    the checksum that a tarball from qemu.org must have
#   ACCEL_CACHE=DIR    default ${XDG_CACHE_HOME:-~/.cache}/accel

set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
device=$here/../device
objects=$here/../../../../build/cargo/device
cache=${ACCEL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/accel}

version=11.1.1
debian_file=qemu_$version+ds.orig.tar.xz
debian_sha256=0b1376e75dbe3e2fea4e408f8669f88a723f419f36a5b7d74cc6a4cfe07e4f5e
debian_suites="sid forky trixie-backports"
upstream_file=qemu-$version.tar.xz
upstream_url=https://download.qemu.org/$upstream_file

configure_args=(
	--target-list=x86_64-softmmu
	--without-default-features
	--without-default-devices
	--with-devices-x86_64=accel
	--enable-system
	--enable-tcg
	--disable-install-blobs
	--disable-docs
	--disable-tools
	--disable-guest-agent
	--disable-download
	--disable-debug-info
	--enable-trace-backends=nop
)

steps=6
step_nr=0

say() { echo "qemu: $*" >&2; }
die() { say "$*"; exit 1; }

# step NAME COMMAND…: runs it; what it says goes where this script's words go.
step() {
	local name=$1
	shift
	step_nr=$((step_nr + 1))
	say "step $step_nr/$steps $name"
	# Not as a condition: there bash ignores `set -e`, however often it is set.
	set +e
	(set -e; "$@") >&2
	local result=$?
	set -e
	[ $result = 0 ] || die "step $step_nr/$steps ($name) failed"
}

# skip NAME: the step's result is already in the cache.
skip() {
	step_nr=$((step_nr + 1))
	say "step $step_nr/$steps $1: nothing to do"
}

need() { # need COMMAND PACKAGE
	command -v "$1" >/dev/null || missing+=("$2")
}

check_tools() {
	missing=()
	need cc gcc
	need ninja ninja-build
	need pkg-config pkg-config
	need python3 python3-venv
	need flex flex
	need bison bison
	need patch patch
	need xz xz-utils
	need flock util-linux
	if command -v pkg-config >/dev/null; then
		pkg-config --exists glib-2.0 || missing+=(libglib2.0-dev)
		pkg-config --exists pixman-1 || missing+=(libpixman-1-dev)
	fi
	[ ${#missing[@]} = 0 ] ||
		die "missing packages; run: apt-get install ${missing[*]}"
	command -v cargo >/dev/null ||
		die "cargo is missing; install Rust 1.85 or newer (https://rustup.rs)"
}

sum_of() { sha256sum "$1" | cut -d' ' -f1; }

# Base addresses of the Debian archives that this machine's apt already uses.
mirrors() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		sed 's,/*$,,' | sort -u
}

# Debian keeps a version's file in the pool after newer ones have replaced it
# in the indices, so its pinned checksum is tried before any index.
from_debian_pool() {
	local mirror helper=/usr/lib/apt/apt-helper
	[ -x $helper ] || return 1
	for mirror in $(mirrors); do
		$helper download-file "$mirror/pool/main/q/qemu/$debian_file" \
			"$cache/dl/$debian_file.part" "SHA256:$debian_sha256" || continue
		mv "$cache/dl/$debian_file.part" "$cache/dl/$debian_file"
		return 0
	done
	return 1
}

# An apt with its own state and list: the machine's own is left alone.
from_debian_index() {
	local state=$cache/qemu/apt mirror suite
	command -v apt-get >/dev/null || return 1
	mkdir -p "$state"/{lists/partial,archives/partial,etc}
	for mirror in $(mirrors); do
		for suite in $debian_suites; do
			echo "deb-src $mirror $suite main" >"$state/etc/sources.list"
			from_debian_suite "$state" && return 0
		done
	done
	return 1
}

from_debian_suite() {
	local state=$1 file opts
	opts=(-o Dir::State="$state" -o Dir::State::Lists="$state/lists"
		-o Dir::Cache="$state" -o Dir::Etc::SourceList="$state/etc/sources.list"
		-o Dir::Etc::SourceParts=/dev/null)
	apt-get "${opts[@]}" update || return 1
	(cd "$state" && apt-get "${opts[@]}" source --download-only --only-source qemu) ||
		return 1
	file=$(find "$state" -maxdepth 1 -name 'qemu_11.1*.orig.tar.xz' | head -n 1)
	[ -n "$file" ] && mv "$file" "$cache/dl/"
}

# qemu.org publishes no checksum that could be pinned here in advance: either
# the person gives one, or the release's signature is good.
from_upstream() {
	local part=$cache/dl/$upstream_file.part
	command -v curl >/dev/null || return 1
	if [ -z "${QEMU_SHA256:-}" ] && ! command -v gpg >/dev/null; then
		echo "give QEMU_SHA256=, or install gpg and the release key"
		return 1
	fi
	curl -fL --retry 3 -o "$part" "$upstream_url" || return 1
	if [ -n "${QEMU_SHA256:-}" ]; then
		[ "$(sum_of "$part")" = "$QEMU_SHA256" ] || return 1
	else
		curl -fL -o "$part.sig" "$upstream_url.sig" || return 1
		gpg --batch --verify "$part.sig" "$part" || return 1
	fi
	mv "$part" "$cache/dl/$upstream_file"
}

cached_source() {
	local file
	for file in "$cache/dl/$debian_file" "$cache/dl/$upstream_file" \
		"$cache"/dl/qemu_11.1*.orig.tar.xz; do
		if [ -f "$file" ]; then
			echo "$file"
			return 0
		fi
	done
	return 1
}

check_debian_sum() {
	[ "$(basename "$1")" != "$debian_file" ] ||
		[ "$(sum_of "$1")" = "$debian_sha256" ] ||
		die "$1 is damaged; remove it and run this again"
}

no_source() {
	die "no QEMU $version source: not in $cache/dl, not on this machine's Debian" \
		"mirror, and $upstream_url could not be downloaded and verified (give" \
		"QEMU_SHA256=, or import the release key into gpg). Or give QEMU_SRC=TARBALL."
}

fetch_source() {
	from_debian_pool || from_debian_index || from_upstream
}

find_source() {
	if [ -n "${QEMU_SRC:-}" ]; then
		[ -f "$QEMU_SRC" ] || die "QEMU_SRC=$QEMU_SRC: no such file"
		source_file=$QEMU_SRC
		origin="QEMU_SRC"
		skip "fetch the source"
	elif source_file=$(cached_source); then
		origin="the cache"
		skip "fetch the source"
	else
		# Not by step(): a failure is answered by a sentence of its own.
		step_nr=$((step_nr + 1))
		say "step $step_nr/$steps fetch the source"
		fetch_source >&2 || no_source
		source_file=$(cached_source)
		origin="a download"
	fi
	check_debian_sum "$source_file"
	say "source: $(basename "$source_file") from $origin"
}

# Not the patches: they are applied anew each time, and make rebuilds what they change.
base_key() {
	{
		sum_of "$source_file"
		cat "$here/accel.mak" "$here/requirements.txt"
		echo "${configure_args[*]}"
	} | sha256sum | cut -c1-16
}

model_sources() {
	find "$device" -name target -prune -o -type f \
		\( -path '*/src/*' -o -path '*/include/*' -o -name 'Cargo.*' \) -print | LC_ALL=C sort
}

result_key() {
	{
		echo "$base $(rustc --version)"
		cat "$here"/patches/*.patch "$here/hisi-zip.c"
		model_sources | while read -r file; do cat "$file"; done
	} | sha256sum | cut -c1-16
}

unpack() {
	rm -rf "$base_dir"
	mkdir -p "$base_dir/src"
	tar -C "$base_dir/src" --strip-components=1 -xf "$source_file"
	mkdir "$base_dir/pristine"
	cp "$here/accel.mak" "$base_dir/src/configs/devices/x86_64-softmmu/accel.mak"
	mkdir "$base_dir/src/accel-model"
	install_sources
}

make_venv() {
	python3 -m venv --clear "$base_dir/venv"
	"$base_dir/venv/bin/pip" install -q -r "$here/requirements.txt"
}

configure_base() {
	local cc=cc
	command -v ccache >/dev/null && cc="ccache cc"
	rm -rf "$base_dir/build"
	mkdir -p "$base_dir/build"
	cd "$base_dir/build"
	../src/configure --python="$base_dir/venv/bin/python3" --cc="$cc" \
		"${configure_args[@]}"
	touch "$base_dir/configured"
}

# Not in the cache: to cargo the models of two clones are one, and of the one that was built last it
# takes what is newer than the sources of the other.
build_model() {
	cargo build --release --locked --lib --manifest-path "$device/Cargo.toml" \
		--target-dir "$objects"
}

# Files that any patch changes, as the tarball has them, and as the patches leave them. A file that
# is patched no longer goes back to what it was.
patch_source() {
	local pristine=$base_dir/pristine patched=$base_dir/patched file
	sed -n 's,^+++ b/,,p' "$here"/patches/*.patch | sort -u | while read -r file; do
		[ -f "$pristine/$file" ] ||
			install -D -m 644 "$base_dir/src/$file" "$pristine/$file"
	done
	rm -rf "$patched"
	cp -r "$pristine" "$patched"
	for file in "$here"/patches/*.patch; do
		patch -d "$patched" -p1 <"$file"
	done
	(cd "$pristine" && find . -type f) | while read -r file; do
		put "$patched/$file" "$base_dir/src/$file"
	done
}

put() { # put FILE PLACE: only if it differs, so that ninja does no more than it must
	cmp -s "$1" "$2" || cp "$1" "$2"
}

install_sources() {
	patch_source
	local model=$base_dir/src/accel-model
	put "$here/hisi-zip.c" "$base_dir/src/hw/misc/hisi-zip.c"
	put "$device/include/hisi_zip_model.h" "$base_dir/src/hw/misc/hisi_zip_model.h"
	put "$objects/release/libhisi_zip_model.a" "$model/libhisi_zip_model.a"
}

compile() {
	install_sources
	nice ninja -C "$base_dir/build" qemu-system-x86_64
}

firmware() { # firmware NAME PACKAGE PLACE…
	local name=$1 package=$2 place
	shift 2
	for place in "$base_dir/src/pc-bios" "$@"; do
		if [ -f "$place/$name" ]; then
			cp -L "$place/$name" "$result_dir.part/$name"
			return 0
		fi
	done
	echo "firmware $name is missing; run: apt-get install $package"
	return 1
}

collect() {
	rm -rf "$result_dir.part" "$result_dir"
	mkdir -p "$result_dir.part"
	strip -o "$result_dir.part/qemu-system-x86_64" "$base_dir/build/qemu-system-x86_64"
	firmware bios-256k.bin seabios /usr/share/seabios /usr/share/qemu
	firmware linuxboot_dma.bin qemu-system-data /usr/share/qemu /usr/share/seabios
	firmware kvmvapic.bin qemu-system-data /usr/share/qemu /usr/share/seabios
	firmware pvh.bin qemu-system-data /usr/share/qemu /usr/share/seabios
	mv "$result_dir.part" "$result_dir"
}

# What was not used for two weeks goes: a base takes 600 MB, a result 25 MB.
prune() {
	touch "$base_dir/." "$result_dir"
	find "$cache/qemu" -maxdepth 1 -type d -mtime +14 \
		\( -name 'base-*' -o -name '????????????????' \) -exec rm -rf {} +
}

main() {
	check_tools
	mkdir -p "$cache/dl" "$cache/qemu"
	export CCACHE_DIR=${CCACHE_DIR:-$cache/ccache} CCACHE_DEPEND=1
	# Another base lies in another directory, but most of its files are the same.
	export CCACHE_BASEDIR=$cache/qemu CCACHE_NOHASHDIR=1
	exec 9>>"$cache/qemu/lock"
	flock -n 9 || { say "waiting for the build of $(cat "$cache/qemu/lock")"; flock 9; }
	echo "process $$, $here" >"$cache/qemu/lock"

	find_source
	base=$(base_key)
	base_dir=$cache/qemu/base-$base
	result_dir=$cache/qemu/$(result_key)
	if [ -x "$result_dir/qemu-system-x86_64" ]; then
		say "nothing to build"
		touch "$result_dir"
		echo "$result_dir/qemu-system-x86_64"
		return
	fi
	step "compile the device model" build_model
	if [ -f "$base_dir/configured" ]; then
		skip "unpack"
		skip "configure"
	else
		step "unpack" unpack
		step "configure" prepare_base
	fi
	step "compile QEMU" compile
	step "collect" collect
	prune
	echo "$result_dir/qemu-system-x86_64"
}

prepare_base() {
	make_venv
	configure_base
}

main "$@"
