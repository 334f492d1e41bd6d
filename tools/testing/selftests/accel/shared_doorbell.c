// SPDX-License-Identifier: GPL-2.0
/*
 * The administrator has allowed a doorbell page that queues share. Processes can
 * disturb each other's jobs then, but neither the kernel nor the device.
 *
 * accel-bench: revision=0x21 append=accel.allow_shared_doorbells=1
 */
#include "hisi_zip_util.h"

#define PAGE 4096

FIXTURE(shared_doorbell) {
	int ctx;
};

FIXTURE_SETUP(shared_doorbell)
{
	struct accel_info_device device = {};

	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->ctx);
	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	ASSERT_EQ(ACCEL_DOORBELL_SHARED, device.doorbell) {
		TH_LOG("expected: a device of revision 0x21");
	}
}

FIXTURE_TEARDOWN(shared_doorbell)
{
	close(self->ctx);
}

TEST_F(shared_doorbell, is_told_and_works)
{
	struct accel_queue q[3];
	int i;

	EXPECT_THAT(attribute_is("doorbell", "shared, allowed"), "the attribute says so");
	for (i = 0; i < 3; i++) {
		ASSERT_RET(0, zip_open(&q[i], self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
		EXPECT_EQ(PAGE, q[i].doorbell_region.size) {
			TH_LOG("expected: one page");
		}
	}
	for (i = 0; i < 30; i++)
		EXPECT_WORKS(&q[i % 3], "a job");
	for (i = 0; i < 3; i++)
		queue_close(&q[i]);
}

static const struct {
	const char *what;
	__u32 type;
	__u32 algorithm;
	bool works;
} formats[] = {
	{ "zlib", 0, HISI_ZIP_ZLIB, true },
	{ "gzip", 0, HISI_ZIP_GZIP, true },
	{ "raw deflate", 0, HISI_ZIP_DEFLATE, false },
	{ "zlib in the layout of revision 0x30", HISI_ZIP_LAYOUT_V3, HISI_ZIP_ZLIB, false },
};

TEST_F(shared_doorbell, has_formats_of_its_own)
{
	static __u8 in[PAGE], out[2 * PAGE];
	struct zip_job job = { 0, 0xc0ffee, in, out, PAGE, 2 * PAGE };
	struct hisi_zip_sqe *sqe;
	struct zip_result r;
	struct accel_queue q;
	unsigned int i;

	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	for (i = 0; i < ARRAY_SIZE(formats); i++) {
		sqe = (struct hisi_zip_sqe *)q.ring + q.tail;
		job.algorithm = formats[i].algorithm;
		zip_put(&q, &job);
		sqe->type = htole32(formats[i].type);
		zip_ring(&q, HISI_ZIP_DB_SQ, q.tail, 0);
		r = zip_wait(&q);
		EXPECT_EQ(0xc0ffee, r.tag);
		EXPECT_EQ(formats[i].works, zip_good(&r)) {
			TH_LOG("expected: %s %s", formats[i].what,
			       formats[i].works ? "works" : "is an error");
			ZIP_LOG(&r);
		}
	}
	queue_close(&q);
}

/*
 * There is one switch for all queues that says whose addresses their data has. A job that goes on
 * though its queue is closed must not have those of the kernel, so a reset comes before.
 */
TEST_F(shared_doorbell, kernel_mode_goes_with_no_other)
{
	struct accel_queue q;
	int ctx = accel_open(), queue;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_KERNEL), "bind to the kernel's addresses");
	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	EXPECT_RET(-EBUSY, zip_queue_create(ctx, 8, HISI_ZIP_COMPRESS), "one in kernel mode");
	EXPECT_WORKS(&q, "a job on the first");
	queue_close(&q);
	EXPECT_RET(-EBUSY, zip_queue_create(ctx, 8, HISI_ZIP_COMPRESS), "one in kernel mode then");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");

	queue = zip_queue_create(ctx, 8, HISI_ZIP_COMPRESS);
	ASSERT_WORKS(queue, "one in kernel mode alone");
	EXPECT_RET(-EBUSY, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "another beside it");
	close(queue);
	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "another when it is gone");
	EXPECT_WORKS(&q, "a job on it");
	queue_close(&q);
	close(ctx);
}

/* Its entries are still there, and the memory that they are about is others' by now. */
TEST_F(shared_doorbell, nobody_begins_a_closed_queue_again)
{
	static __u8 in[PAGE], out[2 * PAGE];
	struct zip_job job = { HISI_ZIP_ZLIB, 0, in, out, sizeof(in), sizeof(out) };
	static const __u64 tags[] = { 0, 0xaaaa };
	struct accel_queue closed, q;
	struct zip_result r;
	unsigned int i, tag;
	size_t at;

	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	ASSERT_RET(0, zip_open(&closed, self->ctx, 8, HISI_ZIP_COMPRESS), "another queue");
	r = zip_run(&closed, &job);
	EXPECT_GOOD(r, "a job on it");
	queue_close(&closed);
	ASSERT_TRUE(WAIT_FOR(accel_queues(self->ctx) == 1, WAIT_SECONDS)) {
		TH_LOG("expected: it is gone");
	}
	memset(out, 0x5a, sizeof(out));
	for (tag = 0; tag < ARRAY_SIZE(tags); tag++) {
		for (i = 0; i < 2 * 8; i++)
			STORE(*(__u64 *)zip_doorbell(&q),
			      htole64(HISI_ZIP_DB(closed.id, HISI_ZIP_DB_SQ, i % 8, 0) |
				      tags[tag] << 16));
	}
	usleep(300000);
	for (at = 0; at < sizeof(out) && out[at] == 0x5a; at++)
		;
	EXPECT_EQ(sizeof(out), at) {
		TH_LOG("expected: no entry of it is done again, whoever rings");
	}
	EXPECT_WORKS(&q, "a job on the other queue");
	queue_close(&q);
}

static int be_a_victim(void *arg)
{
	struct accel_queue q;
	int ctx = accel_open_shared(), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	/*
	 * Its jobs may fail, and its queue may die: the driver can't tell whose doorbell
	 * left no room for completions. That it is told, and not killed, is enough.
	 */
	touch_catch(touch_caught);
	if (!sigsetjmp(touch_return, 1)) {
		while (!LOAD(*(int *)arg)) {
			static __u8 in[PAGE], out[2 * PAGE];
			struct zip_job job = { HISI_ZIP_ZLIB, 0, in, out, PAGE, 2 * PAGE };

			zip_submit(&q, &job);
			usleep(1000);
		}
		return 0;
	}
	return LOAD(q.status->state) == ACCEL_QUEUE_LIVE ? -EBADMSG : 0;
}

/* Whatever comes to mind, until the own queue dies of it. */
static void ring_wildly(struct accel_queue *q)
{
	unsigned int i;
	size_t offset;
	__u64 x = 1;

	touch_catch(touch_caught);
	if (!sigsetjmp(touch_return, 1)) {
		for (i = 0; i < 20000; i++) {
			x = x * 6364136223846793005ull + 1442695040888963407ull;
			offset = i % 4 ? 0 : (x >> 40) % (PAGE / 8) * 8;
			STORE(*(__u64 *)((char *)q->doorbell + offset), i % 2 ? x : x & ~0xff80ull);
		}
	}
	touch_catch(SIG_DFL);
}

/* Whatever is rung, for whichever queue, in use or not. */
TEST_F(shared_doorbell, wild_values_disturb_neither_kernel_nor_device)
{
	int *stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int generation = accel_generation(self->ctx);
	__u64 errors = zip_errors(self->ctx);
	struct accel_queue q;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, stop);
	/* One error that counts is one too many. */
	ASSERT_RET(0, attribute_write("error_threshold", "1"), "a threshold");
	pid = child_start(be_a_victim, stop);
	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	ring_wildly(&q);
	STORE(*stop, 1);
	EXPECT_RET(0, child_result(pid), "the other process");
	EXPECT_TRUE(WAIT_FOR(zip_errors(self->ctx) > errors, WAIT_SECONDS)) {
		TH_LOG("expected: the device has noticed, and the driver counts it");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->ctx)) {
		TH_LOG("expected: the device is in operation");
	}
	EXPECT_EQ(generation, accel_generation(self->ctx)) {
		TH_LOG("expected: it was not reset");
	}
	attribute_write("error_threshold", "0");
	queue_close(&q);
	EXPECT_RET(0, accel_reset(self->ctx), "a reset mends what was disturbed");
	expect_device_works(_metadata);
	munmap(stop, PAGE);
}

TEST_F(shared_doorbell, resets_and_removals_take_the_page)
{
	char address[ACCEL_NAME_MAX];
	struct accel_queue q[2];

	ASSERT_RET(0, accel_address(self->ctx, address), "INFO_DEVICE");
	ASSERT_RET(0, zip_open(&q[0], self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	EXPECT_WORKS(&q[0], "a job before");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	expect_dead(_metadata, &q[0], ACCEL_QUEUE_DEAD_RESET);
	ASSERT_RET(0, zip_open(&q[1], self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	EXPECT_WORKS(&q[1], "a job on it");
	expect_dead(_metadata, &q[0], ACCEL_QUEUE_DEAD_RESET);
	ASSERT_RET(0, device_unbind(address), "unbind");
	expect_dead(_metadata, &q[1], ACCEL_QUEUE_DEAD_REMOVED);
	queue_close(&q[0]);
	queue_close(&q[1]);
	ASSERT_RET(0, device_bind(address), "bind");
	expect_device_works(_metadata);
}

TEST_HARNESS_MAIN
