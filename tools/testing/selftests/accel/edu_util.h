/* SPDX-License-Identifier: GPL-2.0 */
/* QEMU's edu device, by the sample driver samples/rust/rust_driver_accel_edu.rs. */
#ifndef EDU_UTIL_H
#define EDU_UTIL_H

#include "memory_util.h"

#define EDU_DRIVER "rust_driver_accel_edu"
#define EDU_QUEUES 4
/* Bytes that a job copies at most. */
#define EDU_BYTES 4096
/* All pages of a test's two buffers. */
#define EDU_ROOM (4 * PAGE)

/* struct Job of the driver. */
struct edu_job {
	__u64 source;
	__u64 dest;
	__u32 length;
	__u32 reserved;
};

/* A context in kernel mode, what it copies from, and where to. */
struct edu {
	int ctx;
	int in_fd;
	int out_fd;
	unsigned char *in;
	unsigned char *out;
};

static inline bool edu_is(int number)
{
	struct accel_info_device device = {};
	int fd = accel_open_number("accel_monitor", number, O_RDONLY);
	bool is;

	if (fd < 0)
		return false;
	is = accel_info_device(fd, &device) > 0 && !strcmp(device.driver, EDU_DRIVER);
	close(fd);
	return is;
}

/* N of its /dev/accelN, or -ENOENT. */
static inline int edu_number(void)
{
	int number;

	for (number = 0; number < 64; number++) {
		if (edu_is(number))
			return number;
	}
	return -ENOENT;
}

static inline int edu_open(struct edu *edu)
{
	int ret;

	*edu = (struct edu){ .ctx = accel_open_number("accel", edu_number(), O_RDWR) };
	if (edu->ctx < 0)
		return edu->ctx;
	ret = accel_bind(edu->ctx, ACCEL_MODE_KERNEL);
	if (ret)
		return ret;
	edu->in_fd = buffer_alloc(edu->ctx, EDU_ROOM);
	edu->out_fd = buffer_alloc(edu->ctx, EDU_ROOM);
	if (edu->in_fd < 0 || edu->out_fd < 0)
		return edu->in_fd < 0 ? edu->in_fd : edu->out_fd;
	edu->in = buffer_mmap(edu->in_fd, EDU_ROOM);
	edu->out = buffer_mmap(edu->out_fd, EDU_ROOM);
	if (edu->in == MAP_FAILED || edu->out == MAP_FAILED)
		return -errno;
	fill_text(edu->in, EDU_ROOM, 1);
	memset(edu->out, 0, EDU_ROOM);
	return 0;
}

static inline void edu_close(struct edu *edu)
{
	munmap(edu->out, EDU_ROOM);
	munmap(edu->in, EDU_ROOM);
	close(edu->out_fd);
	close(edu->in_fd);
	close(edu->ctx);
}

static inline struct edu_job edu_copy(__u32 from, __u32 to, __u32 length)
{
	return (struct edu_job){
		.source = ACCEL_BUFFER_ADDRESS(0, from),
		.dest = ACCEL_BUFFER_ADDRESS(1, to),
		.length = length,
	};
}

/* Hands jobs over; a fence, or a negative errno. */
static inline int edu_submit(struct edu *edu, int queue, const struct edu_job *jobs, __u32 count)
{
	struct submission s = {
		.flags = ACCEL_SUBMIT_OUT_FENCE,
		.job_count = count,
		.buffers = { use(edu->in_fd, ACCEL_ACCESS_READ),
			     use(edu->out_fd, ACCEL_ACCESS_WRITE) },
		.buffer_count = 2,
	};
	int ret = submit_jobs(queue, jobs, sizeof(*jobs), &s);

	return ret ? ret : s.out_fence;
}

/* What a fence, or the errno in its place, comes to; the fence is closed. */
static inline int edu_wait(int fence)
{
	int ret = fence < 0 ? fence : fence_wait(fence, WAIT_SECONDS);

	if (fence >= 0)
		close(fence);
	return ret;
}

/* Copies once, and waits for it. */
static inline int edu_run(struct edu *edu, int queue, struct edu_job job)
{
	return edu_wait(edu_submit(edu, queue, &job, 1));
}

/* A device that does what it should, whatever was before. */
static inline void expect_edu_works(struct __test_metadata *_metadata, struct edu *edu)
{
	int queue = accel_queue_create(edu->ctx, 0);

	ASSERT_WORKS(queue, "a new queue");
	memset(edu->out, 0, EDU_ROOM);
	EXPECT_RET(0, edu_run(edu, queue, edu_copy(5, 9, 100)), "a job on it");
	EXPECT_THAT(!memcmp(edu->out + 9, edu->in + 5, 100), "it has copied");
	close(queue);
}

#endif /* EDU_UTIL_H */
