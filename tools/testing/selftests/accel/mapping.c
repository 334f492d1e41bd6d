// SPDX-License-Identifier: GPL-2.0
/* Mapping the regions of a queue: what is refused, split, moved, inherited. */
/* accel-bench: modules=accel_hisi_zip,accel_sim */
#include "device_util.h"

#define PAGE 4096

FIXTURE(mapping) {
	int ctx;
	struct accel_queue q;
	struct accel_region regions[ACCEL_REGIONS_MAX];
	int count;
};

ON_EACH_DEVICE(mapping);

FIXTURE_SETUP(mapping)
{
	struct accel_queue_info info;

	SETUP_DEVICE(variant->kind);
	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->ctx);
	/* Deep enough for a ring of several pages. */
	ASSERT_RET(0, queue_open(&self->q, self->ctx, 128),
		   "create and map a queue");
	self->count = accel_queue_info(self->q.fd, &info, self->regions);
	ASSERT_EQ(tested->regions, self->count);
	ASSERT_LE(3 * PAGE, self->q.ring_region.size);
}

FIXTURE_TEARDOWN(mapping)
{
	queue_close(&self->q);
	close(self->ctx);
}

static int map_refused(int queue, __u64 offset, size_t size, int prot)
{
	return map_error(accel_map(queue, offset, size, prot));
}

static int region_prot(const struct accel_region *r)
{
	return (r->flags & ACCEL_ACCESS_READ ? PROT_READ : 0) |
	       (r->flags & ACCEL_ACCESS_WRITE ? PROT_WRITE : 0);
}

/* --- What is refused --- */

TEST_F(mapping, private_mapping_is_einval)
{
	int i;

	for (i = 0; i < self->count; i++) {
		const struct accel_region *r = &self->regions[i];

		EXPECT_EQ(MAP_FAILED, mmap(NULL, r->size, PROT_READ, MAP_PRIVATE,
					   self->q.fd, r->offset)) {
			TH_LOG("expected: region kind %u cannot be mapped MAP_PRIVATE", r->kind);
		}
		EXPECT_EQ(EINVAL, errno) {
			TH_LOG("expected: EINVAL, got %s", strerror(errno));
		}
	}
}

TEST_F(mapping, outside_of_the_regions_is_einval)
{
	__u64 end = 0;
	int i;

	for (i = 0; i < self->count; i++) {
		if (self->regions[i].offset + self->regions[i].size > end)
			end = self->regions[i].offset + self->regions[i].size;
	}
	EXPECT_RET(-EINVAL, map_refused(self->q.fd, end, PAGE, PROT_READ),
		   "the page behind the last region");
	EXPECT_RET(-EINVAL, map_refused(self->q.fd, 1ull << 44, PAGE, PROT_READ),
		   "a page far behind the last region");
	EXPECT_THAT(map_refused(self->q.fd, 1ull << 62, PAGE, PROT_READ),
		    "a page whose offset is near overflowing is refused");
}

TEST_F(mapping, over_the_end_of_a_region_is_einval)
{
	int i;

	for (i = 0; i < self->count; i++) {
		const struct accel_region *r = &self->regions[i];

		EXPECT_RET(-EINVAL,
			   map_refused(self->q.fd, r->offset + r->size - PAGE, 2 * PAGE, PROT_READ),
			   "the last page of a region and the next");
		if (r->offset)
			EXPECT_RET(-EINVAL,
				   map_refused(self->q.fd, r->offset - PAGE, 2 * PAGE, PROT_READ),
				   "the first page of a region and the one before");
	}
}

TEST_F(mapping, qaic_cve_2026_64051_larger_than_the_region_is_einval)
{
	int i;

	for (i = 0; i < self->count; i++) {
		const struct accel_region *r = &self->regions[i];
		int prot = region_prot(r);

		EXPECT_RET(-EINVAL, map_refused(self->q.fd, r->offset, r->size + PAGE, prot),
			   "a region and one page more");
		EXPECT_RET(-EINVAL, map_refused(self->q.fd, r->offset, r->size * 2, prot),
			   "twice the region");
		EXPECT_RET(-EINVAL, map_refused(self->q.fd, r->offset, 1ul << 40, prot),
			   "a region and a tebibyte more");
	}
}

TEST_F(mapping, growing_with_mremap_is_refused)
{
	size_t size = self->q.ring_region.size;

	EXPECT_EQ(MAP_FAILED, mremap(self->q.ring, size, size + PAGE, MREMAP_MAYMOVE)) {
		TH_LOG("expected: a ring does not grow by moving");
	}
	EXPECT_EQ(EFAULT, errno) {
		TH_LOG("expected: EFAULT, got %s", strerror(errno));
	}
	EXPECT_EQ(MAP_FAILED, mremap(self->q.ring, size, size + PAGE, 0)) {
		TH_LOG("expected: a ring does not grow in its place");
	}
	EXPECT_EQ(MAP_FAILED, mremap(self->q.ring, 0, size + PAGE, MREMAP_MAYMOVE)) {
		TH_LOG("expected: a second, longer mapping is not made by an old size of 0");
	}
	EXPECT_EQ(MAP_FAILED, mremap(self->q.ring, PAGE, 1 << 20, MREMAP_MAYMOVE)) {
		TH_LOG("expected: a page of it does not grow");
	}
	EXPECT_WORKS(&self->q, "the queue works after what was refused");
}

TEST_F(mapping, inheritance_cannot_be_turned_on)
{
	int i;

	for (i = 0; i < self->count; i++) {
		void *p = accel_map_region(self->q.fd, &self->regions[i]);

		ASSERT_RET(0, map_error(p), "map a region");
		EXPECT_EQ(-1, madvise(p, self->regions[i].size, MADV_DOFORK)) {
			TH_LOG("expected: MADV_DOFORK of region kind %u is refused",
			       self->regions[i].kind);
		}
		munmap(p, self->regions[i].size);
	}
}

/* --- Parts --- */

TEST_F(mapping, part_of_a_region_shows_that_part)
{
	__u32 *whole = self->q.ring;
	__u32 *part = accel_map(self->q.fd, self->q.ring_region.offset + PAGE, PAGE,
				PROT_READ | PROT_WRITE);

	ASSERT_RET(0, map_error(part), "map the second page of the ring");
	whole[PAGE / 4] = 0x12345678;
	EXPECT_EQ(0x12345678, part[0]) {
		TH_LOG("expected: both mappings show the same word");
	}
	part[PAGE / 4 - 1] = 0x9abcdef0;
	EXPECT_EQ(0x9abcdef0, whole[2 * PAGE / 4 - 1]) {
		TH_LOG("expected: both mappings show the same last word");
	}
	whole[PAGE / 4] = 0;
	whole[2 * PAGE / 4 - 1] = 0;
	munmap(part, PAGE);
	EXPECT_WORKS(&self->q, "the queue works after the part is gone");
}

TEST_F(mapping, uacce_hole_in_a_ring_does_not_shift_it)
{
	struct accel_queue *q = &self->q;
	__u32 *whole = q->ring;
	__u32 *holed = accel_map_region(q->fd, &q->ring_region);
	size_t last = q->ring_region.size / 4 - 1;

	ASSERT_RET(0, map_error(holed), "map the ring a second time");
	ASSERT_EQ(0, munmap(holed + PAGE / 4, PAGE));
	whole[last] = 0x600df00d;
	EXPECT_EQ(0x600df00d, holed[last]) {
		TH_LOG("expected: behind the hole lies what lay there before");
	}
	whole[last] = 0;
	EXPECT_TOUCH(SIGSEGV, touch_read(holed + PAGE / 4), "the hole");
	EXPECT_EQ(whole[0], holed[0]) {
		TH_LOG("expected: before the hole lies what lay there before");
	}
	munmap(holed, q->ring_region.size);
	EXPECT_WORKS(q, "the queue works after the second mapping is gone");
}

TEST_F(mapping, protection_can_be_lowered_and_raised)
{
	struct accel_queue *q = &self->q;

	ASSERT_EQ(0, mprotect(q->ring, q->ring_region.size, PROT_READ));
	EXPECT_TOUCH(SIGSEGV, touch_write(q->ring, 0), "writing a read-only ring");
	ASSERT_EQ(0, mprotect(q->ring, q->ring_region.size, PROT_READ | PROT_WRITE));
	EXPECT_WORKS(q, "the queue works with the ring writable again");
}

/* A page that is touched afterwards for the first time is no different. */
TEST_F(mapping, protection_can_be_changed_before_the_first_touch)
{
	struct accel_queue *q = &self->q;
	size_t size = q->ring_region.size;

	queue_unmap(q);
	ASSERT_RET(0, queue_map(q), "map all regions again");
	ASSERT_EQ(0, mprotect(q->ring, size, PROT_NONE));
	EXPECT_TOUCH(SIGSEGV, touch_read(q->ring), "a ring without access");
	ASSERT_EQ(0, mprotect(q->ring, size, PROT_READ | PROT_WRITE));
	if (q->doorbell) {
		size = q->doorbell_region.size;
		ASSERT_EQ(0, mprotect(q->doorbell, size, PROT_READ));
		ASSERT_EQ(0, mprotect(q->doorbell, size, PROT_READ | PROT_WRITE));
	}
	EXPECT_WORKS(q, "the queue works");
}

TEST_F(mapping, madvise_takes_nothing_away)
{
	struct accel_queue *q = &self->q;

	EXPECT_WORKS(q, "a job before");
	madvise(q->ring, q->ring_region.size, MADV_DONTNEED);
	if (q->doorbell)
		madvise(q->doorbell, q->doorbell_region.size, MADV_DONTNEED);
	madvise((void *)q->status, q->status_region.size, MADV_DONTNEED);
	madvise(q->ring, q->ring_region.size, MADV_REMOVE);
	EXPECT_WORKS(q, "a job after madvise");
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(q->status->state)) {
		TH_LOG("expected: the status page is as before");
	}
}

/* --- Moves --- */

static void *move(void *from, size_t size)
{
	void *to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to);
}

TEST_F(mapping, uacce_cve_2026_23056_mremap)
{
	struct accel_queue *q = &self->q;
	char *old = q->ring;

	EXPECT_WORKS(q, "a job before");
	q->ring = move(q->ring, q->ring_region.size);
	ASSERT_NE(MAP_FAILED, q->ring);
	EXPECT_TOUCH(SIGSEGV, touch_read(old), "where the ring was");
	EXPECT_WORKS(q, "a job with the ring moved");
	q->status = move((void *)q->status, q->status_region.size);
	ASSERT_NE(MAP_FAILED, q->status);
	EXPECT_WORKS(q, "a job with the status page moved");
}

/* --- Other processes --- */

static int touch_in_child(void *p)
{
	return -touch_read(p);
}

TEST_F(mapping, forked_child_has_no_mapping)
{
	struct accel_queue *q = &self->q;
	void *const mapped[] = { q->ring, (void *)q->status, q->doorbell };
	int i;

	EXPECT_WORKS(q, "a job before");
	for (i = 0; i < self->count; i++) {
		EXPECT_EQ(-SIGSEGV, in_child(touch_in_child, mapped[i])) {
			TH_LOG("expected: mapping %d is not inherited: SIGSEGV", i);
		}
	}
	EXPECT_WORKS(q, "a job in the parent after its children");
}

struct to_map {
	int queue;
	const struct accel_region *region;
};

static int map_in_child(void *arg)
{
	struct to_map *it = arg;

	return map_error(accel_map_region(it->queue, it->region));
}

TEST_F(mapping, forked_child_cannot_map_the_parents_queue)
{
	int i;

	for (i = 0; i < self->count; i++) {
		struct to_map it = { self->q.fd, &self->regions[i] };

		EXPECT_RET(-EPERM, in_child(map_in_child, &it), "a region in a child");
	}
	EXPECT_WORKS(&self->q, "a job in the parent afterwards");
}

/* --- Several queues, and the end --- */

TEST_F(mapping, each_queue_has_mappings_of_its_own)
{
	struct accel_queue other;

	ASSERT_RET(0, queue_open(&other, self->ctx, 128), "a second queue");
	EXPECT_WORKS(&self->q, "a job on the first queue");
	EXPECT_WORKS(&other, "a job on the second queue");
	STORE(((__u32 *)other.ring)[PAGE / 4], 0x5ec0dd);
	EXPECT_NE(0x5ec0dd, LOAD(((__u32 *)self->q.ring)[PAGE / 4])) {
		TH_LOG("expected: the rings are different memory");
	}
	queue_close(&other);
	EXPECT_WORKS(&self->q, "a job on the first queue after the second is gone");
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(self->q.status->state)) {
		TH_LOG("expected: the first queue's status page is still there");
	}
}

/* The ring of a new queue is not a window on what a former one has left. */
TEST_F(mapping, habanalabs_cve_2025_40311_ring_of_a_new_queue_is_zero)
{
	struct accel_queue q;
	size_t i;
	int n;

	for (n = 0; n < 4; n++) {
		ASSERT_RET(0, queue_open(&q, self->ctx, 128), "a new queue");
		for (i = tested->ring_begin / 4; i < q.ring_region.size / 4; i++) {
			ASSERT_EQ(0, ((__u32 *)q.ring)[i]) {
				TH_LOG("expected: zero in word %zu of a new ring", i);
			}
		}
		memset((char *)q.ring + tested->ring_begin, 0xa5, q.ring_region.size / 2);
		queue_close(&q);
	}
}

TEST_F(mapping, mapping_keeps_its_queue)
{
	struct accel_queue q;
	int before = accel_queues(self->ctx);

	ASSERT_RET(0, queue_open(&q, self->ctx, 16), "a second queue");
	close(q.fd);
	EXPECT_EQ(before + 1, accel_queues(self->ctx)) {
		TH_LOG("expected: the queue lives as long as it is mapped");
	}
	EXPECT_WORKS(&q, "a job on a queue whose descriptor is closed");
	queue_unmap(&q);
	EXPECT_EQ(before, accel_queues(self->ctx)) {
		TH_LOG("expected: the queue goes with its last mapping");
	}
	EXPECT_WORKS(&self->q, "a job on the first queue afterwards");
}

TEST_F(mapping, mapping_a_hundred_times)
{
	struct accel_queue *q = &self->q;
	void *p[100];
	int i;

	for (i = 0; i < 100; i++) {
		p[i] = accel_map_region(q->fd, &q->ring_region);
		ASSERT_RET(0, map_error(p[i]), "one mapping more");
		EXPECT_TOUCH(0, touch_read(p[i]), "one mapping more");
	}
	for (i = 0; i < 100; i++)
		munmap(p[i], q->ring_region.size);
	EXPECT_WORKS(q, "the queue works after a hundred mappings");
}

/* --- Doorbells, which only the zip device has --- */

FIXTURE(doorbell) {
	int ctx;
	struct accel_queue q;
};

FIXTURE_SETUP(doorbell)
{
	SETUP_DEVICE(&zip_kind);
	self->ctx = queue_open_alone(&self->q, 128);
	ASSERT_DEVICE(self->ctx);
}

FIXTURE_TEARDOWN(doorbell)
{
	queue_close(&self->q);
	close(self->ctx);
}

TEST_F(doorbell, uacce_cve_2026_23056_mremap)
{
	struct accel_queue *q = &self->q;
	char *old = q->doorbell;

	EXPECT_WORKS(q, "a job before");
	q->doorbell = move(q->doorbell, q->doorbell_region.size);
	ASSERT_NE(MAP_FAILED, q->doorbell);
	EXPECT_TOUCH(SIGSEGV, touch_read(old), "where the doorbell was");
	EXPECT_WORKS(q, "a job with the doorbell moved");
	EXPECT_EQ(MAP_FAILED, mremap(q->doorbell, PAGE, 1 << 20, MREMAP_MAYMOVE)) {
		TH_LOG("expected: a page of the doorbell does not grow");
	}
}

TEST_F(doorbell, doorbell_page_alone_rings)
{
	__u64 offset = self->q.doorbell_region.offset + HISI_ZIP_DOORBELL_OFFSET;
	void *whole = self->q.doorbell;
	char *page = accel_map(self->q.fd, offset, PAGE, PROT_READ | PROT_WRITE);

	ASSERT_RET(0, map_error(page), "map the page of the register");
	self->q.doorbell = page - HISI_ZIP_DOORBELL_OFFSET;
	EXPECT_WORKS(&self->q, "a job rung through a partial mapping");
	self->q.doorbell = whole;
	munmap(page, PAGE);
	EXPECT_WORKS(&self->q, "a job rung through the whole mapping afterwards");
}

/* The offset of what remains must not shift, nor another region be freed. */
TEST_F(doorbell, uacce_partial_munmap_leaves_the_rest_working)
{
	struct accel_queue *q = &self->q;
	char *doorbell = q->doorbell;

	ASSERT_LE(4 * PAGE, q->doorbell_region.size);
	EXPECT_WORKS(q, "a job before");
	ASSERT_EQ(0, munmap(doorbell, PAGE));
	EXPECT_WORKS(q, "a job without the first page of the doorbell");
	ASSERT_EQ(0, munmap(doorbell + 2 * PAGE, PAGE));
	EXPECT_WORKS(q, "a job without the third page");
	EXPECT_TOUCH(SIGSEGV, touch_read(doorbell), "the unmapped first page");
	EXPECT_TOUCH(SIGSEGV, touch_read(doorbell + 2 * PAGE), "the unmapped third page");
	EXPECT_TOUCH(0, touch_read(doorbell + 3 * PAGE), "the page behind the hole");
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(q->status->state)) {
		TH_LOG("expected: the status page is still there");
	}
}

TEST_F(doorbell, uacce_cve_2026_23056_mremap_of_a_part)
{
	struct accel_queue *q = &self->q;
	char *page, *whole = q->doorbell;

	page = move(whole + HISI_ZIP_DOORBELL_OFFSET, PAGE);
	ASSERT_NE(MAP_FAILED, page);
	q->doorbell = page - HISI_ZIP_DOORBELL_OFFSET;
	EXPECT_WORKS(q, "a job rung through the part that moved");
	EXPECT_TOUCH(0, touch_read(whole + 2 * PAGE), "the part that stayed");
	munmap(page, PAGE);
	q->doorbell = whole;
}

TEST_F(doorbell, shrinking_with_mremap_keeps_the_front)
{
	struct accel_queue *q = &self->q;

	ASSERT_EQ(q->doorbell, mremap(q->doorbell, q->doorbell_region.size, 2 * PAGE, 0));
	EXPECT_WORKS(q, "a job with the doorbell shrunk to two pages");
	EXPECT_TOUCH(SIGSEGV, touch_read((char *)q->doorbell + 2 * PAGE),
		     "behind the shrunk doorbell");
}

TEST_HARNESS_MAIN
