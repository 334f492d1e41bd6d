/* SPDX-License-Identifier: GPL-2.0 */
/* Jobs of the zip device in ACCEL_MODE_KERNEL: buffers, submissions, records, fences. */
#ifndef ZIP_SUBMIT_UTIL_H
#define ZIP_SUBMIT_UTIL_H

#include <linux/sync_file.h>
#include <linux/udmabuf.h>
#include <sys/mman.h>

#include "hisi_zip_util.h"

#define PAGE 4096

#define FLUSH (1u << 25)
#define STATEFUL (1u << 26)
#define NEW_STREAM (1u << 27)
#define CONTEXT_SIZE (64u << 10)

/* Scatter lists that the emulated device has read, in its test port. */
#define ZIP_LISTS 0x3ff020

/* --- Buffers --- */

struct buffer {
	int fd;
	__u8 *p;
	size_t size;
};

static inline int buffer_map(struct buffer *b, int fd, size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	*b = (struct buffer){ .fd = fd, .size = size };
	if (p == MAP_FAILED) {
		close(fd);
		return -errno;
	}
	b->p = p;
	return 0;
}

static inline int buffer_alloc(struct buffer *b, int ctx, size_t size, __u32 flags)
{
	struct accel_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.memory = ACCEL_MEMORY_SYSTEM,
		.length = size,
	};
	int ret = accel_ioctl(ctx, ACCEL_BUFFER_ALLOC, &alloc);

	return ret ?: buffer_map(b, alloc.fd, alloc.length);
}

/* Every other page of a file, backwards: hardly two are neighbours anywhere. */
static inline int buffer_scattered(struct buffer *b, size_t size)
{
	size_t pages = size / PAGE, i;
	struct udmabuf_create_list *list = calloc(1, sizeof(*list) + pages * sizeof(list->list[0]));
	int memory = memfd_create("scattered", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int maker = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd, ret;

	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = pages;
	for (i = 0; i < pages; i++)
		list->list[i] = (struct udmabuf_create_item){
			.memfd = memory,
			.offset = (pages - 1 - i) * 2 * PAGE,
			.size = PAGE,
		};
	/* In the order of the file, in which the kernel may find neighbours for them. */
	ret = ftruncate(memory, 2 * size) ?: fallocate(memory, 0, 0, 2 * size) ?:
	      fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK);
	fd = ret ? -1 : ioctl(maker, UDMABUF_CREATE_LIST, list);
	ret = fd < 0 ? -errno : 0;
	close(maker);
	close(memory);
	free(list);
	return ret ?: buffer_map(b, fd, size);
}

static inline void buffer_free(struct buffer *b)
{
	munmap(b->p, b->size);
	close(b->fd);
}

/* --- Queues --- */

struct submit_queue {
	int fd;
	__u32 id;
	__u32 depth;
	/* Number of the next job. */
	__u64 next;
	const struct hisi_zip_record *records;
	struct accel_region region;
};

static inline int submit_open(struct submit_queue *q, int ctx, __u32 depth, __u32 direction)
{
	struct accel_queue_info info;
	int ret;

	*q = (struct submit_queue){ .fd = zip_queue_create(ctx, depth, direction) };
	if (q->fd < 0)
		return q->fd;
	ret = accel_queue_info(q->fd, &info, NULL);
	ret = ret < 0 ? ret : accel_region(q->fd, ACCEL_REGION_RECORDS, &q->region);
	if (!ret) {
		q->id = info.id;
		q->depth = info.depth;
		q->records = accel_map_region(q->fd, &q->region);
		ret = map_error(q->records);
	}
	if (ret)
		close(q->fd);
	return ret;
}

static inline void submit_close(struct submit_queue *q)
{
	munmap((void *)q->records, q->region.size);
	close(q->fd);
}

static inline int accel_open_kernel(void)
{
	int ctx = accel_open();
	int ret = ctx < 0 ? ctx : accel_bind(ctx, ACCEL_MODE_KERNEL);

	if (ret >= 0)
		return ctx;
	if (ctx >= 0)
		close(ctx);
	return ret;
}

/* --- Jobs --- */

/* @fence may be NULL. Buffers are named with what is in @flags, in their order. */
static inline int submit_with(struct submit_queue *q, const struct hisi_zip_sqe *jobs, __u32 count,
			      const struct accel_submit_buffer *buffers, __u32 buffer_count,
			      int *fence)
{
	struct accel_queue_submit submit = {
		.size = sizeof(submit),
		.flags = fence ? ACCEL_SUBMIT_OUT_FENCE : 0,
		.jobs = (uintptr_t)jobs,
		.job_count = count,
		.job_size = sizeof(*jobs),
		.buffers = (uintptr_t)buffers,
		.buffer_count = buffer_count,
		.buffer_size = sizeof(*buffers),
	};
	int ret = accel_ioctl(q->fd, ACCEL_QUEUE_SUBMIT, &submit);

	if (ret)
		return ret;
	q->next += count;
	if (fence)
		*fence = submit.out_fence;
	return 0;
}

/* Jobs that read @in and write @out. */
static inline int submit(struct submit_queue *q, const struct hisi_zip_sqe *jobs, __u32 count,
			 const struct buffer *in, const struct buffer *out, int *fence)
{
	struct accel_submit_buffer buffers[] = {
		{ .fd = in->fd, .flags = ACCEL_ACCESS_READ },
		{ .fd = out->fd, .flags = ACCEL_ACCESS_WRITE },
	};

	return submit_with(q, jobs, count, buffers, 2, fence);
}

/* 0 if the work behind a fence was done, or the errno with which it ended, or -ETIME. */
static inline int fence_wait(int fence)
{
	struct pollfd p = { .fd = fence, .events = POLLIN };
	struct sync_file_info info = {};
	int n;

	n = poll(&p, 1, WAIT_SECONDS * 1000);
	if (n != 1)
		return n < 0 ? -errno : -ETIME;
	if (ioctl(fence, SYNC_IOC_FILE_INFO, &info) < 0)
		return -errno;
	return info.status > 0 ? 0 : info.status;
}

/* The same, and closes it. */
static inline int fence_end(int fence)
{
	int ret = fence_wait(fence);

	close(fence);
	return ret;
}

/* The record of a job, or NULL if there is none. */
static inline const struct hisi_zip_record *submit_record(const struct submit_queue *q,
							  __u64 number)
{
	const struct hisi_zip_record *record = q->records + number % q->depth;

	return LOAD(record->head.number) == number + 1 ? record : NULL;
}

/* Does one job; returns what its fence says, and the record. */
static inline int submit_run(struct submit_queue *q, const struct hisi_zip_sqe *job,
			     const struct buffer *in, const struct buffer *out,
			     struct hisi_zip_record *record)
{
	const struct hisi_zip_record *found;
	int fence, ret = submit(q, job, 1, in, out, &fence);

	if (ret)
		return ret;
	ret = fence_end(fence);
	found = submit_record(q, q->next - 1);
	if (!found)
		return -ENODATA;
	*record = *found;
	return ret;
}

/* --- Round trips --- */

/* Compresses what @in has, judges it, and makes it whole again, all of it by the device. */
static inline void round_trip(struct __test_metadata *_metadata, int ctx, __u32 algorithm,
			      const struct buffer *in, const struct buffer *packed,
			      const struct buffer *back, __u32 offset, __u32 size)
{
	__u32 header = zip_header_size(algorithm);
	__u32 room = packed->size - offset - header;
	struct submit_queue pack, unpack;
	struct hisi_zip_record r = {};
	struct hisi_zip_sqe job;
	__u8 *judged = malloc(size + 1);
	__u32 produced;

	ASSERT_RET(0, submit_open(&pack, ctx, 8, HISI_ZIP_COMPRESS), "a queue that compresses");
	ASSERT_RET(0, submit_open(&unpack, ctx, 8, HISI_ZIP_DECOMPRESS), "one that decompresses");
	fill_text(in->p, in->size, size);
	zip_write_header(algorithm, packed->p + offset);

	room = room > ZIP_LIMIT ? ZIP_LIMIT : room;
	job = submit_job(algorithm, offset, size, offset + header, room);
	EXPECT_RET(0, submit_run(&pack, &job, in, packed, &r), "the device compresses");
	EXPECT_EQ(size, le32toh(r.sqe.consumed)) {
		TH_LOG("expected: all input is consumed, status %#x", le32toh(r.sqe.status));
	}
	produced = le32toh(r.sqe.produced);
	EXPECT_EQ(size, zip_judge_inflate(algorithm, packed->p + offset, header + produced,
					  judged, size + 1)) {
		TH_LOG("expected: zlib makes %u bytes of it", size);
	}
	EXPECT_THAT(!memcmp(judged, in->p + offset, size), "zlib makes the same bytes of it");

	memset(back->p, 0, back->size);
	job = submit_job(algorithm, offset + header, produced, offset,
			 size < HISI_ZIP_ROOM_MIN ? HISI_ZIP_ROOM_MIN : size);
	EXPECT_RET(0, submit_run(&unpack, &job, packed, back, &r), "the device decompresses");
	EXPECT_EQ(size, le32toh(r.sqe.produced)) {
		TH_LOG("expected: as many bytes as before, status %#x", le32toh(r.sqe.status));
	}
	EXPECT_THAT(!memcmp(back->p + offset, judged, size), "the same bytes");
	free(judged);
	submit_close(&pack);
	submit_close(&unpack);
}

#endif /* ZIP_SUBMIT_UTIL_H */
