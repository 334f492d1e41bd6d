// SPDX-License-Identifier: GPL-2.0
/* Jobs on plain pointers, good and bad, with zlib as the judge of the results. */
#include <linux/filter.h>

#include "hisi_zip_util.h"

#define PAGE 4096
#define BOUNDARY (4ul << 30)

FIXTURE(job) {
	int ctx;
	struct accel_queue pack;
	struct accel_queue unpack;
};

FIXTURE_SETUP(job)
{
	self->ctx = accel_open();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_bind_shared(self->ctx), "bind to the own memory");
	ASSERT_RET(0, zip_open(&self->pack, self->ctx, 8, HISI_ZIP_COMPRESS),
		   "open a queue that compresses");
	ASSERT_RET(0, zip_open(&self->unpack, self->ctx, 8, HISI_ZIP_DECOMPRESS),
		   "open a queue that decompresses");
}

FIXTURE_TEARDOWN(job)
{
	queue_close(&self->pack);
	queue_close(&self->unpack);
	close(self->ctx);
}

static struct zip_result run(struct accel_queue *q, const void *in, __u32 in_size,
			     void *out, __u32 out_size)
{
	struct zip_job job = { HISI_ZIP_DEFLATE, 7, in, out, in_size, out_size };

	return zip_run(q, &job);
}

static void *fresh(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

/* Random bytes of @seed on memory that is there. */
static void *filled(size_t size, __u32 seed)
{
	void *p = fresh(size);

	fill_text(p, size, seed);
	return p;
}

static bool all_are(const void *p, size_t size, __u8 value)
{
	const __u8 *byte = p;
	size_t i;

	for (i = 0; i < size; i++) {
		if (byte[i] != value)
			return false;
	}
	return true;
}

/* --- Round trips --- */

FIXTURE(round_trip) {
	int ctx;
	struct accel_queue pack;
	struct accel_queue unpack;
};

FIXTURE_VARIANT(round_trip) {
	__u32 algorithm;
};

FIXTURE_VARIANT_ADD(round_trip, deflate) { .algorithm = HISI_ZIP_DEFLATE };
FIXTURE_VARIANT_ADD(round_trip, zlib) { .algorithm = HISI_ZIP_ZLIB };
FIXTURE_VARIANT_ADD(round_trip, gzip) { .algorithm = HISI_ZIP_GZIP };

FIXTURE_SETUP(round_trip)
{
	self->ctx = accel_open();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_bind_shared(self->ctx), "bind to the own memory");
	ASSERT_RET(0, zip_open(&self->pack, self->ctx, 8, HISI_ZIP_COMPRESS),
		   "open a queue that compresses");
	ASSERT_RET(0, zip_open(&self->unpack, self->ctx, 8, HISI_ZIP_DECOMPRESS),
		   "open a queue that decompresses");
}

FIXTURE_TEARDOWN(round_trip)
{
	queue_close(&self->pack);
	queue_close(&self->unpack);
	close(self->ctx);
}

static const __u32 trip_sizes[] = { 1, 2, 100, 4095, 4096, 4097, 65539, 1 << 20 };

static void compress_and_judge(struct __test_metadata *_metadata,
			       struct accel_queue *q, __u32 algorithm, __u32 size)
{
	size_t header = zip_header_size(algorithm);
	__u8 *in = malloc(size), *out = malloc(header + zip_bound(size));
	char *back = malloc(size + 1);
	struct zip_job job = {
		.algorithm = algorithm,
		.tag = size,
		.in = in,
		.out = out + header,
		.in_size = size,
		.out_size = zip_bound(size),
	};
	struct zip_result r;

	fill_text(in, size, size);
	zip_write_header(algorithm, out);
	r = zip_run(q, &job);
	EXPECT_GOOD(r, "the device compresses");
	EXPECT_EQ(size, r.tag) {
		TH_LOG("expected: the tag comes back");
	}
	EXPECT_EQ(size, r.consumed) {
		TH_LOG("expected: all input is consumed");
	}
	EXPECT_EQ(size, zip_judge_inflate(algorithm, out, header + r.produced, back, size + 1)) {
		TH_LOG("expected: zlib makes %u bytes of it", size);
	}
	EXPECT_THAT(!memcmp(in, back, size), "zlib makes the same bytes of it");
	free(in);
	free(out);
	free(back);
}

TEST_F(round_trip, device_compresses_for_zlib)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(trip_sizes); i++)
		compress_and_judge(_metadata, &self->pack, variant->algorithm, trip_sizes[i]);
}

static void decompress_and_judge(struct __test_metadata *_metadata,
				 struct accel_queue *q, __u32 algorithm, __u32 size)
{
	size_t header = zip_header_size(algorithm);
	size_t room = zip_bound(size) + 32;
	size_t back_room = size < HISI_ZIP_ROOM_MIN ? HISI_ZIP_ROOM_MIN : size;
	__u8 *plain = malloc(size), *packed = malloc(room), *back = malloc(back_room);
	long n;
	struct zip_job job;
	struct zip_result r;

	fill_text(plain, size, size);
	n = zip_judge_deflate(algorithm, plain, size, packed, room);
	job = (struct zip_job){
		.algorithm = algorithm,
		.tag = ~size,
		.in = packed + header,
		.out = back,
		.in_size = n - header,
		.out_size = back_room,
	};
	r = zip_run(q, &job);
	EXPECT_GOOD(r, "the device decompresses what zlib made");
	EXPECT_EQ(~size, r.tag) {
		TH_LOG("expected: the tag comes back");
	}
	EXPECT_EQ(n - header, r.consumed) {
		TH_LOG("expected: the whole stream is consumed");
	}
	EXPECT_EQ(size, r.produced) {
		TH_LOG("expected: %u plain bytes", size);
	}
	EXPECT_THAT(!memcmp(plain, back, size), "the same plain bytes");
	free(plain);
	free(packed);
	free(back);
}

TEST_F(round_trip, device_decompresses_what_zlib_made)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(trip_sizes); i++)
		decompress_and_judge(_metadata, &self->unpack, variant->algorithm, trip_sizes[i]);
}

TEST_F(job, unaligned_buffers_work)
{
	__u8 *in = fresh(4 * PAGE), *out = fresh(8 * PAGE), *back = fresh(4 * PAGE);
	struct zip_result r;
	int shift;

	for (shift = 1; shift < 9; shift++) {
		fill_text(in + shift, 2 * PAGE + shift, shift);
		r = run(&self->pack, in + shift, 2 * PAGE + shift, out + 2 * shift + 1, 4 * PAGE);
		EXPECT_GOOD(r, "compression at odd addresses");
		r = run(&self->unpack, out + 2 * shift + 1, r.produced, back + PAGE - shift,
			2 * PAGE + shift);
		EXPECT_GOOD(r, "decompression at odd addresses");
		EXPECT_THAT(!memcmp(in + shift, back + PAGE - shift, 2 * PAGE + shift),
			    "the same bytes come back");
	}
}

/* --- Memory that is not there yet --- */

TEST_F(job, untouched_output_is_made_present)
{
	size_t size = 64 * 1024 + 123;
	void *in = filled(size, 1), *out = fresh(zip_bound(size)), *back = fresh(size);
	struct zip_result r = run(&self->pack, in, size, out, zip_bound(size));

	EXPECT_GOOD(r, "compression into untouched pages");
	EXPECT_THAT(zip_matches(out, r.produced, in, size), "zlib agrees");
	r = run(&self->unpack, out, r.produced, back, size);
	EXPECT_GOOD(r, "decompression into untouched pages");
	EXPECT_THAT(!memcmp(in, back, size), "the same bytes come back");
}

TEST_F(job, untouched_input_is_zero)
{
	size_t size = 64 * 1024 + 123;
	void *in = fresh(size), *out = fresh(zip_bound(size)), *zero = calloc(1, size);
	struct zip_result r = run(&self->pack, in, size, out, zip_bound(size));

	EXPECT_GOOD(r, "compression of untouched pages");
	EXPECT_THAT(zip_matches(out, r.produced, zero, size), "untouched pages are zero");
}

TEST_F(job, zero_page_as_output_is_replaced)
{
	size_t size = 3 * PAGE;
	char *in = filled(size, 2), *out = fresh(zip_bound(size));
	struct zip_result r;

	EXPECT_THAT(!LOAD(*out) && !LOAD(out[PAGE]), "reading maps the zero page");
	r = run(&self->pack, in, size, out, zip_bound(size));
	EXPECT_GOOD(r, "compression onto the zero page");
	EXPECT_THAT(zip_matches(out, r.produced, in, size), "zlib agrees");
	EXPECT_THAT(all_are(fresh(PAGE), PAGE, 0), "the zero page itself is still zero");
}

struct cow {
	char *page;
	int go[2];
};

static int child_sees_old_bytes(void *arg)
{
	struct cow *cow = arg;
	char byte;

	if (read(cow->go[0], &byte, 1) != 1)
		return -EPIPE;
	return all_are(cow->page, 4 * PAGE, 1) ? 0 : -EBADMSG;
}

TEST_F(job, output_is_copied_on_write_after_fork)
{
	char *in = filled(2 * PAGE, 3);
	struct cow cow = { .page = fresh(4 * PAGE) };
	struct zip_result r;
	pid_t pid;

	memset(cow.page, 1, 4 * PAGE);
	ASSERT_EQ(0, pipe(cow.go));
	pid = child_start(child_sees_old_bytes, &cow);
	r = run(&self->pack, in, 2 * PAGE, cow.page, 4 * PAGE);
	EXPECT_GOOD(r, "compression onto pages shared with a child");
	EXPECT_THAT(zip_matches(cow.page, r.produced, in, 2 * PAGE), "the parent has the output");
	ASSERT_EQ(1, write(cow.go[1], "", 1));
	EXPECT_RET(0, child_result(pid), "the child has what was there at fork");
}

/* --- Files --- */

static int tmpfs_file(const void *data, size_t size)
{
	int fd = memfd_create("accel", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return -1;
	return fd;
}

static void compress_file(struct __test_metadata *_metadata, struct accel_queue *q,
			  int flags, int prot)
{
	size_t size = 10 * PAGE + 17;
	void *plain = filled(size, 4), *out = fresh(zip_bound(size)), *in;
	int fd = tmpfs_file(plain, size);
	struct zip_result r;

	ASSERT_LE(0, fd);
	in = mmap(NULL, size, prot, flags, fd, 0);
	ASSERT_NE(MAP_FAILED, in);
	r = run(q, in, size, out, zip_bound(size));
	EXPECT_GOOD(r, "compression of a mapped file");
	EXPECT_THAT(zip_matches(out, r.produced, plain, size), "zlib finds the file's bytes");
	munmap(in, size);
	close(fd);
}

TEST_F(job, file_mapped_shared_is_input)
{
	compress_file(_metadata, &self->pack, MAP_SHARED, PROT_READ | PROT_WRITE);
}

TEST_F(job, file_mapped_shared_readonly_is_input)
{
	compress_file(_metadata, &self->pack, MAP_SHARED, PROT_READ);
}

TEST_F(job, file_mapped_private_is_input)
{
	compress_file(_metadata, &self->pack, MAP_PRIVATE, PROT_READ | PROT_WRITE);
}

TEST_F(job, file_mapped_shared_is_written)
{
	size_t size = 5 * PAGE;
	void *in = filled(size, 5), *out, *back = malloc(2 * size), *zero = calloc(2, size);
	int fd = tmpfs_file(zero, 2 * size);
	struct zip_result r;

	ASSERT_LE(0, fd);
	out = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	r = run(&self->pack, in, size, out, 2 * size);
	EXPECT_GOOD(r, "compression into a mapped file");
	ASSERT_EQ(2 * size, pread(fd, back, 2 * size, 0));
	EXPECT_THAT(zip_matches(back, r.produced, in, size), "read() finds the output in the file");
	close(fd);
}

TEST_F(job, file_mapped_private_is_not_written)
{
	size_t size = 5 * PAGE;
	void *in = filled(size, 6), *out, *back = malloc(2 * size), *zero = calloc(2, size);
	int fd = tmpfs_file(zero, 2 * size);
	struct zip_result r;

	ASSERT_LE(0, fd);
	out = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	r = run(&self->pack, in, size, out, 2 * size);
	EXPECT_GOOD(r, "compression onto a private mapping");
	EXPECT_THAT(zip_matches(out, r.produced, in, size), "the mapping has the output");
	ASSERT_EQ(2 * size, pread(fd, back, 2 * size, 0));
	EXPECT_THAT(all_are(back, 2 * size, 0), "the file is as it was");
	close(fd);
}

/* --- Memory that changes --- */

TEST_F(job, dropped_input_is_zero)
{
	size_t size = 8 * PAGE;
	void *in = filled(size, 7), *out = fresh(zip_bound(size)), *zero = calloc(1, size);
	struct zip_result r = run(&self->pack, in, size, out, zip_bound(size));

	EXPECT_GOOD(r, "compression before");
	ASSERT_EQ(0, madvise(in, size, MADV_DONTNEED));
	r = run(&self->pack, in, size, out, zip_bound(size));
	EXPECT_GOOD(r, "compression after MADV_DONTNEED");
	EXPECT_THAT(zip_matches(out, r.produced, zero, size),
		    "the device does not see pages that were given back");
}

TEST_F(job, memory_that_was_put_aside_comes_back)
{
	size_t size = 64 * PAGE;
	void *in = filled(size, 9), *out = fresh(zip_bound(size)), *same = filled(size, 9);
	struct zip_result r;
	int i;

	ASSERT_RET(0, swap_on(), "swap on a ram disk");
	for (i = 0; i < 10; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, i, in, out, size, zip_bound(size) };

		EXPECT_THAT(put_aside(in, size), "the input is put aside");
		zip_submit(&self->pack, &job);
		/* While the device is at it. */
		madvise(in, size, MADV_PAGEOUT);
		madvise(out, zip_bound(size) / PAGE * PAGE, MADV_PAGEOUT);
		r = zip_wait(&self->pack);
		EXPECT_GOOD(r, "compression of what was put aside");
		EXPECT_THAT(zip_matches(out, r.produced, same, size), "it is what it was");
	}
	munmap(in, size);
	EXPECT_EQ(0, swapoff(SWAP_DEVICE));
}

/* The device's cached translations must go with the mapping. */
TEST_F(job, x86_cve_2025_71089_new_mapping_at_an_old_address)
{
	size_t size = 8 * PAGE;
	void *in = filled(size, 8), *out = fresh(zip_bound(size));
	struct zip_result r;
	int i;

	for (i = 0; i < 10; i++) {
		r = run(&self->pack, in, size, out, zip_bound(size));
		EXPECT_GOOD(r, "compression of a new mapping at an old address");
		EXPECT_THAT(zip_matches(out, r.produced, in, size), "the new bytes, not the old");
		ASSERT_EQ(in, mmap(in, size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		fill_text(in, size, 100 + i);
	}
	munmap(in, size);
	r = run(&self->pack, in, size, out, zip_bound(size));
	EXPECT_REFUSED(r, "no compression of what is unmapped");
	EXPECT_WORKS(&self->pack, "the queue goes on");
}

/*
 * The aligned block that spans a few pages around a 4 GiB boundary is larger
 * than one invalidation by address may be.
 */
TEST_F(job, unmapping_across_a_boundary_reaches_the_device)
{
	size_t size = 8 * PAGE, i;
	char *out = fresh(zip_bound(size)), *in;
	uintptr_t room = (uintptr_t)mmap(NULL, 2 * BOUNDARY, PROT_NONE,
					 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct zip_result r;

	ASSERT_NE((uintptr_t)MAP_FAILED, room);
	in = (char *)((room + BOUNDARY) & ~(BOUNDARY - 1)) - size / 2;
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(in, mmap(in, size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		fill_text(in, size, 200 + i);
		r = run(&self->pack, in, size, out, zip_bound(size));
		EXPECT_GOOD(r, "compression across a boundary");
		EXPECT_THAT(zip_matches(out, r.produced, in, size), "the new bytes, not the old");
	}
	ASSERT_EQ(0, munmap(in, size));
	r = run(&self->pack, in, size, out, zip_bound(size));
	EXPECT_REFUSED(r, "no compression of what is unmapped");
	munmap((void *)room, 2 * BOUNDARY);
}

/* --- Bad addresses: an error for that job alone --- */

TEST_F(job, readonly_output_is_refused_alone)
{
	__u8 *in = filled(PAGE, 9), *out = fresh(2 * PAGE);
	struct zip_result r;

	memset(out, 0x5a, 2 * PAGE);
	ASSERT_EQ(0, mprotect(out, 2 * PAGE, PROT_READ));
	r = run(&self->pack, in, PAGE, out, 2 * PAGE);
	EXPECT_REFUSED(r, "read-only output ends in an error");
	EXPECT_THAT(all_are(out, 2 * PAGE, 0x5a), "nothing is written");
	EXPECT_WORKS(&self->pack, "the queue goes on");
	r = run(&self->pack, out, PAGE, in, PAGE);
	EXPECT_GOOD(r, "read-only input is fine");
}

struct bad_address {
	const char *what;
	__u64 address;
};

static const struct bad_address bad_addresses[] = {
	{ "null", 0 },
	{ "unmapped", 0x7000000000 },
	{ "kernel", 0xffff888000000000 },
	{ "last page of all", 0xfffffffffffff000 },
	{ "non-canonical", 0x0000900000000000 },
	{ "non-canonical high", 0xffff000000000000 },
	{ "first byte behind user space", 0x00007ffffffff000 },
};

TEST_F(job, bad_input_is_refused_alone)
{
	__u8 *out = fresh(2 * PAGE);
	struct zip_result r;
	unsigned int i;

	memset(out, 0x33, 2 * PAGE);
	for (i = 0; i < ARRAY_SIZE(bad_addresses); i++) {
		r = run(&self->pack, (void *)bad_addresses[i].address, PAGE, out, 2 * PAGE);
		EXPECT_REFUSED(r, bad_addresses[i].what);
		EXPECT_THAT(all_are(out, 2 * PAGE, 0x33), "nothing is written");
		EXPECT_WORKS(&self->pack, "the queue goes on");
	}
}

TEST_F(job, bad_output_is_refused_alone)
{
	void *in = filled(PAGE, 10);
	struct zip_result r;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_addresses); i++) {
		r = run(&self->pack, in, PAGE, (void *)bad_addresses[i].address, 2 * PAGE);
		EXPECT_REFUSED(r, bad_addresses[i].what);
		EXPECT_WORKS(&self->pack, "the queue goes on");
	}
}

/* Memory that the kernel maps for it, and unmaps when the socket goes; a negative errno. */
static int socket_with_filter(void)
{
	static struct sock_filter nothing[BPF_MAXINSNS];
	struct sock_fprog filter = { .len = ARRAY_SIZE(nothing), .filter = nothing };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(nothing); i++)
		nothing[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)))
		return -errno;
	return fd;
}

/* The page tables of the process lead to the kernel's, which come and go, too. */
TEST_F(job, x86_cve_2025_71202_the_kernels_mappings_change)
{
	static const struct bad_address places[] = {
		{ "the kernel's map of memory", 0xffff888000100000 },
		{ "what vmalloc() maps", 0xffffc90000000000 },
		{ "more of that", 0xffffc90000200000 },
		{ "struct page", 0xffffea0000000000 },
		{ "the kernel's code", 0xffffffff81000000 },
		{ "modules", 0xffffffffc0000000 },
	};
	__u8 *in = filled(PAGE, 12), *out = fresh(2 * PAGE);
	unsigned int round, i;
	struct zip_result r;
	int fd;

	memset(out, 0x33, 2 * PAGE);
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(places); i++) {
			fd = socket_with_filter();
			ASSERT_WORKS(fd, "a socket filter");
			r = run(&self->pack, (void *)places[i].address, PAGE, out, 2 * PAGE);
			EXPECT_REFUSED(r, places[i].what);
			close(fd);
			r = run(&self->pack, in, PAGE, (void *)places[i].address, 2 * PAGE);
			EXPECT_REFUSED(r, places[i].what);
		}
	}
	EXPECT_THAT(all_are(out, 2 * PAGE, 0x33), "nothing is written");
	EXPECT_WORKS(&self->pack, "the queue goes on");
}

TEST_F(job, buffers_that_run_into_nothing_are_refused_alone)
{
	char *in = filled(4 * PAGE, 11), *out = fresh(8 * PAGE);
	struct zip_result r;

	munmap(in + 2 * PAGE, 2 * PAGE);
	r = run(&self->pack, in, 4 * PAGE, out, 8 * PAGE);
	EXPECT_REFUSED(r, "input that ends in an unmapped page");
	ASSERT_EQ(0, mprotect(in + PAGE, PAGE, PROT_NONE));
	r = run(&self->pack, in, 2 * PAGE, out, 8 * PAGE);
	EXPECT_REFUSED(r, "input that ends in a page without access");
	r = run(&self->pack, in, PAGE, out, 8 * PAGE);
	EXPECT_GOOD(r, "input that ends before it");
	r = run(&self->pack, (void *)0xffffffffffffff00, PAGE, out, 8 * PAGE);
	EXPECT_REFUSED(r, "input that wraps around to address 0");
	EXPECT_WORKS(&self->pack, "the queue goes on");
}

TEST_F(job, neighbours_of_a_bad_job_are_good)
{
	void *in = filled(PAGE, 12), *out[7];
	struct zip_result r;
	int i;

	for (i = 0; i < 7; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, i, in, fresh(2 * PAGE), PAGE, 2 * PAGE };

		out[i] = job.out;
		if (i % 2)
			job.in = NULL;
		zip_put(&self->pack, &job);
	}
	zip_ring(&self->pack, HISI_ZIP_DB_SQ, self->pack.tail, 0);
	for (i = 0; i < 7; i++) {
		r = zip_wait(&self->pack);
		EXPECT_EQ(i, r.tag) {
			TH_LOG("expected: completions in the order of the jobs");
		}
		if (i % 2) {
			EXPECT_REFUSED(r, "a bad job among good ones");
			continue;
		}
		EXPECT_GOOD(r, "a good job among bad ones");
		EXPECT_THAT(zip_matches(out[i], r.produced, in, PAGE), "zlib agrees");
	}
}

/* What a process does to its own ring must not reach another queue. */
TEST_F(job, output_onto_the_own_ring_harms_only_the_own_queue)
{
	void *in = filled(2 * PAGE, 13);
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, self->pack.ring, 2 * PAGE,
			       self->pack.ring_region.size };
	struct accel_queue other;

	ASSERT_RET(0, zip_open(&other, self->ctx, 8, HISI_ZIP_COMPRESS), "a second queue");
	zip_submit(&self->pack, &job);
	EXPECT_WORKS(&other, "another queue meanwhile");
	zip_wait(&self->pack);
	EXPECT_WORKS(&other, "another queue afterwards");
	queue_close(&other);
}

/* --- Bad requests --- */

static void expect_bad_request(struct __test_metadata *_metadata,
			       struct accel_queue *q, const struct zip_job *job,
			       const char *what)
{
	struct zip_result r = zip_run(q, job);

	EXPECT_REFUSED(r, what);
	EXPECT_EQ(0, r.produced) {
		TH_LOG("%s: expected: nothing is produced", what);
	}
}

TEST_F(job, too_little_room_is_an_error_of_its_own)
{
	size_t size = 16 * PAGE;
	__u8 *in = filled(size, 14), *out = fresh(size), *packed = malloc(2 * size);
	struct zip_result r;
	long n;

	memset(out, 0x77, size);
	r = run(&self->pack, in, size, out, HISI_ZIP_ROOM_MIN);
	EXPECT_REFUSED(r, "compression into the least room that there may be");
	EXPECT_EQ(HISI_ZIP_NO_ROOM, r.status) {
		TH_LOG("expected: the status that says so");
	}
	n = zip_judge_deflate(HISI_ZIP_DEFLATE, in, size, packed, 2 * size);
	r = run(&self->unpack, packed, n, out, size - 1);
	EXPECT_REFUSED(r, "decompression with one byte too few");
	EXPECT_EQ(HISI_ZIP_NO_ROOM, r.status) {
		TH_LOG("expected: the status that says so");
	}
	EXPECT_EQ(0x77, out[size - 1]) {
		TH_LOG("expected: nothing is written behind the room");
	}
	r = run(&self->unpack, packed, n, out, size);
	EXPECT_GOOD(r, "the queue goes on, with room enough");
}

TEST_F(job, corrupt_input_is_refused_alone)
{
	size_t size = 4 * PAGE;
	__u8 *plain = filled(size, 15), *packed = malloc(2 * size), *out = fresh(size);
	long n = zip_judge_deflate(HISI_ZIP_GZIP, plain, size, packed, 2 * size);
	struct zip_job job = { HISI_ZIP_GZIP, 0, packed + 10, out, n - 10, size };
	struct zip_result r;

	packed[n - 5] ^= 1;
	r = zip_run(&self->unpack, &job);
	EXPECT_REFUSED(r, "a wrong CRC");
	EXPECT_EQ(HISI_ZIP_BAD_CHECKSUM, r.status) {
		TH_LOG("expected: the status that says so");
	}
	packed[n - 5] ^= 1;
	job.in_size -= 20;
	expect_bad_request(_metadata, &self->unpack, &job, "a stream that ends too early");
	job.in_size += 20;
	packed[10] |= 6;
	expect_bad_request(_metadata, &self->unpack, &job, "a block of a kind that does not exist");
	memset(packed, 0xff, n);
	expect_bad_request(_metadata, &self->unpack, &job, "nothing but ones");
	n = zip_judge_deflate(HISI_ZIP_GZIP, plain, size, packed, 2 * size);
	r = zip_run(&self->unpack, &job);
	EXPECT_GOOD(r, "the same stream, whole again");
	EXPECT_THAT(!memcmp(plain, out, size), "the plain bytes");
}

TEST_F(job, unknown_algorithm_is_refused_alone)
{
	static const __u32 algorithms[] = { 0, 4, 5, 0xff, HISI_ZIP_DEFLATE | 2 << 8 };
	void *in = filled(PAGE, 16), *out = fresh(2 * PAGE);
	struct zip_job job = { 0, 0, in, out, PAGE, 2 * PAGE };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(algorithms); i++) {
		job.algorithm = algorithms[i];
		expect_bad_request(_metadata, &self->pack, &job,
				   "an algorithm or kind of buffer that is not offered");
	}
	EXPECT_WORKS(&self->pack, "the queue goes on");
}

TEST_F(job, zero_length_is_refused_alone)
{
	void *in = filled(PAGE, 17), *out = fresh(2 * PAGE);
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, 0, 2 * PAGE };

	expect_bad_request(_metadata, &self->pack, &job, "no input");
	EXPECT_WORKS(&self->pack, "the queue goes on");
}

TEST_F(job, eight_mebibytes_are_the_limit)
{
	char *in = filled(ZIP_LIMIT + PAGE, 18), *out = fresh(ZIP_LIMIT + PAGE);
	char *back = fresh(ZIP_LIMIT);
	struct zip_result r = run(&self->pack, in, ZIP_LIMIT, out, ZIP_LIMIT);
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, ZIP_LIMIT + 1, ZIP_LIMIT };
	__u32 packed = r.produced;

	EXPECT_GOOD(r, "8 MiB are compressed");
	EXPECT_THAT(zip_matches(out, packed, in, ZIP_LIMIT), "zlib agrees");
	r = run(&self->unpack, out, packed, back, ZIP_LIMIT);
	EXPECT_GOOD(r, "8 MiB are decompressed");
	EXPECT_THAT(!memcmp(in, back, ZIP_LIMIT), "the same 8 MiB");
	expect_bad_request(_metadata, &self->pack, &job, "8 MiB and a byte");
	job.in_size = ~0u;
	expect_bad_request(_metadata, &self->pack, &job, "4 GiB");
	EXPECT_WORKS(&self->pack, "the queue goes on");
}

/* --- Many jobs --- */

#define MANY 300

static void *const *some_buffers(int n, size_t size)
{
	void **p = calloc(n, sizeof(*p));
	int i;

	for (i = 0; i < n; i++)
		p[i] = fresh(size);
	return p;
}

/* Keeps the ring full while it wraps around many times. */
static void run_many(struct __test_metadata *_metadata, struct accel_queue *q)
{
	const __u32 size = 2000;
	void *const *out = some_buffers(MANY, zip_bound(size));
	__u8 *in = malloc(MANY * size);
	__u32 sent = 0, done = 0;
	struct zip_result r;

	fill_text(in, MANY * size, q->depth);
	while (done < MANY) {
		while (sent < MANY && sent - done < q->depth - 1) {
			struct zip_job job = { HISI_ZIP_DEFLATE, sent, in + sent * size,
					       out[sent], size, zip_bound(size) };

			zip_submit(q, &job);
			sent++;
		}
		r = zip_wait(q);
		ASSERT_TRUE(zip_good(&r)) {
			TH_LOG("expected: job %u is good, in a ring of %u", done, q->depth);
			ZIP_LOG(&r);
		}
		ASSERT_EQ(done, r.tag) {
			TH_LOG("expected: completions in the order of the jobs");
		}
		ASSERT_TRUE(zip_matches(out[done], r.produced, in + done * size, size)) {
			TH_LOG("expected: zlib agrees on job %u", done);
		}
		done++;
	}
}

TEST_F(job, full_ring_wraps_around)
{
	static const __u32 depths[] = { 2, 3, 8, 32, 64 };
	struct accel_queue q;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		ASSERT_RET(0, zip_open(&q, self->ctx, depths[i], HISI_ZIP_COMPRESS), "a queue");
		run_many(_metadata, &q);
		queue_close(&q);
	}
}

TEST_F(job, queues_work_side_by_side)
{
	struct accel_queue q[6];
	static __u8 in[6][PAGE], out[6][2 * PAGE];
	struct zip_result r;
	int i, round;

	for (i = 0; i < 6; i++)
		ASSERT_RET(0, zip_open(&q[i], self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 6; i++) {
			struct zip_job job = { HISI_ZIP_DEFLATE, i, in[i], out[i], PAGE, 2 * PAGE };

			fill_text(in[i], PAGE, round * 6 + i);
			zip_submit(&q[i], &job);
		}
		for (i = 5; i >= 0; i--) {
			r = zip_wait(&q[i]);
			EXPECT_GOOD(r, "a job beside five others");
			EXPECT_THAT(zip_matches(out[i], r.produced, in[i], PAGE), "zlib agrees");
		}
	}
	for (i = 0; i < 6; i++)
		queue_close(&q[i]);
}

/* --- Events --- */

static void submit_one(struct accel_queue *q)
{
	static __u8 in[PAGE], out[2 * PAGE];
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, PAGE, 2 * PAGE };

	zip_submit(q, &job);
}

static int wait_event(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_SECONDS * 1000) < 0 ? -errno : p.revents;
}

TEST_F(job, armed_queue_raises_an_event)
{
	struct accel_queue *q = &self->pack;
	struct zip_result r;
	__u64 count = 0;

	zip_arm(q);
	submit_one(q);
	EXPECT_EQ(POLLIN, wait_event(q->fd)) {
		TH_LOG("expected: poll reports the completion");
	}
	EXPECT_THAT(zip_done(q), "the completion is there before its event");
	EXPECT_EQ(1, LOAD(q->status->completions)) {
		TH_LOG("expected: the status page counts one event");
	}
	EXPECT_EQ(8, read(q->fd, &count, 8)) {
		TH_LOG("expected: the count of events can be read");
	}
	EXPECT_EQ(1, count) {
		TH_LOG("expected: one event");
	}
	EXPECT_EQ(0, poll_now(q->fd, POLLIN)) {
		TH_LOG("expected: no event is left after it was read");
	}
	r = zip_wait(q);
	EXPECT_GOOD(r, "the job");
}

TEST_F(job, unarmed_queue_raises_none)
{
	struct accel_queue *q = &self->pack;
	struct accel_info_status before = {}, after = {};
	int i;

	ASSERT_WORKS(accel_info_status(self->ctx, &before), "INFO_STATUS");
	for (i = 0; i < 20; i++)
		EXPECT_WORKS(q, "a job that is waited for in memory");
	EXPECT_EQ(0, poll_now(q->fd, POLLIN)) {
		TH_LOG("expected: no event without arming");
	}
	EXPECT_EQ(0, LOAD(q->status->completions)) {
		TH_LOG("expected: the status page counts none");
	}
	ASSERT_WORKS(accel_info_status(self->ctx, &after), "INFO_STATUS");
	EXPECT_EQ(before.completions, after.completions) {
		TH_LOG("expected: INFO_STATUS counts none");
	}
}

/* Between looking at the ring and arming, a completion may come. */
TEST_F(job, arming_after_the_completion_loses_nothing)
{
	struct accel_queue *q = &self->pack;
	double end = seconds() + WAIT_SECONDS;

	submit_one(q);
	while (!zip_done(q) && seconds() < end)
		sched_yield();
	ASSERT_TRUE(zip_done(q)) {
		TH_LOG("expected: the job completes");
	}
	zip_arm(q);
	EXPECT_EQ(POLLIN, wait_event(q->fd)) {
		TH_LOG("expected: arming reports what is there already");
	}
	zip_wait(q);
}

TEST_F(job, read_waits_for_the_event)
{
	struct accel_queue *q = &self->pack;
	struct zip_result r;
	__u64 count[2] = {};
	int i;

	for (i = 0; i < 10; i++) {
		zip_arm(q);
		submit_one(q);
		EXPECT_EQ(8, read(q->fd, count, sizeof(count))) {
			TH_LOG("expected: read waits, and returns 8 bytes");
		}
		EXPECT_EQ(1, count[0]) {
			TH_LOG("expected: one event");
		}
		r = zip_wait(q);
		EXPECT_GOOD(r, "the job");
	}
	EXPECT_EQ(10, LOAD(q->status->completions)) {
		TH_LOG("expected: the status page counts all events");
	}
}

TEST_F(job, events_reach_their_own_queue)
{
	struct accel_queue other;
	struct zip_result r;

	ASSERT_RET(0, zip_open(&other, self->ctx, 8, HISI_ZIP_COMPRESS), "a second queue");
	zip_arm(&self->pack);
	zip_arm(&other);
	submit_one(&other);
	EXPECT_EQ(POLLIN, wait_event(other.fd)) {
		TH_LOG("expected: an event for the queue that had the job");
	}
	EXPECT_EQ(0, poll_now(self->pack.fd, POLLIN)) {
		TH_LOG("expected: no event for the other");
	}
	r = zip_wait(&other);
	EXPECT_GOOD(r, "the job");
	queue_close(&other);
}

TEST_F(job, unread_events_add_up)
{
	struct accel_queue *q = &self->pack;
	double end = seconds() + WAIT_SECONDS;
	__u64 count = 0;
	int i;

	for (i = 1; i <= 5; i++) {
		zip_arm(q);
		submit_one(q);
		zip_wait(q);
		while (LOAD(q->status->completions) < i && seconds() < end)
			sched_yield();
	}
	EXPECT_EQ(8, read(q->fd, &count, 8)) {
		TH_LOG("expected: the events can be read");
	}
	EXPECT_EQ(5, count) {
		TH_LOG("expected: all five at once");
	}
}

TEST_HARNESS_MAIN
