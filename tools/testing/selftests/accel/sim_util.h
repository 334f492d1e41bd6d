/* SPDX-License-Identifier: GPL-2.0 */
/* The device in software: finding it, a queue of it driven from its mapped region, its debugfs. */
#ifndef SIM_UTIL_H
#define SIM_UTIL_H

#include <sched.h>
#include <sys/eventfd.h>
#include <zlib.h>

#include <accel/accel_sim.h>

#include "accel_util.h"

#define SIM_DRIVER "accel_sim"
#define SIM_DEBUGFS "/sys/kernel/debug/accelerator"
#define SIM_WAIT_SECONDS 60

#define ASSERT_SIM(fd) \
	do { \
		long __fd = (fd); \
		ASSERT_LE(0, __fd) \
		{ \
			TH_LOG("no /dev/accelN of " SIM_DRIVER " (%s): load it with " \
			       "'modprobe " SIM_DRIVER "'", ret_name(__fd)); \
		} \
	} while (0)

/* --- Finding the device --- */

static inline bool sim_is(int number)
{
	struct accel_info_device device = {};
	int fd = accel_open_number("accel_monitor", number, O_RDONLY);
	bool is;

	if (fd < 0)
		return false;
	is = accel_info_device(fd, &device) >= 0 && !strcmp(device.driver, SIM_DRIVER);
	close(fd);
	return is;
}

/* N of the first /dev/accelN from @from on that is in software, or -ENOENT. */
static inline int sim_number_from(int from)
{
	int number;

	for (number = from; number < 256; number++) {
		if (sim_is(number))
			return number;
	}
	return -ENOENT;
}

static inline int sim_number(void)
{
	return sim_number_from(0);
}

static inline int sim_open(void)
{
	return accel_open_number("accel", sim_number(), O_RDWR);
}

static inline int sim_open_monitor(void)
{
	return accel_open_number("accel_monitor", sim_number(), O_RDONLY);
}

/* An open context, bound in @mode. */
static inline int sim_open_mode(__u32 mode)
{
	int ctx = sim_open(), ret;

	if (ctx < 0)
		return ctx;
	ret = accel_bind(ctx, mode);
	if (ret < 0) {
		close(ctx);
		return ret;
	}
	return ctx;
}

static inline int sim_open_shared(void)
{
	return sim_open_mode(ACCEL_MODE_SHARED);
}

/* Tells the device to misbehave: writes @text to a file of its debugfs directory. */
static inline int sim_control(int number, const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), SIM_DEBUGFS "/accel%d/%s", number, file);
	return write_file(path, text);
}

/* --- Queues --- */

struct sim_queue {
	int fd;
	__u32 id;
	__u32 depth;
	/* What this side has written and read so far. */
	__u32 tail;
	__u32 head;
	struct accel_region ring_region;
	struct accel_region status_region;
	void *ring;
	const struct accel_queue_status *status;
};

struct sim_result {
	/* A negative errno where no completion came. */
	int error;
	struct accel_sim_completion completion;
};

static inline struct accel_sim_control *sim_indices(const struct sim_queue *q)
{
	return q->ring;
}

static inline struct accel_sim_job *sim_place(const struct sim_queue *q, __u32 index)
{
	return (struct accel_sim_job *)((char *)q->ring + ACCEL_SIM_SQ_OFFSET) +
	       index % q->depth;
}

static inline struct accel_sim_completion *sim_completion(const struct sim_queue *q, __u32 index)
{
	return (struct accel_sim_completion *)((char *)q->ring + ACCEL_SIM_CQ_OFFSET(q->depth)) +
	       index % q->depth;
}

static inline int sim_find_regions(struct sim_queue *q)
{
	struct accel_queue_info info;
	int ret = accel_queue_info(q->fd, &info, NULL);

	if (ret < 0)
		return ret;
	q->id = info.id;
	q->depth = info.depth;
	ret = accel_region(q->fd, ACCEL_REGION_STATUS, &q->status_region);
	return ret ? ret : accel_region(q->fd, ACCEL_REGION_RING, &q->ring_region);
}

static inline void sim_unmap(struct sim_queue *q)
{
	if (!map_error(q->ring))
		munmap(q->ring, q->ring_region.size);
	if (!map_error(q->status))
		munmap((void *)q->status, q->status_region.size);
}

static inline int sim_map(struct sim_queue *q)
{
	int ret;

	q->ring = accel_map_region(q->fd, &q->ring_region);
	q->status = accel_map_region(q->fd, &q->status_region);
	ret = map_error(q->ring) ?: map_error(q->status);
	if (ret)
		sim_unmap(q);
	return ret;
}

/* Takes over @fd, a queue, and maps it. */
static inline int sim_adopt(struct sim_queue *q, int fd)
{
	int ret;

	*q = (struct sim_queue){ .fd = fd };
	ret = sim_find_regions(q);
	if (!ret)
		ret = sim_map(q);
	if (ret)
		close(fd);
	return ret;
}

static inline int sim_queue_open(struct sim_queue *q, int ctx, __u32 depth)
{
	int fd = accel_queue_create(ctx, depth);

	return fd < 0 ? fd : sim_adopt(q, fd);
}

static inline void sim_close(struct sim_queue *q)
{
	sim_unmap(q);
	close(q->fd);
}

/* --- Jobs --- */

static inline int sim_kick(const struct sim_queue *q)
{
	struct accel_sim_kick kick = { .size = sizeof(kick) };

	return accel_ioctl(q->fd, ACCEL_SIM_KICK, &kick);
}

/* After a store of an index: wakes the device up if it says that it sleeps. */
static inline int sim_notice(const struct sim_queue *q)
{
	__sync_synchronize();
	if (LOAD(sim_indices(q)->flags) & ACCEL_SIM_NEEDS_KICK)
		return sim_kick(q);
	return 0;
}

/* Puts a job into the ring without telling the device. */
static inline void sim_put(struct sim_queue *q, const struct accel_sim_job *job)
{
	*sim_place(q, q->tail) = *job;
	q->tail++;
}

static inline int sim_ring(struct sim_queue *q)
{
	STORE(sim_indices(q)->sq_tail, q->tail);
	return sim_notice(q);
}

static inline int sim_submit(struct sim_queue *q, const struct accel_sim_job *job)
{
	sim_put(q, job);
	return sim_ring(q);
}

/* Completions that are there and were not taken. */
static inline __u32 sim_done(const struct sim_queue *q)
{
	return LOAD(sim_indices(q)->cq_tail) - q->head;
}

/* Takes a completion that is there; the device learns of it by the next sim_give_back(). */
static inline struct accel_sim_completion sim_take(struct sim_queue *q)
{
	return *sim_completion(q, q->head++);
}

static inline int sim_give_back(struct sim_queue *q)
{
	STORE(sim_indices(q)->cq_head, q->head);
	return sim_notice(q);
}

/* Waits in memory for the next completion, and returns it. */
static inline struct sim_result sim_wait(struct sim_queue *q)
{
	double end = seconds() + SIM_WAIT_SECONDS;
	struct sim_result r = {};

	while (!sim_done(q)) {
		if (LOAD(q->status->state) != ACCEL_QUEUE_LIVE)
			return (struct sim_result){ .error = -ENODEV };
		if (seconds() > end)
			return (struct sim_result){ .error = -ETIMEDOUT };
		sched_yield();
	}
	r.completion = sim_take(q);
	r.error = sim_give_back(q);
	return r;
}

static inline struct sim_result sim_run(struct sim_queue *q, const struct accel_sim_job *job)
{
	int ret = sim_submit(q, job);

	return ret ? (struct sim_result){ .error = ret } : sim_wait(q);
}

static inline struct accel_sim_job sim_nop(__u64 tag)
{
	return (struct accel_sim_job){ .opcode = ACCEL_SIM_NOP, .tag = tag };
}

static inline struct accel_sim_job sim_copy(void *dest, const void *source, __u64 length)
{
	return (struct accel_sim_job){
		.opcode = ACCEL_SIM_COPY,
		.source = (uintptr_t)source,
		.dest = (uintptr_t)dest,
		.length = length,
	};
}

static inline struct accel_sim_job sim_fill(void *dest, __u64 pattern, __u64 length)
{
	return (struct accel_sim_job){
		.opcode = ACCEL_SIM_FILL,
		.dest = (uintptr_t)dest,
		.length = length,
		.value = pattern,
	};
}

static inline struct accel_sim_job sim_checksum(const void *source, __u64 length)
{
	return (struct accel_sim_job){
		.opcode = ACCEL_SIM_CHECKSUM,
		.source = (uintptr_t)source,
		.length = length,
	};
}

static inline struct accel_sim_job sim_hang(void)
{
	return (struct accel_sim_job){ .opcode = ACCEL_SIM_HANG };
}

#define SIM_LOG(r) \
	TH_LOG("got error %s, status %u, result %#x, address %#llx, %llu bytes", \
	       ret_name((r)->error), (r)->completion.status, (r)->completion.result, \
	       (r)->completion.address, (r)->completion.bytes)

/* The job has ended, with this status. */
#define EXPECT_STATUS(expected, r, rule) \
	do { \
		EXPECT_TRUE(!(r).error && (r).completion.status == (expected)) \
		{ \
			TH_LOG("expected: %s", rule); \
			SIM_LOG(&(r)); \
		} \
	} while (0)

#define EXPECT_DONE(r, rule) EXPECT_STATUS(ACCEL_SIM_STATUS_OK, r, rule)

/* Waits until the queue is dead; the state that it has then, or LIVE. */
static inline __u32 sim_wait_dead(const struct sim_queue *q)
{
	double end = seconds() + SIM_WAIT_SECONDS;
	__u32 state;

	do {
		state = LOAD(q->status->state);
		usleep(1000);
	} while (state == ACCEL_QUEUE_LIVE && seconds() < end);
	return state;
}

#endif /* SIM_UTIL_H */
