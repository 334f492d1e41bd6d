// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that forgets what it has: drivers/accel/test/accel_rogue.rs. The memory is lost, as
 * kmemleak would say, and the number of the device; nothing else is.
 *
 * accel-bench: kernel=plain,quick modules=accel_rogue
 */
#include "rogue_util.h"

FIXTURE(forgets)
{
	int number;
	int ctx;
	int queue;
};

FIXTURE_SETUP(forgets)
{
	ASSERT_RET(0, rogue_add(LONG_NAMES), "a device");
	self->number = rogue_number(LONG_NAMES);
	ASSERT_RET(0, sim_control(self->number, "ticket", TICKET_FORGET), "it forgets tickets");
	self->ctx = accel_open_number("accel", self->number, O_RDWR);
	ASSERT_RET(0, accel_bind(self->ctx, ACCEL_MODE_KERNEL), "bind");
	self->queue = accel_queue_create(self->ctx, DEPTH);
	ASSERT_WORKS(self->queue, "a queue");
}

FIXTURE_TEARDOWN(forgets)
{
	close(self->queue);
	close(self->ctx);
	EXPECT_RET(0, rogue_reform(), "the driver's other device works");
}

TEST_F(forgets, jobs_end_with_the_watchdog)
{
	EXPECT_RET(-ETIMEDOUT, rogue_run(self->queue, DEPTH), "jobs");
	EXPECT_RET(0, rogue_remove(), "the device goes");
}

TEST_F(forgets, jobs_end_with_the_device)
{
	int fence = rogue_submit(self->queue, DEPTH, -1);

	ASSERT_WORKS(fence, "jobs");
	EXPECT_RET(0, rogue_remove(), "the device goes");
	EXPECT_RET(-ENODEV, fence_wait(fence, WAIT), "jobs");
	close(fence);
	EXPECT_EQ(-ENOENT, rogue_number(LONG_NAMES));
}

TEST_HARNESS_MAIN
