// SPDX-License-Identifier: GPL-2.0
/*
 * ACCEL_MODE_KERNEL where queues share a doorbell page: nobody maps it, so nobody has to allow it.
 * And what that revision has not.
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

TEST(neither_raw_deflate_nor_the_layout_of_later_ones)
{
	const __u64 has = 1ull << ACCEL_FUNCTION_ZLIB | 1ull << ACCEL_FUNCTION_GZIP;
	struct accel_info_device device = {};
	int ctx = accel_open_kernel();
	struct hisi_zip_record r = {};
	struct hisi_zip_sqe job;
	struct submit_queue q;
	struct buffer in, out;

	ASSERT_DEVICE(ctx);
	ASSERT_WORKS(accel_info_device(ctx, &device), "INFO_DEVICE");
	EXPECT_EQ(has, device.functions);
	EXPECT_EQ(1024, device.queues_max) {
		TH_LOG("expected: what is known, since it can't be asked");
	}
	EXPECT_EQ(1024, device.depth_max);
	ASSERT_RET(0, buffer_alloc(&in, ctx, PAGE, 0), "a buffer");
	ASSERT_RET(0, buffer_alloc(&out, ctx, 2 * PAGE, 0), "a buffer");
	ASSERT_RET(0, submit_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	job = submit_job(HISI_ZIP_DEFLATE, 0, PAGE, 0, 2 * PAGE);
	EXPECT_RET(-EINVAL, submit(&q, &job, 1, &in, &out, NULL), "raw deflate");
	job = submit_job(HISI_ZIP_ZLIB, 0, PAGE, 0, 2 * PAGE);
	job.type = htole32(HISI_ZIP_LAYOUT_V3);
	EXPECT_RET(-EINVAL, submit(&q, &job, 1, &in, &out, NULL), "layout 3");
	job.type = htole32(HISI_ZIP_LAYOUT_V2);
	EXPECT_RET(0, submit_run(&q, &job, &in, &out, &r), "zlib in layout 0");
	submit_close(&q);
	buffer_free(&in);
	buffer_free(&out);
	close(ctx);
}

TEST_HARNESS_MAIN
