/* SPDX-License-Identifier: GPL-2.0 */
/* The driver that misbehaves, drivers/accel/test/accel_rogue.rs: finding it, what it is told. */
#ifndef ROGUE_UTIL_H
#define ROGUE_UTIL_H

#include "memory_util.h"

#define WAIT 60
#define DEPTH 8
/* An ioctl of the driver's, on a context. */
#define OUTGROW _IO(ACCEL_IOC_TYPE, 0x40)

/* mod ticket of the driver */
#define TICKET_END "0"
#define TICKET_KEEP "1"
#define TICKET_FORGET "2"
#define TICKET_DROP "3"
#define TICKET_REFUSE "4"
#define TICKET_SWAP "5"
#define TICKET_TO_QUEUE "6"

/* Hoard::use_again() of the driver */
#define USE_TICKETS "1"
#define USE_BUFFERS "2"
#define USE_SPACES "3"
#define USE_DEVICES "4"
#define USE_ANOTHER "5"
#define USE_NOTHING "6"
#define USE_IS_THERE "7"
#define USE_SUSPEND "8"

/* mod lie of the driver */
enum lie {
	NO_LIE,
	NO_QUEUES,
	ALL_QUEUES,
	NO_DEPTH,
	ALL_DEPTH,
	NO_PRIORITY,
	NO_TIME,
	TIME_BEFORE,
	ALL_COUNTS,
	NO_DMA,
	LONG_NAMES,
	NO_IOMMU,
	DOES_NOT_START,
	REGISTERS_ANOTHER,
};

/* N of the newest /dev/accelN whose parent is accel_rogue.@lie, or -ENOENT. */
static inline int rogue_number(enum lie lie)
{
	struct accel_info_device device = {};
	char address[ACCEL_NAME_MAX];
	int number, fd, found = -ENOENT;

	snprintf(address, sizeof(address), "accel_rogue.%d", lie);
	for (number = 0; number < 256; number++) {
		fd = accel_open_number("accel_monitor", number, O_RDONLY);
		if (fd < 0)
			continue;
		if (accel_info_device(fd, &device) >= 0 && !strcmp(device.address, address))
			found = number;
		close(fd);
	}
	return found;
}

/* Has the driver do something wrong: writes @text to a file of its device. */
static inline int rogue_do(const char *file, const char *text)
{
	return sim_control(rogue_number(NO_LIE), file, text);
}

/* Has it use what it has kept. */
static inline int rogue_use(const char *what)
{
	return write_file("/sys/kernel/debug/accel_rogue/use", what);
}

static inline int rogue_add(enum lie lie)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", lie);
	return write_file("/sys/kernel/debug/accel_rogue/add", text);
}

static inline int rogue_remove(void)
{
	return write_file("/sys/kernel/debug/accel_rogue/remove", "1");
}

/* An open context, bound in @mode. */
static inline int rogue_open(__u32 mode)
{
	int ctx = accel_open_number("accel", rogue_number(NO_LIE), O_RDWR);
	int ret = ctx < 0 ? ctx : accel_bind(ctx, mode);

	if (ret < 0 && ctx >= 0)
		close(ctx);
	return ret < 0 ? ret : ctx;
}

/* Submits @count jobs on @buffer, if that is one; returns their fence. */
static inline int rogue_submit(int queue, __u32 count, int buffer)
{
	static const __u64 jobs[DEPTH];
	struct submission s = {
		.job_count = count,
		.buffers = { use(buffer, ACCEL_ACCESS_READ) },
		.buffer_count = buffer >= 0,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	int ret = submit_jobs(queue, jobs, sizeof(jobs[0]), &s);

	return ret < 0 ? ret : s.out_fence;
}

/* Submits jobs, and says how they have ended. */
static inline int rogue_run(int queue, __u32 count)
{
	int fence = rogue_submit(queue, count, -1), ret;

	if (fence < 0)
		return fence;
	ret = fence_wait(fence, WAIT);
	close(fence);
	return ret;
}

/* A context, a queue and jobs of it; 0 if all is well. */
static inline int rogue_try(void)
{
	int ctx = rogue_open(ACCEL_MODE_KERNEL);
	int queue = accel_queue_create(ctx, DEPTH);
	int ret = queue < 0 ? queue : rogue_run(queue, DEPTH);

	close(queue);
	close(ctx);
	return ret;
}

/* The driver behaves again, and all works: what it has done has broken nothing. */
static inline int rogue_reform(void)
{
	static const char *const files[] = {
		"ticket", "job_error", "create_error", "destroy_error", "progress", "call", "keep",
		"slow_ms",
	};
	int ret = rogue_do("depth", "8") ?: rogue_do("regions", "1");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(files); i++)
		ret = ret ?: rogue_do(files[i], "0");
	/* Resets that were asked for may still come. */
	if (!ret)
		WAIT_FOR(!(ret = rogue_try()), WAIT);
	return ret;
}

#endif /* ROGUE_UTIL_H */
