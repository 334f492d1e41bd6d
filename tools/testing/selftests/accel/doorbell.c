// SPDX-License-Identifier: GPL-2.0
/*
 * A process that writes whatever it likes to the doorbell pages that it has,
 * beside others whose jobs must not notice.
 */
#include "hisi_zip_util.h"

#define PAGE 4096
#define VICTIMS 3

struct shared {
	int stop;
	int ready[VICTIMS];
	int jobs[VICTIMS];
	__u32 ids[VICTIMS];
};

FIXTURE(doorbell) {
	struct shared *shared;
	int ctx;
	__u64 errors;
	int generation;
	pid_t victims[VICTIMS];
};

struct victim {
	struct shared *shared;
	int index;
};

/* Compresses all the time; each job must be right, each event have a cause. */
static int be_a_victim(void *arg)
{
	const struct victim *me = arg;
	struct shared *shared = me->shared;
	int ctx = accel_open_shared(), ret;
	struct accel_queue q;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	STORE(shared->ids[me->index], q.id);
	STORE(shared->ready[me->index], 1);
	while (!LOAD(shared->stop)) {
		if (!queue_works(&q))
			return -EIO;
		STORE(shared->jobs[me->index], q.done);
	}
	/* Nobody has armed the queue. */
	return LOAD(q.status->completions) ? -EPROTO : 0;
}

FIXTURE_SETUP(doorbell)
{
	struct accel_info_device device = {};
	struct victim me;
	int i;

	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->ctx);
	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	ASSERT_EQ(ACCEL_DOORBELL_PER_QUEUE, device.doorbell) {
		TH_LOG("expected: a device of revision 0x30");
	}
	/* One error that counts is one too many. */
	ASSERT_RET(0, attribute_write("error_threshold", "1"), "a threshold");
	self->errors = zip_errors(self->ctx);
	self->generation = accel_generation(self->ctx);
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	for (i = 0; i < VICTIMS; i++) {
		me = (struct victim){ .shared = self->shared, .index = i };
		self->victims[i] = child_start(be_a_victim, &me);
		ASSERT_TRUE(WAIT_FOR(LOAD(self->shared->ready[i]), WAIT_SECONDS)) {
			TH_LOG("expected: process %d has a queue", i);
		}
	}
}

FIXTURE_TEARDOWN(doorbell)
{
	STORE(self->shared->stop, 1);
	attribute_write("error_threshold", "0");
	close(self->ctx);
}

/* A doorbell without sense is told; that one is another queue's is not. */
static void expect_told(struct __test_metadata *_metadata, const FIXTURE_DATA(doorbell) * self)
{
	EXPECT_TRUE(WAIT_FOR(zip_errors(self->ctx) > self->errors, WAIT_SECONDS)) {
		TH_LOG("expected: the device has noticed, and the driver counts it");
	}
}

static void expect_victims_unharmed(struct __test_metadata *_metadata,
				    const FIXTURE_DATA(doorbell) * self)
{
	int i, before[VICTIMS];

	for (i = 0; i < VICTIMS; i++)
		before[i] = LOAD(self->shared->jobs[i]);
	for (i = 0; i < VICTIMS; i++) {
		EXPECT_TRUE(WAIT_FOR(LOAD(self->shared->jobs[i]) > before[i], WAIT_SECONDS)) {
			TH_LOG("expected: process %d goes on", i);
		}
	}
	STORE(self->shared->stop, 1);
	for (i = 0; i < VICTIMS; i++)
		EXPECT_RET(0, child_result(self->victims[i]),
			   "each job was right, and no event came");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->ctx)) {
		TH_LOG("expected: the device is in operation");
	}
	EXPECT_EQ(self->generation, accel_generation(self->ctx)) {
		TH_LOG("expected: it was not reset");
	}
}

static void ring_at(const struct accel_queue *q, size_t offset, __u64 value)
{
	STORE(*(__u64 *)((char *)q->doorbell + offset), htole64(value));
}

static void expect_attacker_alive(struct __test_metadata *_metadata, int ctx,
				  struct accel_queue *attacker)
{
	struct accel_queue fresh;

	queue_close(attacker);
	ASSERT_RET(0, zip_open(&fresh, ctx, 8, HISI_ZIP_COMPRESS), "a new queue of the attacker");
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
}

/* All commands, indices and priorities, for the queues of others. */
TEST_F(doorbell, idxd_cve_2024_21823_queues_of_others_cannot_be_rung)
{
	struct accel_queue q;
	int i, cmd, round;

	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	for (round = 0; round < 200; round++) {
		for (i = 0; i < VICTIMS; i++) {
			for (cmd = 0; cmd < 16; cmd++) {
				ring_at(&q, HISI_ZIP_DOORBELL_OFFSET,
					HISI_ZIP_DB(self->shared->ids[i], cmd, round % 9,
						    round % 2));
			}
		}
	}
	expect_victims_unharmed(_metadata, self);
	EXPECT_WORKS(&q, "the attacker's own queue");
	expect_attacker_alive(_metadata, self->ctx, &q);
}

/* Every word of the pages, which reach as far as the next queue's. */
TEST_F(doorbell, all_words_of_the_pages)
{
	struct accel_queue q;
	size_t offset;
	int i;

	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	EXPECT_EQ(0x10000, q.doorbell_region.size) {
		TH_LOG("expected: pages of 64 KiB");
	}
	for (i = 0; i < VICTIMS; i++) {
		for (offset = 0; offset < q.doorbell_region.size; offset += 8) {
			ring_at(&q, offset,
				HISI_ZIP_DB(self->shared->ids[i], HISI_ZIP_DB_SQ, 7, 0));
			ring_at(&q, offset,
				HISI_ZIP_DB(self->shared->ids[i], HISI_ZIP_DB_CQ, 3, 1));
		}
	}
	for (offset = 0; offset < q.doorbell_region.size; offset += 8)
		ring_at(&q, offset, ~0ull);
	expect_told(_metadata, self);
	expect_victims_unharmed(_metadata, self);
	expect_attacker_alive(_metadata, self->ctx, &q);
}

/* The own queue, with numbers that make no sense; it may die of it, alone. */
TEST_F(doorbell, wild_values_harm_only_the_own_queue)
{
	struct accel_queue q;
	__u64 x = 1;
	int i;

	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	for (i = 0; i < 20000; i++) {
		x = x * 6364136223846793005ull + 1442695040888963407ull;
		ring_at(&q, HISI_ZIP_DOORBELL_OFFSET, i % 2 ? x : (x & ~0xfffull) | q.id);
	}
	expect_told(_metadata, self);
	expect_victims_unharmed(_metadata, self);
	expect_attacker_alive(_metadata, self->ctx, &q);
}

/* Narrow stores, as no program should make them. */
TEST_F(doorbell, odd_stores_harm_nobody)
{
	struct accel_queue q;
	char *page;
	int i;

	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	page = (char *)q.doorbell + HISI_ZIP_DOORBELL_OFFSET;
	for (i = 0; i < 64; i++) {
		STORE(*(__u8 *)(page + i), 0xff);
		STORE(*(__u16 *)(page + 2 * i), 0xffff);
		STORE(*(__u32 *)(page + 4 * i), ~0u);
	}
	expect_told(_metadata, self);
	expect_victims_unharmed(_metadata, self);
	expect_attacker_alive(_metadata, self->ctx, &q);
}

TEST_HARNESS_MAIN
