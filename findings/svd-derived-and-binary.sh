#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# cmsis-svd 0.6 and peakrdl-svd 0.1.0 (PyPI), readers of SVD, the XML in which vendors describe
# the registers of chips: each gets registers wrong that the other gets right, without a word.
#
# SVD: `derivedFrom` takes over all of another register that is not said anew; a number that begins
# with # is binary; %s in the name of an array of registers is replaced by the words of dimIndex.
#
# Expected: both have the same registers, with sizes, accesses and values after reset.
# Seen: cmsis-svd does not follow derivedFrom of a register: one of 64 bits, read only, with a
# field, is one of 32 bits, to be written, with a reset value of 0 and no fields.
# peakrdl-svd takes #1010, which is 0xa, for 0x1010, and calls RING_IN and RING_OUT RING0 and
# RING1.
#
# So code made of an SVD file writes a register that is read only, reads half of another, or
# restores a wrong value. Read it by both and compare; write derived registers out, and numbers
# with 0x.
#
# Needs python3 with pip; installs nothing outside of a temporary folder.
set -eu

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m pip install --quiet --target python cmsis-svd==0.6 peakrdl-svd==0.1.0 \
	systemrdl-compiler==1.33.0 >log 2>&1 || { cat log; exit 2; }

cat >device.svd <<'XML'
<?xml version="1.0" encoding="utf-8"?>
<device schemaVersion="1.3" xmlns:xs="http://www.w3.org/2001/XMLSchema-instance"
        xs:noNamespaceSchemaLocation="CMSIS-SVD.xsd">
  <name>ACCEL</name>
  <version>1.0</version>
  <description>An accelerator</description>
  <addressUnitBits>8</addressUnitBits>
  <width>64</width>
  <size>32</size>
  <access>read-write</access>
  <resetValue>0</resetValue>
  <resetMask>0xFFFFFFFF</resetMask>
  <peripherals>
    <peripheral>
      <name>ENGINE</name>
      <baseAddress>0x40000000</baseAddress>
      <addressBlock><offset>0</offset><size>0x2000</size><usage>registers</usage></addressBlock>
      <registers>
        <register>
          <name>EVENTS</name>
          <addressOffset>0x0</addressOffset>
          <size>64</size>
          <access>read-only</access>
          <resetValue>#1010</resetValue>
          <fields><field><name>KIND</name><bitRange>[15:0]</bitRange></field></fields>
        </register>
        <register derivedFrom="EVENTS">
          <name>ERRORS</name>
          <addressOffset>0x10</addressOffset>
        </register>
        <register>
          <dim>2</dim>
          <dimIncrement>0x4</dimIncrement>
          <dimIndex>IN,OUT</dimIndex>
          <name>RING_%s</name>
          <addressOffset>0x20</addressOffset>
          <fields><field><name>SIZE</name><bitRange>[15:0]</bitRange></field></fields>
        </register>
      </registers>
    </peripheral>
  </peripherals>
</device>
XML
cat >read.py <<'PY'
import sys

sys.path.insert(0, "python")
from cmsis_svd import SVDParser
from peakrdl_svd.importer import SVDImporter
from systemrdl import RDLCompiler
from systemrdl.node import RegNode

device = SVDParser.for_xml_file("device.svd").get_device(xml_validation=False)
for each in device.peripherals[0].get_registers():
    print(f"cmsis-svd: {each.name} at {each.address_offset:#x}, {each.size} bits,",
          f"{each.access.value}, {each.reset_value:#x},", [f.name for f in each.get_fields()])
compiler = RDLCompiler()
SVDImporter(compiler).import_file("device.svd")
for each in compiler.elaborate().top.descendants():
    if isinstance(each, RegNode):
        field = each.fields()[0]
        print(f"peakrdl-svd: {each.inst_name} at {each.raw_address_offset:#x},",
              f"{each.size * 8} bits, {field.get_property('sw').name},",
              f"{field.get_property('reset'):#x}, {[f.inst_name for f in each.fields()]}")
PY
python3 read.py | tee seen
cat >wanted <<'TEXT'
cmsis-svd: EVENTS at 0x0, 64 bits, read-only, 0xa, ['KIND']
cmsis-svd: ERRORS at 0x10, 32 bits, read-write, 0x0, []
cmsis-svd: RING_IN at 0x20, 32 bits, read-write, 0x0, ['SIZE']
cmsis-svd: RING_OUT at 0x24, 32 bits, read-write, 0x0, ['SIZE']
peakrdl-svd: EVENTS at 0x0, 64 bits, r, 0x1010, ['KIND']
peakrdl-svd: ERRORS at 0x10, 64 bits, r, 0x1010, ['KIND']
peakrdl-svd: RING0 at 0x20, 32 bits, rw, 0x0, ['SIZE']
peakrdl-svd: RING1 at 0x24, 32 bits, rw, 0x0, ['SIZE']
TEXT
cmp seen wanted
echo "as described"
