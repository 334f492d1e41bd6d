/* SPDX-License-Identifier: GPL-2.0 */
/* A queue of the zip device, driven from its mapped regions, job by job. */
#ifndef HISI_ZIP_UTIL_H
#define HISI_ZIP_UTIL_H

#include <endian.h>
#include <sched.h>
#include <sys/klog.h>
#include <zlib.h>

#include <accel/hisi_zip.h>

#include "accel_util.h"

#define ZIP_LIMIT (8u << 20)

/* Revision 0x21, which has another layout of entries, and no raw deflate. */
static bool zip_is_v2;

static inline void zip_learn_revision(int ctx)
{
	struct accel_info_device device = {};

	if (accel_info_device(ctx, &device) >= 0)
		zip_is_v2 = !strcmp(device.version, "V2");
}

/* No stream: each job stands alone. */
static inline __u32 zip_type(void)
{
	return zip_is_v2 ? HISI_ZIP_LAYOUT_V2 : HISI_ZIP_LAYOUT_V3;
}

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
	__u8 status;
	__u32 consumed;
	__u32 produced;
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

	if (ret)
		return ret;
	zip_learn_revision(ctx);
	return create.fd;
}

static inline int zip_open(struct accel_queue *q, int ctx, __u32 depth,
			   __u32 direction)
{
	int fd = zip_queue_create(ctx, depth, direction);

	return fd < 0 ? fd : queue_adopt(q, fd);
}

static inline struct hisi_zip_cqe *zip_cqe(const struct accel_queue *q)
{
	return (struct hisi_zip_cqe *)((char *)q->ring +
				       HISI_ZIP_CQ_OFFSET(q->depth)) + q->head;
}

/* The register: where one page is all there is, it is the first. */
static inline void *zip_doorbell(const struct accel_queue *q)
{
	return (char *)q->doorbell +
	       (q->doorbell_region.size > HISI_ZIP_DOORBELL_OFFSET ? HISI_ZIP_DOORBELL_OFFSET : 0);
}

static inline void zip_ring(struct accel_queue *q, __u32 cmd, __u32 index,
			    __u32 priority)
{
	__u64 *doorbell = zip_doorbell(q);

	/* The device must find in memory what the doorbell announces. */
	__sync_synchronize();
	STORE(*doorbell, htole64(HISI_ZIP_DB(q->id, cmd, index, priority)));
}

/* The next completion raises an event. */
static inline void zip_arm(struct accel_queue *q)
{
	zip_ring(q, HISI_ZIP_DB_CQ, q->head, 1);
}

/* Puts the job into the ring without telling the device. */
static inline void zip_put(struct accel_queue *q, const struct zip_job *job)
{
	struct hisi_zip_sqe *sqe = (struct hisi_zip_sqe *)q->ring + q->tail;
	uintptr_t in = (uintptr_t)job->in;
	uintptr_t out = (uintptr_t)job->out;

	*sqe = (struct hisi_zip_sqe){
		.input_data_length = htole32(job->in_size),
		.type = htole32(zip_type()),
		.algorithm = htole32(job->algorithm),
		.dest_avail_out = htole32(job->out_size),
		.source_l = htole32((__u32)in),
		.source_h = htole32(in >> 32),
		.dest_l = htole32((__u32)out),
		.dest_h = htole32(out >> 32),
	};
	if (zip_is_v2)
		sqe->tag0 = htole32(job->tag);
	else
		sqe->tag3 = htole32(job->tag);
	q->tail = (q->tail + 1) % q->depth;
}

static inline void zip_submit(struct accel_queue *q, const struct zip_job *job)
{
	zip_put(q, job);
	zip_ring(q, HISI_ZIP_DB_SQ, q->tail, 0);
}

static inline bool zip_done(const struct accel_queue *q)
{
	__u16 w7 = le16toh(LOAD(zip_cqe(q)->w7));

	return (w7 & 1) == q->phase;
}

static inline struct zip_result zip_take(struct accel_queue *q)
{
	/* Results are in the entry the job was in: completions keep the order. */
	const struct hisi_zip_sqe *sqe = (struct hisi_zip_sqe *)q->ring + q->head;
	struct zip_result r = {};

	r.status = le32toh(sqe->status) & 0xff;
	r.consumed = le32toh(sqe->consumed);
	r.produced = le32toh(sqe->produced);
	r.tag = le32toh(zip_is_v2 ? sqe->tag0 : sqe->tag3);
	q->done++;
	q->head++;
	if (q->head == q->depth) {
		q->head = 0;
		q->phase ^= 1;
	}
	return r;
}

/* Waits in memory for the next completion, and returns it. */
static inline struct zip_result zip_wait(struct accel_queue *q)
{
	double end = seconds() + WAIT_SECONDS;
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

static inline struct zip_result zip_run(struct accel_queue *q,
					const struct zip_job *job)
{
	zip_submit(q, job);
	return zip_wait(q);
}

/* Whether the event comes for which the queue was armed. */
static inline bool zip_event_comes(struct accel_queue *q)
{
	__u64 count;

	return WAIT_FOR(poll_now(q->fd, POLLIN) == POLLIN, WAIT_SECONDS) &&
	       read(q->fd, &count, sizeof(count)) == sizeof(count);
}

/* Whole and right; what can't be compressed is right too. */
static inline bool zip_good(const struct zip_result *r)
{
	return !r->error &&
	       (r->status == HISI_ZIP_OK || r->status == HISI_ZIP_NEGATIVE);
}

/* Completed, with an error of its own. */
static inline bool zip_refused(const struct zip_result *r)
{
	return !r->error && !zip_good(r);
}

#define ZIP_LOG(r) \
	TH_LOG("got error %s, job status %#x, %u bytes in, %u out", \
	       ret_name((r)->error), (r)->status, (r)->consumed, (r)->produced)

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

/* --- Jobs in ACCEL_MODE_KERNEL --- */

/* A job from buffer 0 to buffer 1. */
static inline struct hisi_zip_sqe submit_job(__u32 algorithm, __u64 from, __u32 in_size,
					     __u64 to, __u32 room)
{
	__u64 in = ACCEL_BUFFER_ADDRESS(0, from), out = ACCEL_BUFFER_ADDRESS(1, to);

	return (struct hisi_zip_sqe){
		.input_data_length = htole32(in_size),
		.type = htole32(zip_type()),
		.algorithm = htole32(algorithm),
		.dest_avail_out = htole32(room),
		.source_l = htole32((__u32)in),
		.source_h = htole32(in >> 32),
		.dest_l = htole32((__u32)out),
		.dest_h = htole32(out >> 32),
		.tag3 = htole32(0xc0ffee),
	};
}

/* --- Data, and zlib as the judge --- */

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

/* --- The registers, which root can map beside the driver --- */

#define ZIP_REGISTERS_SIZE (4u << 20)

/* Masks the interrupt of the event queue, of the abnormal-event queue. */
#define ZIP_MASK_EVENTS 0xc
#define ZIP_MASK_ABNORMAL_EVENTS 0x4

/* The shaper: bit 30 switches it on. */
#define ZIP_SHAPER 0x100164
/* Bit 0 keeps the device from memory. */
#define ZIP_MASTER_CTRL 0x300000

/* Raise errors of the queue manager, of the engine. */
#define ZIP_SET_MANAGER_ERRORS 0x10000c
#define ZIP_SET_ENGINE_ERRORS 0x3010a8
/* Of either, those that the hardware mends, and one that only a reset mends. */
#define ZIP_MENDED_MANAGER_ERROR (1 << 3)
#define ZIP_MENDED_ENGINE_ERROR (1 << 0)
#define ZIP_HARMFUL_ERROR (1 << 2)

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

/* Lies, which a reset does not end. See device/src/lies.rs. */
#define ZIP_TRUTH 0x3ff040
#define ZIP_LIE_REGISTER 0x3ff044
#define ZIP_LIE_VALUE 0x3ff048
#define ZIP_TAILS_RUN 0x3ff04c
#define ZIP_LIE_MAILBOX 0x3ff050
#define ZIP_TELL_EVENT 0x3ff054
#define ZIP_TELL_ABNORMAL 0x3ff058
#define ZIP_TELL_COMPLETION 0x3ff05c
#define ZIP_REPEAT 0x3ff060
#define ZIP_INTERRUPT 0x3ff064
#define ZIP_DMA_PASID 0x3ff068
#define ZIP_DMA_LOW 0x3ff06c
#define ZIP_DMA_HIGH 0x3ff070
#define ZIP_DMA 0x3ff074
#define ZIP_LIE_PRODUCED 0x3ff078
#define ZIP_GOES_ON 0x3ff07c
#define ZIP_LIE_REVISION 0x3ff080

#define ZIP_ALL_REGISTERS 0xffffffff
#define ZIP_NO_PASID 0xffffffff
#define ZIP_WRONG_PHASE (1u << 31)

enum zip_mailbox { ZIP_MAILBOX_SILENT = 1, ZIP_MAILBOX_FAILS, ZIP_MAILBOX_PRETENDS };
enum zip_dma { ZIP_DMA_READ = 1, ZIP_DMA_WRITE, ZIP_DMA_ASK };
enum zip_dma_result { ZIP_DMA_DONE = 1, ZIP_DMA_REFUSED };

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

/* A register of the device, if @address is one; the machine's little-endian anyway. */
static inline __u32 zip_peek(const char *address, __u32 offset)
{
	char *registers = zip_map_registers(address);
	__u32 value;

	if (map_error(registers))
		return ~0u;
	value = LOAD(*(__u32 *)(registers + offset));
	munmap(registers, ZIP_REGISTERS_SIZE);
	return value;
}

#define ASSERT_POKE(address, offset, value) \
	ASSERT_RET(0, zip_poke(address, offset, value), \
		   "an emulated device with faults=on, whose BAR 2 can be mapped")

/* How often @word stands in the log. */
static inline int log_lines(const char *word)
{
	static char log[1 << 20];
	int n = klogctl(3, log, sizeof(log) - 1), count = 0;
	const char *at = log;

	log[n < 0 ? 0 : n] = 0;
	while ((at = strstr(at, word))) {
		at += strlen(word);
		count++;
	}
	return n < 0 ? -errno : count;
}

/* Hardware errors that were counted. */
static inline __u64 zip_errors(int fd)
{
	struct accel_info_errors errors = {};

	accel_info_errors(fd, &errors);
	return errors.hardware;
}

/* --- The device as one on which the core is tested --- */

static inline int zip_open_compressing(struct accel_queue *q, int ctx, __u32 depth)
{
	return zip_open(q, ctx, depth, HISI_ZIP_COMPRESS);
}

static inline __u64 zip_ring_size(__u32 depth)
{
	return HISI_ZIP_CQ_OFFSET(depth) + (__u64)depth * HISI_ZIP_CQE_SIZE;
}

static inline void zip_put_compression(struct accel_queue *q, const void *in, void *out,
				       __u32 size, bool event)
{
	struct zip_job job = {
		.algorithm = zip_is_v2 ? HISI_ZIP_ZLIB : HISI_ZIP_DEFLATE,
		.in = in,
		.in_size = size,
		.out = out,
		.out_size = size < ZIP_LIMIT / 2 ? 2 * size : ZIP_LIMIT,
	};

	if (event)
		zip_arm(q);
	zip_put(q, &job);
}

static inline int zip_start(struct accel_queue *q)
{
	zip_ring(q, HISI_ZIP_DB_SQ, q->tail, 0);
	return 0;
}

static inline int zip_end(struct accel_queue *q, const void *in, const void *out, __u32 size)
{
	struct zip_result r = zip_wait(q);

	if (r.error)
		return r.error;
	if (!zip_good(&r))
		return -EIO;
	/* Zlib's trailer is behind the deflate stream. */
	return !in || zip_matches(out, r.produced - (zip_is_v2 ? 4 : 0), in, size) ? 0 : -EBADMSG;
}

static inline int zip_break_down(const char *address)
{
	return zip_poke(address, ZIP_SET_MANAGER_ERRORS, ZIP_HARMFUL_ERROR);
}

static inline int zip_unbind(const char *address)
{
	return write_file(ACCEL_PCI_DRIVER "/unbind", address);
}

static inline int zip_bind(const char *address)
{
	return write_file(ACCEL_PCI_DRIVER "/bind", address);
}

static const struct accel_kind zip_kind = {
	.driver = ACCEL_DRIVER,
	.link = "device/driver",
	.leads_to = ACCEL_DRIVER,
	.bus = "pci",
	.functions = 1ull << ACCEL_FUNCTION_DEFLATE | 1ull << ACCEL_FUNCTION_ZLIB |
		     1ull << ACCEL_FUNCTION_GZIP,
	.request_max = ZIP_LIMIT,
	.has_pasids = true,
	.regions = 3,
	.open = zip_open_compressing,
	.ring_size = zip_ring_size,
	.put = zip_put_compression,
	.start = zip_start,
	.done = zip_done,
	.end = zip_end,
	.forgets_asleep = true,
	.break_down = zip_break_down,
	.unbind = zip_unbind,
	.bind = zip_bind,
};

static const struct accel_kind *tested = &zip_kind;

#endif /* HISI_ZIP_UTIL_H */
