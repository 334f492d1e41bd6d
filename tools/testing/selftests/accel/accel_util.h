/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What all accel tests share: finding the device, the core's ioctls as calls
 * that return 0 or a negative errno, children, faults, descriptors in sockets.
 */
#ifndef ACCEL_UTIL_H
#define ACCEL_UTIL_H

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/dma-buf.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <time.h>

#include <accel/accel.h>

#include "../kselftest_harness.h"

/* Emulated machine, checking kernel: only something that hangs takes longer. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

/* Of whatever must happen. */
#define WAIT_SECONDS 60

#define ACCEL_CLASS "/sys/class/accelerator"
#define ACCEL_DRIVER "accel_hisi_zip"
#define ACCEL_PCI_DRIVER "/sys/bus/pci/drivers/" ACCEL_DRIVER

#define ACCEL_MISSING \
	"no /dev/accelN of %s (%s): load it with 'modprobe %s'; accel_hisi_zip needs " \
	"the PCI device 19e5:a250 and an IOMMU with PASID and PRI"

/* Of a test that needs what this kernel may not have been given. */
#define SKIP_WITHOUT(path, option) \
	do { \
		if (access(path, F_OK)) \
			SKIP(return, "no %s, which needs %s", path, option); \
	} while (0)

/* Children that a signal killed have CHILD_KILLED - signal for a result. */
#define CHILD_KILLED -1000

static inline const char *ret_name(long ret)
{
	if (ret >= 0)
		return "success";
	if (ret < CHILD_KILLED)
		return strsignal(CHILD_KILLED - ret);
	return strerrorname_np(-ret) ?: "an unknown error";
}

/* @call returns a negative errno, or something else; @rule says what must be. */
#define __RET(check, expected, call, rule) \
	do { \
		long __want = (expected), __got = (call); \
		check(__want, __got) \
		{ \
			TH_LOG("%s: expected %s, got %s (%ld)", rule, \
			       ret_name(__want), ret_name(__got), __got); \
		} \
	} while (0)

#define EXPECT_RET(expected, call, rule) __RET(EXPECT_EQ, expected, call, rule)
#define ASSERT_RET(expected, call, rule) __RET(ASSERT_EQ, expected, call, rule)

/* For calls that return something of use: a descriptor, a count. */
#define ASSERT_WORKS(call, rule) \
	do { \
		long __got = (call); \
		ASSERT_LE(0, __got) \
		{ \
			TH_LOG("%s: expected success, got %s", rule, ret_name(__got)); \
		} \
	} while (0)

#define EXPECT_WORKS_FD(call, rule) \
	do { \
		long __got = (call); \
		EXPECT_LE(0, __got) \
		{ \
			TH_LOG("%s: expected success, got %s", rule, ret_name(__got)); \
		} \
	} while (0)

#define EXPECT_THAT(condition, rule) \
	do { \
		bool __holds = (condition); \
		EXPECT_TRUE(__holds) \
		{ \
			TH_LOG("expected: %s", rule); \
		} \
	} while (0)

#define ASSERT_DEVICE(fd) \
	do { \
		long __fd = (fd); \
		ASSERT_LE(0, __fd) \
		{ \
			TH_LOG(ACCEL_MISSING, tested->driver, ret_name(__fd), tested->driver); \
		} \
	} while (0)

#define ASSERT_THAT(condition, rule) \
	do { \
		bool __holds = (condition); \
		ASSERT_TRUE(__holds) \
		{ \
			TH_LOG("expected: %s", rule); \
		} \
	} while (0)

/* Tells whoever judges the kernel's log what this program provokes in it. */
static inline void expect_dmesg(const char *regex)
{
	printf("# expect-dmesg: %s\n", regex);
	fflush(stdout);
}

static inline double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* --- Finding the device --- */

struct accel_queue;

/*
 * A kind of device on which the core is tested. Its jobs read @size bytes, and write what
 * becomes of them to room for twice as many.
 */
struct accel_kind {
	const char *driver;
	/* The link in the device's directory that leads to something of this name, or prefix. */
	const char *link;
	const char *leads_to;
	const char *bus;
	/* Of INFO_DEVICE. */
	__u64 functions;
	__u64 request_max;
	bool has_pasids;
	/* Regions of a queue; the third is a doorbell. */
	int regions;
	int (*open)(struct accel_queue *q, int ctx, __u32 depth);
	/* Where in a ring jobs begin, and how many bytes of it are used. */
	__u32 ring_begin;
	__u64 (*ring_size)(__u32 depth);
	/* Puts a job into the ring; with @event, its end, or an earlier one, raises an event. */
	void (*put)(struct accel_queue *q, const void *in, void *out, __u32 size, bool event);
	/* Tells the device of the jobs in the ring. */
	int (*start)(struct accel_queue *q);
	/* Whether a job has ended whose end was not taken. */
	bool (*done)(const struct accel_queue *q);
	/*
	 * Waits for the end of a job; -EIO where it ended badly, -EBADMSG where @out, unless
	 * @in is NULL, is not what becomes of @in.
	 */
	int (*end)(struct accel_queue *q, const void *in, const void *out, __u32 size);
	/* Whether it has forgotten its queues when the system wakes up. */
	bool forgets_asleep;
	/* Makes the device report an error of its own. */
	int (*break_down)(const char *address);
	/* Takes the device away, and brings it back. */
	int (*unbind)(const char *address);
	int (*bind)(const char *address);
};

/* The one that the functions of this file are about. */
static const struct accel_kind *tested;

static inline bool accel_is_tested(const char *node)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), ACCEL_CLASS "/%s/%s", node, tested->link);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = 0;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	return !strncmp(name, tested->leads_to, strlen(tested->leads_to));
}

/* N of the first /dev/accelN of that kind, or -ENOENT. */
static inline int accel_number(void)
{
	DIR *dir = opendir(ACCEL_CLASS);
	int found = -ENOENT, number, end;
	struct dirent *entry;

	if (!dir)
		return -errno;
	while (found < 0 && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "accel%d%n", &number, &end) != 1 ||
		    entry->d_name[end])
			continue;
		if (accel_is_tested(entry->d_name))
			found = number;
	}
	closedir(dir);
	return found;
}

static inline int accel_open_number(const char *prefix, int number, int flags)
{
	char path[64];
	int fd;

	if (number < 0)
		return number;
	snprintf(path, sizeof(path), "/dev/%s%d", prefix, number);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static inline int accel_open(void)
{
	return accel_open_number("accel", accel_number(), O_RDWR);
}

static inline int accel_open_monitor(void)
{
	return accel_open_number("accel_monitor", accel_number(), O_RDONLY);
}

/* --- The core's ioctls --- */

static inline int accel_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

/* Bytes of an element of the answer to @query, 0 if it is one struct. */
static inline __u32 accel_info_element(__u32 query)
{
	switch (query) {
	case ACCEL_INFO_QUERIES:
		return sizeof(__u32);
	case ACCEL_INFO_ADDRESS_MODES:
		return sizeof(struct accel_info_address_mode);
	case ACCEL_INFO_CONTEXTS:
		return sizeof(struct accel_info_context);
	case ACCEL_INFO_SENSORS:
		return sizeof(struct accel_info_sensor);
	default:
		return 0;
	}
}

/* Asks with @room bytes at @data; returns the bytes that the kernel has to tell. */
static inline int accel_info(int fd, __u32 query, void *data, __u32 room)
{
	__u32 element = accel_info_element(query);
	struct accel_info info = {
		.size = sizeof(info),
		.query = query,
		.count = element ? room / element : !!room,
		.element_size = element ?: room,
		.data = (uintptr_t)data,
	};
	int ret = accel_ioctl(fd, ACCEL_INFO, &info);

	return ret ? ret : (int)(info.count * (element ?: info.element_size));
}

static inline int accel_info_device(int fd, struct accel_info_device *device)
{
	return accel_info(fd, ACCEL_INFO_DEVICE, device, sizeof(*device));
}

static inline int accel_info_status(int fd, struct accel_info_status *status)
{
	return accel_info(fd, ACCEL_INFO_STATUS, status, sizeof(*status));
}

/* Queues that the device has now, or a negative errno. */
static inline int accel_queues(int fd)
{
	struct accel_info_status status;
	int ret = accel_info_status(fd, &status);

	return ret < 0 ? ret : (int)status.queues;
}

static inline int accel_contexts(int fd)
{
	struct accel_info_status status;
	int ret = accel_info_status(fd, &status);

	return ret < 0 ? ret : (int)status.contexts;
}

static inline int accel_info_errors(int fd, struct accel_info_errors *errors)
{
	return accel_info(fd, ACCEL_INFO_ERRORS, errors, sizeof(*errors));
}

/* How often this thread has slept so far. */
static inline long sleeps(void)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

/* Each query is answered, and none waits for anything, least of all for the device. */
static inline void expect_info_without_sleep(struct __test_metadata *_metadata, int fd)
{
	struct accel_info_context contexts[16];
	struct accel_info_errors errors;
	struct accel_info_device device;
	struct accel_info_status status;
	long before = sleeps();

	EXPECT_RET(sizeof(status), accel_info_status(fd, &status), "INFO_STATUS");
	EXPECT_RET(sizeof(device), accel_info_device(fd, &device), "INFO_DEVICE");
	EXPECT_RET(sizeof(errors), accel_info_errors(fd, &errors), "INFO_ERRORS");
	EXPECT_LE(0, accel_info(fd, ACCEL_INFO_CONTEXTS, contexts, sizeof(contexts))) {
		TH_LOG("expected: INFO_CONTEXTS is answered");
	}
	EXPECT_LE(0, accel_info(fd, ACCEL_INFO_SENSORS, contexts, sizeof(contexts))) {
		TH_LOG("expected: INFO_SENSORS is answered");
	}
	EXPECT_EQ(before, sleeps()) {
		TH_LOG("expected: no query sleeps, whatever the device does");
	}
}

/* Resets that the device has gone through, or a negative errno. */
static inline int accel_generation(int fd)
{
	struct accel_info_status status;
	int ret = accel_info_status(fd, &status);

	return ret < 0 ? ret : (int)status.generation;
}

/* One of enum accel_status, or a negative errno. */
static inline int accel_state(int fd)
{
	struct accel_info_status status;
	int ret = accel_info_status(fd, &status);

	return ret < 0 ? ret : (int)status.status;
}

static inline int accel_address(int fd, char address[ACCEL_NAME_MAX])
{
	struct accel_info_device device = {};
	int ret = accel_info_device(fd, &device);

	memcpy(address, device.address, ACCEL_NAME_MAX);
	return ret < 0 ? ret : 0;
}

static inline int accel_reset(int ctx)
{
	struct accel_reset reset = { .size = sizeof(reset) };

	return accel_ioctl(ctx, ACCEL_RESET, &reset);
}

/* The same behind a reset that is under way: the device may just be resetting itself. */
static inline int accel_reset_at_last(int ctx)
{
	double end = seconds() + WAIT_SECONDS;
	int ret;

	while ((ret = accel_reset(ctx)) == -EAGAIN && seconds() < end)
		usleep(1000);
	return ret;
}

static inline int accel_bind(int ctx, __u32 mode)
{
	struct accel_context_bind bind = { .size = sizeof(bind), .mode = mode };

	return accel_ioctl(ctx, ACCEL_CONTEXT_BIND, &bind);
}

static inline int accel_bind_shared(int ctx)
{
	return accel_bind(ctx, ACCEL_MODE_SHARED);
}

/* An open and bound context. */
static inline int accel_open_shared(void)
{
	int ctx = accel_open();
	int ret;

	if (ctx < 0)
		return ctx;
	ret = accel_bind_shared(ctx);
	if (ret < 0) {
		close(ctx);
		return ret;
	}
	return ctx;
}

/* A queue of the driver's default kind; returns its descriptor. */
static inline int accel_queue_create(int ctx, __u32 depth)
{
	struct accel_queue_create create = {
		.size = sizeof(create),
		.depth = depth,
	};
	int ret = accel_ioctl(ctx, ACCEL_QUEUE_CREATE, &create);

	return ret ? ret : create.fd;
}

#define ACCEL_REGIONS_MAX 8

/* Regions are put into @regions, which may be NULL; returns their number. */
static inline int accel_queue_info(int queue, struct accel_queue_info *info,
				   struct accel_region *regions)
{
	int ret;

	*info = (struct accel_queue_info){
		.size = sizeof(*info),
		.region_count = regions ? ACCEL_REGIONS_MAX : 0,
		.region_size = sizeof(*regions),
		.regions = (uintptr_t)regions,
	};
	ret = accel_ioctl(queue, ACCEL_QUEUE_INFO, info);
	return ret ? ret : (int)info->region_count;
}

static inline int accel_region(int queue, __u32 kind, struct accel_region *out)
{
	struct accel_region regions[ACCEL_REGIONS_MAX] = {};
	struct accel_queue_info info;
	int i, count = accel_queue_info(queue, &info, regions);

	for (i = 0; i < count && i < ACCEL_REGIONS_MAX; i++) {
		if (regions[i].kind == kind) {
			*out = regions[i];
			return 0;
		}
	}
	return count < 0 ? count : -ENOENT;
}

/* The address, or a negative errno in its place. */
static inline void *accel_map(int queue, __u64 offset, size_t size, int prot)
{
	void *p = mmap(NULL, size, prot, MAP_SHARED, queue, offset);

	return p == MAP_FAILED ? (void *)(intptr_t)-errno : p;
}

static inline int map_error(const void *p)
{
	intptr_t value = (intptr_t)p;

	return value < 0 && value > -4096 ? (int)value : 0;
}

static inline void *accel_map_region(int queue, const struct accel_region *region)
{
	int prot = 0;

	if (region->flags & ACCEL_ACCESS_READ)
		prot |= PROT_READ;
	if (region->flags & ACCEL_ACCESS_WRITE)
		prot |= PROT_WRITE;
	return accel_map(queue, region->offset, region->size, prot);
}

static inline short poll_now(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* --- Accesses of the CPU to a buffer of any maker --- */

static inline int buffer_sync(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

/* --- The driver --- */

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int ret;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	ret = n == (ssize_t)strlen(text) ? 0 : -errno;
	close(fd);
	return ret;
}

/* Returns the bytes that @path holds, as many as fit; @text ends in a zero byte. */
static inline int read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, room - 1);
	n = n < 0 ? -errno : n;
	text[n < 0 ? 0 : n] = 0;
	close(fd);
	return n;
}

/* Descriptors that this process has. */
static inline int descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (!dir)
		return -errno;
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static inline int device_unbind(const char *address)
{
	return tested->unbind(address);
}

static inline int device_bind(const char *address)
{
	return tested->bind(address);
}

/* A file of the PCI function. */
static inline int pci_write(const char *address, const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", address, name);
	return write_file(path, text);
}

/* --- Attributes of the device in sysfs --- */

static inline int attribute_path(char path[PATH_MAX], const char *name)
{
	int number = accel_number();

	snprintf(path, PATH_MAX, ACCEL_CLASS "/accel%d/%s", number, name);
	return number < 0 ? number : 0;
}

static inline int attribute_read(const char *name, char *text, size_t room)
{
	char path[PATH_MAX];
	int ret = attribute_path(path, name);

	return ret ? ret : read_file(path, text, room);
}

static inline int attribute_write(const char *name, const char *text)
{
	char path[PATH_MAX];
	int ret = attribute_path(path, name);

	return ret ? ret : write_file(path, text);
}

/* The number that is all of the attribute, or a negative errno. */
static inline long attribute_number(const char *name)
{
	char text[64], *end;
	int ret = attribute_read(name, text, sizeof(text));
	long value;

	if (ret < 0)
		return ret;
	value = strtol(text, &end, 10);
	return end != text && !strcmp(end, "\n") ? value : -EBADMSG;
}

/* Whether the attribute is this word, in a line of its own. */
static inline bool attribute_is(const char *name, const char *word)
{
	char text[256];
	int n = attribute_read(name, text, sizeof(text));

	return n == (int)strlen(word) + 1 && !strncmp(text, word, n - 1) && text[n - 1] == '\n';
}

/* --- Events of the monitor node --- */

/* Takes one event; a negative errno where there is none. */
static inline int event_take(int monitor, struct accel_event *event)
{
	ssize_t n = read(monitor, event, sizeof(*event));

	if (n < 0)
		return -errno;
	return n == sizeof(*event) ? 0 : -ENODATA;
}

/* Takes events until there is one of @type, which is waited for. */
static inline int event_wait(int monitor, __u32 type, struct accel_event *event, int limit)
{
	double end = seconds() + limit;
	struct pollfd p = { .fd = monitor, .events = POLLIN };
	int ret;

	for (;;) {
		ret = poll(&p, 1, (int)((end - seconds()) * 1000));
		if (ret < 0)
			return -errno;
		if (!ret || seconds() > end)
			return -ETIMEDOUT;
		ret = event_take(monitor, event);
		if (ret)
			return ret;
		if (event->type == type)
			return 0;
	}
}

/* --- Capabilities --- */

/* For good: the process is to be a child made for this. */
static inline int drop_capability(int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	__u32 keep = ~CAP_TO_MASK(capability);

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[CAP_TO_INDEX(capability)].effective &= keep;
	data[CAP_TO_INDEX(capability)].permitted &= keep;
	data[CAP_TO_INDEX(capability)].inheritable &= keep;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/* --- Children --- */

/* Waits for @pid; its exit code as a negative errno, or CHILD_KILLED - signal. */
static inline int child_result(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	if (WIFSIGNALED(status))
		return CHILD_KILLED - WTERMSIG(status);
	return -WEXITSTATUS(status);
}

static inline pid_t child_start(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(stdout);
	fflush(stderr);
	pid = fork();
	if (!pid)
		_exit(-fn(arg));
	return pid;
}

/* What @fn, 0 or a negative errno, returns in an address space of its own. */
static inline int in_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid = child_start(fn, arg);

	return pid < 0 ? -errno : child_result(pid);
}

/* Waits until what others write is no longer 0; false if that takes too long. */
#define WAIT_FOR(condition, limit) \
	({ \
		double __end = seconds() + (limit); \
		bool __met; \
		while (!(__met = (condition)) && seconds() < __end) \
			usleep(1000); \
		__met; \
	})

/* --- Memory that others write, and faults --- */

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define STORE(x, value) __atomic_store_n(&(x), value, __ATOMIC_RELEASE)

static inline const char *signal_name(int sig)
{
	return sig ? strsignal(sig) : "no signal";
}

static sigjmp_buf touch_return;

static inline void touch_caught(int sig)
{
	siglongjmp(touch_return, sig);
}

static inline void touch_catch(void (*handler)(int))
{
	signal(SIGSEGV, handler);
	signal(SIGBUS, handler);
}

/* 0, or the signal that reading at @p gave. */
static inline int touch_read(const void *p)
{
	const __u32 *word = p;
	int sig;

	touch_catch(touch_caught);
	sig = sigsetjmp(touch_return, 1);
	if (!sig)
		asm volatile("" : : "r"(LOAD(*word)));
	touch_catch(SIG_DFL);
	return sig;
}

/* 0, or the signal that writing the 64-bit word at @p gave. */
static inline int touch_write(void *p, __u64 value)
{
	__u64 *word = p;
	int sig;

	touch_catch(touch_caught);
	sig = sigsetjmp(touch_return, 1);
	if (!sig)
		STORE(*word, value);
	touch_catch(SIG_DFL);
	return sig;
}

#define EXPECT_TOUCH(expected, touch, rule) \
	do { \
		int __want = (expected), __sig = (touch); \
		EXPECT_EQ(__want, __sig) \
		{ \
			TH_LOG("%s: expected %s, got %s", rule, \
			       signal_name(__want), signal_name(__sig)); \
		} \
	} while (0)

/* --- Memory that is put aside --- */

#define SWAP_DEVICE "/dev/ram0"

/* Lets memory be put aside, in memory; 0 or a negative errno. */
static inline int swap_on(void)
{
	const __u32 pages = (4 << 20) / 4096, header[2] = { 1, pages - 1 };
	int fd = open(SWAP_DEVICE, O_RDWR | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (pwrite(fd, header, sizeof(header), 1024) != sizeof(header) ||
	    pwrite(fd, "SWAPSPACE2", 10, 4096 - 10) != 10 || fsync(fd))
		ret = -EIO;
	close(fd);
	if (ret)
		return ret;
	return swapon(SWAP_DEVICE, 0) ? -errno : 0;
}

/* What the page tables of this process have for @p: see pagemap.rst. */
static inline __u64 page_entry(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry = 0;

	if (pread(fd, &entry, 8, (uintptr_t)p / 4096 * 8) != 8)
		entry = 0;
	close(fd);
	return entry;
}

static inline bool is_put_aside(const void *p)
{
	return page_entry(p) & 1ull << 62;
}

/*
 * Puts @size bytes at @memory aside. A page that another processor has got lately is not on a list
 * that they are taken from, until all processors hand in what they have: compaction begins so.
 */
static inline bool put_aside(void *memory, size_t size)
{
	char *p = memory;

	return WAIT_FOR(!write_file("/proc/sys/vm/compact_memory", "1") &&
			!madvise(p, size, MADV_PAGEOUT) && is_put_aside(p) &&
			is_put_aside(p + size - 1), 10);
}

/* --- Queues that are mapped --- */

struct accel_queue {
	int fd;
	__u32 id;
	__u32 depth;
	/* What this side has put into the ring and taken out of it, as the device counts. */
	__u32 tail;
	__u32 head;
	__u32 done;
	__u16 phase;
	struct accel_region doorbell_region;
	struct accel_region ring_region;
	struct accel_region status_region;
	/* NULL where there is no such region. */
	void *doorbell;
	void *ring;
	const struct accel_queue_status *status;
};

static inline int queue_find_regions(struct accel_queue *q)
{
	struct accel_queue_info info;
	int ret = accel_queue_info(q->fd, &info, NULL);

	if (ret < 0)
		return ret;
	q->id = info.id;
	q->depth = info.depth;
	ret = accel_region(q->fd, ACCEL_REGION_DOORBELL, &q->doorbell_region);
	if (!ret || ret == -ENOENT)
		ret = accel_region(q->fd, ACCEL_REGION_RING, &q->ring_region);
	return ret ?: accel_region(q->fd, ACCEL_REGION_STATUS, &q->status_region);
}

static inline void queue_unmap(struct accel_queue *q)
{
	if (q->doorbell && !map_error(q->doorbell))
		munmap(q->doorbell, q->doorbell_region.size);
	if (!map_error(q->ring))
		munmap(q->ring, q->ring_region.size);
	if (!map_error(q->status))
		munmap((void *)q->status, q->status_region.size);
}

static inline int queue_map(struct accel_queue *q)
{
	int ret;

	if (q->doorbell_region.size)
		q->doorbell = accel_map_region(q->fd, &q->doorbell_region);
	q->ring = accel_map_region(q->fd, &q->ring_region);
	q->status = accel_map_region(q->fd, &q->status_region);
	ret = map_error(q->doorbell) ?: map_error(q->ring) ?: map_error(q->status);
	if (ret)
		queue_unmap(q);
	return ret;
}

/* Takes over @fd, a queue, and maps it. */
static inline int queue_adopt(struct accel_queue *q, int fd)
{
	int ret;

	*q = (struct accel_queue){ .fd = fd, .phase = 1 };
	ret = queue_find_regions(q);
	if (!ret)
		ret = queue_map(q);
	if (ret)
		close(fd);
	return ret;
}

static inline int queue_open(struct accel_queue *q, int ctx, __u32 depth)
{
	return tested->open(q, ctx, depth);
}

static inline void queue_close(struct accel_queue *q)
{
	queue_unmap(q);
	close(q->fd);
}

/* A context and a queue of its own; returns the context. */
static inline int queue_open_alone(struct accel_queue *q, __u32 depth)
{
	int ctx = accel_open_shared();
	int ret = ctx < 0 ? ctx : queue_open(q, ctx, depth);

	if (ret < 0 && ctx >= 0)
		close(ctx);
	return ret < 0 ? ret : ctx;
}

/* Compressible, without short periods, different for each @seed. */
static inline void fill_text(void *buffer, size_t size, __u32 seed)
{
	__u8 *p = buffer;
	__u32 x = seed * 2654435761u + 1;
	size_t i;

	for (i = 0; i < size; i++) {
		x = x * 1664525u + 1013904223u;
		p[i] = "accelerator queue"[(x >> 28) + (x >> 24 & 1)];
	}
}

/* Does a job; -EBADMSG where the result is wrong. */
static inline int queue_run(struct accel_queue *q, const void *in, void *out, __u32 size)
{
	int ret;

	tested->put(q, in, out, size, false);
	ret = tested->start(q);
	return ret ?: tested->end(q, in, out, size);
}

/* One whole job on memory of its own: does the queue work? */
static inline bool queue_works(struct accel_queue *q)
{
	static __u8 in[20000], out[2 * sizeof(in)];

	fill_text(in, sizeof(in), q->tail);
	memset(out, 0, sizeof(out));
	return !queue_run(q, in, out, sizeof(in));
}

#define EXPECT_WORKS(q, rule) EXPECT_THAT(queue_works(q), rule)

/* Does jobs until the queue dies; false where a result was wrong. */
static inline bool queue_work_until_dead(struct accel_queue *q, int *jobs)
{
	static __u8 in[8 * 4096], out[2 * sizeof(in)];
	/* Not on the stack: it is looked at after a jump. */
	static int ret;

	ret = 0;
	fill_text(in, sizeof(in), getpid());
	touch_catch(touch_caught);
	if (!sigsetjmp(touch_return, 1)) {
		while (!(ret = queue_run(q, in, out, sizeof(in))))
			STORE(*jobs, *jobs + 1);
	}
	touch_catch(SIG_DFL);
	return ret != -EBADMSG && ret != -EIO;
}

/* What everybody sees of a queue that is dead, for the reason @state. */
static inline void expect_dead(struct __test_metadata *_metadata, struct accel_queue *q,
			       __u32 state)
{
	struct accel_queue_info info;
	short seen = poll_now(q->fd, POLLIN);
	ssize_t n;
	__u64 count;

	EXPECT_EQ(POLLERR | POLLHUP, seen & (POLLERR | POLLHUP)) {
		TH_LOG("expected: poll says error and hang-up at once");
	}
	/* What came before its death can still be read. */
	n = read(q->fd, &count, 8);
	if (n == 8)
		n = read(q->fd, &count, 8);
	EXPECT_EQ(-1, n) {
		TH_LOG("expected: read of a dead queue fails");
	}
	EXPECT_EQ(ENODEV, errno) {
		TH_LOG("expected: ENODEV from read, got %s", strerror(errno));
	}
	EXPECT_RET(-ENODEV, accel_queue_info(q->fd, &info, NULL), "QUEUE_INFO of a dead queue");
	EXPECT_TOUCH(0, touch_read((void *)q->status), "the status page");
	EXPECT_EQ(state, LOAD(q->status->state)) {
		TH_LOG("expected: the status page says why the queue is dead");
	}
	if (q->doorbell) {
		char *end = (char *)q->doorbell + q->doorbell_region.size;

		EXPECT_TOUCH(SIGBUS, touch_write(end - 8, 0), "ringing a dead queue");
		EXPECT_TOUCH(SIGBUS, touch_read(q->doorbell), "the doorbell's first page");
	}
	EXPECT_TOUCH(SIGBUS, touch_read(q->ring), "the ring");
	EXPECT_TOUCH(SIGBUS, touch_write(q->ring, 1), "writing the ring");
}

/* A context and a queue of its own, made for this, do a job. */
static inline void expect_device_works(struct __test_metadata *_metadata)
{
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);

	ASSERT_DEVICE(ctx);
	EXPECT_WORKS(&q, "a job on a queue of a new context");
	queue_close(&q);
	close(ctx);
}

/* --- Children that wait until their queue dies, and say at @arg, an int, that they do --- */

static inline int queue_wait_in_poll(void *arg)
{
	int *ready = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);
	struct pollfd p = { .fd = q.fd, .events = POLLIN };

	if (ctx < 0)
		return ctx;
	STORE(*ready, 1);
	if (poll(&p, 1, WAIT_SECONDS * 1000) != 1)
		return -ETIMEDOUT;
	return (p.revents & (POLLERR | POLLHUP)) == (POLLERR | POLLHUP) ? 0 : -EBADMSG;
}

static inline int queue_wait_in_read(void *arg)
{
	int *ready = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);
	__u64 count;

	if (ctx < 0)
		return ctx;
	STORE(*ready, 1);
	alarm(WAIT_SECONDS);
	return read(q.fd, &count, 8) < 0 ? -errno : 0;
}

/* --- Descriptors through sockets --- */

union fd_message {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static inline int send_fd(int sock, int fd)
{
	union fd_message control = {};
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) < 0 ? -errno : 0;
}

static inline int recv_fd(int sock)
{
	union fd_message control = {};
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	if (control.header.cmsg_type != SCM_RIGHTS)
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

#endif /* ACCEL_UTIL_H */
