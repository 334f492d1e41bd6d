// SPDX-License-Identifier: GPL-2.0
/* The steps of the benchmark by accel_hisi_zip. */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack.h"

static char node[64];

static bool accel_find(void)
{
	glob_t found;

	if (glob("/dev/accel[0-9]*", 0, NULL, &found))
		return false;
	snprintf(node, sizeof(node), "%s", found.gl_pathv[0]);
	globfree(&found);
	return true;
}

static int accel_open(void)
{
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_SHARED,
	};
	int context = must(open(node, O_RDWR | O_CLOEXEC), node);

	must(ioctl(context, ACCEL_CONTEXT_BIND, &bind), "ACCEL_CONTEXT_BIND");
	return context;
}

static void accel_close(int context)
{
	close(context);
}

static void accel_queue_open(struct queue *q, int context)
{
	struct hisi_zip_queue zip = {
		.size = sizeof(zip),
		.direction = HISI_ZIP_COMPRESS,
	};
	struct accel_queue_create create = {
		.size = sizeof(create),
		.depth = DEPTH,
		.driver_data = (uintptr_t)&zip,
		.driver_data_size = sizeof(zip),
	};
	struct accel_region regions[3];
	struct accel_queue_info info = {
		.size = sizeof(info),
		.region_count = 3,
		.region_size = sizeof(regions[0]),
		.regions = (uintptr_t)regions,
	};
	char *ring;

	must(ioctl(context, ACCEL_QUEUE_CREATE, &create), "ACCEL_QUEUE_CREATE");
	must(ioctl(create.fd, ACCEL_QUEUE_INFO, &info), "ACCEL_QUEUE_INFO");
	*q = (struct queue){
		.fd = create.fd,
		.id = info.id,
		.phase = true,
		.doorbell = map(create.fd, regions[1].size, regions[1].offset),
		.doorbell_size = regions[1].size,
		.ring_size = regions[2].size,
	};
	ring = map(create.fd, regions[2].size, regions[2].offset);
	q->sq = (void *)ring;
	q->cq = (void *)(ring + HISI_ZIP_CQ_OFFSET(info.depth));
}

static void accel_queue_close(struct queue *q)
{
	munmap((void *)q->doorbell, q->doorbell_size);
	munmap(q->sq, q->ring_size);
	close(q->fd);
}

static int accel_control(const struct queue *q)
{
	struct accel_queue_info info = { .size = sizeof(info) };

	return ioctl(q->fd, ACCEL_QUEUE_INFO, &info);
}

static void accel_acknowledge(const struct queue *q)
{
	uint64_t events;

	must(read(q->fd, &events, sizeof(events)), "reading events");
}

const struct stack accel = {
	.name = "accel",
	.driver = "accel_hisi_zip",
	.find = accel_find,
	.open = accel_open,
	.close = accel_close,
	.queue_open = accel_queue_open,
	.queue_close = accel_queue_close,
	.control = accel_control,
	.acknowledge = accel_acknowledge,
};
