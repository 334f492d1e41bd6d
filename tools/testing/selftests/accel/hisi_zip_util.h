/* SPDX-License-Identifier: GPL-2.0 */
/* A queue of the zip device, driven from its mapped regions, job by job. */
#ifndef HISI_ZIP_UTIL_H
#define HISI_ZIP_UTIL_H

#include <endian.h>
#include <sched.h>
#include <zlib.h>

#include <accel/hisi_zip.h>

#include "accel_util.h"

#define ZIP_LIMIT (8u << 20)
#define ZIP_WAIT_SECONDS 60

/* Layout 3 of the tag, no stream: each job stands alone. */
#define ZIP_TYPE_STATELESS (3u << 28)

struct zip_queue {
	int fd;
	__u32 id;
	__u32 depth;
	__u32 tail;
	__u32 head;
	__u32 done;
	__u16 phase;
	struct accel_region doorbell_region;
	struct accel_region ring_region;
	struct accel_region status_region;
	void *doorbell;
	void *ring;
	const struct accel_queue_status *status;
};

struct zip_job {
	__u32 algorithm;
	__u32 tag;
	const void *in;
	void *out;
	__u32 in_size;
	__u32 out_size;
};

struct zip_result {
	/* A negative errno where no completion came. */
	int error;
	__u16 hardware;
	__u8 status;
	__u32 consumed;
	__u32 produced;
	__u32 checksum;
	__u32 tag;
};

static inline int zip_queue_create(int ctx, __u32 depth, __u32 direction)
{
	struct hisi_zip_queue zip = {
		.size = sizeof(zip),
		.direction = direction,
	};
	struct accel_queue_create create = {
		.size = sizeof(create),
		.depth = depth,
		.driver_data = (uintptr_t)&zip,
		.driver_data_size = sizeof(zip),
	};
	int ret = accel_ioctl(ctx, ACCEL_QUEUE_CREATE, &create);

	return ret ? ret : create.fd;
}

static inline int zip_find_regions(struct zip_queue *q)
{
	struct accel_region regions[ACCEL_REGIONS_MAX];
	struct accel_queue_info info;
	int ret = accel_queue_info(q->fd, &info, regions);

	if (ret < 0)
		return ret;
	q->id = info.id;
	q->depth = info.depth;
	ret = accel_region(q->fd, ACCEL_REGION_DOORBELL, &q->doorbell_region);
	if (!ret)
		ret = accel_region(q->fd, ACCEL_REGION_RING, &q->ring_region);
	if (!ret)
		ret = accel_region(q->fd, ACCEL_REGION_STATUS, &q->status_region);
	return ret;
}

static inline void zip_unmap(struct zip_queue *q)
{
	if (!map_error(q->doorbell))
		munmap(q->doorbell, q->doorbell_region.size);
	if (!map_error(q->ring))
		munmap(q->ring, q->ring_region.size);
	if (!map_error(q->status))
		munmap((void *)q->status, q->status_region.size);
}

static inline int zip_map(struct zip_queue *q)
{
	int ret;

	q->doorbell = accel_map_region(q->fd, &q->doorbell_region);
	q->ring = accel_map_region(q->fd, &q->ring_region);
	q->status = accel_map_region(q->fd, &q->status_region);
	ret = map_error(q->doorbell) ?: map_error(q->ring) ?: map_error(q->status);
	if (ret)
		zip_unmap(q);
	return ret;
}

/* Takes over @fd, a queue, and maps it. */
static inline int zip_adopt(struct zip_queue *q, int fd)
{
	int ret;

	*q = (struct zip_queue){ .fd = fd, .phase = 1 };
	ret = zip_find_regions(q);
	if (!ret)
		ret = zip_map(q);
	if (ret)
		close(fd);
	return ret;
}

static inline int zip_open(struct zip_queue *q, int ctx, __u32 depth,
			   __u32 direction)
{
	int fd = zip_queue_create(ctx, depth, direction);

	return fd < 0 ? fd : zip_adopt(q, fd);
}

static inline void zip_close(struct zip_queue *q)
{
	zip_unmap(q);
	close(q->fd);
}

static inline struct hisi_zip_cqe *zip_cqe(const struct zip_queue *q)
{
	return (struct hisi_zip_cqe *)((char *)q->ring +
				       HISI_ZIP_CQ_OFFSET(q->depth)) + q->head;
}

/* The register: where one page is all there is, it is the first. */
static inline void *zip_doorbell(const struct zip_queue *q)
{
	return (char *)q->doorbell +
	       (q->doorbell_region.size > HISI_ZIP_DOORBELL_OFFSET ? HISI_ZIP_DOORBELL_OFFSET : 0);
}

static inline void zip_ring(struct zip_queue *q, __u32 cmd, __u32 index,
			    __u32 priority)
{
	__u64 *doorbell = zip_doorbell(q);

	/* The device must find in memory what the doorbell announces. */
	__sync_synchronize();
	STORE(*doorbell, htole64(HISI_ZIP_DB(q->id, cmd, index, priority)));
}

/* The next completion raises an event. */
static inline void zip_arm(struct zip_queue *q)
{
	zip_ring(q, HISI_ZIP_DB_CQ, q->head, 1);
}

/* Puts the job into the ring without telling the device. */
static inline void zip_put(struct zip_queue *q, const struct zip_job *job)
{
	struct hisi_zip_sqe *sqe = (struct hisi_zip_sqe *)q->ring + q->tail;
	uintptr_t in = (uintptr_t)job->in;
	uintptr_t out = (uintptr_t)job->out;

	*sqe = (struct hisi_zip_sqe){
		.input_data_length = htole32(job->in_size),
		.type = htole32(ZIP_TYPE_STATELESS),
		.algorithm = htole32(job->algorithm),
		.dest_avail_out = htole32(job->out_size),
		.source_l = htole32((__u32)in),
		.source_h = htole32(in >> 32),
		.dest_l = htole32((__u32)out),
		.dest_h = htole32(out >> 32),
		.tag3 = htole32(job->tag),
	};
	q->tail = (q->tail + 1) % q->depth;
}

static inline void zip_submit(struct zip_queue *q, const struct zip_job *job)
{
	zip_put(q, job);
	zip_ring(q, HISI_ZIP_DB_SQ, q->tail, 0);
}

static inline bool zip_done(const struct zip_queue *q)
{
	__u16 w7 = le16toh(LOAD(zip_cqe(q)->w7));

	return (w7 & 1) == q->phase;
}

static inline struct zip_result zip_take(struct zip_queue *q)
{
	/* Results are in the entry the job was in: completions keep the order. */
	const struct hisi_zip_sqe *sqe = (struct hisi_zip_sqe *)q->ring + q->head;
	struct zip_result r = {
		.hardware = le16toh(zip_cqe(q)->w7) >> 1,
	};

	r.status = le32toh(sqe->status) & 0xff;
	r.consumed = le32toh(sqe->consumed);
	r.produced = le32toh(sqe->produced);
	r.checksum = le32toh(sqe->checksum);
	r.tag = le32toh(sqe->tag3);
	q->done++;
	q->head++;
	if (q->head == q->depth) {
		q->head = 0;
		q->phase ^= 1;
	}
	return r;
}

/* Waits in memory for the next completion, and returns it. */
static inline struct zip_result zip_wait(struct zip_queue *q)
{
	double end = seconds() + ZIP_WAIT_SECONDS;
	struct zip_result r;

	while (!zip_done(q)) {
		if (LOAD(q->status->state) != ACCEL_QUEUE_LIVE)
			return (struct zip_result){ .error = -ENODEV };
		if (seconds() > end)
			return (struct zip_result){ .error = -ETIMEDOUT };
		sched_yield();
	}
	r = zip_take(q);
	zip_ring(q, HISI_ZIP_DB_CQ, q->head, 0);
	return r;
}

static inline struct zip_result zip_run(struct zip_queue *q,
					const struct zip_job *job)
{
	zip_submit(q, job);
	return zip_wait(q);
}

/* Whole and right; what can't be compressed is right too. */
static inline bool zip_good(const struct zip_result *r)
{
	return !r->error && !r->hardware &&
	       (r->status == HISI_ZIP_OK || r->status == HISI_ZIP_NEGATIVE);
}

/* Completed, with an error of its own. */
static inline bool zip_refused(const struct zip_result *r)
{
	return !r->error && !zip_good(r);
}

#define ZIP_LOG(r) \
	TH_LOG("got error %s, hardware status %#x, job status %#x, %u bytes in, %u out", \
	       ret_name((r)->error), (r)->hardware, (r)->status, \
	       (r)->consumed, (r)->produced)

#define EXPECT_JOB(check, r, rule) \
	do { \
		EXPECT_TRUE(check(&(r))) \
		{ \
			TH_LOG("expected: %s", rule); \
			ZIP_LOG(&(r)); \
		} \
	} while (0)

#define EXPECT_GOOD(r, rule) EXPECT_JOB(zip_good, r, rule)
#define EXPECT_REFUSED(r, rule) EXPECT_JOB(zip_refused, r, rule)

/* --- Data, and zlib as the judge --- */

/* Compressible, without short periods, different for each @seed. */
static inline void zip_fill(void *buffer, size_t size, __u32 seed)
{
	__u8 *p = buffer;
	__u32 x = seed * 2654435761u + 1;
	size_t i;

	for (i = 0; i < size; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = "accelerator queue"[(x >> 28) + (x >> 24 & 1)];
	}
}

/* Room that holds any raw deflate stream of @size bytes. */
static inline size_t zip_bound(size_t size)
{
	return size + size / 8 + 1024;
}

/*
 * Window bits of zlib for what the engine makes. Software writes the headers of
 * zlib and gzip, the engine the trailers: such a stream is judged header and all.
 */
static inline int zip_window(__u32 algorithm)
{
	return algorithm == HISI_ZIP_GZIP ? 31 : algorithm == HISI_ZIP_ZLIB ? 15 : -15;
}

static inline size_t zip_header_size(__u32 algorithm)
{
	return algorithm == HISI_ZIP_GZIP ? 10 : algorithm == HISI_ZIP_ZLIB ? 2 : 0;
}

static inline void zip_write_header(__u32 algorithm, void *to)
{
	static const __u8 gzip[10] = { 0x1f, 0x8b, 8, [9] = 255 };
	static const __u8 zlib[2] = { 0x78, 0x9c };

	memcpy(to, algorithm == HISI_ZIP_GZIP ? gzip : zlib, zip_header_size(algorithm));
}

/* Bytes that zlib makes of a whole stream, or -1 where it is not whole. */
static inline long zip_judge_inflate(__u32 algorithm, const void *in,
				     size_t in_size, void *out, size_t out_size)
{
	z_stream z = {
		.next_in = (void *)in,
		.avail_in = in_size,
		.next_out = out,
		.avail_out = out_size,
	};
	int ret;

	if (inflateInit2(&z, zip_window(algorithm)) != Z_OK)
		return -1;
	ret = inflate(&z, Z_FINISH);
	inflateEnd(&z);
	return ret == Z_STREAM_END && !z.avail_in ? (long)z.total_out : -1;
}

static inline long zip_judge_deflate(__u32 algorithm, const void *in,
				     size_t in_size, void *out, size_t out_size)
{
	z_stream z = {
		.next_in = (void *)in,
		.avail_in = in_size,
		.next_out = out,
		.avail_out = out_size,
	};
	int ret;

	if (deflateInit2(&z, 6, Z_DEFLATED, zip_window(algorithm), 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	ret = deflate(&z, Z_FINISH);
	deflateEnd(&z);
	return ret == Z_STREAM_END ? (long)z.total_out : -1;
}

/* Whether @packed, a raw deflate stream, holds exactly the bytes at @plain. */
static inline bool zip_matches(const void *packed, size_t packed_size,
			       const void *plain, size_t plain_size)
{
	char *back = malloc(plain_size + 1);
	long n = zip_judge_inflate(HISI_ZIP_DEFLATE, packed, packed_size, back,
				   plain_size + 1);
	bool same = n == (long)plain_size && !memcmp(back, plain, plain_size);

	free(back);
	return same;
}

/* One whole job on memory of its own: does the queue work? */
static inline bool zip_works(struct zip_queue *q)
{
	static __u8 in[20000], out[24000];
	struct zip_job job = {
		.algorithm = HISI_ZIP_DEFLATE,
		.in = in,
		.in_size = sizeof(in),
		.out = out,
		.out_size = sizeof(out),
	};
	struct zip_result r;

	zip_fill(in, sizeof(in), q->done);
	memset(out, 0, sizeof(out));
	r = zip_run(q, &job);
	return zip_good(&r) && zip_matches(out, r.produced, in, sizeof(in));
}

#define EXPECT_WORKS(q, rule) EXPECT_THAT(zip_works(q), rule)

/* Compresses until the queue dies; false where a result was wrong. */
static inline bool zip_compress_until_dead(struct zip_queue *q, int *jobs)
{
	static __u8 in[8 * 4096], out[12 * 4096];
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, sizeof(in), sizeof(out) };
	/* Not on the stack: it is looked at after a jump. */
	static bool right;
	struct zip_result r;

	right = true;
	zip_fill(in, sizeof(in), getpid());
	touch_catch(touch_caught);
	if (!sigsetjmp(touch_return, 1)) {
		while (right) {
			r = zip_run(q, &job);
			if (r.error)
				break;
			right = zip_good(&r) && zip_matches(out, r.produced, in, sizeof(in));
			STORE(*jobs, *jobs + 1);
		}
	}
	touch_catch(SIG_DFL);
	return right;
}

/* What everybody sees of a queue that is dead, for the reason @state. */
static inline void expect_dead(struct __test_metadata *_metadata, struct zip_queue *q,
			       __u32 state)
{
	struct accel_queue_info info;
	short seen = poll_now(q->fd, POLLIN);
	ssize_t n;
	__u64 count;

	EXPECT_EQ(POLLERR | POLLHUP, seen & (POLLERR | POLLHUP)) {
		TH_LOG("expected: poll says error and hang-up at once");
	}
	/* What came before its death can still be read. */
	n = read(q->fd, &count, 8);
	if (n == 8)
		n = read(q->fd, &count, 8);
	EXPECT_EQ(-1, n) {
		TH_LOG("expected: read of a dead queue fails");
	}
	EXPECT_EQ(ENODEV, errno) {
		TH_LOG("expected: ENODEV from read, got %s", strerror(errno));
	}
	EXPECT_RET(-ENODEV, accel_queue_info(q->fd, &info, NULL), "QUEUE_INFO of a dead queue");
	EXPECT_TOUCH(0, touch_read((void *)q->status), "the status page");
	EXPECT_EQ(state, LOAD(q->status->state)) {
		TH_LOG("expected: the status page says why the queue is dead");
	}
	EXPECT_TOUCH(SIGBUS, touch_write(zip_doorbell(q), 0), "ringing a dead queue");
	EXPECT_TOUCH(SIGBUS, touch_read(q->doorbell), "the doorbell's first page");
	EXPECT_TOUCH(SIGBUS, touch_read(q->ring), "the ring");
	EXPECT_TOUCH(SIGBUS, touch_write(q->ring, 1), "writing the ring");
}

/* A context and a queue of its own, made for this, do a job. */
static inline void expect_device_works(struct __test_metadata *_metadata)
{
	int ctx = accel_open_shared();
	struct zip_queue q;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue of a new context");
	EXPECT_WORKS(&q, "a job on it");
	zip_close(&q);
	close(ctx);
}

/* --- The registers, which root can map beside the driver --- */

#define ZIP_REGISTERS_SIZE (4u << 20)

/* Raise errors of the queue manager, of the engine. */
#define ZIP_SET_MANAGER_ERRORS 0x10000c
#define ZIP_SET_ENGINE_ERRORS 0x3010a8

/* The test port of the emulated device. */
#define ZIP_PORT 0x3ff000
#define ZIP_PORT_MAGIC 0x53544c46
#define ZIP_END_HANGS 0x3ff000
#define ZIP_HANG_QUEUE 0x3ff004
#define ZIP_HANG_QUEUE_HARD 0x3ff008
#define ZIP_HANG_DEVICE 0x3ff00c
#define ZIP_DROP_COMPLETIONS 0x3ff010
#define ZIP_DROP_EVENTS 0x3ff014
#define ZIP_PCI_ERROR 0x3ff018
#define ZIP_PULL_OUT 0x3ff01c

enum zip_pci_error { ZIP_PCI_CORRECTABLE, ZIP_PCI_NONFATAL, ZIP_PCI_FATAL };

/* The address, or a negative errno in its place. */
static inline void *zip_map_registers(const char *address)
{
	char path[PATH_MAX];
	void *p;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", address);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return (void *)(intptr_t)-errno;
	p = mmap(NULL, ZIP_REGISTERS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p = p == MAP_FAILED ? (void *)(intptr_t)-errno : p;
	close(fd);
	return p;
}

/* Writes one 32-bit register; a negative errno where that can't be done. */
static inline int zip_poke(const char *address, __u32 offset, __u32 value)
{
	char *registers = zip_map_registers(address);
	int ret = map_error(registers);

	if (ret)
		return ret;
	if (offset >= ZIP_PORT && LOAD(*(__u32 *)(registers + ZIP_PORT)) != ZIP_PORT_MAGIC)
		ret = -ENXIO;
	else
		STORE(*(__u32 *)(registers + offset), value);
	munmap(registers, ZIP_REGISTERS_SIZE);
	return ret;
}

#define ASSERT_POKE(address, offset, value) \
	ASSERT_RET(0, zip_poke(address, offset, value), \
		   "an emulated device with faults=on, whose BAR 2 can be mapped")

/* --- Children that wait until their queue dies, and say at @arg, an int, that they do --- */

static inline int zip_wait_in_poll(void *arg)
{
	int *ready = arg;
	struct zip_queue q;
	int ctx = accel_open_shared(), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	struct pollfd p = { .fd = q.fd, .events = POLLIN };

	STORE(*ready, 1);
	if (poll(&p, 1, ZIP_WAIT_SECONDS * 1000) != 1)
		return -ETIMEDOUT;
	return (p.revents & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP) ? 0 : -EBADMSG;
}

static inline int zip_wait_in_read(void *arg)
{
	int *ready = arg;
	struct zip_queue q;
	int ctx = accel_open_shared(), ret;
	__u64 count;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	STORE(*ready, 1);
	alarm(ZIP_WAIT_SECONDS);
	return read(q.fd, &count, 8) < 0 ? -errno : 0;
}

#endif /* HISI_ZIP_UTIL_H */
