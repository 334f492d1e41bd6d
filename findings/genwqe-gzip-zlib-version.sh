#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# genwqe-tools 4.0.18-3.1, zlib 1.2.13 (both of Debian 12): the gzip of IBM's GenWQE accelerator
# can neither compress nor decompress anything, though it has a way without the card.
#
# Expected: without a card, or with --software, which its manual has, it uses zlib, and any 1.x will
# do: zlib.h says that a library is not compatible if the first character of its version differs.
# Seen: it loads libz at run time, compares that library's whole version with the one of the
# header that it was built with, and gives up if they differ, with --software too:
#
#   software.c:631: Error: libz.so.1=1.2.13 and zlib.h=1.2.11 do not match!
#   software.c:72: Error: p_deflateInit2_ not loadable, consider using a newer libz version.
#
# and the exit status is 254. The distribution's own pair of packages is such a one. So a wrapper of
# an accelerator that is to replace gzip must not compare versions, and whoever has this package
# should try it before he relies on its way without the card.
#
# Needs Debian 12 (apt-get, dpkg-deb); installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
apt-get download genwqe-tools=4.0.18-3.1 libzadc4=4.0.18-3.1 zlib1g=1:1.2.13.dfsg-1 >log 2>&1 ||
	{ cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done
lib=$dir/root/usr/lib/x86_64-linux-gnu:$dir/root/lib/x86_64-linux-gnu

echo 'a line' >plain
gzip -c plain >packed
for options in '-c plain' '-sc plain' '-dc packed' '-sdc packed'; do
	status=0
	# shellcheck disable=SC2086  # these are two words
	LD_LIBRARY_PATH=$lib root/usr/bin/genwqe_gzip $options >out 2>messages || status=$?
	cat messages
	echo "genwqe_gzip $options: exit status $status, $(wc -c <out) bytes"
	[ "$status" = 254 ]
	[ ! -s out ]
	grep -q 'libz.so.1=1.2.13 and zlib.h=1.2.11 do not match' messages
done
echo "as described"
