// SPDX-License-Identifier: GPL-2.0
/*
 * The zip device in ACCEL_MODE_KERNEL behind bounce buffers, as in a guest whose memory is
 * encrypted: what it reads and writes is a copy, which is made when a program says that its own
 * accesses begin and end.
 *
 * accel-bench: append=iommu.passthrough=1 append=swiotlb=force,track_hiwater
 */
#include "zip_submit_util.h"

#define SIZE (256u << 10)
/* Bytes that a program writes over what a job wrote. */
#define PART 64
#define ROUNDS 30
/* How often a mapping has to go late, and within how many seconds. */
#define LATE 10
#define LIMIT 120
/* Slots of 2 KiB in use, and the most there have been: exact, thanks to track_hiwater. */
#define USED "/sys/kernel/debug/swiotlb/io_tlb_used"
#define MOST USED "_hiwater"

#define BEGIN DMA_BUF_SYNC_START
#define END DMA_BUF_SYNC_END
#define WRITE DMA_BUF_SYNC_WRITE
#define RW DMA_BUF_SYNC_RW

FIXTURE(zip_bounce) {
	int ctx;
	struct buffer in;
	struct buffer out;
	struct buffer back;
	struct submit_queue pack;
	struct submit_queue unpack;
	long idle;
};

static long slots(const char *path)
{
	char text[32];
	int ret = read_file(path, text, sizeof(text));

	return ret < 0 ? ret : strtol(text, NULL, 10);
}

FIXTURE_SETUP(zip_bounce)
{
	self->ctx = accel_open_kernel();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, buffer_alloc(&self->in, self->ctx, SIZE, 0), "a buffer");
	ASSERT_RET(0, buffer_alloc(&self->out, self->ctx, 2 * SIZE, 0), "a buffer");
	ASSERT_RET(0, buffer_alloc(&self->back, self->ctx, SIZE, 0), "a buffer");
	ASSERT_RET(0, submit_open(&self->pack, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	ASSERT_RET(0, submit_open(&self->unpack, self->ctx, 8, HISI_ZIP_DECOMPRESS), "a queue");
	self->idle = slots(USED);
	ASSERT_WORKS(self->idle, "read " USED);
}

FIXTURE_TEARDOWN(zip_bounce)
{
	submit_close(&self->unpack);
	submit_close(&self->pack);
	buffer_free(&self->back);
	buffer_free(&self->out);
	buffer_free(&self->in);
	close(self->ctx);
}

/* Writes text to be compressed. */
static int fill(FIXTURE_DATA(zip_bounce) * self, __u32 seed)
{
	int ret = buffer_sync(self->in.fd, BEGIN | WRITE);

	fill_text(self->in.p, SIZE, seed);
	return ret ?: buffer_sync(self->in.fd, END | WRITE);
}

/* Whether the mapping of the last job is there still: the device's part of it, at least. */
static bool is_mapped(const FIXTURE_DATA(zip_bounce) * self)
{
	return slots(USED) > self->idle;
}

static bool wait_until_unmapped(const FIXTURE_DATA(zip_bounce) * self)
{
	return WAIT_FOR(!is_mapped(self), WAIT_SECONDS);
}

/* Has the device compress all of @in, at @to of @out. */
static int pack(FIXTURE_DATA(zip_bounce) * self, __u32 to, __u32 flags)
{
	struct accel_submit_buffer buffers[] = {
		{ .fd = self->in.fd, .flags = ACCEL_ACCESS_READ },
		{ .fd = self->out.fd, .flags = flags },
	};
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_DEFLATE, 0, SIZE, to, SIZE);

	return submit_with(&self->pack, &job, 1, buffers, 2, NULL);
}

/* Bytes that the last job of a queue made, 0 if it has not ended. */
static __u32 produced(const struct submit_queue *q)
{
	const struct hisi_zip_record *record = submit_record(q, q->next - 1);

	return record ? le32toh(record->sqe.produced) : 0;
}

TEST_F(zip_bounce, jobs_find_what_was_written_before)
{
	int i;

	for (i = 0; i < 8; i++) {
		ASSERT_RET(0, fill(self, i), "text");
		ASSERT_RET(0, write_file(MOST, "0"), "count anew");
		ASSERT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
		ASSERT_RET(0, buffer_sync(self->out.fd, BEGIN | RW), "wait for the job");
		EXPECT_LE(self->idle + 3 * SIZE / 2048, slots(MOST)) {
			TH_LOG("expected: buffers that bounce: swiotlb=force,track_hiwater");
		}
		EXPECT_THAT(zip_matches(self->out.p, produced(&self->pack), self->in.p, SIZE),
			    "zlib makes the same bytes of it");
		ASSERT_RET(0, buffer_sync(self->out.fd, END | RW), "end");
	}
}

/*
 * The mapping of a job goes a moment after its fence. Writes a part of what the job wrote, as often
 * as it takes until the mapping has gone after @point LATE times; returns how often the part was
 * another then.
 */
static int lost_behind_jobs(struct __test_metadata *_metadata, FIXTURE_DATA(zip_bounce) * self,
			    __u64 point)
{
	double until = seconds() + LIMIT;
	int i, hits = 0, lost = 0;
	__u8 part[PART];

	EXPECT_RET(0, fill(self, 1), "text");
	for (i = 0; hits < LATE && seconds() < until; i++) {
		memset(part, i, PART);
		EXPECT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
		EXPECT_RET(0, buffer_sync(self->out.fd, BEGIN | WRITE), "wait for the job");
		memset(self->out.p, i, PART);
		if (point == END)
			EXPECT_RET(0, buffer_sync(self->out.fd, END | WRITE), "end");
		hits += is_mapped(self);
		EXPECT_THAT(wait_until_unmapped(self), "the job's mapping goes");
		lost += !!memcmp(self->out.p, part, PART);
		if (point == BEGIN)
			EXPECT_RET(0, buffer_sync(self->out.fd, END | WRITE), "end");
	}
	EXPECT_EQ(LATE, hits) {
		TH_LOG("expected: a mapping that goes so late, %d times among %d jobs", LATE, i);
	}
	return lost;
}

TEST_F(zip_bounce, what_is_being_written_stays_when_the_mapping_goes)
{
	EXPECT_EQ(0, lost_behind_jobs(_metadata, self, BEGIN)) {
		TH_LOG("expected: what was written is never replaced by what the job wrote");
	}
}

TEST_F(zip_bounce, what_was_written_stays_when_the_mapping_goes)
{
	EXPECT_EQ(0, lost_behind_jobs(_metadata, self, END)) {
		TH_LOG("expected: what was written is never replaced by what the job wrote");
	}
}

/* A job that only reads leaves alone what is written meanwhile. */
TEST_F(zip_bounce, what_is_written_stays_behind_a_job_that_reads)
{
	__u8 part[PART];
	int i;

	ASSERT_RET(0, fill(self, 6), "text");
	ASSERT_RET(0, buffer_sync(self->in.fd, BEGIN | WRITE), "begin");
	for (i = 0; i < ROUNDS; i++) {
		memset(part, i, PART);
		ASSERT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
		memset(self->in.p, i, PART);
		EXPECT_THAT(wait_until_unmapped(self), "the job ends, and its mappings go");
		EXPECT_THAT(!memcmp(self->in.p, part, PART), "what was written");
	}
	ASSERT_RET(0, buffer_sync(self->in.fd, END | WRITE), "end");
	ASSERT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
	/* Without a word of the program, even. */
	memset(self->in.p, 0x5a, PART);
	EXPECT_THAT(wait_until_unmapped(self), "the job ends, and its mappings go");
	memset(part, 0x5a, PART);
	EXPECT_THAT(!memcmp(self->in.p, part, PART), "what was written");
}

/* Of a buffer that a program says it will only write, the job's part stays where it doesn't. */
TEST_F(zip_bounce, what_a_job_wrote_stays_beside_what_is_written_after)
{
	__u8 *last = &self->out.p[2 * SIZE - 1];
	int i;

	ASSERT_RET(0, fill(self, 2), "text");
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_RET(0, pack(self, 0, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE), "a job");
		ASSERT_RET(0, buffer_sync(self->out.fd, BEGIN | WRITE), "wait for the job");
		*last = i;
		ASSERT_RET(0, buffer_sync(self->out.fd, END | WRITE), "end");
		EXPECT_THAT(wait_until_unmapped(self), "the job's mapping goes");

		EXPECT_THAT(zip_matches(self->out.p, produced(&self->pack), self->in.p, SIZE),
			    "what the job wrote");
		EXPECT_EQ((__u8)i, *last) {
			TH_LOG("expected: the byte that was written after the job");
		}
		ASSERT_RET(0, buffer_sync(self->out.fd, BEGIN | WRITE), "begin");
		memset(self->out.p, 0xa5, self->out.size);
		ASSERT_RET(0, buffer_sync(self->out.fd, END | WRITE), "end");
	}
}

static int read_on(void *arg)
{
	const struct buffer *b = arg;

	while (!buffer_sync(b->fd, BEGIN | DMA_BUF_SYNC_READ) &&
	       !buffer_sync(b->fd, END | DMA_BUF_SYNC_READ))
		usleep(200);
	return -EIO;
}

/* Somebody else's look at the buffer, at any moment, must not keep the result of a job away. */
TEST_F(zip_bounce, results_come_though_somebody_reads)
{
	pid_t reader = child_start(read_on, &self->out);
	int i;

	ASSERT_LE(0, reader);
	EXPECT_RET(0, fill(self, 3), "text");
	for (i = 0; i < ROUNDS; i++) {
		EXPECT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
		EXPECT_THAT(wait_until_unmapped(self), "the job ends, and its mapping goes");
		EXPECT_THAT(zip_matches(self->out.p, produced(&self->pack), self->in.p, SIZE),
			    "what the job wrote");
		memset(self->out.p, 0, self->out.size);
	}
	kill(reader, SIGKILL);
	EXPECT_EQ(CHILD_KILLED - SIGKILL, child_result(reader));
}

/* The second job is there before the first has run. */
TEST_F(zip_bounce, a_job_finds_what_another_wrote)
{
	struct hisi_zip_sqe job;
	__u32 size;
	int i;

	ASSERT_RET(0, fill(self, 4), "text");
	ASSERT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
	ASSERT_RET(0, buffer_sync(self->out.fd, BEGIN | RW), "wait for the job");
	size = produced(&self->pack);
	memset(self->out.p, 0, self->out.size);
	ASSERT_RET(0, buffer_sync(self->out.fd, END | RW), "end");

	job = submit_job(HISI_ZIP_DEFLATE, 0, size, 0, SIZE);
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
		ASSERT_RET(0, submit(&self->unpack, &job, 1, &self->out, &self->back, NULL),
			   "one that reads what it writes");
		ASSERT_RET(0, buffer_sync(self->back.fd, BEGIN | RW), "wait for both");
		EXPECT_EQ(SIZE, produced(&self->unpack));
		EXPECT_THAT(!memcmp(self->back.p, self->in.p, SIZE), "the text is back");
		memset(self->back.p, 0, SIZE);
		ASSERT_RET(0, buffer_sync(self->back.fd, END | RW), "end");
	}
}

TEST_F(zip_bounce, jobs_write_parts_of_one_buffer)
{
	__u32 size;
	int i;

	ASSERT_RET(0, fill(self, 5), "text");
	for (i = 0; i < ROUNDS; i++) {
		ASSERT_RET(0, pack(self, 0, ACCEL_ACCESS_WRITE), "a job");
		ASSERT_RET(0, pack(self, SIZE, ACCEL_ACCESS_WRITE), "another");
		ASSERT_RET(0, buffer_sync(self->out.fd, BEGIN | RW), "wait for both");
		size = produced(&self->pack);
		EXPECT_THAT(zip_matches(self->out.p, size, self->in.p, SIZE), "the first part");
		EXPECT_THAT(zip_matches(self->out.p + SIZE, size, self->in.p, SIZE), "the second");
		memset(self->out.p, 0, self->out.size);
		ASSERT_RET(0, buffer_sync(self->out.fd, END | RW), "end");
	}
}

TEST_HARNESS_MAIN
