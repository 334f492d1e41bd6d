#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# dtschema 2026.9 (PyPI), the tools by which bindings of devices are checked: dt-validate exits with
# 0 whatever it finds, and if it checks nothing at all.
#
# Expected: as dt-doc-validate of the same package: an exit status that is not 0 for a tree with
# errors, and for one that is not there.
# Seen: of an accelerator's node with one entry of `iommus` too many and a number in
# `dma-can-stall`, which is a flag, it prints both errors, and exits with 0. A tree that does not
# exist is nothing to it: no word, and 0. Nor does it say anything of a node whose compatible is
# misspelt, which has the same errors. dt-doc-validate exits with 1 for a binding with an error.
#
# So a test of a device's binding, or of the devicetree that a virtual machine is given, passes
# with a wrong tree and with a wrong path. A test takes what is printed, with -m, which names nodes
# that no binding is for, and looks first that a tree with a known error has one.
#
# Needs Debian 12 (apt-get, dpkg-deb) and python3 with pip; installs nothing outside of a temporary
# folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --target python dtschema==2026.9 pylibfdt==1.7.2.post2 >log 2>&1 ||
	{ cat log; exit 2; }
apt-get download device-tree-compiler=1.6.1-4+b1 libfdt1=1.6.1-4+b1 libyaml-0-2=0.2.5-1 \
	>log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
	dpkg-deb -x "$package" root
done

mkdir bindings
cat >bindings/accel.yaml <<'YAML'
# SPDX-License-Identifier: GPL-2.0
%YAML 1.2
---
$id: http://devicetree.org/schemas/accel.yaml#
$schema: http://devicetree.org/meta-schemas/core.yaml#
title: An accelerator
maintainers:
  - Nobody <nobody@example.org>
properties:
  compatible:
    const: example,accel
  reg:
    maxItems: 1
  iommus:
    maxItems: 1
  dma-can-stall: true
required: [compatible, reg, iommus]
additionalProperties: false
YAML
sed 's/maxItems: 1/maxItems: one/' bindings/accel.yaml >wrong.yaml

# A tree with one accelerator: its compatible, and two properties.
tree() {
	cat <<DTS
/dts-v1/;
/ {
	#address-cells = <1>;
	#size-cells = <1>;
	compatible = "example,board";
	model = "board";
	smmu: iommu@1000 {
		compatible = "example,smmu";
		reg = <0x1000 0x1000>;
		#iommu-cells = <1>;
	};
	accel@2000 {
		compatible = "$1";
		reg = <0x2000 0x1000>;
		$2
	};
};
DTS
}

compile() {
	LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu root/usr/bin/dtc -q -O dtb -o "$1"
}

tree example,accel 'iommus = <&smmu 1>; dma-can-stall;' | compile right.dtb
tree example,accel 'iommus = <&smmu 1>, <&smmu 2>; dma-can-stall = <1>;' | compile wrong.dtb
tree example,acel 'iommus = <&smmu 1>, <&smmu 2>;' | compile misspelt.dtb

# What a tool of the package says that names an accelerator's node or a binding.
check() {
	status=0
	PYTHONPATH=python PATH="python/bin:$PATH" "$@" >out 2>&1 || status=$?
	echo "$*: exit status $status, errors: $(grep -c '^[^ ]*yaml: \|: .*accel@2000' out || :)"
}
check dt-mk-schema -j -o schema.json bindings
for tree in right wrong misspelt missing; do
	check dt-validate -s schema.json $tree.dtb
done | tee seen
check dt-validate -s schema.json -m misspelt.dtb | tee -a seen
check dt-doc-validate wrong.yaml | tee -a seen
cat >wanted <<'TEXT'
dt-validate -s schema.json right.dtb: exit status 0, errors: 0
dt-validate -s schema.json wrong.dtb: exit status 0, errors: 2
dt-validate -s schema.json misspelt.dtb: exit status 0, errors: 0
dt-validate -s schema.json missing.dtb: exit status 0, errors: 0
dt-validate -s schema.json -m misspelt.dtb: exit status 0, errors: 1
dt-doc-validate wrong.yaml: exit status 1, errors: 3
TEXT
cmp seen wanted
echo "as described"
