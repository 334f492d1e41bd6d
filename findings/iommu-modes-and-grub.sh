#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# iommu 0.4.0 (PyPI), which shows and sets the mode of the IOMMU by the kernel's command line: it
# says what is not so, and can take the rest of the command line away.
#
# Expected: `iommu show` knows each way in which the kernel is told; `iommu strict` and `iommu pt`
# leave a configuration of GRUB in which that mode holds and all else is as before.
# Seen: with intel_iommu=on,sm_on, which PASIDs take on x86, `show` says "unset", as it does with
# iommu.passthrough=1. `strict` takes iommu=pt out of GRUB_CMDLINE_LINUX alone: where it stands in
# GRUB_CMDLINE_LINUX_DEFAULT it stays, and "Set IOMMU mode to 'strict'" is not true. Where the line
# has single quotes, or a comment behind it, another such line is added below it and replaces it:
# the console, hugepages and whatever else stood there are gone at the next boot. And what it calls
# strict is not iommu.strict=1.
#
# So look at the command line that results, before the boot; use double quotes and no comment
# there; and take what `show` says for what is written, not for what is in force: that is in
# /sys/kernel/iommu_groups/*/type.
#
# Needs python3 with pip; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --no-deps --target python iommu==0.4.0 >log 2>&1 ||
	{ cat log; exit 2; }

# What the tool runs when it has written the file.
mkdir bin
printf '#!/bin/sh\n' >bin/update-grub
chmod +x bin/update-grub
export PATH="$dir/bin:$PATH"

cat >call.py <<'PY'
import pathlib
import sys

sys.path.insert(0, "python")
from iommu import iommu

iommu.DEFAULT_GRUB = pathlib.Path("grub")
if sys.argv[1] == "show":
    print(iommu.detect_mode(sys.argv[2]))
else:
    tokens = iommu.MODE_TOKENS[sys.argv[1]]
    iommu.update_via_default_grub(sorted(tokens), iommu.ALL_TOKENS - tokens, False)
PY

show() {
	echo "$1: $(python3 call.py show "$1")"
}

# A mode, and lines of GRUB's configuration; then the command line, in the order in which GRUB has
# it.
set_mode() {
	printf '%s\n' "$2" >grub
	python3 call.py "$1"
	(
		GRUB_CMDLINE_LINUX='' GRUB_CMDLINE_LINUX_DEFAULT=''
		# shellcheck source=/dev/null
		. ./grub
		echo "$1: $GRUB_CMDLINE_LINUX${GRUB_CMDLINE_LINUX_DEFAULT:+ $GRUB_CMDLINE_LINUX_DEFAULT}"
	)
}

{
	show 'intel_iommu=on'
	show 'intel_iommu=on,sm_on'
	show 'iommu.passthrough=1'
	set_mode strict 'GRUB_CMDLINE_LINUX="console=ttyS0 iommu=pt"'
	set_mode strict 'GRUB_CMDLINE_LINUX_DEFAULT="intel_iommu=on iommu=pt"'
	set_mode pt "GRUB_CMDLINE_LINUX='console=ttyS0 hugepages=64'"
	set_mode pt 'GRUB_CMDLINE_LINUX="console=ttyS0 hugepages=64" # for the cards'
} | tee seen
cat >wanted <<'TEXT'
intel_iommu=on: strict
intel_iommu=on,sm_on: unset
iommu.passthrough=1: unset
strict: console=ttyS0 amd_iommu=on intel_iommu=on
strict: amd_iommu=on intel_iommu=on intel_iommu=on iommu=pt
pt: amd_iommu=on intel_iommu=on iommu=pt
pt: amd_iommu=on intel_iommu=on iommu=pt
TEXT
cmp seen wanted
echo "as described"
