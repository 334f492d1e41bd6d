// SPDX-License-Identifier: GPL-2.0
/* The two nodes of a device, ACCEL_INFO, and the rules all ioctls obey. */
/* accel-bench: modules=accel_hisi_zip,accel_sim */
#include <sys/sysmacros.h>

#include "device_util.h"

static const char *const node_prefix[] = { "accel", "accel_monitor" };

FIXTURE(nodes) {
	int number;
	int compute;
	int monitor;
};

ON_EACH_DEVICE(nodes);

FIXTURE_SETUP(nodes)
{
	SETUP_DEVICE(variant->kind);
	self->number = accel_number();
	self->compute = accel_open();
	ASSERT_DEVICE(self->compute);
	self->monitor = accel_open_monitor();
	ASSERT_WORKS(self->monitor, "open of /dev/accel_monitorN read-only");
}

FIXTURE_TEARDOWN(nodes)
{
	close(self->compute);
	close(self->monitor);
}

/* --- The nodes --- */

TEST_F(nodes, have_a_sysfs_device_of_class_accelerator)
{
	unsigned int major, minor;
	char path[PATH_MAX];
	struct stat st;
	FILE *file;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, fstat(i ? self->monitor : self->compute, &st));
		EXPECT_THAT(S_ISCHR(st.st_mode), "the node is a character device");
		snprintf(path, sizeof(path), ACCEL_CLASS "/%s%d/dev",
			 node_prefix[i], self->number);
		file = fopen(path, "r");
		ASSERT_NE(NULL, file) {
			TH_LOG("expected: %s can be read", path);
		}
		EXPECT_EQ(2, fscanf(file, "%u:%u", &major, &minor)) {
			TH_LOG("expected: %s says MAJOR:MINOR", path);
		}
		fclose(file);
		EXPECT_THAT(st.st_rdev == makedev(major, minor),
			    "node and sysfs agree on the device number");
	}
}

/* A callback that a driver leaves out must not be called by an attribute. */
TEST_F(nodes, uacce_cve_2026_23094_each_sysfs_attribute_can_be_read)
{
	char path[PATH_MAX], value[4096];
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int i, fd;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), ACCEL_CLASS "/%s%d",
			 node_prefix[i], self->number);
		dir = opendir(path);
		ASSERT_NE(NULL, dir) {
			TH_LOG("expected: directory %s", path);
		}
		while ((entry = readdir(dir))) {
			if (fstatat(dirfd(dir), entry->d_name, &st,
				    AT_SYMLINK_NOFOLLOW) ||
			    !S_ISREG(st.st_mode) || !(st.st_mode & 0444))
				continue;
			fd = openat(dirfd(dir), entry->d_name, O_RDONLY);
			EXPECT_LE(0, read(fd, value, sizeof(value))) {
				TH_LOG("expected: %s/%s can be read, got %s",
				       path, entry->d_name, strerror(errno));
			}
			close(fd);
		}
		closedir(dir);
	}
}

TEST_F(nodes, monitor_cannot_bind_or_create)
{
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_SHARED,
	};
	struct accel_queue_create create = { .size = sizeof(create) };
	struct accel_queue_info info = { .size = sizeof(info) };

	EXPECT_RET(-ENOTTY, accel_ioctl(self->monitor, ACCEL_CONTEXT_BIND, &bind),
		   "the monitor node knows no CONTEXT_BIND");
	EXPECT_RET(-ENOTTY, accel_ioctl(self->monitor, ACCEL_QUEUE_CREATE, &create),
		   "the monitor node knows no QUEUE_CREATE");
	EXPECT_RET(-ENOTTY, accel_ioctl(self->monitor, ACCEL_QUEUE_INFO, &info),
		   "the monitor node knows no QUEUE_INFO");
}

TEST_F(nodes, neither_node_can_be_mapped)
{
	EXPECT_NE(0, map_error(accel_map(self->compute, 0, 4096, PROT_READ))) {
		TH_LOG("expected: only queues can be mapped, not the compute node");
	}
	EXPECT_NE(0, map_error(accel_map(self->monitor, 0, 4096, PROT_READ))) {
		TH_LOG("expected: the monitor node cannot be mapped");
	}
}

TEST_F(nodes, ioctls_are_known_on_their_own_descriptor_only)
{
	struct accel_queue_info info = { .size = sizeof(info) };
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_SHARED,
	};
	struct accel_queue_create create = { .size = sizeof(create) };
	int queue;

	EXPECT_RET(-ENOTTY, accel_ioctl(self->compute, ACCEL_QUEUE_INFO, &info),
		   "the compute node knows no QUEUE_INFO");
	ASSERT_RET(0, accel_bind_shared(self->compute), "bind to the own memory");
	queue = accel_queue_create(self->compute, 0);
	ASSERT_WORKS(queue, "create a queue");
	EXPECT_RET(-ENOTTY, accel_ioctl(queue, ACCEL_CONTEXT_BIND, &bind),
		   "a queue knows no CONTEXT_BIND");
	EXPECT_RET(-ENOTTY, accel_ioctl(queue, ACCEL_QUEUE_CREATE, &create),
		   "a queue knows no QUEUE_CREATE");
	close(queue);
}

TEST_F(nodes, unknown_numbers_are_enotty)
{
	static const unsigned int numbers[] = { 0x09, 0x13, 0x3f, 0x44, 0x9f, 0xa0, 0xff };
	__u32 words[64] = { sizeof(words) };
	int fds[3] = { self->compute, self->monitor, -1 };
	unsigned int i, j;

	ASSERT_RET(0, accel_bind_shared(self->compute), "bind to the own memory");
	fds[2] = accel_queue_create(self->compute, 0);
	ASSERT_WORKS(fds[2], "create a queue");
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		for (j = 0; j < ARRAY_SIZE(numbers); j++)
			EXPECT_RET(-ENOTTY,
				   accel_ioctl(fds[i], _IO(ACCEL_IOC_TYPE, numbers[j]), words),
				   "a number nobody knows");
		EXPECT_RET(-ENOTTY, accel_ioctl(fds[i], _IO(ACCEL_IOC_TYPE + 1, 0), words),
			   "an ioctl of another type");
	}
	close(fds[2]);
}

/* --- ACCEL_INFO --- */

TEST_F(nodes, tell_the_same_facts)
{
	struct accel_info_device a = {}, b = {};

	EXPECT_RET(sizeof(a), accel_info_device(self->compute, &a),
		   "INFO_DEVICE on the compute node");
	EXPECT_RET(sizeof(b), accel_info_device(self->monitor, &b),
		   "INFO_DEVICE on the monitor node");
	EXPECT_THAT(!memcmp(&a, &b, sizeof(a)), "both nodes tell the same facts");
}

static bool is_text(const char *s)
{
	size_t n = strnlen(s, ACCEL_NAME_MAX);

	return n > 0 && n < ACCEL_NAME_MAX;
}

TEST_F(nodes, device_strings_are_filled_in)
{
	struct accel_info_device d = {};
	char path[PATH_MAX], target[PATH_MAX] = {};

	ASSERT_WORKS(accel_info_device(self->compute, &d), "INFO_DEVICE");
	EXPECT_THAT(is_text(d.name), "a name that ends in a zero byte");
	EXPECT_THAT(is_text(d.driver), "a driver's name that ends in a zero byte");
	EXPECT_THAT(is_text(d.version), "a version that ends in a zero byte");
	EXPECT_STREQ(tested->driver, d.driver);
	EXPECT_STREQ(tested->bus, d.bus);
	snprintf(path, sizeof(path), ACCEL_CLASS "/accel%d/device", self->number);
	ASSERT_LT(0, readlink(path, target, sizeof(target) - 1)) {
		TH_LOG("expected: %s leads to the parent", path);
	}
	EXPECT_STREQ(strrchr(target, '/') + 1, d.address);
}

TEST_F(nodes, device_says_what_it_can_do)
{
	struct accel_info_device d = {};

	ASSERT_WORKS(accel_info_device(self->compute, &d), "INFO_DEVICE");
	EXPECT_EQ((__u32)self->number, d.id) {
		TH_LOG("expected: id is the N of /dev/accelN");
	}
	EXPECT_EQ(tested->functions, d.functions) {
		TH_LOG("expected: its functions, nothing else");
	}
	EXPECT_THAT(d.address_modes & 1 << ACCEL_MODE_SHARED,
		    "this machine offers the shared mode (SVA)");
	EXPECT_LT(0, d.queues_max) {
		TH_LOG("expected: at least one queue");
	}
	EXPECT_LT(0, d.depth_max) {
		TH_LOG("expected: queues of at least one entry");
	}
	EXPECT_EQ(tested->request_max, d.request_max) {
		TH_LOG("expected: the bytes that a job takes at most");
	}
	EXPECT_LE(-1, d.numa_node) {
		TH_LOG("expected: a node, or -1");
	}
}

TEST_F(nodes, query_list_names_what_is_answered)
{
	__u32 queries[64] = {}, seen = 0;
	char answer[4096];
	int i, n = accel_info(self->monitor, ACCEL_INFO_QUERIES, queries, sizeof(queries));

	ASSERT_WORKS(n, "INFO_QUERIES");
	ASSERT_EQ(0, n % 4) {
		TH_LOG("expected: an array of 32-bit numbers");
	}
	for (i = 0; i < n / 4; i++) {
		if (queries[i] < 32)
			seen |= 1u << queries[i];
		EXPECT_LE(0, accel_info(self->monitor, queries[i], answer, sizeof(answer))) {
			TH_LOG("expected: query %u of the list is answered", queries[i]);
		}
	}
	EXPECT_EQ(0xfu, seen & 0xf) {
		TH_LOG("expected: the queries 0 to 3 are in the list");
	}
}

TEST_F(nodes, unknown_query_is_eopnotsupp)
{
	__u64 answer;

	EXPECT_RET(-EOPNOTSUPP, accel_info(self->compute, 0x7fff, &answer, 8),
		   "unknown query on the compute node");
	EXPECT_RET(-EOPNOTSUPP, accel_info(self->monitor, ~0u, &answer, 8),
		   "unknown query on the monitor node");
}

TEST_F(nodes, address_modes_give_reasons)
{
	struct accel_info_address_mode modes[16] = {};
	struct accel_info_device d = {};
	int i, n = accel_info(self->monitor, ACCEL_INFO_ADDRESS_MODES, modes, sizeof(modes));
	__u32 seen = 0;

	ASSERT_WORKS(n, "INFO_ADDRESS_MODES");
	ASSERT_WORKS(accel_info_device(self->monitor, &d), "INFO_DEVICE");
	for (i = 0; i < n / (int)sizeof(modes[0]); i++) {
		ASSERT_LT(modes[i].mode, 32) {
			TH_LOG("expected: a mode of enum accel_address_mode");
		}
		seen |= 1u << modes[i].mode;
		EXPECT_EQ(!(d.address_modes >> modes[i].mode & 1), !!modes[i].reason) {
			TH_LOG("expected: a reason exactly where mode %u is not offered, got %u",
			       modes[i].mode, modes[i].reason);
		}
	}
	EXPECT_EQ(1u << ACCEL_MODE_SHARED | 1u << ACCEL_MODE_PRIVATE | 1u << ACCEL_MODE_KERNEL,
		  seen) {
		TH_LOG("expected: one element for each of the three modes");
	}
}

TEST_F(nodes, status_counts_contexts_and_queues)
{
	struct accel_info_status before = {}, now = {};
	int ctx, queue;

	ASSERT_RET(sizeof(before), accel_info_status(self->monitor, &before), "INFO_STATUS");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, before.status) {
		TH_LOG("expected: the device is operational");
	}
	ctx = accel_open_shared();
	ASSERT_WORKS(ctx, "open and bind one more context");
	queue = accel_queue_create(ctx, 0);
	ASSERT_WORKS(queue, "create a queue");
	ASSERT_WORKS(accel_info_status(self->monitor, &now), "INFO_STATUS");
	EXPECT_EQ(before.contexts + 1, now.contexts) {
		TH_LOG("expected: one context more");
	}
	EXPECT_EQ(before.queues + 1, now.queues) {
		TH_LOG("expected: one queue more");
	}
	EXPECT_EQ(before.queues_created + 1, now.queues_created) {
		TH_LOG("expected: one created queue more");
	}
	EXPECT_LE(before.timestamp_ns, now.timestamp_ns) {
		TH_LOG("expected: time goes on");
	}
	close(queue);
	close(ctx);
	ASSERT_WORKS(accel_info_status(self->monitor, &now), "INFO_STATUS");
	EXPECT_EQ(before.contexts, now.contexts) {
		TH_LOG("expected: a closed context is not counted");
	}
	EXPECT_EQ(before.queues, now.queues) {
		TH_LOG("expected: a closed queue is not counted");
	}
	EXPECT_EQ(before.queues_created + 1, now.queues_created) {
		TH_LOG("expected: what was created stays counted");
	}
}

TEST_F(nodes, timestamp_is_clock_monotonic)
{
	double before = seconds(), now, after;
	struct accel_info_status status = {};

	ASSERT_WORKS(accel_info_status(self->compute, &status), "INFO_STATUS");
	after = seconds();
	now = status.timestamp_ns / 1e9;
	/* Another clock is off by years; processors of an emulated machine may be by a moment. */
	EXPECT_TRUE(before - 1 <= now && now <= after + 1) {
		TH_LOG("expected: timestamp_ns is CLOCK_MONOTONIC of the call: %f <= %f <= %f",
		       before, now, after);
	}
}

TEST_F(nodes, info_fills_small_rooms_and_says_the_real_size)
{
	struct accel_info_device whole = {};
	unsigned char room[sizeof(whole) + 64];
	int size, i;

	size = accel_info_device(self->compute, &whole);
	ASSERT_EQ((int)sizeof(whole), size);
	memset(room, 0xa5, sizeof(room));
	EXPECT_RET(size, accel_info(self->compute, ACCEL_INFO_DEVICE, room, 12),
		   "a small room is told the real size");
	EXPECT_THAT(!memcmp(room, &whole, 12), "a small room gets the start of the answer");
	for (i = 12; i < (int)sizeof(room); i++) {
		ASSERT_EQ(0xa5, room[i]) {
			TH_LOG("expected: nothing written behind the room, at byte %d", i);
		}
	}
	EXPECT_RET(size, accel_info(self->compute, ACCEL_INFO_DEVICE, NULL, 0),
		   "no room at all is told the real size");
	EXPECT_RET(size, accel_info(self->compute, ACCEL_INFO_DEVICE, (void *)8, 0),
		   "with no room the pointer is not looked at");
}

TEST_F(nodes, info_fills_large_rooms_with_zeroes)
{
	struct accel_info_device whole = {};
	unsigned char room[4096 + 5];
	size_t i;

	ASSERT_WORKS(accel_info_device(self->compute, &whole), "INFO_DEVICE");
	memset(room, 0xa5, sizeof(room));
	EXPECT_RET(sizeof(whole),
		   accel_info(self->compute, ACCEL_INFO_DEVICE, room, sizeof(room) - 5),
		   "a large room is told the real size");
	EXPECT_THAT(!memcmp(room, &whole, sizeof(whole)), "the answer is at the start");
	for (i = sizeof(whole); i < sizeof(room) - 5; i++) {
		ASSERT_EQ(0, room[i]) {
			TH_LOG("expected: zeroes behind the answer, at byte %zu", i);
		}
	}
	for (; i < sizeof(room); i++) {
		ASSERT_EQ(0xa5, room[i]) {
			TH_LOG("expected: nothing written behind the room, at byte %zu", i);
		}
	}
}

TEST_F(nodes, info_with_a_bad_room_is_efault)
{
	EXPECT_RET(-EFAULT, accel_info(self->compute, ACCEL_INFO_DEVICE, (void *)8, 64),
		   "an answer to an unmapped page");
	EXPECT_RET(-EFAULT,
		   accel_info(self->compute, ACCEL_INFO_DEVICE, (void *)-4096l, 64),
		   "an answer to a kernel address");
}

TEST_F(nodes, info_element_has_a_limit)
{
	void *room = calloc(1, 4096);

	EXPECT_RET(sizeof(struct accel_info_device),
		   accel_info(self->compute, ACCEL_INFO_DEVICE, room, 4096),
		   "the largest room for one");
	EXPECT_RET(-E2BIG, accel_info(self->compute, ACCEL_INFO_DEVICE, room, 4097),
		   "one byte more than the largest room");
	EXPECT_RET(-E2BIG, accel_info(self->compute, ACCEL_INFO_DEVICE, room, ~0u),
		   "a room of 4 GiB");
	free(room);
}

/* --- The rules all structs obey: each test runs for each ioctl --- */

#define ROOM 256

FIXTURE(rules) {
	int ctx;
	int fd;
	/* The struct, with zeroes behind it. */
	unsigned char arg[ROOM];
};

FIXTURE_VARIANT(rules) {
	const struct accel_kind *kind;
	unsigned long request;
	__u32 size;
	size_t flags;
	bool bound;
	bool queue;
	__u32 mode;
};

#define RULES_OF(device, device_kind) \
	FIXTURE_VARIANT_ADD(rules, device##_info) \
	{ \
		.kind = device_kind, \
		.request = ACCEL_INFO, \
		.size = sizeof(struct accel_info), \
		.flags = offsetof(struct accel_info, flags), \
	}; \
	FIXTURE_VARIANT_ADD(rules, device##_context_bind) \
	{ \
		.kind = device_kind, \
		.request = ACCEL_CONTEXT_BIND, \
		.size = sizeof(struct accel_context_bind), \
		.flags = offsetof(struct accel_context_bind, flags), \
		.mode = ACCEL_MODE_SHARED, \
	}; \
	FIXTURE_VARIANT_ADD(rules, device##_queue_create) \
	{ \
		.kind = device_kind, \
		.request = ACCEL_QUEUE_CREATE, \
		.size = sizeof(struct accel_queue_create), \
		.flags = offsetof(struct accel_queue_create, flags), \
		.bound = true, \
	}; \
	FIXTURE_VARIANT_ADD(rules, device##_queue_info) \
	{ \
		.kind = device_kind, \
		.request = ACCEL_QUEUE_INFO, \
		.size = sizeof(struct accel_queue_info), \
		.flags = offsetof(struct accel_queue_info, flags), \
		.bound = true, \
		.queue = true, \
	}

RULES_OF(hisi_zip, &zip_kind);
RULES_OF(sim, &sim_kind);

FIXTURE_SETUP(rules)
{
	SETUP_DEVICE(variant->kind);
	self->ctx = variant->bound ? accel_open_shared() : accel_open();
	ASSERT_DEVICE(self->ctx);
	self->fd = self->ctx;
	if (variant->queue) {
		self->fd = accel_queue_create(self->ctx, 0);
		ASSERT_WORKS(self->fd, "create a queue");
	}
	memcpy(self->arg, &variant->size, sizeof(variant->size));
	if (variant->mode)
		memcpy(self->arg + offsetof(struct accel_context_bind, mode),
		       &variant->mode, sizeof(variant->mode));
}

FIXTURE_TEARDOWN(rules)
{
	if (self->fd != self->ctx)
		close(self->fd);
	close(self->ctx);
}

static int rules_call(int fd, unsigned long request, void *arg, __u32 size)
{
	memcpy(arg, &size, sizeof(size));
	return accel_ioctl(fd, request, arg);
}

TEST_F(rules, exact_size_works)
{
	EXPECT_RET(0, rules_call(self->fd, variant->request, self->arg, variant->size),
		   "the struct as the header has it");
}

TEST_F(rules, short_struct_is_einval)
{
	static const __u32 sizes[] = { 0, 1, 3, 4, 8 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		EXPECT_RET(-EINVAL,
			   rules_call(self->fd, variant->request, self->arg, sizes[i]),
			   "a struct shorter than its first version");
	EXPECT_RET(-EINVAL,
		   rules_call(self->fd, variant->request, self->arg, variant->size - 1),
		   "a struct shorter by one byte");
}

TEST_F(rules, long_struct_with_zero_tail_works)
{
	EXPECT_RET(0, rules_call(self->fd, variant->request, self->arg, ROOM),
		   "a struct of a later version that asks for nothing new");
}

TEST_F(rules, long_struct_with_nonzero_tail_is_e2big)
{
	self->arg[ROOM - 1] = 1;
	EXPECT_RET(-E2BIG, rules_call(self->fd, variant->request, self->arg, ROOM),
		   "a struct that asks for something unknown in its last byte");
	self->arg[ROOM - 1] = 0;
	self->arg[variant->size] = 1;
	EXPECT_RET(-E2BIG, rules_call(self->fd, variant->request, self->arg, variant->size + 1),
		   "a struct that asks for something unknown in the first byte behind");
}

TEST_F(rules, unknown_flags_are_einval)
{
	__u32 flags;

	for (flags = 1; flags; flags <<= 1) {
		memcpy(self->arg + variant->flags, &flags, sizeof(flags));
		EXPECT_RET(-EINVAL,
			   rules_call(self->fd, variant->request, self->arg, variant->size),
			   "a flag nobody knows");
	}
}

TEST_F(rules, bad_pointer_is_efault)
{
	unsigned char *two = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char *end = two + 4096;

	ASSERT_NE(MAP_FAILED, two);
	munmap(end, 4096);
	EXPECT_RET(-EFAULT, accel_ioctl(self->fd, variant->request, NULL), "null pointer");
	EXPECT_RET(-EFAULT, accel_ioctl(self->fd, variant->request, end), "unmapped pointer");
	EXPECT_RET(-EFAULT, accel_ioctl(self->fd, variant->request, (void *)-4096l),
		   "kernel pointer");
	memcpy(end - 8, self->arg, 8);
	EXPECT_RET(-EFAULT, accel_ioctl(self->fd, variant->request, end - 8),
		   "a struct that runs into an unmapped page");
}

/* The answer can't be written: whatever was made must be gone again. */
TEST_F(rules, readonly_struct_is_efault_and_leaks_nothing)
{
	int before, after, queues = accel_queues(self->ctx);
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	memcpy(page, self->arg, variant->size);
	ASSERT_EQ(0, mprotect(page, 4096, PROT_READ));
	before = dup(self->ctx);
	close(before);
	EXPECT_RET(-EFAULT, accel_ioctl(self->fd, variant->request, page),
		   "a struct on a read-only page");
	after = dup(self->ctx);
	close(after);
	EXPECT_EQ(before, after) {
		TH_LOG("expected: no descriptor is left behind");
	}
	EXPECT_EQ(queues, accel_queues(self->ctx)) {
		TH_LOG("expected: no queue is left behind");
	}
}

TEST_HARNESS_MAIN
