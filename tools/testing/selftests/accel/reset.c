// SPDX-License-Identifier: GPL-2.0
/* Resets, whoever asks for them: what dies, what stays, and that the device works afterwards. */
#include <sys/eventfd.h>

#include "hisi_zip_util.h"

#define PAGE 4096
#define CHILDREN 4
#define ROUNDS 20

/* What parent and children say to each other. */
struct shared {
	int stop;
	int was_reset;
	int ready[CHILDREN];
	int jobs[CHILDREN];
	int deaths[CHILDREN];
};

FIXTURE(reset) {
	char address[ACCEL_NAME_MAX];
	/* Bound by none: it asks, and outlives the children. */
	int watch;
	int monitor;
	int generation;
	struct shared *shared;
};

typedef int (*reset_fn)(int watch, const char *address);

FIXTURE_VARIANT(reset) {
	reset_fn reset;
};

static int reset_by_ioctl(int watch, const char *address)
{
	(void)address;
	return accel_reset(watch);
}

static int reset_by_attribute(int watch, const char *address)
{
	(void)watch;
	(void)address;
	return attribute_write("reset", "1\n");
}

static int reset_by_bus(int watch, const char *address)
{
	(void)watch;
	return pci_write(address, "reset", "1");
}

/* The kernel, or the driver, answers an error some time later, by a reset of the device. */
static int reset_by_error(int watch, const char *address, __u32 where, __u32 error)
{
	int before = accel_generation(watch);
	int ret = zip_poke(address, where, error);

	if (ret)
		return ret;
	if (!WAIT_FOR(accel_generation(watch) != before &&
		      accel_state(watch) != ACCEL_STATUS_IN_RESET, WAIT_SECONDS))
		return -ETIMEDOUT;
	return 0;
}

static int reset_by_hardware_error(int watch, const char *address)
{
	return reset_by_error(watch, address, ZIP_SET_ENGINE_ERRORS, ZIP_HARMFUL_ERROR);
}

static int reset_by_fatal_error(int watch, const char *address)
{
	return reset_by_error(watch, address, ZIP_PCI_ERROR, ZIP_PCI_FATAL);
}

/* Errors come first, when no other reset has saved the function's configuration. */
FIXTURE_VARIANT_ADD(reset, by_hardware_error) { .reset = reset_by_hardware_error };
FIXTURE_VARIANT_ADD(reset, by_fatal_error) { .reset = reset_by_fatal_error };
FIXTURE_VARIANT_ADD(reset, by_ioctl) { .reset = reset_by_ioctl };
FIXTURE_VARIANT_ADD(reset, by_attribute) { .reset = reset_by_attribute };
FIXTURE_VARIANT_ADD(reset, by_bus) { .reset = reset_by_bus };

FIXTURE_SETUP(reset)
{
	self->watch = accel_open();
	self->monitor = accel_open_monitor();
	ASSERT_DEVICE(self->watch);
	ASSERT_DEVICE(self->monitor);
	ASSERT_RET(0, accel_address(self->watch, self->address), "INFO_DEVICE");
	self->generation = accel_generation(self->watch);
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(reset)
{
	close(self->watch);
	close(self->monitor);
}

static void expect_resets(struct __test_metadata *_metadata,
			  const FIXTURE_DATA(reset) * self, int count)
{
	EXPECT_EQ(self->generation + count, accel_generation(self->watch)) {
		TH_LOG("expected: INFO_STATUS counts %d resets", count);
	}
	EXPECT_EQ(self->generation + count, attribute_number("generation")) {
		TH_LOG("expected: so does the attribute");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->watch)) {
		TH_LOG("expected: the device is operational");
	}
	EXPECT_THAT(attribute_is("status", "operational"), "so says the attribute");
}

/* --- What dies, and what stays --- */

TEST_F(reset, all_queues_die_and_contexts_stay)
{
	int ctx = accel_open_shared(), i;
	struct accel_queue q[3], fresh;

	ASSERT_DEVICE(ctx);
	for (i = 0; i < 3; i++)
		ASSERT_RET(0, zip_open(&q[i], ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	/* The second queue's mappings are not touched before. */
	EXPECT_WORKS(&q[0], "a job before");
	EXPECT_WORKS(&q[2], "a job before");
	ASSERT_RET(0, variant->reset(self->watch, self->address), "the reset");
	for (i = 0; i < 3; i++)
		expect_dead(_metadata, &q[i], ACCEL_QUEUE_DEAD_RESET);
	expect_resets(_metadata, self, 1);
	EXPECT_EQ(0, accel_queues(self->watch)) {
		TH_LOG("expected: dead queues are not counted, though they are open");
	}
	EXPECT_EQ(2, accel_contexts(self->watch)) {
		TH_LOG("expected: both contexts stay");
	}

	ASSERT_RET(0, zip_open(&fresh, ctx, 8, HISI_ZIP_COMPRESS),
		   "a new queue of the old context");
	EXPECT_WORKS(&fresh, "a job on it");
	EXPECT_EQ(self->generation + 1, LOAD(fresh.status->generation)) {
		TH_LOG("expected: its status page has the new generation");
	}
	EXPECT_EQ(self->generation, LOAD(q[0].status->generation)) {
		TH_LOG("expected: that of a dead queue keeps the old one");
	}
	for (i = 0; i < 3; i++) {
		queue_close(&q[i]);
		EXPECT_WORKS(&fresh, "a job while dead queues are closed");
	}
	queue_close(&fresh);
	close(ctx);
}

TEST_F(reset, address_space_stays_bound)
{
	struct accel_info_context before[2] = {}, after[2] = {};
	int ctx = accel_open_shared();

	ASSERT_DEVICE(ctx);
	ASSERT_RET(sizeof(before), accel_info(ctx, ACCEL_INFO_CONTEXTS, before, sizeof(before)),
		   "INFO_CONTEXTS of two contexts");
	ASSERT_RET(0, variant->reset(self->watch, self->address), "the reset");
	ASSERT_RET(sizeof(after), accel_info(ctx, ACCEL_INFO_CONTEXTS, after, sizeof(after)),
		   "INFO_CONTEXTS after it");
	EXPECT_THAT(!memcmp(before, after, sizeof(before)),
		    "the same contexts, modes and PASIDs as before");
	EXPECT_RET(-EBUSY, accel_bind_shared(ctx), "the context is bound still");
	close(ctx);
}

/* A handle of what is gone must not reach what has its number now. */
TEST_F(reset, rocket_cve_2026_64008_dead_queue_leaves_its_successor_alone)
{
	int ctx = accel_open_shared(), event = eventfd(0, 0);
	struct accel_queue_eventfd set = { .size = sizeof(set), .fd = event };
	struct accel_queue old, fresh;
	struct accel_queue_info info;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, zip_open(&old, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	EXPECT_WORKS(&old, "a job before");
	ASSERT_RET(0, variant->reset(self->watch, self->address), "the reset");
	ASSERT_RET(0, zip_open(&fresh, ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	ASSERT_EQ(old.id, fresh.id) {
		TH_LOG("expected: the number is used again");
	}
	EXPECT_RET(-ENODEV, accel_queue_info(old.fd, &info, NULL), "QUEUE_INFO of the dead one");
	EXPECT_RET(-ENODEV, accel_ioctl(old.fd, ACCEL_QUEUE_EVENTFD, &set),
		   "QUEUE_EVENTFD of the dead one");
	EXPECT_RET(-ENODEV, map_error(accel_map_region(old.fd, &old.ring_region)),
		   "a mapping of the dead one's ring");
	EXPECT_RET(-ENODEV, map_error(accel_map_region(old.fd, &old.doorbell_region)),
		   "a mapping of the dead one's doorbell");
	EXPECT_WORKS(&fresh, "the new queue beside the dead one");
	EXPECT_TOUCH(SIGBUS, touch_read(old.ring), "the dead one's ring");
	EXPECT_TOUCH(SIGBUS, touch_read(old.doorbell), "the dead one's doorbell");
	queue_close(&old);
	EXPECT_EQ(1, accel_queues(ctx)) {
		TH_LOG("expected: closing the dead one takes no queue away");
	}
	EXPECT_EQ(0, poll_now(fresh.fd, POLLIN)) {
		TH_LOG("expected: the new one hears nothing of that");
	}
	EXPECT_WORKS(&fresh, "the new queue afterwards");
	queue_close(&fresh);
	close(ctx);
	close(event);
}

/* --- Those who wait --- */

static int wait_for_eventfd(void *arg)
{
	int ctx = accel_open_shared(), event = eventfd(0, EFD_CLOEXEC), ret;
	struct accel_queue_eventfd set = { .size = sizeof(set), .fd = event };
	struct shared *shared = arg;
	struct accel_queue q;
	__u64 count = 0;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (!ret)
		ret = accel_ioctl(q.fd, ACCEL_QUEUE_EVENTFD, &set);
	if (ret)
		return ret;
	STORE(shared->ready[2], 1);
	alarm(WAIT_SECONDS);
	if (read(event, &count, 8) != 8)
		return -errno;
	if (LOAD(q.status->state) != ACCEL_QUEUE_DEAD_RESET)
		return -EBADMSG;
	return count == 1 ? 0 : -ERANGE;
}

TEST_F(reset, those_who_wait_wake_up)
{
	pid_t poller = child_start(queue_wait_in_poll, &self->shared->ready[0]);
	pid_t reader = child_start(queue_wait_in_read, &self->shared->ready[1]);
	pid_t eventer = child_start(wait_for_eventfd, self->shared);
	int *ready = self->shared->ready;

	ASSERT_TRUE(WAIT_FOR(LOAD(ready[0]) && LOAD(ready[1]) && LOAD(ready[2]),
			     WAIT_SECONDS)) {
		TH_LOG("expected: three processes have a queue");
	}
	/* Long enough for all to sleep; too short a time tests less, not wrongly. */
	usleep(100000);
	ASSERT_RET(0, variant->reset(self->watch, self->address), "the reset");
	EXPECT_RET(0, child_result(poller), "poll wakes up with error and hang-up");
	EXPECT_RET(-ENODEV, child_result(reader), "read wakes up");
	EXPECT_RET(0, child_result(eventer), "the eventfd counts one, and the queue is dead then");
}

TEST_F(reset, monitor_is_told_of_begin_and_end)
{
	struct accel_event begin = {}, end = {};

	ASSERT_RET(0, variant->reset(self->watch, self->address), "the reset");
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_RESET_BEGIN, &begin, WAIT_SECONDS),
		   "the event of the beginning");
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_RESET_END, &end, WAIT_SECONDS),
		   "the event of the end");
	EXPECT_EQ(0, end.value) {
		TH_LOG("expected: it says that the reset ended well");
	}
	EXPECT_EQ(ACCEL_NO_QUEUE, end.queue) {
		TH_LOG("expected: it is about no queue");
	}
	EXPECT_LE(begin.timestamp_ns, end.timestamp_ns) {
		TH_LOG("expected: the end is not before the beginning");
	}
	EXPECT_LT(begin.sequence, end.sequence) {
		TH_LOG("expected: numbers go up");
	}
}

/* --- Those who work --- */

static void *untouched(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Jobs on pages that the device must ask for, so that requests are under way. */
static void submit_slow(struct accel_queue *q, __u32 size)
{
	__u32 i;

	for (i = 0; i < q->depth - 1; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, i, untouched(size), untouched(2 * size),
				       size, 2 * size };

		zip_put(q, &job);
	}
	zip_ring(q, HISI_ZIP_DB_SQ, q->tail, 0);
}

/* A device that is reset must be touched neither by the driver nor touch memory itself. */
TEST_F(reset, idxd_cve_2026_31442_jobs_and_page_requests_in_flight)
{
	size_t size = 1 << 20;
	struct accel_queue q;
	int ctx, i;
	char *out;

	for (i = 0; i < 5; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, 0, untouched(size), untouched(2 * size),
				       size, 2 * size };

		ctx = accel_open_shared();
		ASSERT_DEVICE(ctx);
		ASSERT_RET(0, zip_open(&q, ctx, 16, HISI_ZIP_COMPRESS), "a queue");
		zip_submit(&q, &job);
		submit_slow(&q, 65536);
		usleep(i * 3000);
		ASSERT_RET(0, variant->reset(self->watch, self->address),
			   "a reset with jobs in flight");
		/* From here on what the jobs had belongs to the process alone. */
		out = job.out;
		memset(out, 0x5a, 2 * size);
		expect_dead(_metadata, &q, ACCEL_QUEUE_DEAD_RESET);
		queue_close(&q);
		ASSERT_RET(0, zip_open(&q, ctx, 16, HISI_ZIP_COMPRESS), "a new queue");
		EXPECT_WORKS(&q, "a job on it");
		EXPECT_THAT(out[0] == 0x5a && !memcmp(out, out + 1, 2 * size - 1),
			    "the device writes nothing for the dead queue any more");
		queue_close(&q);
		close(ctx);
		munmap(out, 2 * size);
	}
	expect_resets(_metadata, self, 5);
}

static bool passes(int error)
{
	return error == -EAGAIN || error == -ENODEV;
}

struct compressor {
	struct shared *shared;
	int index;
};

/* Makes a queue again each time that it has lost one. */
static int compress_through_resets(void *arg)
{
	const struct compressor *me = arg;
	struct shared *shared = me->shared;
	int ctx = accel_open_shared(), ret;
	struct accel_queue q;

	if (ctx < 0)
		return ctx;
	while (!LOAD(shared->stop)) {
		ret = zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
		if (passes(ret)) {
			usleep(1000);
			continue;
		}
		if (ret)
			return ret;
		if (!queue_work_until_dead(&q, &shared->jobs[me->index]))
			return -EBADMSG;
		if (LOAD(q.status->state) != ACCEL_QUEUE_DEAD_RESET)
			return -EPROTO;
		STORE(shared->deaths[me->index], shared->deaths[me->index] + 1);
		queue_close(&q);
	}
	close(ctx);
	return 0;
}

static void start_compressors(struct shared *shared, pid_t pid[CHILDREN])
{
	struct compressor me = { .shared = shared };

	for (me.index = 0; me.index < CHILDREN; me.index++)
		pid[me.index] = child_start(compress_through_resets, &me);
}

TEST_F(reset, twenty_times_while_four_processes_compress)
{
	struct shared *shared = self->shared;
	int round, i, before[CHILDREN];
	pid_t pid[CHILDREN];

	start_compressors(shared, pid);
	for (round = 0; round < ROUNDS; round++) {
		/* Once they have seen the last one, the next job is one of a new queue. */
		for (i = 0; i < CHILDREN; i++) {
			EXPECT_TRUE(WAIT_FOR(LOAD(shared->deaths[i]) >= round, WAIT_SECONDS)) {
				TH_LOG("expected: process %d lost a queue in round %d", i, round);
			}
			before[i] = LOAD(shared->jobs[i]);
		}
		for (i = 0; i < CHILDREN; i++) {
			EXPECT_TRUE(WAIT_FOR(LOAD(shared->jobs[i]) > before[i],
					     WAIT_SECONDS)) {
				TH_LOG("expected: process %d compresses in round %d", i, round);
			}
		}
		ASSERT_RET(0, variant->reset(self->watch, self->address),
			   "a reset while four processes compress");
	}
	STORE(shared->stop, 1);
	/* The last queues may be new ones. */
	ASSERT_RET(0, variant->reset(self->watch, self->address), "the last reset");
	while (accel_queues(self->watch) > 0)
		ASSERT_RET(0, variant->reset(self->watch, self->address), "one more");
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_RET(0, child_result(pid[i]), "each result was right, each death a reset's");
		EXPECT_LE(ROUNDS, shared->deaths[i]) {
			TH_LOG("expected: process %d lost a queue in each round", i);
		}
	}
	expect_device_works(_metadata);
}

/* --- Who may, and what is refused: the same for all, so once --- */

FIXTURE(asked) {
	char address[ACCEL_NAME_MAX];
	int watch;
	int monitor;
	int generation;
	struct shared *shared;
};

FIXTURE_SETUP(asked)
{
	self->watch = accel_open();
	self->monitor = accel_open_monitor();
	ASSERT_DEVICE(self->watch);
	ASSERT_DEVICE(self->monitor);
	ASSERT_RET(0, accel_address(self->watch, self->address), "INFO_DEVICE");
	self->generation = accel_generation(self->watch);
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(asked)
{
	close(self->watch);
	close(self->monitor);
}

static void expect_no_reset(struct __test_metadata *_metadata,
			    const FIXTURE_DATA(asked) * self)
{
	EXPECT_EQ(self->generation, accel_generation(self->watch)) {
		TH_LOG("expected: no reset");
	}
}

/* hisi_zip leaves the shaper on; what it has not given a rate does not run then. */
TEST_F(asked, reset_gives_each_type_of_jobs_a_rate)
{
	static __u8 in[PAGE], out[PAGE];
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, PAGE, PAGE };
	struct accel_queue unpack;
	int ctx = accel_open_shared();

	ASSERT_DEVICE(ctx);
	ASSERT_POKE(self->address, ZIP_SHAPER, 1 << 30);
	ASSERT_RET(0, accel_reset(self->watch), "a reset");
	expect_device_works(_metadata);
	ASSERT_RET(0, zip_open(&unpack, ctx, 8, HISI_ZIP_DECOMPRESS), "a queue");
	EXPECT_EQ(0, zip_run(&unpack, &job).error) {
		TH_LOG("expected: a job to decompress ends, though there is nothing to decompress");
	}
	queue_close(&unpack);
	close(ctx);
}

static int reset_without_capability(void *arg)
{
	int ret = drop_capability(CAP_SYS_ADMIN);

	return ret ? -ENOTSUP : accel_reset(*(int *)arg);
}

static int write_attribute_without_capability(void *arg)
{
	int ret = drop_capability(CAP_SYS_ADMIN);

	return ret ? -ENOTSUP : attribute_write(arg, "1");
}

TEST_F(asked, reset_needs_cap_sys_admin)
{
	int ctx = accel_open_shared();
	struct accel_queue q;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	EXPECT_RET(-EPERM, in_child(reset_without_capability, &self->watch),
		   "RESET without CAP_SYS_ADMIN");
	EXPECT_RET(-EPERM, in_child(write_attribute_without_capability, "reset"),
		   "the attribute without it, as the owner of the file");
	EXPECT_RET(-EPERM, in_child(write_attribute_without_capability, "error_threshold"),
		   "the other attribute that can be written");
	expect_no_reset(_metadata, self);
	EXPECT_WORKS(&q, "the queue goes on");
	queue_close(&q);
	close(ctx);
}

TEST_F(asked, reset_takes_no_flags_and_is_not_for_the_monitor)
{
	struct accel_reset reset = { .size = sizeof(reset), .flags = 1 };

	EXPECT_RET(-EINVAL, accel_ioctl(self->watch, ACCEL_RESET, &reset), "unknown flags");
	EXPECT_RET(-ENOTTY, accel_reset(self->monitor), "RESET on the monitor node");
	expect_no_reset(_metadata, self);
}

/* Neither a driver before may have left it so, nor may this one. */
TEST_F(asked, way_to_memory_is_open_before_and_after)
{
	EXPECT_RET(0, accel_reset(self->watch), "a reset");
	EXPECT_EQ(0, zip_peek(self->address, ZIP_MASTER_CTRL)) {
		TH_LOG("expected: open after a reset");
	}
	ASSERT_RET(0, device_unbind(self->address), "unbind");
	ASSERT_RET(0, pci_write(self->address, "enable", "1"), "registers without a driver");
	EXPECT_EQ(0, zip_peek(self->address, ZIP_MASTER_CTRL)) {
		TH_LOG("expected: left open");
	}
	ASSERT_RET(0, zip_poke(self->address, ZIP_MASTER_CTRL, 1), "shut it");
	ASSERT_RET(0, pci_write(self->address, "enable", "0"), "no registers");
	ASSERT_RET(0, device_bind(self->address), "bind");
	expect_device_works(_metadata);
}

TEST_F(asked, attribute_takes_1_alone)
{
	static const char *const wrong[] = {
		"0", "2", "-1", "11", "1 1", "01", "x", "1x", "\n", " ", "true",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(wrong); i++)
		EXPECT_RET(-EINVAL, attribute_write("reset", wrong[i]), wrong[i]);
	expect_no_reset(_metadata, self);
	EXPECT_RET(0, attribute_write("reset", "1"), "1 without a newline");
	EXPECT_EQ(self->generation + 1, accel_generation(self->watch)) {
		TH_LOG("expected: one reset");
	}
}

TEST_F(asked, attribute_is_for_root)
{
	char path[PATH_MAX], text[8];
	struct stat st;

	ASSERT_RET(0, attribute_path(path, "reset"), "the path of the attribute");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0200, st.st_mode & 0777) {
		TH_LOG("expected: the owner may write it, nobody may do anything else");
	}
	EXPECT_EQ(0, st.st_uid) {
		TH_LOG("expected: the owner is root");
	}
	EXPECT_RET(-EACCES, read_file(path, text, sizeof(text)), "reading it, even as root");
}

static int reset_often(void *arg)
{
	int i, ret;

	for (i = 0; i < 20; i++) {
		ret = accel_reset(*(int *)arg);
		if (ret && ret != -EAGAIN)
			return ret;
	}
	return 0;
}

static int reset_bus_often(void *arg)
{
	int i, ret;

	for (i = 0; i < 20; i++) {
		ret = pci_write(arg, "reset", "1");
		if (ret && ret != -EAGAIN)
			return ret;
	}
	return 0;
}

/* Some go by the bus, some by the core: locks are taken from both sides. */
TEST_F(asked, ivpu_cve_2025_37907_many_ask_at_once)
{
	pid_t pid[CHILDREN];
	int i;

	for (i = 0; i < CHILDREN; i++)
		pid[i] = i % 2 ? child_start(reset_often, &self->watch) :
				 child_start(reset_bus_often, self->address);
	for (i = 0; i < CHILDREN; i++)
		EXPECT_RET(0, child_result(pid[i]), "each reset succeeds, or another is under way");
	EXPECT_LT(self->generation, accel_generation(self->watch)) {
		TH_LOG("expected: at least one of them has reset it");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->watch)) {
		TH_LOG("expected: it is operational in the end");
	}
	expect_device_works(_metadata);
}

/* --- Storms --- */

/* Closes and opens and asks without end; what comes and goes with resets is no error. */
static int live_through_resets(void *arg)
{
	struct shared *shared = arg;
	struct accel_queue q;
	int ctx, ret;

	while (!LOAD(shared->stop)) {
		ctx = accel_open();
		if (ctx < 0)
			return ctx;
		ret = accel_bind_shared(ctx);
		if (!ret)
			ret = zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
		if (ret && !passes(ret))
			return ret;
		if (!ret) {
			touch_write(zip_doorbell(&q), 0);
			touch_read(q.ring);
			poll_now(q.fd, POLLIN);
			queue_close(&q);
		}
		close(ctx);
	}
	return 0;
}

/* Maps, touches and unmaps without end what resets take away. */
static int map_through_resets(void *arg)
{
	struct shared *shared = arg;
	int ctx = accel_open(), ret;
	struct accel_queue q;

	if (ctx < 0)
		return ctx;
	do {
		ret = accel_bind_shared(ctx);
	} while (ret == -EAGAIN);
	if (ret)
		return ret;
	while (!LOAD(shared->stop)) {
		ret = zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
		if (ret && !passes(ret))
			return ret;
		if (ret)
			continue;
		while (!LOAD(shared->stop) && !touch_read(q.ring) && !touch_read(q.doorbell)) {
			queue_unmap(&q);
			ret = queue_map(&q);
			if (ret)
				break;
		}
		if (!ret)
			queue_unmap(&q);
		close(q.fd);
		if (ret && !passes(ret))
			return ret;
	}
	return 0;
}

TEST_F(asked, amdxdna_cve_2026_72331_mappings_come_and_go)
{
	struct shared *shared = self->shared;
	pid_t pid[CHILDREN];
	int i, round;

	for (i = 0; i < CHILDREN; i++)
		pid[i] = child_start(map_through_resets, shared);
	for (round = 0; round < 5 * ROUNDS; round++) {
		usleep(round * 100);
		EXPECT_RET(0, accel_reset(self->watch), "a reset while pages are mapped");
	}
	STORE(shared->stop, 1);
	for (i = 0; i < CHILDREN; i++)
		EXPECT_RET(0, child_result(pid[i]), "nothing but SIGBUS and 'gone' is seen");
	expect_device_works(_metadata);
}

/* The IOMMU says EBUSY to whoever wants a PASID then. */
static int bind_through_resets(void *arg)
{
	__u32 mode = getpid() % 2 ? ACCEL_MODE_SHARED : ACCEL_MODE_PRIVATE;
	struct shared *shared = arg;
	int ctx, ret;

	while (!LOAD(shared->stop)) {
		ctx = accel_open();
		if (ctx < 0)
			return ctx;
		ret = accel_bind(ctx, mode);
		close(ctx);
		if (ret && !passes(ret))
			return ret;
	}
	return 0;
}

TEST_F(asked, contexts_are_bound_meanwhile)
{
	struct shared *shared = self->shared;
	pid_t pid[CHILDREN];
	int i, round;

	for (i = 0; i < CHILDREN; i++)
		pid[i] = child_start(bind_through_resets, shared);
	for (round = 0; round < ROUNDS; round++) {
		EXPECT_RET(0, round % 2 ? accel_reset(self->watch) :
					  pci_write(self->address, "reset", "1"),
			   "a reset while contexts are bound");
	}
	STORE(shared->stop, 1);
	for (i = 0; i < CHILDREN; i++)
		EXPECT_RET(0, child_result(pid[i]), "nothing but 'being reset' is seen");
	expect_device_works(_metadata);
}

static int die_busy(void *arg)
{
	struct shared *shared = arg;
	struct accel_queue q;
	int ctx = accel_open_shared(), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	queue_work_until_dead(&q, &shared->jobs[0]);
	for (;;)
		pause();
}

TEST_F(asked, amdxdna_cve_2026_80608_storm)
{
	struct shared *shared = self->shared;
	pid_t pid[CHILDREN], victim;
	int i, round;

	for (i = 0; i < CHILDREN; i++)
		pid[i] = child_start(live_through_resets, shared);
	for (round = 0; round < ROUNDS; round++) {
		STORE(shared->jobs[0], 0);
		victim = child_start(die_busy, shared);
		WAIT_FOR(LOAD(shared->jobs[0]), round % 2);
		kill(victim, SIGKILL);
		EXPECT_RET(0, round % 3 ? accel_reset(self->watch) :
					  pci_write(self->address, "reset", "1"),
			   "a reset while processes come, go and die");
		child_result(victim);
	}
	STORE(shared->stop, 1);
	for (i = 0; i < CHILDREN; i++)
		EXPECT_RET(0, child_result(pid[i]), "nothing but 'being reset' is seen");
	expect_device_works(_metadata);
}

TEST_HARNESS_MAIN
