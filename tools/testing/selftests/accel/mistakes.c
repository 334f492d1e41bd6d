// SPDX-License-Identifier: GPL-2.0
/*
 * What mistakes in the jobs of one process do to others, on a device that takes some of them for
 * errors of its own: Documentation/accel/hisi-zip.rst, "What a user can do to others".
 */
#include "mistakes_util.h"

TEST(addresses_concern_nobody_else)
{
	expect_concerns_nobody_else(_metadata, BAD_INPUT, true);
	expect_concerns_nobody_else(_metadata, BAD_OUTPUT, true);
}

TEST(lists_have_the_device_reset)
{
	expect_has_the_device_reset(_metadata, BAD_LIST, true);
}

TEST_HARNESS_MAIN
