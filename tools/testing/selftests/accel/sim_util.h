/* SPDX-License-Identifier: GPL-2.0 */
/* The device in software: finding it, a queue of it driven from its mapped region, its debugfs. */
#ifndef SIM_UTIL_H
#define SIM_UTIL_H

#include <linux/userfaultfd.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <zlib.h>

#include <accel/accel_sim.h>

#include "accel_util.h"

#define SIM_DRIVER "accel_sim"
#define SIM_DEBUGFS "/sys/kernel/debug/accelerator"

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

struct sim_result {
	/* A negative errno where no completion came. */
	int error;
	struct accel_sim_completion completion;
};

static inline struct accel_sim_control *sim_indices(const struct accel_queue *q)
{
	return q->ring;
}

static inline struct accel_sim_job *sim_place(const struct accel_queue *q, __u32 index)
{
	return (struct accel_sim_job *)((char *)q->ring + ACCEL_SIM_SQ_OFFSET) +
	       index % q->depth;
}

static inline struct accel_sim_completion *sim_completion(const struct accel_queue *q, __u32 index)
{
	return (struct accel_sim_completion *)((char *)q->ring + ACCEL_SIM_CQ_OFFSET(q->depth)) +
	       index % q->depth;
}

static inline int sim_queue_open(struct accel_queue *q, int ctx, __u32 depth)
{
	int fd = accel_queue_create(ctx, depth);

	return fd < 0 ? fd : queue_adopt(q, fd);
}

/* --- Jobs --- */

static inline int sim_kick(const struct accel_queue *q)
{
	struct accel_sim_kick kick = { .size = sizeof(kick) };

	return accel_ioctl(q->fd, ACCEL_SIM_KICK, &kick);
}

/* After a store of an index: wakes the device up if it says that it sleeps. */
static inline int sim_notice(const struct accel_queue *q)
{
	int ret = 0;

	__sync_synchronize();
	if (LOAD(sim_indices(q)->flags) & ACCEL_SIM_NEEDS_KICK)
		ret = sim_kick(q);
	/* Who has closed the descriptor and kept the mapping is served all the same. */
	return ret == -EBADF ? 0 : ret;
}

/* Puts a job into the ring without telling the device. */
static inline void sim_put(struct accel_queue *q, const struct accel_sim_job *job)
{
	*sim_place(q, q->tail) = *job;
	q->tail++;
}

static inline int sim_ring(struct accel_queue *q)
{
	STORE(sim_indices(q)->sq_tail, q->tail);
	return sim_notice(q);
}

static inline int sim_submit(struct accel_queue *q, const struct accel_sim_job *job)
{
	sim_put(q, job);
	return sim_ring(q);
}

/* Completions that are there and were not taken. */
static inline __u32 sim_done(const struct accel_queue *q)
{
	return LOAD(sim_indices(q)->cq_tail) - q->head;
}

/* Takes a completion that is there; the device learns of it by the next sim_give_back(). */
static inline struct accel_sim_completion sim_take(struct accel_queue *q)
{
	return *sim_completion(q, q->head++);
}

static inline int sim_give_back(struct accel_queue *q)
{
	STORE(sim_indices(q)->cq_head, q->head);
	return sim_notice(q);
}

/* Waits in memory for the next completion, and returns it. */
static inline struct sim_result sim_wait(struct accel_queue *q)
{
	double end = seconds() + WAIT_SECONDS;
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

static inline struct sim_result sim_run(struct accel_queue *q, const struct accel_sim_job *job)
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

static inline void sim_expect_works(struct __test_metadata *_metadata, int ctx)
{
	struct accel_sim_job job = sim_nop(5);
	struct accel_queue q;
	struct sim_result r;

	ASSERT_RET(0, sim_queue_open(&q, ctx, 4), "a new queue");
	r = sim_run(&q, &job);
	EXPECT_DONE(r, "a job on a new queue");
	queue_close(&q);
}

static inline struct accel_info_errors sim_errors(int ctx)
{
	struct accel_info_errors errors = {};

	accel_info_errors(ctx, &errors);
	return errors;
}

/* Waits until the queue is dead; the state that it has then, or LIVE. */
static inline __u32 sim_wait_dead(const struct accel_queue *q)
{
	double end = seconds() + WAIT_SECONDS;
	__u32 state;

	do {
		state = LOAD(q->status->state);
		usleep(1000);
	} while (state == ACCEL_QUEUE_LIVE && seconds() < end);
	return state;
}

/* --- Memory that its owner does not provide --- */

/* Whoever touches it waits; in poll() it is seen that somebody does. */
static inline int userfault_open(void *at, size_t length)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)at, .len = length },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &range)) {
		close(fd);
		return -EINVAL;
	}
	return fd;
}

/* Lets them go on: they find zeroes. */
static inline int userfault_provide(int fd, void *at, size_t length)
{
	struct uffdio_zeropage zero = { .range = { .start = (uintptr_t)at, .len = length } };

	return ioctl(fd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

/* --- The device as one on which the core is tested --- */

static inline __u64 sim_ring_size(__u32 depth)
{
	return ACCEL_SIM_CQ_OFFSET(depth) + (__u64)depth * ACCEL_SIM_COMPLETION_SIZE;
}

static inline void sim_put_copy(struct accel_queue *q, const void *in, void *out, __u32 size,
				bool event)
{
	struct accel_sim_job job = sim_copy(out, in, size);

	job.flags = event ? ACCEL_SIM_IRQ : 0;
	sim_put(q, &job);
}

static inline bool sim_any_done(const struct accel_queue *q)
{
	return sim_done(q);
}

static inline int sim_end(struct accel_queue *q, const void *in, const void *out, __u32 size)
{
	struct sim_result r = sim_wait(q);

	if (r.error)
		return r.error;
	if (r.completion.status != ACCEL_SIM_STATUS_OK)
		return -EIO;
	return !in || !memcmp(in, out, size) ? 0 : -EBADMSG;
}

static inline int sim_break_down(const char *address)
{
	(void)address;
	return sim_control(accel_number(), "error", "17");
}

/* Pulls the device out, and waits until that is done. */
static inline int sim_unbind(const char *address)
{
	int number = accel_number(), ret;
	char link[64], parent[PATH_MAX];

	(void)address;
	snprintf(link, sizeof(link), ACCEL_CLASS "/accel%d/device", number);
	if (!realpath(link, parent))
		return -errno;
	ret = sim_control(number, "remove", "1");
	return ret ?: WAIT_FOR(access(parent, F_OK), WAIT_SECONDS) ? 0 : -ETIMEDOUT;
}

/* Another takes its place, with an address of its own. */
static inline int sim_bind(const char *address)
{
	(void)address;
	return write_file("/sys/kernel/debug/accel_sim/add", "1");
}

static const struct accel_kind sim_kind = {
	.driver = SIM_DRIVER,
	.link = "device",
	.leads_to = SIM_DRIVER ".",
	.bus = "faux",
	.functions = 1ull << ACCEL_FUNCTION_COPY | 1ull << ACCEL_FUNCTION_FILL |
		     1ull << ACCEL_FUNCTION_CHECKSUM,
	.request_max = ACCEL_SIM_LENGTH_MAX,
	.regions = 2,
	.ring_begin = ACCEL_SIM_SQ_OFFSET,
	.open = sim_queue_open,
	.ring_size = sim_ring_size,
	.put = sim_put_copy,
	.start = sim_ring,
	.done = sim_any_done,
	.end = sim_end,
	.break_down = sim_break_down,
	.unbind = sim_unbind,
	.bind = sim_bind,
};

#endif /* SIM_UTIL_H */
