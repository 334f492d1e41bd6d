/* SPDX-License-Identifier: GPL-2.0 */
/* Jobs of one process that are mistaken, and what another one notices of them. */
#ifndef MISTAKES_UTIL_H
#define MISTAKES_UTIL_H

#include "hisi_zip_util.h"

#define MISTAKE_SIZE 4096
/* The kind of a buffer, in the algorithm's word: a scatter list. */
#define MISTAKE_LISTS (1 << 8)

enum mistake { BAD_INPUT, BAD_OUTPUT, BAD_LIST };

static const char *const mistake_names[] = {
	"an address of input that the process does not have",
	"an address of output that the process does not have",
	"a malformed scatter list",
};

/* Asks for what can't be done. */
static inline void mistake_submit(struct accel_queue *q, enum mistake what)
{
	static __u8 in[MISTAKE_SIZE], out[2 * MISTAKE_SIZE];
	/* Nothing is mapped in the first page. */
	void *nowhere = (void *)64;
	struct zip_job job = {
		.algorithm = HISI_ZIP_ZLIB,
		.in = what == BAD_INPUT ? nowhere : in,
		.out = what == BAD_OUTPUT ? nowhere : out,
		.in_size = sizeof(in),
		.out_size = sizeof(out),
	};

	if (what == BAD_LIST) {
		/* No list is at an odd address. */
		job.algorithm |= MISTAKE_LISTS;
		job.in = in + 1;
	}
	zip_submit(q, &job);
}

struct bystander {
	int jobs;
	pid_t pid;
};

/* Compresses until its queue dies; 0 if each result was right until then. */
static inline int bystander_work(void *arg)
{
	struct bystander *me = arg;
	struct accel_queue q;
	int ctx = accel_open_shared(), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	return queue_work_until_dead(&q, &me->jobs) ? 0 : -EBADMSG;
}

static inline struct bystander *bystander_start(void)
{
	struct bystander *one = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (one == MAP_FAILED)
		return NULL;
	one->pid = child_start(bystander_work, one);
	return WAIT_FOR(LOAD(one->jobs), WAIT_SECONDS) ? one : NULL;
}

static inline bool bystander_goes_on(struct bystander *one)
{
	int before = LOAD(one->jobs);

	return WAIT_FOR(LOAD(one->jobs) > before + 1, WAIT_SECONDS);
}

/* Errors of others do not count for the threshold, so that one that counts is one too many. */
static inline void expect_concerns_nobody_else(struct __test_metadata *_metadata,
					       enum mistake what, bool is_counted)
{
	int ctx = accel_open_shared(), generation, i;
	struct bystander *one = bystander_start();
	struct accel_queue q;
	__u64 errors;

	ASSERT_DEVICE(ctx);
	ASSERT_NE(NULL, one);
	generation = accel_generation(ctx);
	ASSERT_RET(0, attribute_write("error_threshold", "1"), "a threshold");
	errors = zip_errors(ctx);
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	for (i = 0; i < 20; i++) {
		struct zip_result r;

		mistake_submit(&q, what);
		r = zip_wait(&q);
		EXPECT_JOB(zip_refused, r, mistake_names[what]);
	}
	EXPECT_WORKS(&q, "a job without a mistake");
	EXPECT_THAT(bystander_goes_on(one), "another process goes on");
	if (is_counted)
		WAIT_FOR(zip_errors(ctx) > errors, WAIT_SECONDS);
	else
		usleep(100000);
	EXPECT_EQ(is_counted, zip_errors(ctx) > errors) {
		TH_LOG("expected: it is%s counted", is_counted ? "" : " not");
	}
	EXPECT_EQ(generation, accel_generation(ctx)) {
		TH_LOG("expected: the device is not reset");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(ctx)) {
		TH_LOG("expected: it is in operation");
	}
	attribute_write("error_threshold", "0");
	ASSERT_RET(0, accel_reset(ctx), "a reset, which ends all queues");
	EXPECT_RET(0, child_result(one->pid), "each result of the other process was right");
	queue_close(&q);
	close(ctx);
	munmap(one, 4096);
}

/*
 * What the device takes for an error of its own costs everybody the queue, but no right result if
 * it is contained.
 */
static inline void expect_has_the_device_reset(struct __test_metadata *_metadata,
					       enum mistake what, bool is_contained)
{
	int ctx = accel_open_shared(), generation, result;
	struct bystander *one = bystander_start();
	struct accel_queue q;

	ASSERT_DEVICE(ctx);
	ASSERT_NE(NULL, one);
	generation = accel_generation(ctx);
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	mistake_submit(&q, what);
	EXPECT_TRUE(WAIT_FOR(accel_generation(ctx) == generation + 1 &&
			     accel_state(ctx) == ACCEL_STATUS_OPERATIONAL, WAIT_SECONDS)) {
		TH_LOG("expected: %s has the device reset", mistake_names[what]);
	}
	result = child_result(one->pid);
	EXPECT_THAT(!result || (!is_contained && result == -EBADMSG),
		    "each result of the other process was right, if errors are contained");
	expect_dead(_metadata, &q, ACCEL_QUEUE_DEAD_RESET);
	expect_device_works(_metadata);
	queue_close(&q);
	close(ctx);
	munmap(one, 4096);
}

#endif
