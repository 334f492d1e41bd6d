/* SPDX-License-Identifier: GPL-2.0 */
/* Allocations of this task that fail, by the kernel's fault injection. */
#ifndef FAULT_UTIL_H
#define FAULT_UTIL_H

#include "accel_util.h"

#define FAULTS "/sys/kernel/debug"
/* More allocations than any path makes. */
#define LIMIT 2000

/* Lets each allocation of this process be the one that fails, and quietly. */
static inline int allow_faults(void)
{
	static const char *const quiet[] = {
		"failslab", "fail_page_alloc", "fail_usercopy", "fail_futex",
	};
	char path[128];
	unsigned int i;
	int ret = write_file(FAULTS "/failslab/ignore-gfp-wait", "N");

	write_file(FAULTS "/fail_page_alloc/ignore-gfp-wait", "N");
	write_file(FAULTS "/fail_page_alloc/ignore-gfp-highmem", "N");
	for (i = 0; i < ARRAY_SIZE(quiet); i++) {
		snprintf(path, sizeof(path), FAULTS "/%s/verbose", quiet[i]);
		write_file(path, "0");
	}
	return ret;
}

/* The file that says which allocation is to fail, or a negative errno. */
static inline int faults_open(void)
{
	char path[64];
	int fd, ret = allow_faults();

	if (ret)
		return ret;
	snprintf(path, sizeof(path), "/proc/self/task/%d/fail-nth", getpid());
	fd = open(path, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

#define ASSERT_FAULTS(fd) \
	ASSERT_WORKS(fd, "a kernel with CONFIG_FAILSLAB and CONFIG_FAULT_INJECTION_DEBUG_FS, " \
		     "debugfs mounted")

/* From here on the @n-th allocation of this task fails. */
static inline void arm(int nth, int n)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%d", n);

	while (pwrite(nth, text, size, 0) != size)
		;
}

/* Ends that; whether the allocation was reached and failed. */
static inline bool disarm(int nth)
{
	char left[16] = {};
	ssize_t n = pread(nth, left, sizeof(left) - 1, 0);

	arm(nth, 0);
	/* To read or to write the file may be what failed. */
	return n < 0 || !atoi(left);
}

static inline bool is_shortage(int error)
{
	return error == -ENOMEM || error == -EFAULT || error == -ENOSPC;
}

#endif /* FAULT_UTIL_H */
