/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers of drivers/accel/test/accel_waiter.c, and those who wait for them. */
#ifndef WAITER_UTIL_H
#define WAITER_UTIL_H

#include <linux/dma-buf.h>

#include "accel_util.h"

#define WAITER_NEW 0
#define WAITER_COUNT 1

static inline int waiter_ask(unsigned int what)
{
	int dev = open("/dev/accel_waiter", O_RDWR | O_CLOEXEC), ret;

	if (dev < 0)
		return -errno;
	ret = ioctl(dev, what);
	ret = ret < 0 ? -errno : ret;
	close(dev);
	return ret;
}

/* A page, as a dma-buf. */
static inline int waiter_buffer(void)
{
	return waiter_ask(WAITER_NEW);
}

/* Wants to use the buffer with the CPU: waits with its reservation locked. */
static inline int waiter_sync(void *arg)
{
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	int buffer = *(int *)arg;

	/* Nothing ends because this child has a descriptor of it, too. */
	if (dup2(buffer, 3) != 3 || syscall(SYS_close_range, 4, ~0u, 0))
		return -errno;
	return ioctl(3, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

/* Starts a child that does so, and returns when it waits. */
static inline pid_t waiter_start(int *buffer)
{
	pid_t pid = child_start(waiter_sync, buffer);

	if (pid > 0 && !WAIT_FOR(waiter_ask(WAITER_COUNT) == 1, WAIT_SECONDS)) {
		kill(pid, SIGKILL);
		child_result(pid);
		return -ETIMEDOUT;
	}
	return pid;
}

/* The child has come to its end; -ETIMEDOUT, and it is killed, if it does not. */
static inline int waiter_result(pid_t pid)
{
	int status, ret;

	if (WAIT_FOR(waitpid(pid, &status, WNOHANG) == pid, WAIT_SECONDS)) {
		ret = WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
		return ret;
	}
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -ETIMEDOUT;
}

/* For a child: a reset, beside the waiting. */
static inline int waiter_reset(void *arg)
{
	return accel_reset(*(int *)arg);
}

#endif /* WAITER_UTIL_H */
