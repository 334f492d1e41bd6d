// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's edu device where no IOMMU translates: it puts 28 bits of an address on the bus, so buffers
 * have to lie where these lead.
 *
 * accel-bench: modules=rust_driver_accel_edu device=edu append=iommu.passthrough=1
 * accel-bench: kernel=check,races
 */
#include "edu_util.h"

TEST(buffers_are_taken_where_the_device_reaches)
{
	struct edu edu;
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_RET(0, edu_open(&edu), "a context of the device of " EDU_DRIVER);
		expect_edu_works(_metadata, &edu);
		edu_close(&edu);
	}
}

TEST_HARNESS_MAIN
