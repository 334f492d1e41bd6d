// SPDX-License-Identifier: GPL-2.0
/*
 * As submit_waiting, with the zip device: jobs that hang on a buffer that somebody waits for with
 * its reservation locked. Hangs are made by the test port of the emulated device.
 *
 * accel-bench: kernel=check,races modules=accel_hisi_zip,accel_waiter
 * accel-bench: option=accel_hisi_zip.job_limit_ms=8000
 */
#include "waiter_util.h"
#include "zip_submit_util.h"

FIXTURE(waiting) {
	char address[ACCEL_NAME_MAX];
	int ctx;
	struct buffer out;
	int in;
	struct submit_queue queue[2];
	int fence[2];
	pid_t waiter;
};

/* A job that hangs on each of two queues; both read the buffer. */
static void hang(struct __test_metadata *_metadata, FIXTURE_DATA(waiting) * self)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_DEFLATE, 0, PAGE, 0, 2 * PAGE);
	struct accel_submit_buffer buffers[2];
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_RET(0, submit_open(&self->queue[i], self->ctx, 8, HISI_ZIP_COMPRESS),
			   "a queue");
		ASSERT_POKE(self->address, ZIP_HANG_QUEUE, self->queue[i].id);
		ASSERT_RET(0, buffer_alloc(&self->out, self->ctx, 2 * PAGE, 0), "room");
		buffers[0] = (struct accel_submit_buffer){ self->in, ACCEL_ACCESS_READ };
		buffers[1] = (struct accel_submit_buffer){ self->out.fd, ACCEL_ACCESS_WRITE };
		ASSERT_RET(0, submit_with(&self->queue[i], &job, 1, buffers, 2, &self->fence[i]),
			   "a job that hangs");
		buffer_free(&self->out);
	}
	self->waiter = waiter_start(&self->in);
	ASSERT_LT(0, self->waiter) {
		TH_LOG("expected: somebody waits with the reservation locked, got %s",
		       ret_name(self->waiter));
	}
}

FIXTURE_SETUP(waiting)
{
	self->ctx = accel_open_kernel();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_address(self->ctx, self->address), "INFO_DEVICE");
	self->in = waiter_buffer();
	ASSERT_WORKS(self->in, "a buffer of accel_waiter");
	hang(_metadata, self);
}

FIXTURE_TEARDOWN(waiting)
{
	int i;

	zip_poke(self->address, ZIP_END_HANGS, 1);
	for (i = 0; i < 2; i++) {
		submit_close(&self->queue[i]);
		close(self->fence[i]);
	}
	close(self->in);
	close(self->ctx);
}

static void expect_ends(struct __test_metadata *_metadata, FIXTURE_DATA(waiting) * self, int error)
{
	int i;

	for (i = 0; i < 2; i++)
		EXPECT_RET(error, fence_wait(self->fence[i]), "the fence of a job that hung");
	EXPECT_RET(0, waiter_result(self->waiter), "who waits is told");
}

TEST_F(waiting, the_watchdog_ends_all)
{
	expect_ends(_metadata, self, -ETIMEDOUT);
}

TEST_F(waiting, a_reset_ends_all)
{
	pid_t resets = child_start(waiter_reset, &self->ctx);

	expect_ends(_metadata, self, -ECANCELED);
	EXPECT_RET(0, waiter_result(resets), "the reset");
}

TEST_F(waiting, isolation_ends_all)
{
	ASSERT_RET(0, attribute_write("error_threshold", "1"), "a threshold");
	ASSERT_RET(0, zip_break_down(self->address), "an error");
	expect_ends(_metadata, self, -EIO);
	EXPECT_THAT(WAIT_FOR(accel_state(self->ctx) == ACCEL_STATUS_ISOLATED, WAIT_SECONDS),
		    "isolated");
	ASSERT_RET(0, attribute_write("error_threshold", "0"), "no threshold");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
}

static int unbind_it(void *arg)
{
	return zip_unbind(arg);
}

TEST_F(waiting, unbinding_ends_all)
{
	pid_t unbinds = child_start(unbind_it, self->address);

	expect_ends(_metadata, self, -ENODEV);
	EXPECT_RET(0, waiter_result(unbinds), "the unbinding");
	zip_poke(self->address, ZIP_END_HANGS, 1);
	ASSERT_RET(0, zip_bind(self->address), "bind it again");
}

TEST_HARNESS_MAIN
