// SPDX-License-Identifier: GPL-2.0
/*
 * The device is pulled out of its slot, whatever it is at, and another is put in.
 *
 * Not under the checking kernel: there lockdep finds that pciehp takes
 * pci_rescan_remove_lock and its reset_lock in both orders, says so, and is
 * of no use any more to the tests that come next.
 *
 * accel-bench: kernel=plain
 */
#include "hisi_zip_util.h"

#define CHILDREN 4
#define PAGE 4096
/* Milliseconds that the slot is empty; the hot-plug driver takes its time before and after. */
#define EMPTY_MS 2000
#define SLOT_SECONDS 120

struct shared {
	int stop;
	int jobs[CHILDREN];
};

FIXTURE(removal) {
	char address[ACCEL_NAME_MAX];
	int monitor;
	int watch;
	struct shared *shared;
};

FIXTURE_SETUP(removal)
{
	self->monitor = accel_open_monitor();
	self->watch = accel_open();
	ASSERT_DEVICE(self->monitor);
	ASSERT_DEVICE(self->watch);
	ASSERT_RET(0, accel_address(self->monitor, self->address), "INFO_DEVICE");
	self->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(removal)
{
	close(self->monitor);
	close(self->watch);
}

static void pull_out(struct __test_metadata *_metadata, const char *address)
{
	ASSERT_POKE(address, ZIP_PULL_OUT, EMPTY_MS);
}

/* While it is being reset, the device does not hear. */
static void pull_out_amid_resets(struct __test_metadata *_metadata, const char *address,
				 int monitor)
{
	double end = seconds() + SLOT_SECONDS;

	while (accel_state(monitor) != ACCEL_STATUS_REMOVED && seconds() < end) {
		/* It may be lost in the next reset; else the kernel is told at once. */
		if (!zip_poke(address, ZIP_PULL_OUT, EMPTY_MS))
			WAIT_FOR(accel_state(monitor) == ACCEL_STATUS_REMOVED, 1);
	}
	EXPECT_EQ(ACCEL_STATUS_REMOVED, accel_state(monitor)) {
		TH_LOG("expected: the device can be pulled out amid resets");
	}
}

/* The old device is gone, the driver has taken the new one. */
static void expect_another(struct __test_metadata *_metadata, int monitor)
{
	double begin = seconds();

	EXPECT_TRUE(WAIT_FOR(accel_state(monitor) == ACCEL_STATUS_REMOVED, SLOT_SECONDS)) {
		TH_LOG("expected: the kernel notices that the device is gone");
	}
	TH_LOG("gone for all after %.1f s", seconds() - begin);
	ASSERT_TRUE(WAIT_FOR(accel_number() >= 0, SLOT_SECONDS)) {
		TH_LOG("expected: the driver takes the device that is put in");
	}
	TH_LOG("another is there after %.1f s", seconds() - begin);
	/* The node of the device comes a moment after its directory in sysfs. */
	WAIT_FOR(({ int fd = accel_open(); close(fd); fd >= 0; }), 10);
	expect_device_works(_metadata);
}

TEST_F(removal, idle_device_goes_and_another_comes)
{
	int ctx = accel_open_shared();
	struct accel_queue q;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	EXPECT_WORKS(&q, "a job before");
	pull_out(_metadata, self->address);
	expect_another(_metadata, self->monitor);
	expect_dead(_metadata, &q, ACCEL_QUEUE_DEAD_REMOVED);
	EXPECT_RET(-ENODEV, accel_queue_create(ctx, 0), "QUEUE_CREATE on the old descriptor");
	EXPECT_RET(-ENODEV, accel_reset(self->watch), "RESET on the old descriptor");
	queue_close(&q);
	close(ctx);
	expect_device_works(_metadata);
}

static int compress_until_gone(void *arg)
{
	int ctx = accel_open_shared(), ret;
	struct accel_queue q;
	struct pollfd p;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	if (!queue_work_until_dead(&q, arg))
		return -EBADMSG;
	p = (struct pollfd){ .fd = q.fd };
	/* Who waits in memory may give up before the kernel has noticed. */
	if (poll(&p, 1, SLOT_SECONDS * 1000) != 1)
		return -ETIMEDOUT;
	return LOAD(q.status->state) == ACCEL_QUEUE_DEAD_REMOVED ? 0 : -EPROTO;
}

TEST_F(removal, four_processes_compress)
{
	struct shared *shared = self->shared;
	pid_t pid[CHILDREN];
	int i;

	for (i = 0; i < CHILDREN; i++)
		pid[i] = child_start(compress_until_gone, &shared->jobs[i]);
	for (i = 0; i < CHILDREN; i++) {
		EXPECT_TRUE(WAIT_FOR(LOAD(shared->jobs[i]) > 1, WAIT_SECONDS)) {
			TH_LOG("expected: process %d compresses", i);
		}
	}
	pull_out(_metadata, self->address);
	for (i = 0; i < CHILDREN; i++)
		EXPECT_RET(0, child_result(pid[i]), "each process learns that the device is gone");
	expect_another(_metadata, self->monitor);
}

static int reset_until_gone(void *arg)
{
	int watch = *(int *)arg, ret;

	do {
		ret = accel_reset(watch);
	} while (!ret || ret == -EAGAIN || ret == -EIO);
	return ret;
}

TEST_F(removal, amdxdna_cve_2026_80608_gone_amid_resets)
{
	pid_t pid = child_start(reset_until_gone, &self->watch);

	ASSERT_TRUE(WAIT_FOR(accel_generation(self->monitor) > 0, WAIT_SECONDS));
	pull_out_amid_resets(_metadata, self->address, self->monitor);
	EXPECT_RET(-ENODEV, child_result(pid), "RESET ends with the device");
	expect_another(_metadata, self->monitor);
}

TEST_F(removal, gone_with_a_queue_that_hangs)
{
	int ctx = accel_open_shared();
	struct accel_queue q;
	static __u8 in[PAGE], out[2 * PAGE];
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, PAGE, 2 * PAGE };

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	ASSERT_POKE(self->address, ZIP_HANG_QUEUE_HARD, q.id);
	zip_submit(&q, &job);
	pull_out(_metadata, self->address);
	expect_another(_metadata, self->monitor);
	expect_dead(_metadata, &q, ACCEL_QUEUE_DEAD_REMOVED);
	queue_close(&q);
	close(ctx);
}

TEST_HARNESS_MAIN
