/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers, fences, and jobs in kernel mode. */
#ifndef MEMORY_UTIL_H
#define MEMORY_UTIL_H

#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>

#include "sim_util.h"

#define PAGE 4096ul
/* No index of a buffer: an address that leads nowhere. */
#define NO_BUFFER 60

/* --- Buffers --- */

static inline int buffer_alloc_from(int ctx, __u32 memory, __u64 length, __u32 flags)
{
	struct accel_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.memory = memory,
		.length = length,
	};
	int ret = accel_ioctl(ctx, ACCEL_BUFFER_ALLOC, &alloc);

	return ret < 0 ? ret : alloc.fd;
}

static inline int buffer_alloc(int ctx, __u64 length)
{
	return buffer_alloc_from(ctx, ACCEL_MEMORY_SYSTEM, length, 0);
}

static inline int buffer_wrap(int ctx, const void *address, __u64 length, __u32 flags)
{
	struct accel_buffer_wrap wrap = {
		.size = sizeof(wrap),
		.flags = flags,
		.address = (unsigned long)address,
		.length = length,
	};
	int ret = accel_ioctl(ctx, ACCEL_BUFFER_WRAP, &wrap);

	return ret < 0 ? ret : wrap.fd;
}

/* Maps a dma-buf for the CPU; MAP_FAILED with errno set. */
static inline void *buffer_mmap(int fd, size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

/* --- Jobs --- */

static inline struct accel_submit_buffer use(int fd, __u32 flags)
{
	return (struct accel_submit_buffer){ .fd = fd, .flags = flags };
}

/* Jobs for the sim, their buffers and fences. */
struct submission {
	struct accel_sim_job jobs[8];
	__u32 job_count;
	struct accel_submit_buffer buffers[8];
	__u32 buffer_count;
	__s32 in_fences[8];
	__u32 in_fence_count;
	__u32 flags;
	/* What it has returned. */
	int out_fence;
};

static inline int submit(int queue, struct submission *s)
{
	struct accel_queue_submit args = {
		.size = sizeof(args),
		.flags = s->flags,
		.jobs = (unsigned long)s->jobs,
		.job_count = s->job_count,
		.job_size = sizeof(s->jobs[0]),
		.buffers = (unsigned long)s->buffers,
		.buffer_count = s->buffer_count,
		.in_fences = (unsigned long)s->in_fences,
		.in_fence_count = s->in_fence_count,
	};
	int ret = accel_ioctl(queue, ACCEL_QUEUE_SUBMIT, &args);

	s->out_fence = ret < 0 ? -1 : args.out_fence;
	return ret;
}

/* The records of a queue, mapped; MAP_FAILED with errno set. */
static inline const struct accel_sim_record *records_map(int queue)
{
	struct accel_region region;
	int ret = accel_region(queue, ACCEL_REGION_RECORDS, &region);

	if (ret) {
		errno = -ret;
		return MAP_FAILED;
	}
	return mmap(NULL, region.size, PROT_READ, MAP_SHARED, queue, region.offset);
}

/* --- Fences --- */

/* 1 once the fence is signalled, 0 before; a negative errno if it was with an error. */
static inline int fence_status(int fence)
{
	struct sync_file_info info = {};

	if (ioctl(fence, SYNC_IOC_FILE_INFO, &info))
		return -errno;
	return info.status;
}

/* Waits up to @seconds; 0, -ETIME, or the error with which it was signalled. */
static inline int fence_wait(int fence, int seconds)
{
	struct pollfd pfd = { .fd = fence, .events = POLLIN };
	int status;

	if (poll(&pfd, 1, seconds * 1000) != 1)
		return -ETIME;
	status = fence_status(fence);
	return status == 1 ? 0 : status;
}

#endif /* MEMORY_UTIL_H */
