// SPDX-License-Identifier: GPL-2.0
/*
 * The same as mistakes_0x21.c, on a device that takes none of them for an error of its own.
 *
 * accel-bench: revision=0x21 append=accel.allow_shared_doorbells=1
 * accel-bench: mild=faults-of-job+lists-of-job
 */
#include "mistakes_util.h"

TEST(none_concerns_anybody_else)
{
	expect_concerns_nobody_else(_metadata, BAD_INPUT, false);
	expect_concerns_nobody_else(_metadata, BAD_OUTPUT, false);
	expect_concerns_nobody_else(_metadata, BAD_LIST, false);
}

TEST_HARNESS_MAIN
