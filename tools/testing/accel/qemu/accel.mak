# SPDX-License-Identifier: GPL-2.0
# The devices that the test bench's virtual machine needs, and no more.
CONFIG_Q35=y
CONFIG_VTD=y
CONFIG_PCIE_PORT=y
CONFIG_ISA_DEBUG=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_BLK=y
CONFIG_HISI_ZIP=y
# A device that is not ours, for a sample driver.
CONFIG_EDU=y
# Only because the q35 machine does not link without their symbols.
CONFIG_PXB=y
CONFIG_CXL=y
CONFIG_CXL_MEM_DEVICE=y
