// SPDX-License-Identifier: GPL-2.0
/* A queue as a descriptor: making it, asking it, poll, read, its status page. */
/* accel-bench: modules=accel_hisi_zip,accel_sim */
#include "device_util.h"

FIXTURE(queue) {
	int ctx;
	int queue;
};

ON_EACH_DEVICE(queue);

FIXTURE_SETUP(queue)
{
	SETUP_DEVICE(variant->kind);
	self->ctx = accel_open();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_bind_shared(self->ctx), "bind to the own memory");
	self->queue = accel_queue_create(self->ctx, 0);
	ASSERT_WORKS(self->queue, "create a queue of the default kind");
}

FIXTURE_TEARDOWN(queue)
{
	close(self->queue);
	close(self->ctx);
}

/* --- Making one --- */

static int create_and_close(int ctx, struct accel_queue_create create)
{
	int ret;

	create.size = sizeof(create);
	ret = accel_ioctl(ctx, ACCEL_QUEUE_CREATE, &create);
	if (!ret)
		close(create.fd);
	return ret;
}

TEST_F(queue, depth_is_at_least_what_was_asked)
{
	static const __u32 depths[] = { 1, 2, 3, 7, 8, 31, 64, 100, 0 };
	struct accel_info_device device = {};
	struct accel_queue_create create;
	struct accel_queue_info info;
	unsigned int i;

	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		create = (struct accel_queue_create){
			.size = sizeof(create),
			.depth = depths[i] ?: device.depth_max,
		};
		ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_QUEUE_CREATE, &create),
			   "a queue no deeper than depth_max");
		EXPECT_LE(depths[i] ?: device.depth_max, create.depth) {
			TH_LOG("expected: at least the entries asked for");
		}
		EXPECT_GE(device.depth_max, create.depth) {
			TH_LOG("expected: no more entries than depth_max");
		}
		ASSERT_WORKS(accel_queue_info(create.fd, &info, NULL), "QUEUE_INFO");
		close(create.fd);
	}
}

TEST_F(queue, depth_zero_is_the_drivers_default)
{
	struct accel_queue_create create = { .size = sizeof(create) };

	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_QUEUE_CREATE, &create), "depth 0");
	EXPECT_LT(0, create.depth) {
		TH_LOG("expected: the depth that was made is told");
	}
	close(create.fd);
}

TEST_F(queue, depth_beyond_the_limit_is_einval)
{
	struct accel_info_device device = {};

	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	EXPECT_RET(-EINVAL,
		   create_and_close(self->ctx, (struct accel_queue_create){
			.depth = device.depth_max + 1 }),
		   "one entry more than depth_max");
	EXPECT_RET(-EINVAL,
		   create_and_close(self->ctx, (struct accel_queue_create){ .depth = 1u << 31 }),
		   "a depth whose bytes don't fit in 32 bits");
	EXPECT_RET(-EINVAL,
		   create_and_close(self->ctx, (struct accel_queue_create){ .depth = ~0u }),
		   "the largest number as depth");
}

TEST_F(queue, priority_beyond_the_limit_is_einval)
{
	struct accel_info_device device = {};

	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	EXPECT_RET(-EINVAL,
		   create_and_close(self->ctx, (struct accel_queue_create){
			.priority = device.priorities }),
		   "a priority nobody knows");
	EXPECT_RET(-EINVAL,
		   create_and_close(self->ctx, (struct accel_queue_create){ .priority = ~0u }),
		   "the largest number as priority");
}

TEST_F(queue, refused_creation_leaves_nothing)
{
	/* The size that it says is not the size that it has. */
	__u32 wrong = 0;
	struct accel_queue_create create = {
		.driver_data = (uintptr_t)&wrong,
		.driver_data_size = sizeof(wrong),
	};
	int i, before = accel_queues(self->ctx);

	for (i = 0; i < 200; i++)
		EXPECT_RET(-EINVAL, create_and_close(self->ctx, create), "wrong driver data");
	EXPECT_EQ(before, accel_queues(self->ctx)) {
		TH_LOG("expected: refused queues are not counted");
	}
	EXPECT_RET(0, create_and_close(self->ctx, (struct accel_queue_create){}),
		   "a good queue after 200 refused ones");
}

TEST_F(queue, descriptor_is_close_on_exec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->queue, F_GETFD) & FD_CLOEXEC) {
		TH_LOG("expected: a queue is not inherited by exec");
	}
}

TEST_F(queue, ids_of_living_queues_differ)
{
	struct accel_queue_info a, b;
	int other = accel_queue_create(self->ctx, 0);

	ASSERT_WORKS(other, "create a second queue");
	ASSERT_WORKS(accel_queue_info(self->queue, &a, NULL), "QUEUE_INFO");
	ASSERT_WORKS(accel_queue_info(other, &b, NULL), "QUEUE_INFO");
	EXPECT_NE(a.id, b.id) {
		TH_LOG("expected: two living queues have two numbers");
	}
	close(other);
}

/* --- QUEUE_INFO --- */

static int info_regions(int queue, struct accel_region *regions, __u32 *count)
{
	struct accel_queue_info info = {
		.size = sizeof(info),
		.region_count = *count,
		.region_size = sizeof(*regions),
		.regions = (uintptr_t)regions,
	};
	int ret = accel_ioctl(queue, ACCEL_QUEUE_INFO, &info);

	*count = info.region_count;
	return ret;
}

TEST_F(queue, info_agrees_with_creation)
{
	struct accel_queue_create create = { .size = sizeof(create), .depth = 16 };
	struct accel_region regions[ACCEL_REGIONS_MAX];
	struct accel_queue_info info;

	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_QUEUE_CREATE, &create), "depth 16");
	ASSERT_RET(tested->regions, accel_queue_info(create.fd, &info, regions),
		   "status, ring and doorbell, if there is one, are told");
	EXPECT_EQ(create.depth, info.depth) {
		TH_LOG("expected: the depth told at creation");
	}
	close(create.fd);
}

static bool are_apart(const struct accel_region *a, const struct accel_region *b)
{
	return a->offset >= b->offset + b->size || b->offset >= a->offset + a->size;
}

TEST_F(queue, amdkfd_cve_2024_41011_regions_are_whole_pages_apart_from_each_other)
{
	struct accel_region r[ACCEL_REGIONS_MAX];
	struct accel_queue_info info;
	int i, j, n = accel_queue_info(self->queue, &info, r);

	ASSERT_EQ(tested->regions, n);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(0, (r[i].offset | r[i].size) % getpagesize()) {
			TH_LOG("expected: region %d is of whole pages", i);
		}
		EXPECT_LT(0, r[i].size) {
			TH_LOG("expected: region %d is not empty", i);
		}
		for (j = 0; j < i; j++) {
			EXPECT_THAT(are_apart(&r[i], &r[j]), "regions don't overlap");
			EXPECT_NE(r[i].kind, r[j].kind) {
				TH_LOG("expected: one region of each kind");
			}
		}
	}
}

TEST_F(queue, regions_allow_what_they_are_for)
{
	struct accel_region r;

	ASSERT_RET(0, accel_region(self->queue, ACCEL_REGION_STATUS, &r), "a status page");
	EXPECT_EQ(ACCEL_ACCESS_READ, r.flags) {
		TH_LOG("expected: the status page can be read only");
	}
	ASSERT_RET(0, accel_region(self->queue, ACCEL_REGION_RING, &r), "a ring");
	EXPECT_EQ(ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE, r.flags) {
		TH_LOG("expected: the ring can be read and written");
	}
}

TEST_F(queue, ring_holds_both_queues)
{
	struct accel_queue_info info;
	struct accel_region ring;

	ASSERT_WORKS(accel_queue_info(self->queue, &info, NULL), "QUEUE_INFO");
	ASSERT_RET(0, accel_region(self->queue, ACCEL_REGION_RING, &ring), "a ring");
	EXPECT_LE(tested->ring_size(info.depth), ring.size) {
		TH_LOG("expected: the ring is as large as its entries");
	}
}

TEST_F(queue, region_count_too_small_is_told_the_real_one)
{
	struct accel_region r[4];
	__u32 count = 0;

	EXPECT_RET(0, info_regions(self->queue, NULL, &count), "no room at all");
	EXPECT_EQ(tested->regions, count) {
		TH_LOG("expected: the real count where there is no room");
	}
	memset(r, 0xa5, sizeof(r));
	count = 1;
	EXPECT_RET(0, info_regions(self->queue, r, &count), "room for one region");
	EXPECT_EQ(tested->regions, count) {
		TH_LOG("expected: the real count where there is room for one");
	}
	EXPECT_NE(0xa5a5a5a5, r[0].kind) {
		TH_LOG("expected: the region that fits is filled in");
	}
	EXPECT_EQ(0xa5a5a5a5, r[1].kind) {
		TH_LOG("expected: nothing is written behind the room");
	}
}

TEST_F(queue, region_count_too_large_is_told_the_real_one)
{
	struct accel_region r[8];
	__u32 count = 7;

	memset(r, 0xa5, sizeof(r));
	EXPECT_RET(0, info_regions(self->queue, r, &count), "room for seven regions");
	EXPECT_EQ(tested->regions, count) {
		TH_LOG("expected: the real count where there is too much room");
	}
	EXPECT_EQ(0xa5a5a5a5, r[7].kind) {
		TH_LOG("expected: nothing is written behind the room");
	}
	count = ~0u;
	EXPECT_RET(0, info_regions(self->queue, r, &count), "room without end");
	EXPECT_EQ(0xa5a5a5a5, r[7].kind) {
		TH_LOG("expected: nothing is written behind what exists");
	}
}

TEST_F(queue, regions_at_a_bad_pointer_are_efault)
{
	__u32 count = 3;

	EXPECT_RET(-EFAULT, info_regions(self->queue, (void *)8, &count), "an unmapped page");
	count = 3;
	EXPECT_RET(-EFAULT, info_regions(self->queue, (void *)-4096l, &count),
		   "a kernel address");
}

/* --- poll and read --- */

TEST_F(queue, poll_of_an_idle_queue_says_nothing)
{
	EXPECT_EQ(0, poll_now(self->queue, POLLIN | POLLPRI)) {
		TH_LOG("expected: neither data nor an error before the first job");
	}
}

TEST_F(queue, read_wants_eight_bytes)
{
	char buffer[16];
	int i;

	ASSERT_EQ(0, fcntl(self->queue, F_SETFL, O_NONBLOCK));
	for (i = 0; i < 8; i++) {
		errno = 0;
		EXPECT_EQ(-1, read(self->queue, buffer, i)) {
			TH_LOG("expected: a read of %d bytes fails", i);
		}
		EXPECT_EQ(EINVAL, errno) {
			TH_LOG("expected: EINVAL for %d bytes, got %s", i, strerror(errno));
		}
	}
}

TEST_F(queue, read_of_an_idle_queue_is_eagain)
{
	__u64 count[2];

	ASSERT_EQ(0, fcntl(self->queue, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-1, read(self->queue, count, 8)) {
		TH_LOG("expected: nothing to read before the first job");
	}
	EXPECT_EQ(EAGAIN, errno) {
		TH_LOG("expected: EAGAIN, got %s", strerror(errno));
	}
	EXPECT_EQ(-1, read(self->queue, count, 16)) {
		TH_LOG("expected: more room makes no event");
	}
	EXPECT_EQ(EAGAIN, errno) {
		TH_LOG("expected: EAGAIN, got %s", strerror(errno));
	}
}

static void interrupt(int sig)
{
	(void)sig;
}

TEST_F(queue, waiting_read_can_be_interrupted)
{
	struct sigaction action = { .sa_handler = interrupt };
	__u64 count;

	sigaction(SIGALRM, &action, NULL);
	alarm(1);
	EXPECT_EQ(-1, read(self->queue, &count, 8)) {
		TH_LOG("expected: a signal ends the wait");
	}
	EXPECT_EQ(EINTR, errno) {
		TH_LOG("expected: EINTR, got %s", strerror(errno));
	}
}

TEST_F(queue, write_is_refused)
{
	__u64 one = 1;

	EXPECT_EQ(-1, write(self->queue, &one, 8)) {
		TH_LOG("expected: a queue is not written with write()");
	}
}

/* --- The status page --- */

TEST_F(queue, status_page_says_live_and_is_else_zero)
{
	const struct accel_queue_status *status;
	struct accel_info_status info;
	const unsigned char *page;
	struct accel_region r;
	size_t i;

	ASSERT_RET(0, accel_region(self->queue, ACCEL_REGION_STATUS, &r), "a status page");
	status = accel_map(self->queue, r.offset, r.size, PROT_READ);
	ASSERT_RET(0, map_error(status), "map the status page read-only");
	EXPECT_EQ(ACCEL_QUEUE_LIVE, status->state) {
		TH_LOG("expected: a new queue is live");
	}
	ASSERT_WORKS(accel_info_status(self->ctx, &info), "INFO_STATUS");
	EXPECT_EQ(info.generation, status->generation) {
		TH_LOG("expected: the generation that the device has now");
	}
	EXPECT_EQ(0, status->completions) {
		TH_LOG("expected: no completion yet");
	}
	page = (const unsigned char *)status;
	for (i = sizeof(*status); i < r.size; i++) {
		ASSERT_EQ(0, page[i]) {
			TH_LOG("expected: zero at byte %zu", i);
		}
	}
	munmap((void *)status, r.size);
}

TEST_F(queue, status_page_cannot_be_written)
{
	struct accel_region r;
	void *page;
	int ret;

	ASSERT_RET(0, accel_region(self->queue, ACCEL_REGION_STATUS, &r), "a status page");
	ret = map_error(accel_map(self->queue, r.offset, r.size, PROT_READ | PROT_WRITE));
	EXPECT_THAT(ret == -EACCES || ret == -EPERM,
		    "mapping the status page writable is EACCES or EPERM");
	page = accel_map(self->queue, r.offset, r.size, PROT_READ);
	ASSERT_RET(0, map_error(page), "map the status page read-only");
	EXPECT_EQ(-1, mprotect(page, r.size, PROT_READ | PROT_WRITE)) {
		TH_LOG("expected: mprotect does not make it writable later");
	}
	EXPECT_EQ(EACCES, errno) {
		TH_LOG("expected: EACCES, got %s", strerror(errno));
	}
	EXPECT_TOUCH(SIGSEGV, touch_write(page, 1), "writing the status page");
	munmap(page, r.size);
}

/* --- What only the zip device has --- */

FIXTURE(zip) {
	int ctx;
};

FIXTURE_SETUP(zip)
{
	SETUP_DEVICE(&zip_kind);
	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->ctx);
}

FIXTURE_TEARDOWN(zip)
{
	close(self->ctx);
}

static int create_with(int ctx, const void *data, __u32 size)
{
	return create_and_close(ctx, (struct accel_queue_create){
		.driver_data = (uintptr_t)data,
		.driver_data_size = size,
	});
}

TEST_F(zip, driver_data_is_optional_and_small)
{
	struct hisi_zip_queue zip = { .size = sizeof(zip) };

	EXPECT_RET(0, create_with(self->ctx, NULL, 0), "no driver data");
	EXPECT_RET(0, create_with(self->ctx, &zip, sizeof(zip)), "a queue that compresses");
	zip.direction = HISI_ZIP_DECOMPRESS;
	EXPECT_RET(0, create_with(self->ctx, &zip, sizeof(zip)), "a queue that decompresses");
}

TEST_F(zip, driver_data_with_wrong_values_is_einval)
{
	struct hisi_zip_queue zip = { .size = sizeof(zip), .direction = 2 };

	EXPECT_RET(-EINVAL, create_with(self->ctx, &zip, sizeof(zip)), "direction 2");
	zip.direction = ~0u;
	EXPECT_RET(-EINVAL, create_with(self->ctx, &zip, sizeof(zip)), "the last direction");
	zip = (struct hisi_zip_queue){ .size = 4 };
	EXPECT_RET(-EINVAL, create_with(self->ctx, &zip, 4), "a short struct");
	zip.size = sizeof(zip) + 4;
	EXPECT_RET(-EINVAL, create_with(self->ctx, &zip, sizeof(zip)),
		   "two sizes that differ");
	EXPECT_RET(-EINVAL, create_with(self->ctx, NULL, sizeof(zip)),
		   "a size without a pointer");
}

TEST_F(zip, driver_data_obeys_the_rules_of_all_structs)
{
	struct {
		struct hisi_zip_queue zip;
		__u32 tail[2];
	} later = { .zip.size = sizeof(later) };

	EXPECT_RET(0, create_with(self->ctx, &later, sizeof(later)),
		   "a later version that asks for nothing new");
	later.tail[1] = 1;
	EXPECT_RET(-E2BIG, create_with(self->ctx, &later, sizeof(later)),
		   "a later version that asks for something unknown");
	EXPECT_RET(-EFAULT, create_with(self->ctx, (void *)8, 8), "a bad pointer");
	EXPECT_RET(-EFAULT, create_with(self->ctx, (void *)-4096l, 8), "a kernel pointer");
}

TEST_F(zip, queue_refused_by_the_driver_leaves_nothing)
{
	struct hisi_zip_queue zip = { .size = sizeof(zip), .direction = 7 };
	int i, before = accel_queues(self->ctx);

	for (i = 0; i < 200; i++)
		create_with(self->ctx, &zip, sizeof(zip));
	EXPECT_EQ(before, accel_queues(self->ctx)) {
		TH_LOG("expected: refused queues are not counted");
	}
	EXPECT_RET(0, create_with(self->ctx, NULL, 0), "a good queue after 200 refused ones");
}

TEST_F(zip, doorbell_can_be_written)
{
	int queue = accel_queue_create(self->ctx, 0);
	struct accel_region r;

	ASSERT_WORKS(queue, "a queue");
	ASSERT_RET(0, accel_region(queue, ACCEL_REGION_DOORBELL, &r), "a doorbell");
	EXPECT_EQ(ACCEL_ACCESS_WRITE, r.flags & ACCEL_ACCESS_WRITE) {
		TH_LOG("expected: the doorbell can be written");
	}
	EXPECT_LE(HISI_ZIP_DOORBELL_OFFSET + 8, r.size) {
		TH_LOG("expected: the doorbell's register lies in its region");
	}
	close(queue);
}

/* A process must not be able to start what another has put into its ring. */
TEST_F(zip, idxd_cve_2024_21823_doorbell_rings_its_own_queue_only)
{
	struct accel_info_device device = {};
	struct accel_queue mine, other;
	__u64 *doorbell;
	static __u8 in[4096], out[8192];
	struct zip_job job = { HISI_ZIP_DEFLATE, 1, in, out, sizeof(in), sizeof(out) };
	struct zip_result r;

	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	EXPECT_EQ(ACCEL_DOORBELL_PER_QUEUE, device.doorbell) {
		TH_LOG("expected: each queue of this device has doorbells of its own");
	}
	ASSERT_RET(0, zip_open(&mine, self->ctx, 8, HISI_ZIP_COMPRESS), "open a queue");
	ASSERT_RET(0, zip_open(&other, self->ctx, 8, HISI_ZIP_COMPRESS), "open another");
	zip_put(&other, &job);
	doorbell = mine.doorbell + HISI_ZIP_DOORBELL_OFFSET;
	STORE(*doorbell, HISI_ZIP_DB(other.id, HISI_ZIP_DB_SQ, other.tail, 0));
	EXPECT_WORKS(&mine, "the own queue works after ringing for another");
	EXPECT_THAT(!zip_done(&other), "the other queue was not rung");
	zip_ring(&other, HISI_ZIP_DB_SQ, other.tail, 0);
	r = zip_wait(&other);
	EXPECT_GOOD(r, "the other queue's own doorbell rings it");
	queue_close(&mine);
	queue_close(&other);
}

TEST_HARNESS_MAIN
