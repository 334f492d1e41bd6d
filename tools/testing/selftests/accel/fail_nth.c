// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every copy from or to a process fails once, on every path, and nothing is
 * left behind. What buffers add is in fail_nth_memory.c.
 *
 * accel-bench: kernel=check modules=accel_hisi_zip,accel_sim limit=1200
 */
#include <sys/eventfd.h>

#include "device_util.h"
#include "fault_util.h"
#include "zip_submit_util.h"

FIXTURE(fail_nth) {
	int nth;
	int number;
	int watch;
	int contexts;
	int descriptors;
	char address[ACCEL_NAME_MAX];
};

ON_EACH_DEVICE(fail_nth);

static void setup(struct __test_metadata *_metadata, FIXTURE_DATA(fail_nth) * self)
{
	self->nth = faults_open();
	ASSERT_FAULTS(self->nth);
	self->number = accel_number();
	self->watch = accel_open();
	ASSERT_DEVICE(self->watch);
	self->contexts = accel_contexts(self->watch);
	ASSERT_RET(0, accel_address(self->watch, self->address), "INFO_DEVICE");
	self->descriptors = descriptors();
}

static void teardown(FIXTURE_DATA(fail_nth) * self)
{
	close(self->nth);
	close(self->watch);
	if (accel_number() < 0)
		device_bind(self->address);
}

FIXTURE_SETUP(fail_nth)
{
	SETUP_DEVICE(variant->kind);
	setup(_metadata, self);
}

FIXTURE_TEARDOWN(fail_nth)
{
	teardown(self);
}

/* --- Paths: 0, or what failed --- */

static int ask_all(int fd)
{
	/* Each word of zeroes behind an answer is a point that can fail. */
	static char room[512];
	__u32 query;
	int ret = 0;

	for (query = ACCEL_INFO_QUERIES; ret >= 0 && query <= ACCEL_INFO_ERRORS; query++)
		ret = accel_info(fd, query, room, sizeof(room));
	return ret < 0 ? ret : 0;
}

static int set_eventfd(int queue)
{
	struct accel_queue_eventfd event = {
		.size = sizeof(event),
		.fd = eventfd(0, EFD_CLOEXEC),
	};
	int ret = event.fd < 0 ? -errno : accel_ioctl(queue, ACCEL_QUEUE_EVENTFD, &event);

	if (event.fd >= 0)
		close(event.fd);
	return ret;
}

static int live_bound(int ctx, __u32 mode)
{
	int ret = ask_all(ctx);
	struct accel_queue q;

	if (!ret)
		ret = accel_bind(ctx, mode);
	if (!ret)
		ret = queue_open(&q, ctx, 16);
	if (ret)
		return ret;
	if (q.doorbell)
		touch_read(q.doorbell);
	touch_read(q.ring);
	touch_read(q.status);
	poll_now(q.fd, POLLIN);
	ret = set_eventfd(q.fd);
	queue_close(&q);
	return ret;
}

static int live_in(int number, __u32 mode)
{
	int ctx = accel_open_number("accel", number, O_RDWR), ret;

	if (ctx < 0)
		return ctx;
	ret = live_bound(ctx, mode);
	close(ctx);
	return ret;
}

/* All that a process does with the device, but jobs. */
static int live(int number)
{
	return live_in(number, ACCEL_MODE_SHARED);
}

static int live_apart(int number)
{
	return live_in(number, ACCEL_MODE_PRIVATE);
}

/* Has something happen, and reads of it. */
static int watch_events(int number)
{
	struct accel_events wanted = {
		.size = sizeof(wanted),
		.mask = 1 << ACCEL_EVENT_CONTEXT_OPEN | 1 << ACCEL_EVENT_CONTEXT_CLOSE,
	};
	int monitor = accel_open_number("accel_monitor", number, O_RDONLY | O_NONBLOCK), ctx, ret;
	struct accel_event event;

	if (monitor < 0)
		return monitor;
	ret = ask_all(monitor) ?: accel_ioctl(monitor, ACCEL_EVENTS, &wanted);
	ctx = ret ?: accel_open_number("accel", number, O_RDWR);
	ret = ctx < 0 ? ctx : 0;
	if (!ret) {
		poll_now(monitor, POLLIN);
		ret = event_take(monitor, &event);
		close(ctx);
	}
	close(monitor);
	return ret;
}

static int read_attributes(int number)
{
	static const char *const names[] = {
		"status", "functions", "address_modes", "busy_time_us", "queues_total",
		"queues_used", "contexts", "errors", "faults", "timeouts", "generation",
		"numa_node", "doorbell", "error_threshold",
	};
	int ctx = accel_open_number("accel", number, O_RDWR), ret = ctx;
	char path[PATH_MAX], text[4096];
	unsigned int i;

	for (i = 0; ret >= 0 && i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), ACCEL_CLASS "/accel%d/%s", number, names[i]);
		ret = read_file(path, text, sizeof(text));
	}
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", ctx);
	if (ret >= 0)
		ret = read_file(path, text, sizeof(text));
	if (ctx >= 0)
		close(ctx);
	return ret < 0 ? ret : 0;
}

/* --- Each allocation of a path fails --- */

static void each_fails_once(struct __test_metadata *_metadata, FIXTURE_DATA(fail_nth) * self,
			    int (*path)(int number))
{
	bool failed = true;
	int n, ret;

	for (n = 1; failed && n < LIMIT; n++) {
		arm(self->nth, n);
		ret = path(self->number);
		failed = disarm(self->nth);
		EXPECT_THAT(!ret || (failed && is_shortage(ret)),
			    "either all goes well, or memory is short");
		if (ret && !is_shortage(ret))
			TH_LOG("got %s at point %d", ret_name(ret), n);
		ASSERT_EQ(0, accel_queues(self->watch)) {
			TH_LOG("expected: no queue is left after point %d failed", n);
		}
		ASSERT_EQ(self->contexts, accel_contexts(self->watch)) {
			TH_LOG("expected: no context is left after point %d failed", n);
		}
		ASSERT_EQ(self->descriptors, descriptors()) {
			TH_LOG("expected: no descriptor is left after point %d failed", n);
		}
	}
	EXPECT_LT(n, LIMIT) {
		TH_LOG("expected: fewer than %d points that can fail", LIMIT);
	}
	TH_LOG("%d points failed, one after the other", n - 2);
	EXPECT_RET(0, path(self->number), "all goes well when nothing fails");
}

TEST_F(fail_nth, idxd_cve_2026_74574_life_of_a_process)
{
	each_fails_once(_metadata, self, live);
}

TEST_F(fail_nth, life_in_a_private_address_space)
{
	each_fails_once(_metadata, self, live_apart);
}

TEST_F(fail_nth, events_and_questions)
{
	each_fails_once(_metadata, self, watch_events);
}

TEST_F(fail_nth, attributes_and_fdinfo)
{
	each_fails_once(_metadata, self, read_attributes);
}

/* --- Probe and removal --- */

static int take_away(int number, const char *address)
{
	return tested == &sim_kind ? sim_control(number, "remove", "1") :
				     write_file(ACCEL_PCI_DRIVER "/unbind", address);
}

TEST_F(fail_nth, unbind)
{
	struct accel_queue q;
	bool failed = true;
	int ctx, n, ret;

	close(self->watch);
	self->watch = -1;
	for (n = 1; failed && n < LIMIT; n++) {
		ctx = accel_open_shared();
		ASSERT_WORKS(ctx, "open and bind a context");
		ASSERT_RET(0, queue_open(&q, ctx, 8), "open a queue");
		EXPECT_WORKS(&q, "a job before");
		arm(self->nth, n);
		ret = take_away(accel_number(), self->address);
		failed = disarm(self->nth);
		/* A device in software goes by a worker. */
		ASSERT_TRUE(ret || WAIT_FOR(accel_number() < 0, WAIT_SECONDS)) {
			TH_LOG("expected: the device goes");
		}
		if (accel_number() < 0) {
			EXPECT_TRUE(WAIT_FOR(LOAD(q.status->state) == ACCEL_QUEUE_DEAD_REMOVED,
					     WAIT_SECONDS)) {
				TH_LOG("expected: the queue is dead whatever fails");
			}
			ASSERT_RET(0, device_bind(self->address), "bind again");
		}
		queue_close(&q);
		close(ctx);
	}
	TH_LOG("%d points failed, one after the other", n - 2);
	EXPECT_RET(0, live(accel_number()), "the device works afterwards");
}

/* --- What only one of them can show --- */

FIXTURE(fail_nth_zip) {
	FIXTURE_DATA(fail_nth) all;
};

FIXTURE_SETUP(fail_nth_zip)
{
	SETUP_DEVICE(&zip_kind);
	setup(_metadata, &self->all);
}

FIXTURE_TEARDOWN(fail_nth_zip)
{
	teardown(&self->all);
}

static int compress_buffers(int ctx, const struct buffer *in, const struct buffer *out)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_ZLIB, 0, in->size, 0, out->size);
	struct submit_queue q;
	int fence, ret = submit_open(&q, ctx, 4, HISI_ZIP_COMPRESS);

	if (ret)
		return ret;
	ret = submit(&q, &job, 1, in, out, &fence) ?: fence_end(fence);
	submit_close(&q);
	return ret;
}

static int submit_jobs(int number)
{
	int ctx = accel_open_number("accel", number, O_RDWR), ret;
	struct buffer in, out;

	if (ctx < 0)
		return ctx;
	ret = accel_bind(ctx, ACCEL_MODE_KERNEL) ?: buffer_alloc(&in, ctx, PAGE, 0);
	if (!ret) {
		ret = buffer_alloc(&out, ctx, 2 * PAGE, 0);
		if (!ret) {
			ret = compress_buffers(ctx, &in, &out);
			buffer_free(&out);
		}
		buffer_free(&in);
	}
	close(ctx);
	return ret;
}

TEST_F(fail_nth_zip, jobs_in_kernel_mode)
{
	each_fails_once(_metadata, &self->all, submit_jobs);
}

/*
 * Where the PCI core probes in a worker near the device, only what the binding task itself
 * allocates fails here.
 */
TEST_F(fail_nth_zip, uacce_cve_2026_23096_bind)
{
	bool failed = true;
	int n, ret;

	close(self->all.watch);
	self->all.watch = -1;
	ASSERT_RET(0, device_unbind(self->all.address), "unbind");
	for (n = 1; failed && n < LIMIT; n++) {
		arm(self->all.nth, n);
		ret = device_bind(self->all.address);
		failed = disarm(self->all.nth);
		ASSERT_TRUE(!ret || failed) {
			TH_LOG("expected: probe works with memory enough, got %s", ret_name(ret));
		}
		if (!ret && failed)
			ASSERT_RET(0, device_unbind(self->all.address), "unbind");
	}
	EXPECT_LT(n, LIMIT) {
		TH_LOG("expected: fewer than %d points that can fail", LIMIT);
	}
	TH_LOG("%d points failed, one after the other", n - 2);
	EXPECT_RET(0, live(accel_number()), "the device works with memory enough");
}

FIXTURE(fail_nth_sim) {
	FIXTURE_DATA(fail_nth) all;
};

FIXTURE_SETUP(fail_nth_sim)
{
	SETUP_DEVICE(&sim_kind);
	setup(_metadata, &self->all);
}

FIXTURE_TEARDOWN(fail_nth_sim)
{
	teardown(&self->all);
}

/*
 * Who makes a file in debugfs is not told that there was no memory for it. A device that lacks the
 * one that removes it goes with the module.
 */
static int sim_take_away(const char *address)
{
	int ret = device_unbind(address);

	if (ret != -ENOENT)
		return ret;
	if (system("modprobe -r " SIM_DRIVER " && modprobe " SIM_DRIVER))
		return -EIO;
	return device_unbind(address);
}

/* The file that adds a device answers by what there is then. */
TEST_F(fail_nth_sim, uacce_cve_2026_23096_add)
{
	bool failed = true;
	int n, ret;

	close(self->all.watch);
	self->all.watch = -1;
	ASSERT_RET(0, device_unbind(self->all.address), "remove the device");
	for (n = 1; failed && n < LIMIT; n++) {
		arm(self->all.nth, n);
		ret = device_bind(self->all.address);
		failed = disarm(self->all.nth);
		ASSERT_TRUE(!ret || failed) {
			TH_LOG("expected: it works with memory enough, got %s", ret_name(ret));
		}
		ASSERT_EQ(!ret, accel_number() >= 0) {
			TH_LOG("expected: %s after %s at point %d", ret ? "no device" : "a device",
			       ret_name(ret), n);
		}
		if (!ret && failed)
			ASSERT_RET(0, sim_take_away(self->all.address), "remove the device");
	}
	EXPECT_LT(n, LIMIT) {
		TH_LOG("expected: fewer than %d points that can fail", LIMIT);
	}
	TH_LOG("%d points failed, one after the other", n - 2);
	EXPECT_RET(0, live(accel_number()), "the device works with memory enough");
}

/*
 * Whatever it answers: the next one works. Of a PCI device the IOMMU's part of a reset warns when
 * it has no memory, and leaves the device without its page tables.
 */
TEST_F(fail_nth_sim, reset)
{
	bool failed = true;
	int n, ret;

	for (n = 1; failed && n < LIMIT; n++) {
		arm(self->all.nth, n);
		ret = accel_reset(self->all.watch);
		failed = disarm(self->all.nth);
		ASSERT_TRUE(!ret || failed) {
			TH_LOG("expected: a reset works with memory enough, got %s", ret_name(ret));
		}
		ASSERT_RET(0, ret ? accel_reset(self->all.watch) : 0, "the next reset");
		ASSERT_RET(0, live(self->all.number), "the device works afterwards");
	}
	TH_LOG("%d points failed, one after the other", n - 2);
}

static int make_queue(int number)
{
	int ctx = accel_open_number("accel", number, O_RDWR), ret;

	if (ctx < 0)
		return ctx;
	ret = accel_bind(ctx, ACCEL_MODE_KERNEL) ?: accel_queue_create(ctx, 4);
	if (ret >= 0)
		close(ret);
	close(ctx);
	return ret < 0 ? ret : 0;
}

/* Queues that the device has, which the core may have forgotten. */
static int sim_queues(int ctx)
{
	struct accel_sim_stats stats = { .size = sizeof(stats) };
	int ret = accel_ioctl(ctx, ACCEL_SIM_STATS, &stats);

	return ret < 0 ? ret : (int)stats.queues;
}

/* The device does not stop it at once, whether it was completed or not. */
TEST_F(fail_nth_sim, queue_that_does_not_stop)
{
	bool failed = true;
	int n, ret;

	ASSERT_RET(0, accel_bind(self->all.watch, ACCEL_MODE_KERNEL), "to ask the driver");
	for (n = 1; failed && n < LIMIT; n++) {
		ASSERT_RET(0, sim_control(self->all.number, "stuck", "1"), "one does not stop");
		arm(self->all.nth, n);
		ret = make_queue(self->all.number);
		failed = disarm(self->all.nth);
		EXPECT_THAT(!ret || (failed && is_shortage(ret)),
			    "either all goes well, or memory is short");
		ASSERT_RET(0, sim_control(self->all.number, "stuck", "0"), "all stop");
		ASSERT_TRUE(WAIT_FOR(!accel_queues(self->all.watch), WAIT_SECONDS)) {
			TH_LOG("expected: it is stopped later, after point %d failed", n);
		}
		ASSERT_EQ(0, sim_queues(self->all.watch)) {
			TH_LOG("expected: the device has no queue after point %d failed", n);
		}
	}
	TH_LOG("%d points failed, one after the other", n - 2);
	EXPECT_RET(0, make_queue(self->all.number), "all goes well when nothing fails");
}

TEST_HARNESS_MAIN
