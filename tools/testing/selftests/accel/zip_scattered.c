// SPDX-License-Identifier: GPL-2.0
/*
 * The zip device in ACCEL_MODE_KERNEL, on buffers whose pages lie here and there. The IOMMU does
 * not put them together, so that the driver must tell the device about each.
 *
 * accel-bench: append=iommu.passthrough=1
 */
#include "zip_submit_util.h"

FIXTURE(zip_scattered) {
	char address[ACCEL_NAME_MAX];
	int ctx;
	__u32 lists;
};

FIXTURE_SETUP(zip_scattered)
{
	self->ctx = accel_open_kernel();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_address(self->ctx, self->address), "INFO_DEVICE");
	ASSERT_EQ(ZIP_PORT_MAGIC, zip_peek(self->address, ZIP_PORT)) {
		TH_LOG("expected: an emulated device with faults=on");
	}
	self->lists = zip_peek(self->address, ZIP_LISTS);
}

FIXTURE_TEARDOWN(zip_scattered)
{
	close(self->ctx);
}

static __u32 lists_read(const FIXTURE_DATA(zip_scattered) * self)
{
	return zip_peek(self->address, ZIP_LISTS) - self->lists;
}

TEST_F(zip_scattered, round_trips)
{
	static const __u32 algorithms[] = { HISI_ZIP_DEFLATE, HISI_ZIP_ZLIB, HISI_ZIP_GZIP };
	struct buffer in, out, back;
	unsigned int a;

	ASSERT_RET(0, buffer_scattered(&in, 64 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_scattered(&out, 128 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_scattered(&back, 64 * PAGE), "scattered pages");
	for (a = 0; a < ARRAY_SIZE(algorithms); a++)
		round_trip(_metadata, self->ctx, algorithms[a], &in, &out, &back, 777, 50 * PAGE);
	EXPECT_LE(12, lists_read(self)) {
		TH_LOG("expected: two lists for each of six jobs");
	}
	buffer_free(&in);
	buffer_free(&out);
	buffer_free(&back);
}

/* 2048 pieces and more, which nine lists have room for. */
TEST_F(zip_scattered, chains_of_lists)
{
	struct buffer in, out, back;

	ASSERT_RET(0, write_file("/sys/module/udmabuf/parameters/list_limit", "4096"),
		   "let a buffer have so many pieces");
	ASSERT_RET(0, buffer_scattered(&in, 2049 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_scattered(&out, 2100 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_scattered(&back, 2049 * PAGE), "scattered pages");
	round_trip(_metadata, self->ctx, HISI_ZIP_DEFLATE, &in, &out, &back, 1234, ZIP_LIMIT);
	EXPECT_LE(9, lists_read(self)) {
		TH_LOG("expected: chains");
	}
	buffer_free(&in);
	buffer_free(&out);
	buffer_free(&back);
}

TEST_F(zip_scattered, one_side_in_one_piece)
{
	struct buffer in, out;

	ASSERT_RET(0, buffer_scattered(&in, 16 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_alloc(&out, self->ctx, 32 * PAGE, ACCEL_ALLOC_CONTIGUOUS),
		   "one piece");
	round_trip(_metadata, self->ctx, HISI_ZIP_GZIP, &in, &out, &in, 0, 16 * PAGE);
	EXPECT_EQ(4, lists_read(self)) {
		TH_LOG("expected: lists, of one entry if need be, for both sides of both jobs");
	}
	buffer_free(&in);
	buffer_free(&out);
}

TEST_F(zip_scattered, no_lists_where_none_are_needed)
{
	struct buffer in, out;

	ASSERT_RET(0, buffer_alloc(&in, self->ctx, 16 * PAGE, ACCEL_ALLOC_CONTIGUOUS),
		   "one piece");
	ASSERT_RET(0, buffer_alloc(&out, self->ctx, 32 * PAGE, ACCEL_ALLOC_CONTIGUOUS),
		   "one piece");
	round_trip(_metadata, self->ctx, HISI_ZIP_GZIP, &in, &out, &in, 0, 16 * PAGE);
	EXPECT_EQ(0, lists_read(self)) {
		TH_LOG("expected: no list");
	}
	buffer_free(&in);
	buffer_free(&out);
}

/* A request for what is left of the output has a list of the input, too. */
TEST_F(zip_scattered, stream_without_more_input)
{
	const __u32 size = 2 * PAGE;
	struct accel_submit_buffer buffers[3];
	struct buffer in, out, context;
	__u32 packed, from, part, made = 0;
	struct hisi_zip_record r = {};
	struct submit_queue q;
	struct hisi_zip_sqe job;
	__u8 plain[2 * PAGE];
	int fence;

	ASSERT_RET(0, buffer_scattered(&in, 4 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_scattered(&out, 16 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_alloc(&context, self->ctx, CONTEXT_SIZE, ACCEL_ALLOC_CONTIGUOUS),
		   "a context in one piece");
	ASSERT_RET(0, submit_open(&q, self->ctx, 8, HISI_ZIP_DECOMPRESS), "a queue");
	fill_text(plain, size, 1);
	packed = zip_judge_deflate(HISI_ZIP_DEFLATE, plain, size, in.p, in.size);
	buffers[0] = (struct accel_submit_buffer){ in.fd, ACCEL_ACCESS_READ };
	buffers[1] = (struct accel_submit_buffer){ out.fd, ACCEL_ACCESS_WRITE };
	buffers[2] = (struct accel_submit_buffer){
		context.fd, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE,
	};
	for (part = 0, from = 0; part < 4 && made < size; part++) {
		/*
		 * All input is taken at once; then it asks for the room that it did not have. What
		 * the device keeps in the entry goes on with it.
		 */
		job = submit_job(HISI_ZIP_DEFLATE, from, packed - from, made, PAGE);
		r.sqe.type = job.type | htole32(STATEFUL | (part ? 0 : NEW_STREAM));
		r.sqe.algorithm = job.algorithm;
		r.sqe.input_data_length = job.input_data_length;
		r.sqe.dest_avail_out = job.dest_avail_out;
		r.sqe.source_l = job.source_l;
		r.sqe.source_h = job.source_h;
		r.sqe.dest_l = job.dest_l;
		r.sqe.dest_h = job.dest_h;
		r.sqe.ctx_h = htole32(2 << 16);
		ASSERT_RET(0, submit_with(&q, &r.sqe, 1, buffers, 3, &fence), "a part");
		EXPECT_RET(0, fence_end(fence), "its end");
		r = *submit_record(&q, part);
		from += le32toh(r.sqe.consumed);
		made += le32toh(r.sqe.produced);
	}
	EXPECT_LT(1, part) {
		TH_LOG("expected: it asks");
	}
	EXPECT_EQ(packed, from);
	EXPECT_EQ(size, made) {
		TH_LOG("expected: the whole stream");
	}
	EXPECT_THAT(!memcmp(plain, out.p, size), "the same bytes");
	submit_close(&q);
	buffer_free(&in);
	buffer_free(&out);
	buffer_free(&context);
}

TEST_F(zip_scattered, context_must_be_in_one_piece)
{
	struct accel_submit_buffer buffers[3];
	struct buffer in, out, context;
	struct submit_queue q;
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_GZIP, 0, PAGE, 0, 4 * PAGE);

	ASSERT_RET(0, buffer_scattered(&in, 4 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_scattered(&out, 4 * PAGE), "scattered pages");
	ASSERT_RET(0, buffer_scattered(&context, CONTEXT_SIZE), "scattered pages");
	ASSERT_RET(0, submit_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	job.type |= htole32(STATEFUL | NEW_STREAM);
	job.ctx_h = htole32(2 << 16);
	buffers[0] = (struct accel_submit_buffer){ in.fd, ACCEL_ACCESS_READ };
	buffers[1] = (struct accel_submit_buffer){ out.fd, ACCEL_ACCESS_WRITE };
	buffers[2] = (struct accel_submit_buffer){
		context.fd, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE,
	};
	EXPECT_RET(-EINVAL, submit_with(&q, &job, 1, buffers, 3, NULL), "a scattered context");
	submit_close(&q);
	buffer_free(&in);
	buffer_free(&out);
	buffer_free(&context);
}

TEST_HARNESS_MAIN
