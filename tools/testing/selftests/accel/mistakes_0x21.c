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

TEST_HARNESS_MAIN
