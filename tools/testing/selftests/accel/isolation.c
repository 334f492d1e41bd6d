// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever maps a doorbell page that queues share can ring for all of them, so
 * that no queue is given out there unless the administrator says so.
 *
 * accel-bench: revision=0x21
 */
#include "hisi_zip_util.h"

static bool shared_allowed(void)
{
	FILE *file = fopen("/proc/cmdline", "r");
	char line[4096] = {};
	bool allowed;

	if (!file)
		return false;
	allowed = fgets(line, sizeof(line), file) &&
		  strstr(line, "accel.allow_shared_doorbells=1");
	fclose(file);
	return allowed;
}

TEST(idxd_cve_2024_21823_shared_doorbells_are_refused)
{
	struct accel_info_device device = {};
	int ctx = accel_open(), queue;
	bool refused;

	ASSERT_DEVICE(ctx);
	ASSERT_WORKS(accel_info_device(ctx, &device), "INFO_DEVICE");
	ASSERT_NE(ACCEL_DOORBELL_NONE, device.doorbell) {
		TH_LOG("expected: INFO tells how well doorbells are isolated");
	}
	refused = device.doorbell == ACCEL_DOORBELL_SHARED && !shared_allowed();
	ASSERT_RET(0, accel_bind_shared(ctx), "bind works on any device");
	queue = accel_queue_create(ctx, 0);
	if (refused)
		EXPECT_RET(-EPERM, queue, "a queue whose doorbell others could ring");
	else
		EXPECT_THAT(queue >= 0, "a queue where doorbells are isolated, or allowed");
	EXPECT_EQ(queue >= 0, accel_queues(ctx)) {
		TH_LOG("expected: a refused queue is not counted");
	}
	close(ctx);
}

TEST_HARNESS_MAIN
