// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's edu device, said to reach less than the lowest zone of memory, where no IOMMU translates.
 *
 * accel-bench: modules=rust_driver_accel_edu device=edu append=iommu.passthrough=1
 * accel-bench: option=rust_driver_accel_edu.dma_bits=20 kernel=check,races
 */
#include <sys/klog.h>

#include "edu_util.h"

#define READ_ALL 3

TEST(a_device_that_reaches_no_memory_is_refused_with_a_reason)
{
	static char log[8 << 20];
	int n;

	EXPECT_RET(-ENOENT, edu_number(), "no device of " EDU_DRIVER);
	n = klogctl(READ_ALL, log, sizeof(log) - 1);
	ASSERT_WORKS(n < 0 ? -errno : 0, "read the kernel's log");
	EXPECT_THAT(strstr(log, EDU_DRIVER " "), "the log has a line of the driver");
	EXPECT_THAT(strstr(log, "no DMA with addresses up to 0xfffff on this machine"),
		    "the log says why");
}

TEST_HARNESS_MAIN
