// SPDX-License-Identifier: GPL-2.0
/*
 * ACCEL_MODE_KERNEL where queues share a doorbell page: nobody maps it, so nobody has to allow it.
 *
 * accel-bench: revision=0x21
 */
#include "zip_submit_util.h"

TEST(kernel_mode_needs_no_permission)
{
	int ctx = accel_open_kernel(), other;
	struct buffer in, out;
	struct accel_queue q;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, buffer_alloc(&in, ctx, 64 * PAGE, 0), "a buffer");
	ASSERT_RET(0, buffer_alloc(&out, ctx, 128 * PAGE, 0), "a buffer");
	round_trip(_metadata, ctx, HISI_ZIP_GZIP, &in, &out, &in, 99, 50 * PAGE);

	other = accel_open_shared();
	ASSERT_DEVICE(other);
	EXPECT_RET(-EPERM, zip_open(&q, other, 8, HISI_ZIP_COMPRESS), "a queue with a doorbell");
	close(other);
	buffer_free(&in);
	buffer_free(&out);
	close(ctx);
}

TEST_HARNESS_MAIN
