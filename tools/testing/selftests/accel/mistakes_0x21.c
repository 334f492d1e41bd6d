// SPDX-License-Identifier: GPL-2.0
/*
 * The same as mistakes.c, on a device of revision 0x21.
 *
 * accel-bench: revision=0x21 append=accel.allow_shared_doorbells=1
 */
#include "mistakes_util.h"

TEST(all_have_the_device_reset)
{
	expect_has_the_device_reset(_metadata, BAD_INPUT, false);
	expect_has_the_device_reset(_metadata, BAD_OUTPUT, false);
	expect_has_the_device_reset(_metadata, BAD_LIST, false);
}

/*
 * After an error of memory no interrupt comes before the bus is told that it is over. The next
 * error is told by one.
 */
TEST(errors_of_memory_are_told_again_and_again)
{
	int monitor = accel_open_monitor(), generation, i;
	char address[ACCEL_NAME_MAX];

	ASSERT_DEVICE(monitor);
	ASSERT_RET(0, accel_address(monitor, address), "INFO_DEVICE");
	generation = accel_generation(monitor);
	for (i = 1; i <= 3; i++) {
		ASSERT_POKE(address, ZIP_SET_MANAGER_ERRORS, ZIP_HARMFUL_ERROR);
		EXPECT_TRUE(WAIT_FOR(accel_generation(monitor) == generation + i &&
				     accel_state(monitor) == ACCEL_STATUS_OPERATIONAL,
				     WAIT_SECONDS)) {
			TH_LOG("expected: reset number %d", i);
		}
		expect_device_works(_metadata);
	}
	close(monitor);
}

TEST_HARNESS_MAIN
