# SPDX-License-Identifier: GPL-2.0
#
# The few commands a person types. What they do is in tools/testing/accel/.

BENCH := tools/testing/accel
export KSRC LINUX_SHA256

.DEFAULT_GOAL := help
.PHONY: help doctor tree kernel kernels run shell test quick hammer races cfi fuzz bench lint series \
	fresh clean

help:
	@echo 'accel: an accelerator subsystem for Linux, in Rust'
	@echo
	@echo '  make run [FILE=path]    boot a virtual machine and let its accelerator compress FILE'
	@echo '  make shell              the same machine, with you inside'
	@echo '  make test [T=pattern]   all tests, or those whose name contains the pattern, each in the'
	@echo '                          kernel where it belongs; ALL=1: in every kernel where it can run'
	@echo '  make quick [T=pattern]  those that need no hardware, without QEMU: the kernel is a process'
	@echo '  make hammer TIME=600 [SEED=1] [CHECK=1]'
	@echo '                          everything at once, for so many seconds'
	@echo '  make races [T=pattern]  the tests of the virtual machine under KCSAN, which finds data races'
	@echo '  make cfi [T=pattern]    … and KUnit, where each indirect call is checked for its type'
	@echo '  make fuzz TIME=600 [SEED=1]'
	@echo '                          random programs, guided by what they reach, and what that was'
	@echo '  make bench              this subsystem beside uacce, in instructions and memory'
	@echo '  make lint               formats, clippy, checkpatch, documentation'
	@echo '  make series [BUILD=1]   patches for the kernel list, build/series/; BUILD=1 builds each'
	@echo '  make fresh SUITE=trixie [COMMAND="make run"] [DOWNLOADS=1]'
	@echo '                          make run, or another, in a minimal Debian that is made for it'
	@echo
	@echo 'Each of these does first what it needs of:'
	@echo '  make doctor             what the builds need: what is there, what is missing'
	@echo '  make tree               build/linux: Linux 7.3.x + this repository + integration/'
	@echo '  make kernel [CHECK=1]   the kernel; CHECK=1 adds KASAN, lockdep, kmemleak and more'
	@echo '  make kernel ARCH=arm64  … for another machine, only compiled; or riscv64'
	@echo '  make kernels            … for each of them, and with SMP, IOMMU, PCI off, DRM accel, CFI on'
	@echo
	@echo '  make clean              removes build/; the cache stays'
	@echo
	@echo 'Variables: KSRC=dir      use this Linux 7.3.x source instead of fetching one'
	@echo '           ACCEL_CACHE   downloads and compiler cache; default ~/.cache/accel'
	@echo 'Logs: build/log/'

doctor:
	@$(BENCH)/tools

tree:
	@$(BENCH)/tree

kernel:
	@$(BENCH)/kernel $(if $(CHECK),--check) $(if $(ARCH),--flavour '$(ARCH)')

kernels:
	@$(BENCH)/kernel --compiled

run:
	@$(BENCH)/vm run $(if $(CHECK),--check) $(if $(FILE),--file '$(FILE)')

shell:
	@$(BENCH)/vm shell $(if $(CHECK),--check)

test:
	@$(BENCH)/test $(if $(T),--only '$(T)') $(if $(ALL),--all)

quick:
	@$(BENCH)/vm quick $(if $(T),--only '$(T)')

hammer:
	@$(BENCH)/vm test $(if $(CHECK),--check) --only hammer \
		--append 'HAMMER_SECONDS=$(or $(TIME),600) HAMMER_SEED=$(or $(SEED),1)'

races:
	@$(BENCH)/vm test --races $(if $(T),--only '$(T)')

cfi:
	@$(BENCH)/vm test --cfi $(if $(T),--only '$(T)')

fuzz:
	@$(BENCH)/vm fuzz --time $(or $(TIME),600) --seed $(or $(SEED),1)

bench:
	@$(BENCH)/vm bench

lint:
	@$(BENCH)/lint $(if $(T),--only '$(T)')

series:
	@$(BENCH)/series $(if $(BUILD),--build)

fresh:
	@$(BENCH)/fresh $(or $(SUITE),trixie) $(if $(COMMAND),--command '$(COMMAND)') \
		$(if $(DOWNLOADS),--downloads)

clean:
	rm -rf build
