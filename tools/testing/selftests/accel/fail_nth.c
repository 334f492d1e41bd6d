// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation on every path fails once, and nothing is left behind.
 *
 * accel-bench: kernel=check limit=1200
 */
#include "fault_util.h"
#include "hisi_zip_util.h"

FIXTURE(fail_nth) {
	int nth;
	int number;
	int watch;
	int contexts;
	char address[ACCEL_NAME_MAX];
};

FIXTURE_SETUP(fail_nth)
{
	struct accel_info_device device = {};

	self->nth = faults_open();
	ASSERT_FAULTS(self->nth);
	self->number = accel_number();
	self->watch = accel_open();
	ASSERT_DEVICE(self->watch);
	self->contexts = accel_contexts(self->watch);
	ASSERT_WORKS(accel_info_device(self->watch, &device), "INFO_DEVICE");
	memcpy(self->address, device.address, sizeof(self->address));
}

FIXTURE_TEARDOWN(fail_nth)
{
	close(self->nth);
	close(self->watch);
	if (accel_number() < 0)
		device_bind(self->address);
}

static int ask(int ctx)
{
	struct accel_info_address_mode modes[4];
	struct accel_info_status status;
	struct accel_info_device device;
	int ret = accel_info_device(ctx, &device);

	if (ret >= 0)
		ret = accel_info_status(ctx, &status);
	if (ret >= 0)
		ret = accel_info(ctx, ACCEL_INFO_ADDRESS_MODES, modes, sizeof(modes));
	return ret < 0 ? ret : 0;
}

static int live_bound(int ctx)
{
	int ret = ask(ctx);
	struct accel_queue q;

	if (!ret)
		ret = accel_bind_shared(ctx);
	if (!ret)
		ret = zip_open(&q, ctx, 16, HISI_ZIP_DECOMPRESS);
	if (ret)
		return ret;
	touch_read(q.doorbell);
	touch_read(q.ring);
	touch_read(q.status);
	poll_now(q.fd, POLLIN);
	queue_close(&q);
	return 0;
}

/* All that a process does with the device, but jobs. */
static int live(int number)
{
	int ctx = accel_open_number("accel", number, O_RDWR), ret;

	if (ctx < 0)
		return ctx;
	ret = live_bound(ctx);
	close(ctx);
	return ret;
}

TEST_F(fail_nth, idxd_cve_2026_74574_life_of_a_process)
{
	bool failed = true;
	int n, ret;

	for (n = 1; failed && n < LIMIT; n++) {
		arm(self->nth, n);
		ret = live(self->number);
		failed = disarm(self->nth);
		EXPECT_THAT(!ret || (failed && is_shortage(ret)),
			    "either all goes well, or memory is short");
		if (ret && !is_shortage(ret))
			TH_LOG("got %s at allocation %d", ret_name(ret), n);
		ASSERT_EQ(0, accel_queues(self->watch)) {
			TH_LOG("expected: no queue is left after allocation %d failed", n);
		}
		ASSERT_EQ(self->contexts, accel_contexts(self->watch)) {
			TH_LOG("expected: no context is left after allocation %d failed", n);
		}
	}
	EXPECT_LT(n, LIMIT) {
		TH_LOG("expected: fewer than %d allocations", LIMIT);
	}
	TH_LOG("%d allocations failed, one after the other", n - 2);
	EXPECT_RET(0, live(self->number), "all goes well with memory enough");
}

static int write_open_file(int fd, const char *text)
{
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/*
 * Where the PCI core probes in a worker near the device, only what the binding
 * task itself allocates fails here.
 */
TEST_F(fail_nth, uacce_cve_2026_23096_bind)
{
	int fd = open(ACCEL_PCI_DRIVER "/bind", O_WRONLY | O_CLOEXEC), n, ret;
	bool failed = true;

	ASSERT_LE(0, fd);
	close(self->watch);
	self->watch = -1;
	ASSERT_RET(0, device_unbind(self->address), "unbind");
	for (n = 1; failed && n < LIMIT; n++) {
		arm(self->nth, n);
		ret = write_open_file(fd, self->address);
		failed = disarm(self->nth);
		ASSERT_TRUE(!ret || failed) {
			TH_LOG("expected: probe works with memory enough, got %s", ret_name(ret));
		}
		if (!ret && failed)
			ASSERT_RET(0, device_unbind(self->address), "unbind");
	}
	EXPECT_LT(n, LIMIT) {
		TH_LOG("expected: fewer than %d allocations", LIMIT);
	}
	TH_LOG("%d allocations failed, one after the other", n - 2);
	EXPECT_RET(0, live(accel_number()), "the device works with memory enough");
	close(fd);
}

TEST_F(fail_nth, unbind)
{
	int fd = open(ACCEL_PCI_DRIVER "/unbind", O_WRONLY | O_CLOEXEC), ctx, n;
	struct accel_queue q;
	bool failed = true;

	ASSERT_LE(0, fd);
	close(self->watch);
	self->watch = -1;
	for (n = 1; failed && n < LIMIT; n++) {
		ctx = accel_open_shared();
		ASSERT_WORKS(ctx, "open and bind a context");
		ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "open a queue");
		EXPECT_WORKS(&q, "a job before");
		arm(self->nth, n);
		write_open_file(fd, self->address);
		failed = disarm(self->nth);
		if (accel_number() < 0) {
			EXPECT_EQ(ACCEL_QUEUE_DEAD_REMOVED, LOAD(q.status->state)) {
				TH_LOG("expected: the queue is dead whatever fails");
			}
			ASSERT_RET(0, device_bind(self->address), "bind again");
		}
		queue_close(&q);
		close(ctx);
	}
	TH_LOG("%d allocations failed, one after the other", n - 2);
	EXPECT_RET(0, live(accel_number()), "the device works afterwards");
	close(fd);
}

TEST_HARNESS_MAIN
