// SPDX-License-Identifier: GPL-2.0
/*
 * The zip device in ACCEL_MODE_KERNEL: what the driver hands over, what it refuses, and how jobs
 * end when something goes wrong. Hangs and losses are made by the test port of the emulated device.
 *
 * accel-bench: option=accel_hisi_zip.job_limit_ms=1000
 */
#include "zip_submit_util.h"

#define SIZE (256u << 10)
#define LIMIT_MS 1000

FIXTURE(zip_submit) {
	char address[ACCEL_NAME_MAX];
	int ctx;
	struct buffer in;
	struct buffer out;
	struct buffer back;
	struct submit_queue q;
};

FIXTURE_SETUP(zip_submit)
{
	struct accel_info_device device = {};

	self->ctx = accel_open_kernel();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_address(self->ctx, self->address), "INFO_DEVICE");
	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	ASSERT_EQ(LIMIT_MS, device.job_limit_ms) {
		TH_LOG("load the driver with job_limit_ms=%d for this", LIMIT_MS);
	}
	ASSERT_RET(0, buffer_alloc(&self->in, self->ctx, SIZE, 0), "a buffer");
	ASSERT_RET(0, buffer_alloc(&self->out, self->ctx, 2 * SIZE, 0), "a buffer");
	ASSERT_RET(0, buffer_alloc(&self->back, self->ctx, SIZE, 0), "a buffer");
	ASSERT_RET(0, submit_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	fill_text(self->in.p, SIZE, 1);
}

FIXTURE_TEARDOWN(zip_submit)
{
	zip_poke(self->address, ZIP_END_HANGS, 1);
	submit_close(&self->q);
	buffer_free(&self->in);
	buffer_free(&self->out);
	buffer_free(&self->back);
	close(self->ctx);
}

static struct hisi_zip_sqe good_job(void)
{
	return submit_job(HISI_ZIP_DEFLATE, 0, SIZE, 0, 2 * SIZE);
}

static void expect_works(struct __test_metadata *_metadata, FIXTURE_DATA(zip_submit) * self)
{
	struct hisi_zip_sqe job = good_job();
	struct hisi_zip_record r = {};

	EXPECT_RET(0, submit_run(&self->q, &job, &self->in, &self->out, &r), "a good job");
	EXPECT_THAT(zip_matches(self->out.p, le32toh(r.sqe.produced), self->in.p, SIZE),
		    "the result of a good job");
}

/* --- What works --- */

TEST_F(zip_submit, round_trips)
{
	static const __u32 algorithms[] = { HISI_ZIP_DEFLATE, HISI_ZIP_ZLIB, HISI_ZIP_GZIP };
	static const __u32 sizes[] = { 1, 4095, 4096, 65539, SIZE };
	unsigned int a, s;

	for (a = 0; a < ARRAY_SIZE(algorithms); a++)
		for (s = 0; s < ARRAY_SIZE(sizes); s++)
			round_trip(_metadata, self->ctx, algorithms[a], &self->in, &self->out,
				   &self->back, sizes[s] == SIZE ? 0 : 123, sizes[s]);
}

TEST_F(zip_submit, repetitions_are_found_in_the_window)
{
	static const __u32 windows[] = {
		HISI_ZIP_WINDOW_4K, HISI_ZIP_WINDOW_8K, HISI_ZIP_WINDOW_16K, HISI_ZIP_WINDOW_24K,
		HISI_ZIP_WINDOW_32K,
	};
	const __u32 distance = 20000;
	struct hisi_zip_sqe job;
	struct hisi_zip_record r = {};
	__u32 noise = 1, produced, i;

	for (i = 0; i < distance; i++) {
		noise = noise * 1664525 + 1013904223;
		self->in.p[i] = noise >> 24;
	}
	memcpy(self->in.p + distance, self->in.p, distance);
	for (i = 0; i < ARRAY_SIZE(windows); i++) {
		job = submit_job(HISI_ZIP_DEFLATE, 0, 2 * distance, 0, 2 * SIZE);
		job.algorithm |= htole32(windows[i] << HISI_ZIP_WINDOW_SHIFT);
		EXPECT_RET(0, submit_run(&self->q, &job, &self->in, &self->out, &r), "a job");
		produced = le32toh(r.sqe.produced);
		EXPECT_THAT(zip_matches(self->out.p, produced, self->in.p, 2 * distance),
			    "its result");
	}
	EXPECT_GT(distance + distance / 10, produced) {
		TH_LOG("expected: 32 KiB reach %u bytes back", distance);
	}
}

TEST_F(zip_submit, record_has_the_entry_as_it_was)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_ZLIB, 8192, 5000, 4100, 10000);
	struct hisi_zip_record r = {};

	job.tag0 = htole32(0x12345678);
	ASSERT_RET(0, submit_run(&self->q, &job, &self->in, &self->out, &r), "a job");
	EXPECT_EQ(0, r.head.error);
	EXPECT_EQ(5000, le32toh(r.sqe.consumed));
	job.consumed = r.sqe.consumed;
	job.produced = r.sqe.produced;
	job.comp_data_length = r.sqe.comp_data_length;
	job.status = r.sqe.status;
	job.plain_length = r.sqe.plain_length;
	job.checksum = r.sqe.checksum;
	EXPECT_THAT(!memcmp(&job, &r.sqe, sizeof(job)),
		    "all that the device does not write is as it was");
}

TEST_F(zip_submit, neither_doorbell_nor_ring)
{
	struct accel_region region;

	EXPECT_RET(-ENOENT, accel_region(self->q.fd, ACCEL_REGION_DOORBELL, &region), "a doorbell");
	EXPECT_RET(-ENOENT, accel_region(self->q.fd, ACCEL_REGION_RING, &region), "a ring");
}

TEST_F(zip_submit, as_many_jobs_as_the_queue_is_deep)
{
	struct hisi_zip_sqe jobs[8];
	const struct hisi_zip_record *r;
	unsigned int i, round;
	int fence;

	for (round = 0; round < 20; round++) {
		for (i = 0; i < 8; i++) {
			jobs[i] = submit_job(HISI_ZIP_DEFLATE, i * PAGE, PAGE, i * 2 * PAGE,
					     2 * PAGE);
			jobs[i].tag3 = htole32(round * 8 + i);
		}
		ASSERT_RET(0, submit(&self->q, jobs, 8, &self->in, &self->out, &fence), "8 jobs");
		ASSERT_RET(0, fence_end(fence), "their end");
		for (i = 0; i < 8; i++) {
			r = submit_record(&self->q, round * 8 + i);
			ASSERT_NE(NULL, r);
			EXPECT_EQ(0, r->head.error);
			EXPECT_EQ(round * 8 + i, le32toh(r->sqe.tag3));
			EXPECT_THAT(zip_matches(self->out.p + i * 2 * PAGE,
						le32toh(r->sqe.produced),
						self->in.p + i * PAGE, PAGE), "its own result");
		}
	}
}

/* A stream of raw deflate, and the buffers of its requests: input, output, context. */
struct stream {
	struct submit_queue *q;
	struct accel_submit_buffer buffers[3];
	struct buffer context;
	/* The entry of the last request, as the device has left it; no type, no request. */
	struct hisi_zip_sqe done;
};

static int stream_open(struct stream *s, int ctx, struct submit_queue *q,
		       const struct buffer *in, const struct buffer *out)
{
	int ret = buffer_alloc(&s->context, ctx, CONTEXT_SIZE + PAGE, 0);

	s->q = q;
	s->done = (struct hisi_zip_sqe){};
	s->buffers[0] = (struct accel_submit_buffer){ in->fd, ACCEL_ACCESS_READ };
	s->buffers[1] = (struct accel_submit_buffer){ out->fd, ACCEL_ACCESS_WRITE };
	s->buffers[2] = (struct accel_submit_buffer){
		s->context.fd, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE,
	};
	return ret;
}

/* The next request, with what the last one has left. */
static struct hisi_zip_sqe stream_job(const struct stream *s, __u32 from, __u32 size,
				      __u32 to, __u32 room)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_DEFLATE, from, size, to, room);
	__u64 at = ACCEL_BUFFER_ADDRESS(2, PAGE);

	job.type |= htole32(STATEFUL | (s->done.type ? 0 : NEW_STREAM));
	job.ctx_l = htole32((__u32)at);
	job.ctx_h = htole32(at >> 32);
	job.stream_state = s->done.stream_state;
	job.ctx_dw1 = s->done.ctx_dw1;
	job.ctx_dw2 = s->done.ctx_dw2;
	job.plain_length = s->done.plain_length;
	job.checksum = s->done.checksum;
	return job;
}

/* Does one request; what its fence says. */
static int stream_run(struct stream *s, const struct hisi_zip_sqe *job)
{
	const struct hisi_zip_record *r;
	int fence, ret = submit_with(s->q, job, 1, s->buffers, 3, &fence);

	if (ret)
		return ret;
	ret = fence_end(fence);
	r = submit_record(s->q, s->q->next - 1);
	if (!r)
		return -ENODATA;
	if (!ret)
		s->done = r->sqe;
	return ret;
}

/*
 * Compresses all of the input in parts, and returns the length of what came of it. If it is not
 * said that the last part is the last, the stream is ended here, where there is no more input.
 */
static __u32 stream_pack(struct __test_metadata *_metadata, FIXTURE_DATA(zip_submit) * self,
			 bool say_last)
{
	const __u32 part = SIZE / 4;
	struct hisi_zip_sqe job;
	struct stream s;
	__u32 made = 0, at;

	ASSERT_RET(0, stream_open(&s, self->ctx, &self->q, &self->in, &self->out), "a context");
	for (at = 0; at < SIZE; at += part) {
		job = stream_job(&s, at, part, made, part + part / 8);
		if (say_last && at + part == SIZE)
			job.type |= htole32(FLUSH);
		ASSERT_RET(0, stream_run(&s, &job), "a part");
		EXPECT_EQ(job.ctx_l, s.done.ctx_l);
		EXPECT_EQ(part, le32toh(s.done.consumed));
		EXPECT_EQ(at + part, le32toh(s.done.plain_length));
		made += le32toh(s.done.produced);
	}
	if (!say_last) {
		/* An empty last block. */
		self->out.p[made++] = 0x03;
		self->out.p[made++] = 0x00;
	}
	buffer_free(&s.context);
	return made;
}

TEST_F(zip_submit, streams)
{
	__u32 made;
	int last;

	for (last = 0; last < 2; last++) {
		made = stream_pack(_metadata, self, last);
		EXPECT_THAT(zip_matches(self->out.p, made, self->in.p, SIZE), "one stream");
	}
}

/*
 * Whether the next request of a stream that is decompressed is one without input, by the rules of
 * the header. The only end that the emulated device leaves in a context is an empty block.
 */
static bool stream_wants_none(const struct stream *s)
{
	__u32 state = le32toh(s->done.stream_state), stored = le32toh(s->done.ctx_dw1) & 0x7ffff;
	__u32 at = 0xc00 + ((le32toh(s->done.ctx_dw2) & 0xffff) + 15) / 16 * 16;

	switch (state & 0xf) {
	case 1:
		return true;
	case 2:
		return state & 1 << 7 && stored;
	case 3:
		return (state >> 10 & 0x3f) == 10 && !memcmp(s->context.p + PAGE + at, "\3", 2);
	default:
		return false;
	}
}

TEST_F(zip_submit, streams_that_are_decompressed)
{
	__u32 size = stream_pack(_metadata, self, true), taken = 0, made = 0, rest, part = 0;
	const __u32 room = SIZE / 8;
	struct submit_queue unpack;
	struct hisi_zip_sqe job;
	unsigned int parts = 0;
	struct stream s;

	ASSERT_RET(0, submit_open(&unpack, self->ctx, 8, HISI_ZIP_DECOMPRESS), "a queue");
	ASSERT_RET(0, stream_open(&s, self->ctx, &unpack, &self->out, &self->back), "a context");
	do {
		if (le32toh(s.done.consumed) < part || !stream_wants_none(&s))
			part = size - taken < size / 3 ? size - taken : size / 3;
		else
			part = 0;
		rest = SIZE - made > room ? room : SIZE - made;
		rest = rest < HISI_ZIP_ROOM_MIN ? HISI_ZIP_ROOM_MIN : rest;
		job = stream_job(&s, taken, part, made, rest);
		ASSERT_RET(0, stream_run(&s, &job), "a part");
		taken += le32toh(s.done.consumed);
		made += le32toh(s.done.produced);
	} while (!(le32toh(s.done.status) & 1 << 8) && ++parts < 100);
	EXPECT_EQ(HISI_ZIP_STREAM_END, le32toh(s.done.status) & 0xff);
	EXPECT_EQ(size, taken);
	EXPECT_EQ(SIZE, made);
	EXPECT_THAT(!memcmp(self->in.p, self->back.p, SIZE), "the same bytes");
	buffer_free(&s.context);
	submit_close(&unpack);
}

TEST_F(zip_submit, a_stream_has_to_bring_its_words_back)
{
	struct hisi_zip_sqe job, spoilt;
	struct stream s;

	ASSERT_RET(0, stream_open(&s, self->ctx, &self->q, &self->in, &self->out), "a context");
	job = stream_job(&s, 0, PAGE, 0, 2 * PAGE);
	ASSERT_RET(0, stream_run(&s, &job), "the first part");
	job = stream_job(&s, PAGE, PAGE, 2 * PAGE, 2 * PAGE);
	spoilt = job;
	spoilt.ctx_dw2 ^= htole32(1);
	EXPECT_RET(-EIO, stream_run(&s, &spoilt), "a part with another word");
	EXPECT_RET(0, stream_run(&s, &job), "the part that goes on");
	buffer_free(&s.context);
}

TEST_F(zip_submit, the_context_of_a_stream_is_checked)
{
	struct hisi_zip_sqe job;
	struct stream s;

	ASSERT_RET(0, stream_open(&s, self->ctx, &self->q, &self->in, &self->out), "a context");
	job = stream_job(&s, 0, PAGE, 0, 2 * PAGE);
	s.buffers[2].flags = ACCEL_ACCESS_READ;
	EXPECT_RET(-EACCES, stream_run(&s, &job), "a context that can't be written");
	s.buffers[2].flags = ACCEL_ACCESS_WRITE;
	EXPECT_RET(-EACCES, stream_run(&s, &job), "a context that can't be read");
	s.buffers[2].flags = ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE;
	job.ctx_l = htole32(le32toh(job.ctx_l) + 1);
	EXPECT_RET(-EINVAL, stream_run(&s, &job), "a context that is not whole");
	buffer_free(&s.context);
}

/* Attachments of all dma-bufs to the device, as debugfs tells them; -1 if it does not. */
static int attachments(const char *address)
{
	static char text[1 << 16];
	char wanted[64], *at = text;
	int n = 0;

	snprintf(wanted, sizeof(wanted), "\t%s\n", address);
	if (read_file("/sys/kernel/debug/dma_buf/bufinfo", text, sizeof(text)) < 0)
		return -1;
	while ((at = strstr(at, wanted))) {
		at++;
		n++;
	}
	return n;
}

/* A fence that is signalled when the timeline is closed. */
static int unsignalled(int timeline)
{
	struct { __u32 value; char name[32]; __s32 fence; } data = { .value = 1, .name = "test" };

	return ioctl(timeline, _IOWR('W', 0, data), &data) ? -errno : data.fence;
}

TEST_F(zip_submit, a_buffer_is_attached_once_however_often_it_is_named)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_DEFLATE, 0, PAGE, 0, 2 * PAGE);
	struct accel_submit_buffer buffers[ACCEL_SUBMIT_BUFFERS_MAX];
	int timeline = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);
	struct accel_submit_fence fence = { .fd = unsignalled(timeline) };
	struct accel_queue_submit args = {
		.size = sizeof(args),
		.flags = ACCEL_SUBMIT_OUT_FENCE,
		.jobs = (uintptr_t)&job,
		.job_count = 1,
		.job_size = sizeof(job),
		.buffers = (uintptr_t)buffers,
		.buffer_count = ARRAY_SIZE(buffers),
		.buffer_size = sizeof(buffers[0]),
		.in_fences = (uintptr_t)&fence,
		.in_fence_count = 1,
		.in_fence_size = sizeof(fence),
	};
	char address[ACCEL_NAME_MAX];
	unsigned int i;

	ASSERT_WORKS(fence.fd, "sw_sync in debugfs");
	ASSERT_RET(0, accel_address(self->ctx, address), "the device's address");
	ASSERT_TRUE(WAIT_FOR(attachments(address) == 0, WAIT_SECONDS)) {
		TH_LOG("expected: nothing is attached at first, in /sys/kernel/debug/dma_buf");
	}
	for (i = 0; i < ARRAY_SIZE(buffers); i++) {
		buffers[i].fd = i % 2 ? self->out.fd : self->in.fd;
		buffers[i].flags = i % 2 ? ACCEL_ACCESS_WRITE : ACCEL_ACCESS_READ;
	}
	ASSERT_RET(0, accel_ioctl(self->q.fd, ACCEL_QUEUE_SUBMIT, &args), "a job that waits");
	EXPECT_EQ(2, attachments(address));
	close(timeline);
	EXPECT_RET(-ECANCELED, fence_end(args.out_fence), "the job, whose fence has failed");
	EXPECT_TRUE(WAIT_FOR(attachments(address) == 0, WAIT_SECONDS));
	close(fence.fd);
}

/* --- What is refused --- */

struct bad {
	const char *what;
	int error;
	void (*spoil)(struct hisi_zip_sqe *job);
};

#define SPOIL(name, statement) \
	static void spoil_##name(struct hisi_zip_sqe *job) { statement; }

SPOIL(no_input, job->input_data_length = 0)
SPOIL(no_room, job->dest_avail_out = 0)
SPOIL(little_room, job->dest_avail_out = htole32(HISI_ZIP_ROOM_MIN - 1))
SPOIL(much_input, job->input_data_length = htole32(ZIP_LIMIT + 1))
SPOIL(much_room, job->dest_avail_out = htole32(ZIP_LIMIT + 1))
SPOIL(algorithm_0, job->algorithm = 0)
SPOIL(algorithm_4, job->algorithm = htole32(4))
SPOIL(lists, job->algorithm |= htole32(1 << 8))
SPOIL(window, job->algorithm |= htole32(5 << HISI_ZIP_WINDOW_SHIFT))
SPOIL(behind_window, job->algorithm |= htole32(1 << 16))
SPOIL(offset, job->type |= htole32(1))
SPOIL(type, job->type |= htole32(1 << 24))
SPOIL(layout, job->type = htole32(1 << 28))
SPOIL(old_layout, job->type = htole32(HISI_ZIP_LAYOUT_V2))
SPOIL(dest_offset, job->dest_offset = htole32(1))
SPOIL(lba, job->lba_h = htole32(1))
SPOIL(rsvd0, job->rsvd0[2] = htole32(1))
SPOIL(rsvd1, job->rsvd1[0] = htole32(1))
SPOIL(rsvd2, job->rsvd2[1] = htole32(1))
SPOIL(rsvd3, job->rsvd3 = htole32(1))
SPOIL(ctx_dw1, job->ctx_dw1 = htole32(1))
SPOIL(ctx_dw2, job->ctx_dw2 = htole32(1))
SPOIL(no_buffer_in, job->source_h = htole32(2 << 16))
SPOIL(no_buffer_out, job->dest_h = htole32(0xffff << 16))
SPOIL(behind_in, job->source_l = htole32(1))
SPOIL(behind_out, job->dest_l = htole32(SIZE * 2))
SPOIL(far_in, job->source_h |= htole32(0xffff))
SPOIL(stream, job->type |= htole32(STATEFUL | NEW_STREAM))
SPOIL(reads_out, job->source_h = htole32(1 << 16))
SPOIL(writes_in, job->dest_h = 0; job->dest_avail_out = htole32(SIZE))

static const struct bad all_bad[] = {
	{ "no input", -EINVAL, spoil_no_input },
	{ "no room", -EINVAL, spoil_no_room },
	{ "room that the engine does not work with", -EINVAL, spoil_little_room },
	{ "more input than 8 MiB", -EINVAL, spoil_much_input },
	{ "more room than 8 MiB", -EINVAL, spoil_much_room },
	{ "algorithm 0", -EINVAL, spoil_algorithm_0 },
	{ "algorithm 4", -EINVAL, spoil_algorithm_4 },
	{ "scatter lists of the caller's own", -EINVAL, spoil_lists },
	{ "a window larger than there is", -EINVAL, spoil_window },
	{ "other bits of the algorithm", -EINVAL, spoil_behind_window },
	{ "offset into a list", -EINVAL, spoil_offset },
	{ "other bits of the type", -EINVAL, spoil_type },
	{ "layout 1", -EINVAL, spoil_layout },
	{ "the layout of revision 0x21", -EINVAL, spoil_old_layout },
	{ "offset of the output", -EINVAL, spoil_dest_offset },
	{ "lba", -EINVAL, spoil_lba },
	{ "rsvd0", -EINVAL, spoil_rsvd0 },
	{ "rsvd1", -EINVAL, spoil_rsvd1 },
	{ "rsvd2", -EINVAL, spoil_rsvd2 },
	{ "rsvd3", -EINVAL, spoil_rsvd3 },
	{ "a stream's word outside of streams", -EINVAL, spoil_ctx_dw1 },
	{ "the other of them", -EINVAL, spoil_ctx_dw2 },
	{ "input in no buffer", -EINVAL, spoil_no_buffer_in },
	{ "output in no buffer", -EINVAL, spoil_no_buffer_out },
	{ "input that is not all in its buffer", -EINVAL, spoil_behind_in },
	{ "output behind its buffer", -EINVAL, spoil_behind_out },
	{ "input far behind its buffer", -EINVAL, spoil_far_in },
	{ "a stream whose context is what is only read", -EACCES, spoil_stream },
	{ "input from what is only written", -EACCES, spoil_reads_out },
	{ "output to what is only read", -EACCES, spoil_writes_in },
};

TEST_F(zip_submit, ethosu_cve_2026_53171_bad_entries_are_refused)
{
	struct hisi_zip_sqe jobs[2];
	const struct bad *bad;

	for (bad = all_bad; bad < all_bad + ARRAY_SIZE(all_bad); bad++) {
		jobs[0] = good_job();
		jobs[1] = good_job();
		bad->spoil(&jobs[1]);
		EXPECT_RET(bad->error, submit(&self->q, jobs, 2, &self->in, &self->out, NULL),
			   bad->what);
	}
	EXPECT_EQ(NULL, submit_record(&self->q, 0)) {
		TH_LOG("expected: nothing is handed over if one job of it is refused");
	}
	expect_works(_metadata, self);
}

TEST_F(zip_submit, bad_input_is_an_error_of_its_job)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_DEFLATE, 0, SIZE, 0, SIZE);
	struct hisi_zip_record r = {};
	struct submit_queue unpack;

	ASSERT_RET(0, submit_open(&unpack, self->ctx, 8, HISI_ZIP_DECOMPRESS), "a queue");
	memset(self->in.p, 0xff, SIZE);
	EXPECT_RET(-EIO, submit_run(&unpack, &job, &self->in, &self->back, &r),
		   "what is no stream");
	EXPECT_EQ(EIO, r.head.error);
	EXPECT_NE(0, le32toh(r.sqe.status));
	submit_close(&unpack);
}

TEST_F(zip_submit, lack_of_room_is_no_error)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_DEFLATE, 0, SIZE, 0, HISI_ZIP_ROOM_MIN);
	struct hisi_zip_record r = {};

	EXPECT_RET(0, submit_run(&self->q, &job, &self->in, &self->out, &r), "too little room");
	EXPECT_EQ(0, r.head.error);
	EXPECT_EQ(HISI_ZIP_NO_ROOM, le32toh(r.sqe.status) & 0xff);
}

/* --- What goes wrong --- */

/* Two jobs that do not end, since the queue hangs. */
static int hanging_jobs(struct __test_metadata *_metadata, FIXTURE_DATA(zip_submit) * self)
{
	struct hisi_zip_sqe jobs[2] = { good_job(), good_job() };
	int fence = -1;

	ASSERT_POKE(self->address, ZIP_HANG_QUEUE, self->q.id);
	EXPECT_RET(0, submit(&self->q, jobs, 2, &self->in, &self->out, &fence), "two jobs");
	return fence;
}

TEST_F(zip_submit, jobs_of_a_queue_that_hangs_time_out)
{
	int fence = hanging_jobs(_metadata, self);

	EXPECT_RET(-ETIMEDOUT, fence_end(fence), "the fence");
	submit_close(&self->q);
	ASSERT_RET(0, submit_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	expect_works(_metadata, self);
}

TEST_F(zip_submit, a_lost_completion_hurts_its_job_alone)
{
	struct hisi_zip_sqe jobs[2] = { good_job(), good_job() };
	double end = seconds() + LIMIT_MS / 2000.;
	const struct hisi_zip_record *r;
	int fence;

	ASSERT_POKE(self->address, ZIP_DROP_COMPLETIONS, 1);
	ASSERT_RET(0, submit(&self->q, jobs, 2, &self->in, &self->out, &fence), "two jobs");
	while (!(r = submit_record(&self->q, 1)) && seconds() < end)
		usleep(1000);
	ASSERT_NE(NULL, r) {
		TH_LOG("expected: the job behind the lost one ends");
	}
	EXPECT_EQ(0, r->head.error);
	EXPECT_EQ(NULL, submit_record(&self->q, 0)) {
		TH_LOG("expected: the lost one does not");
	}
	EXPECT_RET(-ETIMEDOUT, fence_end(fence), "the fence");
}

TEST_F(zip_submit, a_lost_event_loses_no_job)
{
	struct hisi_zip_sqe job = good_job();
	int fence;

	ASSERT_POKE(self->address, ZIP_DROP_EVENTS, 1);
	ASSERT_RET(0, submit(&self->q, &job, 1, &self->in, &self->out, &fence), "a job");
	EXPECT_RET(0, fence_end(fence), "its fence, when the queue is stopped");
}

TEST_F(zip_submit, a_reset_cancels_jobs)
{
	int fence = hanging_jobs(_metadata, self);

	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	EXPECT_RET(-ECANCELED, fence_end(fence), "the fence");
	submit_close(&self->q);
	ASSERT_RET(0, submit_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	expect_works(_metadata, self);
}

TEST_F(zip_submit, close_cancels_jobs)
{
	int fence = hanging_jobs(_metadata, self);

	submit_close(&self->q);
	EXPECT_RET(-ECANCELED, fence_end(fence), "the fence");
	ASSERT_RET(0, submit_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	expect_works(_metadata, self);
}

TEST_F(zip_submit, close_amid_jobs)
{
	struct hisi_zip_sqe jobs[8];
	struct submit_queue q;
	int i, round, fence, ended;

	for (i = 0; i < 8; i++)
		jobs[i] = good_job();
	for (round = 0; round < 10; round++) {
		ASSERT_RET(0, submit_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
		ASSERT_RET(0, submit(&q, jobs, 8, &self->in, &self->out, &fence), "8 jobs");
		usleep(round * 2000);
		submit_close(&q);
		ended = fence_end(fence);
		EXPECT_THAT(ended == 0 || ended == -ECANCELED, "jobs are done or cancelled");
	}
	expect_works(_metadata, self);
}

TEST_HARNESS_MAIN
