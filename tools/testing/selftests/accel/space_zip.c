// SPDX-License-Identifier: GPL-2.0
/*
 * ACCEL_BUFFER_MAP and ACCEL_BUFFER_UNMAP on hardware: what the page tables of a private address
 * space let the device do.
 */
#include "hisi_zip_util.h"
#include "memory_util.h"

#define BOTH (ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE)
#define SIZE (8 * PAGE)

FIXTURE(space_zip)
{
	int descriptors;
	int ctx;
	char address[ACCEL_NAME_MAX];
	struct accel_queue q;
	/* To read from, to write to. */
	int in_fd;
	int out_fd;
	unsigned char *in;
	unsigned char *out;
};

static int open_private(void)
{
	int ctx = accel_open();
	int ret = ctx < 0 ? ctx : accel_bind(ctx, ACCEL_MODE_PRIVATE);

	return ret ?: ctx;
}

FIXTURE_SETUP(space_zip)
{
	/* The IOMMU tells of attempts to write to where interrupts are raised. */
	expect_dmesg("DMAR: (DRHD: handling fault status|\\[DMA .* fault addr)");
	ASSERT_DEVICE(accel_number());
	self->descriptors = descriptors();
	self->ctx = open_private();
	ASSERT_WORKS(self->ctx, "a private context");
	ASSERT_RET(0, accel_address(self->ctx, self->address), "its address");
	ASSERT_RET(0, zip_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	self->in_fd = buffer_alloc(self->ctx, SIZE);
	self->out_fd = buffer_alloc(self->ctx, SIZE);
	ASSERT_WORKS(self->in_fd, "a buffer");
	ASSERT_WORKS(self->out_fd, "another buffer");
	self->in = buffer_mmap(self->in_fd, SIZE);
	self->out = buffer_mmap(self->out_fd, SIZE);
	ASSERT_NE(MAP_FAILED, self->in);
	ASSERT_NE(MAP_FAILED, self->out);
	fill_text(self->in, SIZE, 1);
}

FIXTURE_TEARDOWN(space_zip)
{
	close(self->in_fd);
	close(self->out_fd);
	queue_close(&self->q);
	close(self->ctx);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* Compresses @size bytes from one address of the device's to another. */
static struct zip_result pack(struct accel_queue *q, __u64 in, __u64 out, __u32 size)
{
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, (void *)in, (void *)out, size, SIZE };

	return zip_run(q, &job);
}

/* The device reads @in, seen here at @plain, and writes @out, seen at @packed. */
#define EXPECT_PACKS(q, in, plain, out, packed, size, rule) \
	do { \
		struct zip_result __r = pack(q, in, out, size); \
		EXPECT_GOOD(__r, rule); \
		EXPECT_THAT(zip_matches(packed, __r.produced, plain, size), rule); \
	} while (0)

#define EXPECT_NO_WAY(q, in, out, rule) \
	do { \
		struct zip_result __r = pack(q, in, out, PAGE); \
		EXPECT_REFUSED(__r, rule); \
	} while (0)

TEST_F(space_zip, the_device_reaches_what_is_mapped_as_long_as_it_is)
{
	__s64 in = buffer_map(self->ctx, self->in_fd, ACCEL_ACCESS_READ);
	__s64 out = buffer_map(self->ctx, self->out_fd, BOTH);

	ASSERT_WORKS(in, "map to be read");
	ASSERT_WORKS(out, "map for both");
	EXPECT_EQ(2 * SIZE, context_info(self->ctx).mapped);
	EXPECT_PACKS(&self->q, in, self->in, out, self->out, SIZE - 1, "a job on mapped memory");
	EXPECT_PACKS(&self->q, in + PAGE + 1, self->in + PAGE + 1, out, self->out, PAGE, "a part");
	EXPECT_RET(0, buffer_unmap(self->ctx, in, SIZE), "unmap the source");
	memset(self->out, 0xa5, SIZE);
	EXPECT_NO_WAY(&self->q, in, out, "the source is gone");
	EXPECT_EQ(0xa5, all_bytes(self->out, SIZE)) {
		TH_LOG("expected: nothing is written");
	}
	in = buffer_map(self->ctx, self->in_fd, ACCEL_ACCESS_READ);
	EXPECT_RET(0, buffer_unmap(self->ctx, out, SIZE), "unmap the destination");
	EXPECT_NO_WAY(&self->q, in, out, "the destination is gone");
	EXPECT_EQ(0xa5, all_bytes(self->out, SIZE));
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(self->q.status->state));
}

TEST_F(space_zip, the_device_keeps_to_what_is_allowed)
{
	__s64 in = buffer_map(self->ctx, self->in_fd, ACCEL_ACCESS_READ);
	__s64 out = buffer_map(self->ctx, self->out_fd, ACCEL_ACCESS_READ);

	ASSERT_WORKS(in, "map");
	ASSERT_WORKS(out, "map to be read");
	memset(self->out, 0xa5, SIZE);
	EXPECT_NO_WAY(&self->q, in, out, "a write to what is mapped to be read");
	EXPECT_EQ(0xa5, all_bytes(self->out, SIZE)) {
		TH_LOG("expected: nothing is written");
	}
	EXPECT_RET(0, buffer_unmap(self->ctx, out, SIZE), "unmap");
	ASSERT_RET(0, map_at(self->ctx, self->out_fd, out, 0, 0, BOTH), "the same place, writable");
	EXPECT_PACKS(&self->q, in, self->in, out, self->out, SIZE, "a write that is allowed");
}

TEST_F(space_zip, read_only_memory_is_read)
{
	unsigned char *own = anonymous(SIZE, PROT_READ | PROT_WRITE);
	int fd, rw;
	__s64 in, out = buffer_map(self->ctx, self->out_fd, BOTH), at;

	fill_text(own, SIZE, 3);
	fd = buffer_wrap(self->ctx, own, SIZE, ACCEL_WRAP_READ_ONLY);
	rw = buffer_wrap(self->ctx, own, SIZE, 0);
	ASSERT_WORKS(fd, "wrap read-only");
	ASSERT_WORKS(rw, "wrap");
	EXPECT_RET(-EACCES, buffer_map(self->ctx, fd, BOTH), "map it to be written");
	in = buffer_map(self->ctx, fd, ACCEL_ACCESS_READ);
	at = buffer_map(self->ctx, rw, BOTH);
	ASSERT_WORKS(in, "map it to be read");
	ASSERT_WORKS(at, "map the writable one");
	EXPECT_PACKS(&self->q, in, own, out, self->out, SIZE, "a job that reads memory of ours");
	EXPECT_NO_WAY(&self->q, at, in, "a job that writes it");
	fill_text(self->in, SIZE, 3);
	EXPECT_EQ(0, memcmp(own, self->in, SIZE)) {
		TH_LOG("expected: it is as it was");
	}
	in = buffer_map(self->ctx, self->in_fd, ACCEL_ACCESS_READ);
	EXPECT_PACKS(&self->q, in, self->in, at, own, SIZE, "a job that writes memory of ours");
	close(fd);
	close(rw);
	munmap(own, SIZE);
}

TEST_F(space_zip, addresses_are_those_that_the_iommu_has)
{
	static const struct {
		const char *what;
		int error;
		__u64 address;
	} cases[] = {
		{ "address 0", 0, 0 },
		{ "above 4 GiB", 0, 1ull << 32 },
		{ "the last that there are", 0, (1ull << 47) - SIZE },
		{ "over the end", -ERANGE, (1ull << 47) - PAGE },
		{ "behind the end", -ERANGE, 1ull << 47 },
		{ "2^63", -ERANGE, 1ull << 63 },
		{ "interrupts", -EEXIST, 0xfee00000 },
		{ "around interrupts", -EEXIST, 0xfee00000 - PAGE },
		{ "the last page of interrupts", -EEXIST, 0xfeeff000 },
		{ "behind interrupts", 0, 0xfef00000 },
	};
	__s64 out = buffer_map(self->ctx, self->out_fd, BOTH);
	unsigned int i;

	ASSERT_WORKS(out, "map");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_RET(cases[i].error, map_at(self->ctx, self->in_fd, cases[i].address, 0, 0,
						  ACCEL_ACCESS_READ), cases[i].what);
		if (!cases[i].error)
			EXPECT_PACKS(&self->q, cases[i].address, self->in, out, self->out, SIZE,
				     cases[i].what);
	}
}

TEST_F(space_zip, parts_of_a_buffer_are_those_parts)
{
	__s64 out = buffer_map(self->ctx, self->out_fd, BOTH);

	ASSERT_RET(0, map_at(self->ctx, self->in_fd, 1 << 24, 2 * PAGE, 3 * PAGE, BOTH), "a part");
	ASSERT_RET(0, map_at(self->ctx, self->in_fd, (1 << 24) + 3 * PAGE, 0, PAGE, BOTH),
		   "another");
	EXPECT_PACKS(&self->q, 1 << 24, self->in + 2 * PAGE, out, self->out, 3 * PAGE, "the part");
	EXPECT_PACKS(&self->q, (1 << 24) + 3 * PAGE, self->in, out, self->out, PAGE, "the other");
	EXPECT_NO_WAY(&self->q, (1 << 24) + 4 * PAGE, out, "behind them");
	EXPECT_NO_WAY(&self->q, (1 << 24) - PAGE, out, "before them");
}

/* The page of the memory is larger than what is mapped. */
TEST_F(space_zip, amdkfd_cve_2024_41011_part_of_a_huge_page_is_that_part)
{
	const __u64 at = 1 << 30, length = 2 << 20;
	__s64 out = buffer_map(self->ctx, self->out_fd, BOTH);
	unsigned char *own;
	int fd;

	ASSERT_RET(0, write_file("/proc/sys/vm/nr_hugepages", "1"), "make a huge page");
	own = mmap(NULL, length, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ASSERT_NE(MAP_FAILED, own);
	fill_text(own, length, 5);
	fd = buffer_wrap(self->ctx, own + 5 * PAGE, SIZE, 0);
	ASSERT_WORKS(fd, "wrap a part");
	ASSERT_RET(0, map_at(self->ctx, fd, at + 5 * PAGE, 0, 0, BOTH), "map the part");
	EXPECT_PACKS(&self->q, at + 5 * PAGE, own + 5 * PAGE, out, self->out, SIZE, "the part");
	EXPECT_NO_WAY(&self->q, at + 4 * PAGE, out, "before it");
	EXPECT_NO_WAY(&self->q, at + 5 * PAGE + SIZE, out, "behind it");
	EXPECT_NO_WAY(&self->q, at, out, "where the page would begin");
	close(fd);
	fd = buffer_wrap(self->ctx, own, length, 0);
	ASSERT_WORKS(fd, "wrap all of it");
	ASSERT_RET(0, map_at(self->ctx, fd, 2 * at, 0, 0, ACCEL_ACCESS_READ), "map it");
	ASSERT_RET(0, map_at(self->ctx, fd, 3 * at, PAGE, PAGE, ACCEL_ACCESS_READ), "a part of it");
	EXPECT_PACKS(&self->q, 2 * at + length - SIZE, own + length - SIZE, out, self->out, SIZE,
		     "its end");
	EXPECT_NO_WAY(&self->q, 2 * at + length, out, "behind all of it");
	EXPECT_PACKS(&self->q, 3 * at, own + PAGE, out, self->out, PAGE, "a part of a buffer");
	EXPECT_NO_WAY(&self->q, 3 * at + PAGE, out, "behind that");
	EXPECT_RET(0, buffer_unmap(self->ctx, at + 5 * PAGE, SIZE), "unmap");
	EXPECT_RET(0, buffer_unmap(self->ctx, 2 * at, length), "unmap");
	EXPECT_RET(0, buffer_unmap(self->ctx, 3 * at, PAGE), "unmap");
	close(fd);
	munmap(own, length);
	EXPECT_RET(0, write_file("/proc/sys/vm/nr_hugepages", "0"), "no huge page");
}

TEST_F(space_zip, spaces_are_apart)
{
	int other = open_private();
	__s64 in = buffer_map(self->ctx, self->in_fd, BOTH);
	__s64 out = buffer_map(self->ctx, self->out_fd, BOTH);
	unsigned char *theirs;
	struct accel_queue q;
	int fd, i;

	ASSERT_WORKS(other, "another private context");
	ASSERT_RET(0, zip_open(&q, other, 8, HISI_ZIP_COMPRESS), "a queue of it");
	memset(self->out, 0xa5, SIZE);
	EXPECT_NO_WAY(&q, in, out, "the other has nothing there");
	EXPECT_EQ(0xa5, all_bytes(self->out, SIZE));
	fd = buffer_alloc(other, SIZE);
	theirs = buffer_mmap(fd, SIZE);
	fill_text(theirs, SIZE, 77);
	ASSERT_RET(0, map_at(other, fd, in, 0, 0, BOTH), "the same address, another buffer");
	ASSERT_RET(0, map_at(other, self->out_fd, out, 0, 0, BOTH), "the same destination");
	for (i = 0; i < 5; i++) {
		EXPECT_PACKS(&q, in, theirs, out, self->out, SIZE, "theirs");
		EXPECT_PACKS(&self->q, in, self->in, out, self->out, SIZE, "ours");
	}
	close(fd);
	munmap(theirs, SIZE);
	queue_close(&q);
	close(other);
}

TEST_F(space_zip, buffers_of_others_are_mapped)
{
	__s64 out = buffer_map(self->ctx, self->out_fd, BOTH), at;
	void *file = MAP_FAILED;
	unsigned char *p;
	int fds[4], i;

	fds[0] = udmabuf_alloc(SIZE, &file);
	fds[1] = heap_alloc(SIZE);
	fds[2] = buffer_alloc_from(self->ctx, 0, SIZE, ACCEL_ALLOC_CONTIGUOUS);
	fds[3] = buffer_alloc_from(self->ctx, 0, SIZE, ACCEL_ALLOC_WRITE_COMBINE);
	for (i = 0; i < 4; i++) {
		ASSERT_WORKS(fds[i], "a buffer");
		p = i ? buffer_mmap(fds[i], SIZE) : file;
		ASSERT_NE(MAP_FAILED, p);
		at = buffer_map(self->ctx, fds[i], BOTH);
		ASSERT_WORKS(at, "map it");
		buffer_sync(fds[i], DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
		fill_text(p, SIZE, i + 50);
		buffer_sync(fds[i], DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
		close(fds[i]);
		EXPECT_PACKS(&self->q, at, p, out, self->out, SIZE, "a job on it, by its mapping");
		munmap(p, SIZE);
		EXPECT_RET(0, buffer_unmap(self->ctx, at, SIZE), "unmap");
		EXPECT_NO_WAY(&self->q, at, out, "afterwards");
	}
}

TEST_F(space_zip, registers_and_rings_are_not_wrapped)
{
	EXPECT_RET(-EFAULT, buffer_wrap(self->ctx, self->q.doorbell, PAGE, 0), "a doorbell");
	EXPECT_RET(-EFAULT, buffer_wrap(self->ctx, self->q.ring, PAGE, 0), "a ring");
	EXPECT_RET(-EOPNOTSUPP, buffer_alloc_local(self->ctx, PAGE),
		   "memory that it does not have");
	EXPECT_EQ(0, memory_info(self->ctx).size);
}

TEST_F(space_zip, unmapping_under_a_job_does_no_harm)
{
	__s64 out = buffer_map(self->ctx, self->out_fd, BOTH), in;
	int i, done = 0;

	for (i = 0; i < 30; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, 0, NULL, (void *)out, SIZE, SIZE };
		struct zip_result r;

		in = buffer_map(self->ctx, self->in_fd, ACCEL_ACCESS_READ);
		ASSERT_WORKS(in, "map");
		job.in = (void *)in;
		zip_submit(&self->q, &job);
		EXPECT_RET(0, buffer_unmap(self->ctx, in, SIZE), "unmap at once");
		r = zip_wait(&self->q);
		EXPECT_THAT(zip_good(&r) || zip_refused(&r), "the job ends, well or refused");
		if (zip_good(&r)) {
			done++;
			EXPECT_THAT(zip_matches(self->out, r.produced, self->in, SIZE),
				    "it is right");
		}
	}
	TH_LOG("%d of %d were faster", done, i);
}

TEST_F(space_zip, habanalabs_cve_2023_53367_mappings_go_with_all_that_can_end)
{
	__s64 in, out = buffer_map(self->ctx, self->out_fd, BOTH);
	struct accel_queue q;
	int ctx;

	in = buffer_map(self->ctx, self->in_fd, BOTH);
	ASSERT_WORKS(in, "map");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	EXPECT_PACKS(&q, in, self->in, out, self->out, SIZE, "what was mapped before a reset");
	queue_close(&q);

	ctx = open_private();
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue of another context");
	in = buffer_map(ctx, self->in_fd, BOTH);
	out = buffer_map(ctx, self->out_fd, BOTH);
	close(ctx);
	EXPECT_PACKS(&q, in, self->in, out, self->out, SIZE, "the queue holds the address space");
	ASSERT_RET(0, device_unbind(self->address), "the driver lets go of the device");
	EXPECT_RET(-ENODEV, buffer_map(self->ctx, self->in_fd, BOTH), "no new mapping");
	EXPECT_RET(-ENODEV, buffer_unmap(self->ctx, in, SIZE), "no unmapping");
	memset(self->in, 0, SIZE);
	queue_close(&q);
	ASSERT_RET(0, device_bind(self->address), "it comes back");
}

TEST_HARNESS_MAIN
