// SPDX-License-Identifier: GPL-2.0
/* The device goes and comes back while processes have it open, mapped, busy. */
/* accel-bench: modules=accel_hisi_zip,accel_sim */
#include "device_util.h"

#define PAGE 4096
#define CHILDREN 4
#define ROUNDS 30
/* As many of them as a slow kernel has to do, and the seconds that it gives to the others. */
#define FEW 10
#define LONG 30

/* What parent and children say to each other. */
struct shared {
	int stop;
	int unbound;
	int jobs[CHILDREN];
};

FIXTURE(unbind) {
	char address[ACCEL_NAME_MAX];
	int number;
	int monitor;
	struct shared *shared;
};

ON_EACH_DEVICE(unbind);

FIXTURE_SETUP(unbind)
{
	SETUP_DEVICE(variant->kind);
	self->number = accel_number();
	self->monitor = accel_open_monitor();
	ASSERT_DEVICE(self->monitor);
	ASSERT_RET(0, accel_address(self->monitor, self->address), "INFO_DEVICE");
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

/* Whatever a test did, the next one finds the device bound. */
FIXTURE_TEARDOWN(unbind)
{
	close(self->monitor);
	if (accel_number() < 0)
		device_bind(self->address);
}

/* --- What a process sees when the device is gone --- */

static void expect_node_dead(struct __test_metadata *_metadata, int ctx)
{
	struct accel_info_status status = {};
	struct accel_info_device device = {};

	EXPECT_RET(-ENODEV, accel_bind_shared(ctx), "CONTEXT_BIND on a device that is gone");
	EXPECT_RET(-ENODEV, accel_queue_create(ctx, 0), "QUEUE_CREATE on a device that is gone");
	EXPECT_RET(-ENODEV, accel_info_device(ctx, &device), "INFO_DEVICE of a gone device");
	EXPECT_RET(sizeof(status), accel_info_status(ctx, &status),
		   "INFO_STATUS is still answered");
	EXPECT_EQ(ACCEL_STATUS_REMOVED, status.status) {
		TH_LOG("expected: the status 'removed'");
	}
}

TEST_F(unbind, old_descriptors_tell_that_the_device_is_gone)
{
	struct accel_info_status status = {};
	int bound = accel_open_shared(), unbound = accel_open(), i;
	struct accel_info_device device = {};
	struct accel_queue q[2];

	ASSERT_DEVICE(bound);
	ASSERT_DEVICE(unbound);
	for (i = 0; i < 2; i++) {
		ASSERT_RET(0, queue_open(&q[i], bound, 8), "a queue");
		EXPECT_WORKS(&q[i], "a job before");
	}
	ASSERT_RET(0, device_unbind(self->address), "unbind with descriptors open");
	for (i = 0; i < 2; i++)
		expect_dead(_metadata, &q[i], ACCEL_QUEUE_DEAD_REMOVED);
	expect_node_dead(_metadata, bound);
	expect_node_dead(_metadata, unbound);
	EXPECT_RET(-ENODEV, accel_info_device(self->monitor, &device),
		   "INFO_DEVICE on the old monitor descriptor");
	ASSERT_WORKS(accel_info_status(self->monitor, &status), "INFO_STATUS on it");
	EXPECT_EQ(ACCEL_STATUS_REMOVED, status.status) {
		TH_LOG("expected: the status 'removed' on the old monitor descriptor");
	}
	EXPECT_RET(-ENOENT, accel_open(), "no node is left to open");
	ASSERT_RET(0, device_bind(self->address), "bind again with old descriptors open");
	expect_dead(_metadata, &q[0], ACCEL_QUEUE_DEAD_REMOVED);
	expect_node_dead(_metadata, bound);
	expect_device_works(_metadata);
	for (i = 0; i < 2; i++)
		queue_close(&q[i]);
	close(bound);
	close(unbound);
	expect_device_works(_metadata);
}

TEST_F(unbind, dead_queue_cannot_be_mapped_anew)
{
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);
	void *p;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, device_unbind(self->address), "unbind");
	if (q.doorbell) {
		p = accel_map_region(q.fd, &q.doorbell_region);
		EXPECT_THAT(map_error(p) == -ENODEV || touch_read(p) == SIGBUS,
			    "a new doorbell mapping is ENODEV, or SIGBUS when touched");
	}
	p = accel_map_region(q.fd, &q.ring_region);
	EXPECT_THAT(map_error(p) == -ENODEV || touch_read(p) == SIGBUS,
		    "a new ring mapping is ENODEV, or SIGBUS when touched");
	queue_close(&q);
	close(ctx);
}

TEST_F(unbind, mappings_never_touched_before_are_sigbus)
{
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, device_unbind(self->address), "unbind before the first touch");
	expect_dead(_metadata, &q, ACCEL_QUEUE_DEAD_REMOVED);
	queue_close(&q);
	close(ctx);
}

/* --- Those who wait --- */

TEST_F(unbind, uacce_poll_and_read_wake_up)
{
	pid_t poller = child_start(queue_wait_in_poll, &self->shared->jobs[0]);
	pid_t reader = child_start(queue_wait_in_read, &self->shared->jobs[1]);
	double end = seconds() + WAIT_SECONDS;

	while ((!LOAD(self->shared->jobs[0]) || !LOAD(self->shared->jobs[1])) && seconds() < end)
		usleep(1000);
	/* Long enough for both to sleep; too short a time tests less, not wrongly. */
	usleep(100000);
	ASSERT_RET(0, device_unbind(self->address), "unbind with a poll and a read waiting");
	EXPECT_RET(0, child_result(poller), "poll wakes up with error and hang-up");
	EXPECT_RET(-ENODEV, child_result(reader), "read wakes up");
}

/* --- Those who work --- */

static void be_busy(struct __test_metadata *_metadata, struct shared *shared, int *jobs)
{
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);
	double end;

	EXPECT_LE(0, ctx) {
		TH_LOG("expected: a queue, got %s", ret_name(ctx));
	}
	if (ctx < 0)
		return;
	EXPECT_THAT(queue_work_until_dead(&q, jobs), "each result before the end is right");
	/* A queue says that it is dead a moment before its mappings go. */
	end = seconds() + WAIT_SECONDS;
	while (!LOAD(shared->unbound) && seconds() < end)
		usleep(1000);
	expect_dead(_metadata, &q, ACCEL_QUEUE_DEAD_REMOVED);
	expect_node_dead(_metadata, ctx);
	EXPECT_EQ(0, close(q.fd)) {
		TH_LOG("expected: a dead queue closes cleanly");
	}
	EXPECT_EQ(0, close(ctx)) {
		TH_LOG("expected: a dead context closes cleanly");
	}
	queue_unmap(&q);
}

TEST_F(unbind, four_processes_work)
{
	double end = seconds() + WAIT_SECONDS;
	struct accel_info_status status = {};
	pid_t pid[CHILDREN];
	int i;

	for (i = 0; i < CHILDREN; i++) {
		pid[i] = fork();
		if (!pid[i]) {
			be_busy(_metadata, self->shared, &self->shared->jobs[i]);
			_exit(0);
		}
	}
	for (i = 0; i < CHILDREN; i++) {
		while (LOAD(self->shared->jobs[i]) < 2 && seconds() < end)
			usleep(1000);
		EXPECT_LE(2, self->shared->jobs[i]) {
			TH_LOG("expected: process %d does jobs", i);
		}
	}
	EXPECT_RET(0, device_unbind(self->address), "unbind while four processes work");
	STORE(self->shared->unbound, 1);
	ASSERT_WORKS(accel_info_status(self->monitor, &status), "INFO_STATUS");
	EXPECT_EQ(ACCEL_STATUS_REMOVED, status.status) {
		TH_LOG("expected: the old monitor descriptor says 'removed'");
	}
	for (i = 0; i < CHILDREN; i++)
		EXPECT_RET(0, child_result(pid[i]), "the process ends by itself");
	EXPECT_RET(0, device_bind(self->address), "bind again");
	expect_device_works(_metadata);
}

static int die_busy(void *arg)
{
	struct shared *shared = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);

	if (ctx < 0)
		return ctx;
	queue_work_until_dead(&q, &shared->jobs[0]);
	for (;;)
		pause();
}

TEST_F(unbind, process_killed_while_the_device_goes)
{
	double end;
	pid_t pid;
	int i;

	for (i = 0; i < 5; i++) {
		STORE(self->shared->jobs[0], 0);
		pid = child_start(die_busy, self->shared);
		end = seconds() + WAIT_SECONDS;
		while (!LOAD(self->shared->jobs[0]) && seconds() < end)
			usleep(1000);
		kill(pid, SIGKILL);
		EXPECT_RET(0, device_unbind(self->address), "unbind while a process dies");
		EXPECT_RET(CHILD_KILLED - SIGKILL, child_result(pid), "the child's end");
		ASSERT_RET(0, device_bind(self->address), "bind again");
	}
	expect_device_works(_metadata);
}

/* --- Numbers --- */

/* An old descriptor, of whatever kind, keeps its number from a new device. */
static void expect_number_kept(struct __test_metadata *_metadata,
			       const char *address, int old, const char *what)
{
	ASSERT_RET(0, device_unbind(address), "unbind");
	ASSERT_RET(0, device_bind(address), "bind again");
	EXPECT_LE(0, accel_number()) {
		TH_LOG("expected: a new device");
	}
	EXPECT_NE(old, accel_number()) {
		TH_LOG("expected: another number while %s is open", what);
	}
}

TEST_F(unbind, uacce_number_is_kept_while_a_context_is_open)
{
	int ctx = accel_open();

	ASSERT_DEVICE(ctx);
	close(self->monitor);
	self->monitor = -1;
	expect_number_kept(_metadata, self->address, self->number, "a context");
	expect_node_dead(_metadata, ctx);
	close(ctx);
}

TEST_F(unbind, number_is_kept_while_a_monitor_is_open)
{
	expect_number_kept(_metadata, self->address, self->number, "a monitor");
}

TEST_F(unbind, number_is_kept_while_a_queue_is_open)
{
	int ctx = accel_open_shared(), queue;

	ASSERT_DEVICE(ctx);
	queue = accel_queue_create(ctx, 0);
	ASSERT_WORKS(queue, "create a queue");
	close(ctx);
	close(self->monitor);
	self->monitor = -1;
	expect_number_kept(_metadata, self->address, self->number, "a queue");
	close(queue);
}

TEST_F(unbind, number_comes_back_after_the_last_descriptor)
{
	int first, second;

	close(self->monitor);
	self->monitor = -1;
	ASSERT_RET(0, device_unbind(self->address), "unbind with nothing open");
	ASSERT_RET(0, device_bind(self->address), "bind again");
	first = accel_number();
	ASSERT_RET(0, device_unbind(self->address), "unbind with nothing open");
	ASSERT_RET(0, device_bind(self->address), "bind again");
	second = accel_number();
	/* One that was held until just now may come back in between. */
	EXPECT_GE(first, second) {
		TH_LOG("expected: a number that nobody holds is used again");
	}
}

/* --- Storms --- */

static bool is_gone(int error)
{
	return error == -ENODEV || error == -ENOENT || error == -ENXIO;
}

static void run_or_fault(struct accel_queue *q)
{
	touch_catch(touch_caught);
	if (!sigsetjmp(touch_return, 1))
		queue_works(q);
	touch_catch(SIG_DFL);
}

/* One life of a process with the device, of which any part may be cut off. */
static int storm_life(bool context_first)
{
	struct accel_info_status status;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);

	if (ctx < 0)
		return ctx;
	run_or_fault(&q);
	poll_now(q.fd, POLLIN);
	accel_info_status(ctx, &status);
	if (context_first)
		close(ctx);
	queue_close(&q);
	if (!context_first)
		close(ctx);
	return 0;
}

static int storm_lives(void *arg)
{
	struct shared *shared = arg;
	unsigned int n;
	int ret;

	for (n = 0; !LOAD(shared->stop); n++) {
		ret = storm_life(n & 1);
		if (ret && !is_gone(ret))
			return ret;
	}
	return 0;
}

/* Faults without end on mappings that come and go under them. */
static int storm_faults(void *arg)
{
	struct shared *shared = arg;
	struct accel_queue q;
	int ctx, ret;

	while (!LOAD(shared->stop)) {
		ctx = queue_open_alone(&q, 8);
		if (ctx < 0 && !is_gone(ctx))
			return ctx;
		if (ctx < 0)
			continue;
		close(ctx);
		ret = 0;
		while (!LOAD(shared->stop) && !touch_read(q.doorbell ?: q.ring) &&
		       !touch_read(q.ring)) {
			queue_unmap(&q);
			ret = queue_map(&q);
			if (ret)
				break;
		}
		if (!ret)
			queue_unmap(&q);
		close(q.fd);
		if (ret && !is_gone(ret))
			return ret;
	}
	return 0;
}

static int storm_monitors(void *arg)
{
	struct shared *shared = arg;
	struct accel_info_status status;
	struct accel_info_device device;
	int monitor, ret;

	while (!LOAD(shared->stop)) {
		monitor = accel_open_monitor();
		if (monitor < 0 && !is_gone(monitor))
			return monitor;
		if (monitor < 0)
			continue;
		ret = accel_info_status(monitor, &status);
		if (ret < 0)
			return ret;
		ret = accel_info_device(monitor, &device);
		close(monitor);
		if (ret < 0 && !is_gone(ret))
			return ret;
	}
	return 0;
}

static int storm_sysfs(void *arg)
{
	struct shared *shared = arg;
	char path[PATH_MAX], value[4096];
	struct dirent *entry;
	DIR *dir;
	int fd;

	while (!LOAD(shared->stop)) {
		snprintf(path, sizeof(path), ACCEL_CLASS "/accel%d", accel_number());
		dir = opendir(path);
		while (dir && (entry = readdir(dir))) {
			fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW);
			if (fd < 0)
				continue;
			if (read(fd, value, sizeof(value)) < 0 && errno == EFAULT)
				return -EFAULT;
			close(fd);
		}
		if (dir)
			closedir(dir);
	}
	return 0;
}

TEST_F(unbind, uacce_cve_2026_23063_storm)
{
	int (*const storms[])(void *) = { storm_lives, storm_lives, storm_faults,
					  storm_monitors, storm_sysfs };
	pid_t pid[ARRAY_SIZE(storms)];
	double end = seconds() + LONG;
	unsigned int i;
	int round;

	for (i = 0; i < ARRAY_SIZE(storms); i++)
		pid[i] = child_start(storms[i], self->shared);
	for (round = 0; round < FEW || (round < ROUNDS && seconds() < end); round++) {
		usleep(round * 1000);
		EXPECT_RET(0, device_unbind(self->address), "unbind in the storm");
		EXPECT_RET(0, device_bind(self->address), "bind in the storm");
	}
	STORE(self->shared->stop, 1);
	for (i = 0; i < ARRAY_SIZE(storms); i++)
		EXPECT_RET(0, child_result(pid[i]), "nothing but 'gone' is seen in the storm");
	expect_device_works(_metadata);
}

TEST_HARNESS_MAIN
