// SPDX-License-Identifier: GPL-2.0
/* The steps of the benchmark by uacce and hisi_zip. */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/const.h>
#ifndef BIT
#define BIT(n) _BITUL(n)
#endif
#include <misc/uacce/hisi_qm.h>
#include <misc/uacce/uacce.h>

#include "stack.h"

static char node[64];
static size_t doorbell_size, ring_size;

static size_t attribute(const char *device, const char *name)
{
	char path[128], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/uacce/%s/%s", device, name);
	fd = must(open(path, O_RDONLY), path);
	must(read(fd, text, sizeof(text) - 1), path);
	close(fd);
	return strtoul(text, NULL, 0);
}

static bool uacce_find(void)
{
	const char *device;
	glob_t found;

	if (glob("/dev/hisi_zip-*", 0, NULL, &found))
		return false;
	snprintf(node, sizeof(node), "%s", found.gl_pathv[0]);
	globfree(&found);
	device = strrchr(node, '/') + 1;
	doorbell_size = attribute(device, "region_mmio_size");
	ring_size = attribute(device, "region_dus_size");
	return true;
}

static int uacce_open(void)
{
	return -1;
}

static void uacce_close(int context)
{
	(void)context;
}

static void uacce_queue_open(struct queue *q, int context)
{
	struct hisi_qp_ctx ctx = { .qc_type = HISI_ZIP_COMPRESS };
	struct hisi_qp_info info = {};
	int fd = must(open(node, O_RDWR | O_CLOEXEC), node);
	char *ring;

	(void)context;
	must(ioctl(fd, UACCE_CMD_QM_SET_QP_CTX, &ctx), "UACCE_CMD_QM_SET_QP_CTX");
	must(ioctl(fd, UACCE_CMD_QM_SET_QP_INFO, &info), "UACCE_CMD_QM_SET_QP_INFO");
	must(info.sq_depth == DEPTH ? 0 : -1, "a queue of the same depth");
	*q = (struct queue){
		.fd = fd,
		.id = ctx.id,
		.phase = true,
		.doorbell = map(fd, doorbell_size, UACCE_QFRT_MMIO * HISI_ZIP_PAGE_SIZE),
		.doorbell_size = doorbell_size,
		.ring_size = ring_size,
	};
	ring = map(fd, ring_size, UACCE_QFRT_DUS * HISI_ZIP_PAGE_SIZE);
	q->sq = (void *)ring;
	q->cq = (void *)(ring + info.sq_depth * info.sqe_size);
	must(ioctl(fd, UACCE_CMD_START_Q), "UACCE_CMD_START_Q");
}

static void uacce_queue_close(struct queue *q)
{
	must(ioctl(q->fd, UACCE_CMD_PUT_Q), "UACCE_CMD_PUT_Q");
	munmap((void *)q->doorbell, q->doorbell_size);
	munmap(q->sq, q->ring_size);
	close(q->fd);
}

static int uacce_control(const struct queue *q)
{
	struct hisi_qp_info info = {};

	return ioctl(q->fd, UACCE_CMD_QM_SET_QP_INFO, &info);
}

static void uacce_acknowledge(const struct queue *q)
{
	(void)q;
}

const struct stack uacce = {
	.name = "uacce",
	.driver = "hisi_zip",
	.find = uacce_find,
	.open = uacce_open,
	.close = uacce_close,
	.queue_open = uacce_queue_open,
	.queue_close = uacce_queue_close,
	.control = uacce_control,
	.acknowledge = uacce_acknowledge,
};
