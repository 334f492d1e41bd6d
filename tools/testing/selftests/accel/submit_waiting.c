// SPDX-License-Identifier: GPL-2.0
/*
 * Jobs that hang, on a buffer that somebody waits for with its reservation locked: he must be told
 * that they have ended before anything is done about them that takes that lock.
 *
 * accel-bench: kernel=check,races,quick modules=accel_sim,accel_waiter
 * accel-bench: option=accel_sim.job_limit_ms=8000
 */
#include <pthread.h>

#include "memory_util.h"
#include "waiter_util.h"

#define WAIT 60

FIXTURE(waiting)
{
	int descriptors;
	int number;
	int ctx;
	int queue[2];
	int fence[2];
	int buffer;
	pid_t waiter;
};

/* A job that hangs on each of two queues; both read the buffer, so that both are under way. */
static void hang(struct __test_metadata *_metadata, FIXTURE_DATA(waiting) * self)
{
	struct submission s = {
		.jobs = { sim_hang() },
		.job_count = 1,
		.buffers = { use(self->buffer, ACCEL_ACCESS_READ) },
		.buffer_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	int i;

	for (i = 0; i < 2; i++) {
		self->queue[i] = accel_queue_create(self->ctx, 4);
		ASSERT_WORKS(self->queue[i], "a queue");
		ASSERT_RET(0, submit(self->queue[i], &s), "a job that hangs");
		self->fence[i] = s.out_fence;
	}
	self->waiter = waiter_start(&self->buffer);
	ASSERT_LT(0, self->waiter) {
		TH_LOG("expected: somebody waits with the reservation locked, got %s",
		       ret_name(self->waiter));
	}
}

FIXTURE_SETUP(waiting)
{
	self->descriptors = descriptors();
	self->ctx = sim_add(&self->number);
	ASSERT_WORKS(self->ctx, "a device");
	ASSERT_RET(0, accel_bind(self->ctx, ACCEL_MODE_KERNEL), "bind");
	self->buffer = waiter_buffer();
	ASSERT_WORKS(self->buffer, "a buffer of accel_waiter");
	hang(_metadata, self);
}

FIXTURE_TEARDOWN(waiting)
{
	int i;

	for (i = 0; i < 2; i++) {
		close(self->queue[i]);
		close(self->fence[i]);
	}
	close(self->buffer);
	EXPECT_TRUE(accel_state(self->ctx) == ACCEL_STATUS_REMOVED ||
		    sim_remove(self->ctx, self->number));
	close(self->ctx);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* All ends: the jobs with this error, and the waiting. */
static void expect_ends(struct __test_metadata *_metadata, FIXTURE_DATA(waiting) * self, int error)
{
	int i;

	for (i = 0; i < 2; i++)
		EXPECT_RET(error, fence_wait(self->fence[i], WAIT), "the fence of a job that hung");
	EXPECT_RET(0, waiter_result(self->waiter), "who waits is told");
}

/* The device does jobs, on the same buffer. */
static void expect_works(struct __test_metadata *_metadata, FIXTURE_DATA(waiting) * self)
{
	struct submission s = {
		.jobs = { fill(0, 0, ~0ull, 8) },
		.job_count = 1,
		.buffers = { use(self->buffer, ACCEL_ACCESS_WRITE) },
		.buffer_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	int queue = accel_queue_create(self->ctx, 4);

	ASSERT_WORKS(queue, "a queue");
	ASSERT_RET(0, submit(queue, &s), "a job");
	EXPECT_RET(0, fence_wait(s.out_fence, WAIT), "its fence");
	close(s.out_fence);
	close(queue);
}

TEST_F(waiting, the_watchdog_ends_all)
{
	expect_ends(_metadata, self, -ETIMEDOUT);
	expect_works(_metadata, self);
}

TEST_F(waiting, a_reset_ends_all)
{
	pid_t resets = child_start(waiter_reset, &self->ctx);

	expect_ends(_metadata, self, -ECANCELED);
	EXPECT_RET(0, waiter_result(resets), "the reset");
	expect_works(_metadata, self);
}

TEST_F(waiting, isolation_ends_all)
{
	char path[96];

	snprintf(path, sizeof(path), ACCEL_CLASS "/accel%d/error_threshold", self->number);
	ASSERT_RET(0, write_file(path, "1"), "a threshold");
	ASSERT_RET(0, sim_control(self->number, "error", "3"), "an error");
	expect_ends(_metadata, self, -EIO);
	EXPECT_THAT(WAIT_FOR(accel_state(self->ctx) == ACCEL_STATUS_ISOLATED, WAIT), "isolated");
	ASSERT_RET(0, write_file(path, "0"), "no threshold");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	expect_works(_metadata, self);
}

TEST_F(waiting, removal_ends_all)
{
	ASSERT_RET(0, sim_control(self->number, "remove", "1"), "pull it out");
	expect_ends(_metadata, self, -ENODEV);
	EXPECT_THAT(WAIT_FOR(accel_state(self->ctx) == ACCEL_STATUS_REMOVED, WAIT), "removed");
}

static void *close_it(void *arg)
{
	int *fd = arg;

	close(*fd);
	*fd = -1;
	return NULL;
}

/* Who closes a queue waits until its buffers can be detached; so the other is closed beside it. */
TEST_F(waiting, closing_ends_all)
{
	pthread_t closes[2];
	int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&closes[i], NULL, close_it, &self->queue[i]));
	expect_ends(_metadata, self, -ECANCELED);
	for (i = 0; i < 2; i++)
		pthread_join(closes[i], NULL);
	expect_works(_metadata, self);
}

TEST_HARNESS_MAIN
