/* SPDX-License-Identifier: GPL-2.0 */
/* What the benchmark needs of a subsystem, so that all else is the same for each. */
#ifndef STACK_H
#define STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <accel/hisi_zip.h>

/* What Linux's own driver makes of a queue, so the other is asked for the same. */
#define DEPTH 1024

struct queue {
	int fd;
	uint16_t id, tail, head;
	bool phase;
	volatile char *doorbell;
	size_t doorbell_size;
	struct hisi_zip_sqe *sq;
	volatile struct hisi_zip_cqe *cq;
	size_t ring_size;
};

/* All functions exit if something fails. */
struct stack {
	const char *name;
	/* The PCI driver. */
	const char *driver;
	/* Looks for the device's node, which is there soon after the driver was bound. */
	bool (*find)(void);
	/* What a process has once for all of its queues; nothing, or an address space. */
	int (*open)(void);
	void (*close)(int context);
	/* A queue that takes jobs, its doorbell and its ring mapped. */
	void (*queue_open)(struct queue *q, int context);
	/* Stops it, and gives back all. */
	void (*queue_close)(struct queue *q);
	/* The smallest ioctl of use. */
	int (*control)(const struct queue *q);
	/* Makes poll() wait again. */
	void (*acknowledge)(const struct queue *q);
};

extern const struct stack accel, uacce;

/* @ret if it is none of the values that mean an error; exits otherwise. */
int must(int ret, const char *what);
void *map(int fd, size_t size, off_t offset);

#endif
