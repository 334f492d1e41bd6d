// SPDX-License-Identifier: GPL-2.0
/*
 * Drives the emulated ZIP engine through Linux's own hisi_zip driver and uacce.
 *
 * The driver was not written for this device model, nor by its authors: what it
 * accepts is right. zlib (Debian: zlib1g-dev) is the independent reader and
 * writer of what the engine writes and reads. Prints TAP.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/const.h>
#ifndef BIT
#define BIT(n) _BITUL(n)
#endif
#include <misc/uacce/hisi_qm.h>
#include <misc/uacce/uacce.h>
#include <zlib.h>

#define KIB 1024UL
#define MIB (1024 * KIB)
#define PAGE 4096UL
#define CQE_SIZE 16
#define DOORBELL 0x1000
#define JOB_SECONDS 60

enum { COMPRESS, DECOMPRESS };
enum { DEFLATE = 1, ZLIB, GZIP };
enum { OK = 0x00, GREW = 0x0d, NO_ROOM = 0x0e, BAD_CHECKSUM = 0x10, END = 0x13 };
enum { LAST = 1 << 25, STREAM = 1 << 26, NEW_STREAM = 1 << 27, TAG_26 = 3 << 28 };
/* UADK 2.10 says it in both directions, drv/hisi_comp.c:1583; the numbers: include/wd_comp.h:53. */
enum { WINDOW_32K = 4 << 12 };
enum { DB_SQ, DB_CQ };
/* In the status: the stream ends. In a stream's word: for room, amid a block, what is asked for. */
enum { LAST_BLOCK = 1 << 8, ASKS = 0xf, ASKS_ROOM = 1, ASKS_ROOM_IN_BLOCK = 2 };

struct sqe {
	uint32_t consumed, produced, compressed, status, input_length, w5, w6;
	uint32_t flags, w8, algorithm, w10[4], room, state, w16[2];
	uint64_t input, output, context;
	uint32_t w24[2], tag, w27, private[2], plain_length, checksum;
};
_Static_assert(sizeof(struct sqe) == 128, "an entry has 128 bytes");

struct cqe {
	uint32_t w0;
	uint16_t h4, h6, sq_head, sq_num, h12, phase;
};
_Static_assert(sizeof(struct cqe) == CQE_SIZE, "a completion has 16 bytes");

struct queue {
	int fd;
	uint16_t id, depth, tail, head;
	bool phase;
	volatile char *doorbell;
	struct sqe *sq;
	volatile struct cqe *cq;
	size_t doorbell_size, ring_size;
};

static int tests, failures;

static void result(bool ok, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%sok %d - ", ok ? "" : "not ", ++tests);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
	failures += !ok;
}

static void bail_out(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The first device; waits a little, because it may just be being probed. */
static const char *device_name(void)
{
	static char name[64];
	glob_t found;

	for (int i = 0; i < 100; i++, usleep(100000)) {
		if (glob("/dev/hisi_zip-*", 0, NULL, &found))
			continue;
		snprintf(name, sizeof(name), "%s", strrchr(found.gl_pathv[0], '/') + 1);
		globfree(&found);
		return name;
	}
	return NULL;
}

static const char *attribute(const char *name)
{
	static char value[256];
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/uacce/%s/%s", device_name(), name);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, value, sizeof(value) - 1);
	if (n < 0)
		bail_out(path);
	close(fd);
	value[n] = 0;
	return value;
}

static void queue_open(struct queue *q, int direction)
{
	struct hisi_qp_ctx ctx = { .qc_type = direction };
	struct hisi_qp_info info = {};
	char path[80], *ring;

	memset(q, 0, sizeof(*q));
	snprintf(path, sizeof(path), "/dev/%s", device_name());
	q->fd = open(path, O_RDWR | O_CLOEXEC);
	if (q->fd < 0)
		bail_out(path);
	if (ioctl(q->fd, UACCE_CMD_QM_SET_QP_CTX, &ctx) ||
	    ioctl(q->fd, UACCE_CMD_QM_SET_QP_INFO, &info))
		bail_out("configuring a queue");
	q->id = ctx.id;
	q->depth = info.sq_depth;
	q->phase = true;
	q->doorbell_size = strtoul(attribute("region_mmio_size"), NULL, 0);
	q->ring_size = strtoul(attribute("region_dus_size"), NULL, 0);
	q->doorbell = mmap(NULL, q->doorbell_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			   q->fd, UACCE_QFRT_MMIO * PAGE);
	ring = mmap(NULL, q->ring_size, PROT_READ | PROT_WRITE, MAP_SHARED, q->fd,
		    UACCE_QFRT_DUS * PAGE);
	if (q->doorbell == MAP_FAILED || ring == MAP_FAILED)
		bail_out("mapping a queue");
	q->sq = (struct sqe *)ring;
	q->cq = (struct cqe *)(ring + q->depth * info.sqe_size);
	if (ioctl(q->fd, UACCE_CMD_START_Q))
		bail_out("starting a queue");
}

static void queue_close(struct queue *q)
{
	munmap((void *)q->doorbell, q->doorbell_size);
	munmap(q->sq, q->ring_size);
	close(q->fd);
}

static void ring_doorbell(struct queue *q, unsigned int command, uint16_t index, bool arm)
{
	uint64_t value = q->id | (uint64_t)command << 12 | (uint64_t)index << 32 |
			 (uint64_t)arm << 48;

	__sync_synchronize();
	*(volatile uint64_t *)(q->doorbell + DOORBELL) = value;
}

static void submit(struct queue *q, const struct sqe *sqe)
{
	q->sq[q->tail] = *sqe;
	q->tail = (q->tail + 1) % q->depth;
	ring_doorbell(q, DB_SQ, q->tail, false);
}

/* Waits in memory, or by poll(); false after too long. */
static bool wait_completion(struct queue *q, struct sqe *done, bool by_poll)
{
	volatile struct cqe *cqe = &q->cq[q->head];
	time_t limit = time(NULL) + JOB_SECONDS;

	while ((cqe->phase & 1) != q->phase) {
		struct pollfd fd = { .fd = q->fd, .events = POLLIN };

		if (time(NULL) > limit)
			return false;
		if (by_poll)
			poll(&fd, 1, 1000);
	}
	__sync_synchronize();
	*done = q->sq[cqe->sq_head];
	if (++q->head == q->depth) {
		q->head = 0;
		q->phase = !q->phase;
	}
	ring_doorbell(q, DB_CQ, q->head, by_poll);
	return cqe->sq_num == q->id;
}

static struct sqe job(int algorithm, const void *in, size_t in_len, void *out, size_t room)
{
	return (struct sqe){
		.flags = TAG_26,
		.algorithm = algorithm | WINDOW_32K,
		.input = (uintptr_t)in,
		.input_length = in_len,
		.output = (uintptr_t)out,
		.room = room,
		.tag = 0x1234,
	};
}

/* The status of the job, or -1 if it did not complete. */
static int run(struct queue *q, struct sqe *sqe)
{
	submit(q, sqe);
	if (!wait_completion(q, sqe, false) || sqe->tag != 0x1234)
		return -1;
	return sqe->status & 0xff;
}

static void *fresh(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	if (mem == MAP_FAILED)
		bail_out("mmap");
	return mem;
}

static unsigned char *text(size_t size)
{
	unsigned char *mem = fresh(size);
	uint32_t noise = 1;

	for (size_t i = 0; i < size; i++) {
		noise = noise * 1664525 + 1013904223;
		mem[i] = i % 7 ? "accelerator"[i % 11] : noise >> 28;
	}
	return mem;
}

static size_t header_size(int algorithm)
{
	return algorithm == GZIP ? 10 : algorithm == ZLIB ? 2 : 0;
}

static int window_bits(int algorithm)
{
	return algorithm == GZIP ? 31 : algorithm == ZLIB ? 15 : -15;
}

/* What software has to do with the engine's output: put the header in front. */
static void put_header(int algorithm, void *to)
{
	memcpy(to, algorithm == GZIP ? "\x1f\x8b\x08\0\0\0\0\0\0\x03" : "\x78\x9c",
	       header_size(algorithm));
}

/* Whether zlib reads @packed as @plain and nothing else. */
static bool zlib_agrees(int algorithm, void *packed, size_t packed_len, void *plain, size_t len)
{
	unsigned char *back = malloc(len + 1);
	z_stream z = { .next_in = packed, .avail_in = packed_len,
		       .next_out = back, .avail_out = len + 1 };
	bool ok = inflateInit2(&z, window_bits(algorithm)) == Z_OK &&
		  inflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out == len &&
		  z.avail_in == 0 && !memcmp(back, plain, len);

	inflateEnd(&z);
	free(back);
	return ok;
}

static size_t zlib_pack(int algorithm, void *plain, size_t len, void *packed, size_t room)
{
	z_stream z = { .next_in = plain, .avail_in = len,
		       .next_out = packed, .avail_out = room };
	size_t size;

	if (deflateInit2(&z, 6, Z_DEFLATED, window_bits(algorithm), 8, Z_DEFAULT_STRATEGY) ||
	    deflate(&z, Z_FINISH) != Z_STREAM_END)
		bail_out("zlib");
	size = z.total_out;
	deflateEnd(&z);
	return size;
}

static void test_compress(int algorithm, const char *name, size_t size)
{
	size_t head = header_size(algorithm), room = size + size / 8 + 64;
	unsigned char *plain = text(size), *packed = fresh(head + room);
	struct queue q;
	struct sqe s;
	int status;

	queue_open(&q, COMPRESS);
	put_header(algorithm, packed);
	s = job(algorithm, plain, size, packed + head, room);
	status = run(&q, &s);
	result(status == OK && s.consumed == size &&
		       zlib_agrees(algorithm, packed, head + s.produced, plain, size),
	       "%s: compresses %zu bytes to %u, status %#x", name, size, s.produced, status);
	queue_close(&q);
	munmap(plain, size);
	munmap(packed, head + room);
}

static void test_decompress(int algorithm, const char *name, size_t size)
{
	size_t head = header_size(algorithm), packed_len;
	unsigned char *plain = text(size), *packed = fresh(size + PAGE), *back = fresh(size);
	struct queue q;
	struct sqe s;
	int status;

	packed_len = zlib_pack(algorithm, plain, size, packed, size + PAGE) - head;
	queue_open(&q, DECOMPRESS);
	/* Some bytes behind the end: the next member of a file, say. */
	s = job(algorithm, packed + head, packed_len + 100, back, size);
	status = run(&q, &s);
	result(status == OK && s.consumed == packed_len && s.produced == size &&
		       !memcmp(back, plain, size),
	       "%s: decompresses to %u bytes, status %#x", name, s.produced, status);
	queue_close(&q);
	munmap(plain, size);
	munmap(packed, size + PAGE);
	munmap(back, size);
}

/* A status whose number nobody knows: it is another one in each run. */
enum { UNKNOWN = 0x100 };

/* A status, and one for all that nobody knows. */
static int kind(int status)
{
	switch (status) {
	case -1:
	case OK:
	case GREW:
	case NO_ROOM:
	case BAD_CHECKSUM:
	case END:
		return status;
	}
	return UNKNOWN;
}

/*
 * One queue, one fault after another; a good job after each. No malformed list is among them: that
 * may be an error of the device, for which this driver has the platform reset it, and there is
 * nobody here who could.
 */
static void test_faults(void)
{
	const size_t size = 64 * KIB;
	unsigned char *plain = text(size), *packed = fresh(2 * size), *gone = fresh(PAGE);
	unsigned char *constant = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct { const char *name; int status; struct sqe s; } cases[] = {
		{ "input not mapped", UNKNOWN, job(GZIP, gone, PAGE, packed, size) },
		{ "input in the kernel's half", UNKNOWN,
		  job(GZIP, (void *)0xffff888000000000, PAGE, packed, size) },
		{ "output not mapped", UNKNOWN, job(GZIP, plain, size, gone, size) },
		{ "output read-only", UNKNOWN, job(GZIP, plain, size, constant, size) },
		{ "output room too short", NO_ROOM, job(GZIP, plain, size, packed, 256) },
		{ "unknown algorithm", UNKNOWN, job(9, plain, size, packed, size) },
		{ "length 0", UNKNOWN, job(GZIP, plain, 0, packed, size) },
		{ "length above 8 MiB", UNKNOWN, job(GZIP, plain, 8 * MIB + 1, packed, size) },
		{ "unknown kind of buffer", UNKNOWN, job(GZIP | 2 << 8, plain, size, packed, size) },
	};
	struct queue q;

	munmap(gone, PAGE);
	queue_open(&q, COMPRESS);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sqe good = job(DEFLATE, plain, size, packed, 2 * size);
		int status = run(&q, &cases[i].s);
		int after = run(&q, &good);

		result(kind(status) == cases[i].status && !cases[i].s.produced && after == OK &&
			       zlib_agrees(DEFLATE, packed, good.produced, plain, size),
		       "%s: status %#x, the next job %#x", cases[i].name, status, after);
	}
	queue_close(&q);
}

static void test_bad_input(void)
{
	const size_t size = 64 * KIB;
	unsigned char *plain = text(size), *packed = fresh(2 * size), *back = fresh(size);
	size_t len = zlib_pack(GZIP, plain, size, packed, 2 * size) - 10;
	struct queue q;
	struct sqe s;
	int status;

	queue_open(&q, DECOMPRESS);
	packed[10 + len - 8] ^= 1;
	s = job(GZIP, packed + 10, len, back, size);
	status = run(&q, &s);
	result(status == BAD_CHECKSUM, "wrong checksum: status %#x", status);
	packed[10] = 7;
	s = job(GZIP, packed + 10, len, back, size);
	status = run(&q, &s);
	result(kind(status) == UNKNOWN, "not a deflate stream: status %#x", status);
	queue_close(&q);
}

/* More jobs than entries, several in flight, so that both rings wrap. */
static void test_many(void)
{
	const unsigned int jobs = 3000, flight = 8;
	unsigned char *plain = text(KIB), *packed = fresh(flight * 2 * KIB);
	unsigned int sent = 0, done = 0, good = 0;
	struct queue q;
	struct sqe s;

	queue_open(&q, COMPRESS);
	while (done < jobs) {
		for (; sent < jobs && sent - done < flight; sent++) {
			s = job(ZLIB, plain, KIB, packed + sent % flight * 2 * KIB, 2 * KIB);
			s.tag = sent;
			submit(&q, &s);
		}
		if (!wait_completion(&q, &s, false))
			break;
		good += s.tag == done++ && s.status == OK;
	}
	result(good == jobs, "%u of %u jobs on a queue of %u entries", good, jobs, q.depth);
	queue_close(&q);
}

static void test_poll(void)
{
	unsigned char *plain = text(KIB), *packed = fresh(2 * KIB);
	unsigned int good = 0;
	struct queue q;
	struct sqe s;

	queue_open(&q, COMPRESS);
	for (unsigned int i = 0; i < 50; i++) {
		s = job(GZIP, plain, KIB, packed, 2 * KIB);
		submit(&q, &s);
		good += wait_completion(&q, &s, true) && s.status == OK;
	}
	result(good == 50, "%u of 50 jobs waited for by poll()", good);
	queue_close(&q);
}

/*
 * A stream in the way of UADK 2.10, which drives the real engine. Of its buffer of 64 KiB the engine
 * is given what lies behind the first 64 bytes, and it has data of its own from 0x9800 on.
 * (drv/hisi_comp.c:84, 107, 688, 1576-1590, 1676-1680, 1772-1773)
 */
struct stream {
	struct queue *q;
	int algorithm;
	unsigned char *buffer;
	/* What the last request has left, once there was one. */
	struct sqe last;
	bool begun;
};

#define STREAM_BUFFER (64 * KIB)
#define STREAM_OFFSET 64
#define STREAM_OWN 0x9800
#define STREAM_MARK 0x5a

static struct stream stream_begin(struct queue *q, int algorithm)
{
	struct stream s = { .q = q, .algorithm = algorithm, .buffer = fresh(STREAM_BUFFER) };

	memset(s.buffer, STREAM_MARK, STREAM_OFFSET);
	memset(s.buffer + STREAM_OWN, STREAM_MARK, STREAM_BUFFER - STREAM_OWN);
	return s;
}

/* Whether what is not the engine's is as it was. */
static bool stream_end(struct stream *s)
{
	bool intact = true;

	for (size_t i = 0; i < STREAM_BUFFER; i++)
		if (i < STREAM_OFFSET || i >= STREAM_OWN)
			intact = intact && s->buffer[i] == STREAM_MARK;
	munmap(s->buffer, STREAM_BUFFER);
	return intact;
}

/* The status of one request. */
static int stream_run(struct stream *s, const void *in, size_t len, void *out, size_t room,
		      bool last)
{
	struct sqe sqe = job(s->algorithm, in, len, out, room);
	int status;

	sqe.flags |= STREAM | (s->begun ? 0 : NEW_STREAM) | (last ? LAST : 0);
	sqe.context = (uintptr_t)s->buffer + STREAM_OFFSET;
	sqe.state = s->last.state;
	memcpy(sqe.private, s->last.private, sizeof(sqe.private));
	sqe.plain_length = s->last.plain_length;
	sqe.checksum = s->last.checksum;
	status = run(s->q, &sqe);
	if (status == OK || status == GREW || status == END) {
		s->last = sqe;
		s->begun = true;
	}
	return status;
}

/* What ends a stream without input is software's: an empty block, and the trailer. (388-430) */
static size_t stream_put_end(const struct stream *s, unsigned char *out)
{
	uint32_t sum = s->last.checksum, crc = 0;

	memcpy(out, "\x03", 2);
	if (s->algorithm == DEFLATE)
		return 2;
	if (s->algorithm == ZLIB) {
		sum = htobe32(sum);
		memcpy(out + 2, &sum, 4);
		return 6;
	}
	for (int bit = 0; bit < 32; bit++)
		crc |= (~sum >> bit & 1) << (31 - bit);
	memcpy(out + 2, &crc, 4);
	memcpy(out + 6, &s->last.plain_length, 4);
	return 10;
}

/* Less is sent than there is if the room is not 9/8 of it, and then it is not the last. (672-680) */
static size_t stream_pack(struct stream *s, unsigned char *in, size_t len, unsigned char *out,
			  bool say_last, int *status)
{
	const size_t room = 60000;
	size_t taken = 0, given = 0;

	*status = OK;
	while (taken < len && *status == OK) {
		size_t part = len - taken < 100000 ? len - taken : 100000;

		if (room < (part * 9 + 7) / 8)
			part = room * 8 / 9 & ~3ul;
		*status = stream_run(s, in + taken, part, out + given, room,
				     say_last && taken + part == len);
		taken += s->last.consumed;
		given += s->last.produced;
	}
	return say_last ? given : given + stream_put_end(s, out + given);
}

/* Whether another request is asked for, though there need not be input for it. (1736-1743) */
static bool stream_asks(const struct stream *s)
{
	uint32_t asks = s->last.state & ASKS;

	return asks == ASKS_ROOM ||
	       (asks == ASKS_ROOM_IN_BLOCK && s->last.consumed == s->last.input_length &&
		s->last.state & 0x80 && s->last.private[0] & 0x7ffff);
}

/* The status that comes with the end is that of other blocks, too. (1769) */
static size_t stream_unpack(struct stream *s, unsigned char *in, size_t len, unsigned char *out,
			    int *status)
{
	size_t taken = 0, given = 0;
	bool ended = false;

	do {
		size_t part = len - taken < 100000 ? len - taken : 100000;

		*status = stream_run(s, in + taken, part, out + given, 60000, false);
		if (*status != OK && *status != END)
			break;
		taken += s->last.consumed;
		given += s->last.produced;
		ended = *status == END && s->last.status & LAST_BLOCK;
	} while (!ended && (taken < len || stream_asks(s)));
	if (!ended && *status == END)
		*status = OK;
	return given;
}

static void test_stream(int algorithm, const char *name, bool say_last)
{
	const size_t size = MIB, head = header_size(algorithm);
	unsigned char *plain = text(size), *packed = fresh(3 * size), *back = fresh(3 * size);
	size_t packed_len, back_len;
	struct stream s;
	struct queue q;
	int status;

	queue_open(&q, COMPRESS);
	put_header(algorithm, packed);
	s = stream_begin(&q, algorithm);
	packed_len = stream_pack(&s, plain, size, packed + head, say_last, &status);
	result(status == OK && zlib_agrees(algorithm, packed, head + packed_len, plain, size),
	       "%s: a stream of %zu bytes to %zu, %s, status %#x", name, size, packed_len,
	       say_last ? "its last part told" : "ended by software", status);
	result(stream_end(&s), "%s: what is software's of its buffer is as it was", name);
	queue_close(&q);

	queue_open(&q, DECOMPRESS);
	s = stream_begin(&q, algorithm);
	back_len = stream_unpack(&s, packed + head, packed_len, back, &status);
	result(status == END && back_len == size && !memcmp(back, plain, size),
	       "%s: and back to %zu, status %#x", name, back_len, status);
	result(stream_end(&s), "%s: what is software's of its buffer is as it was", name);
	queue_close(&q);
	munmap(plain, size);
	munmap(packed, 3 * size);
	munmap(back, 3 * size);
}

/* UADK's older driver sends requests on purpose that do nothing. (v1/drv/hisi_zip_udrv.c:505-511) */
static void test_no_room(void)
{
	const size_t size = 64 * KIB;
	unsigned char *plain = text(size), *packed = fresh(2 * size);
	struct queue q;
	struct stream s;
	bool nothing;
	size_t len;

	queue_open(&q, COMPRESS);
	s = stream_begin(&q, DEFLATE);
	stream_run(&s, plain, size / 2, packed, size, false);
	len = s.last.produced;
	nothing = stream_run(&s, plain, 0, packed + len, 16, false) == OK &&
		  !s.last.consumed && !s.last.produced;
	result(nothing, "with 16 bytes of room a request does nothing");
	stream_run(&s, plain + size / 2, size / 2, packed + len, size, true);
	len += s.last.produced;
	result(zlib_agrees(DEFLATE, packed, len, plain, size), "and the stream goes on");
	stream_end(&s);
	queue_close(&q);
	munmap(plain, size);
	munmap(packed, 2 * size);
}

/* Processes at a time, each with a queue and an address space of its own. */
static void test_processes(void)
{
	const int count = 4;
	int good = 0, status;

	fflush(stdout);
	for (int i = 0; i < count; i++) {
		if (fork())
			continue;
		const size_t size = 300 * KIB + i;
		unsigned char *plain = text(size), *packed = fresh(2 * size);
		struct queue q;
		int bad = 0;

		memset(plain, i, 100 * KIB);
		queue_open(&q, COMPRESS);
		for (int n = 0; n < 10; n++) {
			struct sqe s = job(DEFLATE, plain, size, packed, 2 * size);

			bad += run(&q, &s) != OK ||
			       !zlib_agrees(DEFLATE, packed, s.produced, plain, size);
		}
		_exit(bad != 0);
	}
	while (wait(&status) > 0)
		good += status == 0;
	result(good == count, "%d of %d processes at a time", good, count);
}

/*
 * A process that dies with jobs under way takes nothing with it. uacce lets its
 * address space go before it stops the queue, so the device meets a PASID that
 * is not bound any more; its jobs fail, and the kernel has nothing to say.
 */
static void test_killed(void)
{
	fflush(stdout);
	for (int i = 0; i < 5; i++) {
		pid_t child = fork();

		if (!child) {
			struct sqe s = job(GZIP, text(4 * MIB), 4 * MIB, fresh(8 * MIB), 8 * MIB);
			struct queue q;

			queue_open(&q, COMPRESS);
			for (int n = 0; n < 10; n++)
				submit(&q, &s);
			pause();
		}
		usleep(200000);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	test_compress(GZIP, "after five processes were killed with jobs under way", KIB);
}

/* Whether the crypto layer has found an algorithm good: a line of its block in /proc/crypto. */
static bool passed_self_test(const char *driver)
{
	char line[256], name[128] = "", value[128];
	FILE *f = fopen("/proc/crypto", "r");
	bool passed = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "driver : %127s", value) == 1)
			strcpy(name, value);
		else if (sscanf(line, "selftest : %127s", value) == 1 && !strcmp(name, driver))
			passed = !strcmp(value, "passed");
	}
	if (f)
		fclose(f);
	return passed;
}

/* Scatter lists that the device says it has read. */
static uint32_t lists_read(void)
{
	const size_t offset = 0x3ff000, lists = 0x20;
	volatile char *port;
	uint32_t count;
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/uacce/%s/device/resource2", device_name());
	fd = open(path, O_RDWR);
	port = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, offset);
	if (port == MAP_FAILED)
		bail_out(path);
	count = *(volatile uint32_t *)(port + lists);
	munmap((void *)port, PAGE);
	close(fd);
	return count;
}

/*
 * Inside of the kernel the driver hands over scatter lists, which nobody under a PASID does here. The
 * crypto layer tests what a driver registers, with streams that zlib has made.
 */
static void test_lists(void)
{
	const char *driver = "hisi-deflate-acomp";

	for (int i = 0; i < 100 && !passed_self_test(driver); i++)
		usleep(100000);
	result(passed_self_test(driver), "%s passes the kernel's self-test", driver);
	result(lists_read() >= 8, "%u scatter lists were read for that", lists_read());
}

int main(void)
{
	if (!device_name()) {
		printf("Bail out! no /dev/hisi_zip-*; run: modprobe hisi_zip uacce_mode=1\n");
		return 1;
	}
	result(!strcmp(attribute("flags"), "1\n"), "the driver offers SVA");
	result(strstr(attribute("algorithms"), "gzip") != NULL, "the driver offers gzip");
	test_compress(DEFLATE, "deflate", 100000);
	test_compress(ZLIB, "zlib", 100000);
	test_compress(GZIP, "gzip", 100000);
	test_compress(GZIP, "gzip into untouched memory", 7 * MIB);
	test_decompress(DEFLATE, "deflate", 100000);
	test_decompress(ZLIB, "zlib", 100000);
	test_decompress(GZIP, "gzip", 100000);
	test_decompress(GZIP, "gzip into untouched memory", 8 * MIB);
	test_faults();
	test_bad_input();
	test_many();
	test_poll();
	for (int say_last = 0; say_last < 2; say_last++) {
		test_stream(DEFLATE, "deflate", say_last);
		test_stream(ZLIB, "zlib", say_last);
		test_stream(GZIP, "gzip", say_last);
	}
	test_no_room();
	test_processes();
	test_killed();
	test_lists();
	printf("1..%d\n", tests);
	return failures != 0;
}
