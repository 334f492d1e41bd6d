// SPDX-License-Identifier: GPL-2.0
/* ACCEL_BUFFER_MAP and ACCEL_BUFFER_UNMAP, on the device in software. */
/* accel-bench: modules=accel_sim */
#include <pthread.h>

#include "memory_util.h"

#define BOTH (ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE)
/* Addresses have 47 bits. */
#define END (1ull << 47)

FIXTURE(space)
{
	int descriptors;
	int ctx;
	struct accel_queue q;
	int fd;
	unsigned char *memory;
};

#define SIZE (8 * PAGE)

FIXTURE_SETUP(space)
{
	ASSERT_SIM(sim_number());
	self->descriptors = descriptors();
	self->ctx = sim_open_mode(ACCEL_MODE_PRIVATE);
	ASSERT_WORKS(self->ctx, "a private context");
	ASSERT_RET(0, sim_queue_open(&self->q, self->ctx, 16), "a queue");
	self->fd = buffer_alloc(self->ctx, SIZE);
	ASSERT_WORKS(self->fd, "a buffer");
	self->memory = buffer_mmap(self->fd, SIZE);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(space)
{
	munmap(self->memory, SIZE);
	close(self->fd);
	queue_close(&self->q);
	close(self->ctx);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* How the device is answered: ACCEL_SIM_STATUS_* of a job that writes, or reads, a piece there. */
static int device_write(struct accel_queue *q, __u64 address, __u64 length, __u64 value)
{
	struct accel_sim_job job = sim_fill((void *)address, value, length);
	struct sim_result r = sim_run(q, &job);

	return r.error ?: (int)r.completion.status;
}

static int device_read(struct accel_queue *q, __u64 address, __u64 length)
{
	struct accel_sim_job job = sim_checksum((void *)address, length);
	struct sim_result r = sim_run(q, &job);

	return r.error ?: (int)r.completion.status;
}

#define OK ACCEL_SIM_STATUS_OK
#define FAULT ACCEL_SIM_STATUS_FAULT

#define EXPECT_DEVICE(expected, status, rule) \
	do { \
		int __got = (status); \
		EXPECT_EQ(expected, __got) \
		{ \
			TH_LOG("expected: %s", rule); \
		} \
	} while (0)

TEST_F(space, chosen_addresses_are_not_null_and_apart)
{
	__s64 at[32];
	int i, j;

	for (i = 0; i < 32; i++) {
		at[i] = buffer_map(self->ctx, self->fd, BOTH);
		ASSERT_WORKS(at[i], "there is room");
		EXPECT_LE(1 << 20, at[i]) {
			TH_LOG("expected: a null pointer, and what is near it, leads nowhere");
		}
		EXPECT_EQ(0, at[i] % PAGE);
		for (j = 0; j < i; j++)
			EXPECT_THAT(at[i] >= at[j] + (__s64)SIZE || at[j] >= at[i] + (__s64)SIZE,
				    "mappings do not overlap");
		EXPECT_EQ((i + 1) * SIZE, context_info(self->ctx).mapped);
		EXPECT_EQ((i + 1) * SIZE, fdinfo_number(self->ctx, "accel-mapped"));
	}
	for (i = 0; i < 32; i++) {
		EXPECT_DEVICE(OK, device_write(&self->q, at[i], SIZE, i * 0x0101010101010101),
			      "all");
		EXPECT_EQ(i, all_bytes(self->memory, SIZE));
	}
	for (i = 0; i < 32; i++) {
		EXPECT_RET(0, buffer_unmap(self->ctx, at[i], SIZE), "unmap");
		EXPECT_DEVICE(FAULT, device_write(&self->q, at[i], 1, 0),
			      "unmapped is unreachable");
		EXPECT_EQ((31 - i) * SIZE, context_info(self->ctx).mapped);
	}
}

TEST_F(space, amdkfd_cve_2026_68257_fixed_addresses_are_kept)
{
	const struct {
		const char *what;
		int error;
		__u64 address, offset, length;
	} cases[] = {
		{ "address 0", 0, 0, 0, PAGE },
		{ "a gigabyte", 0, 1 << 30, 0, 0 },
		{ "the same again", -EEXIST, 1 << 30, 0, 0 },
		{ "its last page", -EEXIST, (1 << 30) + SIZE - PAGE, 0, PAGE },
		{ "over its begin", -EEXIST, (1 << 30) - PAGE, 0, 2 * PAGE },
		{ "around it", -EEXIST, (1 << 30) - PAGE, 0, SIZE },
		{ "before it", 0, (1 << 30) - PAGE, 0, PAGE },
		{ "behind it", 0, (1 << 30) + SIZE, 0, PAGE },
		{ "above 4 GiB", 0, 1ull << 32, 2 * PAGE, 3 * PAGE },
		{ "the last page", 0, END - PAGE, 0, PAGE },
		{ "over the end", -ERANGE, END - PAGE, 0, 2 * PAGE },
		{ "behind the end", -ERANGE, END, 0, PAGE },
		{ "a kernel address", -ERANGE, 0xffff800000000000, 0, PAGE },
		{ "the last page of all", -ERANGE, -PAGE, 0, PAGE },
		{ "around 2^64", -ERANGE, -PAGE, 0, 2 * PAGE },
		{ "an odd address", -EINVAL, (1 << 29) + 1, 0, PAGE },
		{ "an odd offset", -EINVAL, 1 << 29, 8, PAGE },
		{ "an odd length", -EINVAL, 1 << 29, 0, PAGE + 1 },
		{ "nothing behind the offset", -EINVAL, 1 << 29, SIZE, 0 },
		{ "an offset outside", -EINVAL, 1 << 29, SIZE + PAGE, 0 },
		{ "more than there is", -EINVAL, 1 << 29, PAGE, SIZE },
		{ "offset and length of 2^64", -EINVAL, 1 << 29, PAGE, -PAGE },
		{ "an offset of 2^63", -EINVAL, 1 << 29, 1ull << 63, PAGE },
		{ "a length of 2^63", -EINVAL, 1 << 29, 0, 1ull << 63 },
	};
	__u64 mapped = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		EXPECT_RET(cases[i].error, map_at(self->ctx, self->fd, cases[i].address,
						  cases[i].offset, cases[i].length, BOTH),
			   cases[i].what);
		if (!cases[i].error)
			mapped += cases[i].length ?: SIZE;
		EXPECT_EQ(mapped, context_info(self->ctx).mapped) {
			TH_LOG("expected: only what is mapped is counted");
		}
	}
	EXPECT_DEVICE(OK, device_write(&self->q, (1 << 30) - PAGE, SIZE + 2 * PAGE, 0x11),
		      "a job over neighbours");
	EXPECT_DEVICE(OK, device_write(&self->q, END - PAGE, PAGE, 0x11), "the last page");
	EXPECT_DEVICE(FAULT, device_write(&self->q, END - 8, 16, 0x11), "over the end");
	EXPECT_DEVICE(OK, device_write(&self->q, 0, PAGE, 0x11), "address 0 if it is asked for");
}

TEST_F(space, parts_of_a_buffer_are_those_parts)
{
	ASSERT_RET(0, map_at(self->ctx, self->fd, 1 << 24, 2 * PAGE, 3 * PAGE, BOTH), "a part");
	ASSERT_RET(0, map_at(self->ctx, self->fd, 1 << 25, 7 * PAGE, 0, BOTH), "the rest");
	EXPECT_DEVICE(OK, device_write(&self->q, 1 << 24, 3 * PAGE, ~0ull), "the part");
	EXPECT_EQ(0, all_bytes(self->memory, 2 * PAGE));
	EXPECT_EQ(0xff, all_bytes(self->memory + 2 * PAGE, 3 * PAGE));
	EXPECT_EQ(0, all_bytes(self->memory + 5 * PAGE, 3 * PAGE));
	EXPECT_DEVICE(FAULT, device_write(&self->q, (1 << 24) + 3 * PAGE, 1, 0), "behind it");
	EXPECT_DEVICE(FAULT, device_write(&self->q, (1 << 24) - 1, 1, 0), "before it");
	EXPECT_DEVICE(OK, device_write(&self->q, 1 << 25, PAGE, 0x2222222222222222), "the rest");
	EXPECT_EQ(0x22, all_bytes(self->memory + 7 * PAGE, PAGE));
	EXPECT_DEVICE(FAULT, device_write(&self->q, (1 << 25) + PAGE, 1, 0), "behind the rest");
}

TEST_F(space, the_device_keeps_to_what_is_allowed)
{
	__s64 read = buffer_map(self->ctx, self->fd, ACCEL_ACCESS_READ);
	__s64 write = buffer_map(self->ctx, self->fd, ACCEL_ACCESS_WRITE);
	__s64 both = buffer_map(self->ctx, self->fd, BOTH);

	ASSERT_WORKS(read, "map to be read");
	ASSERT_WORKS(write, "map to be written");
	ASSERT_WORKS(both, "map for both");
	EXPECT_DEVICE(FAULT, device_write(&self->q, read, PAGE, ~0ull), "a write is refused");
	EXPECT_EQ(0, all_bytes(self->memory, SIZE)) {
		TH_LOG("expected: nothing is written");
	}
	EXPECT_DEVICE(OK, device_read(&self->q, read, SIZE), "a read is not");
	EXPECT_DEVICE(FAULT, device_read(&self->q, write, PAGE), "a read is refused");
	EXPECT_DEVICE(OK, device_write(&self->q, write, SIZE, ~0ull), "a write is not");
	EXPECT_EQ(0xff, all_bytes(self->memory, SIZE));
	EXPECT_DEVICE(OK, device_read(&self->q, both, SIZE), "a read");
	EXPECT_DEVICE(OK, device_write(&self->q, both, SIZE, 0), "a write");
}

TEST_F(space, lies_are_refused)
{
	struct accel_buffer_map good = {
		.size = sizeof(good),
		.flags = BOTH,
		.fd = self->fd,
	}, map;
	struct { const char *what; int error; __u32 flags; __s32 fd; __u32 reserved; } lies[] = {
		{ "no access", -EINVAL, 0, self->fd, 0 },
		{ "no access, fixed", -EINVAL, ACCEL_MAP_FIXED, self->fd, 0 },
		{ "an unknown flag", -EINVAL, BOTH | 8, self->fd, 0 },
		{ "a reserved field", -EINVAL, BOTH, self->fd, 1 },
		{ "no descriptor", -EBADF, BOTH, -1, 0 },
		{ "a closed descriptor", -EBADF, BOTH, 1000, 0 },
		{ "a device's descriptor", -EINVAL, BOTH, self->ctx, 0 },
		{ "a queue's descriptor", -EINVAL, BOTH, self->q.fd, 0 },
	};
	__u32 sizes[] = { 0, 8, sizeof(good) - 8, ~0u };
	unsigned int i;
	void *page;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		map = good;
		map.flags = lies[i].flags;
		map.fd = lies[i].fd;
		map.reserved = lies[i].reserved;
		EXPECT_RET(lies[i].error, buffer_map_at(self->ctx, &map), lies[i].what);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		map = good;
		map.size = sizes[i];
		EXPECT_RET(sizes[i] == ~0u ? -E2BIG : -EINVAL,
			   accel_ioctl(self->ctx, ACCEL_BUFFER_MAP, &map), "a size that can't be");
	}
	page = in_read_only_page(&good, sizeof(good));
	EXPECT_RET(-EFAULT, accel_ioctl(self->ctx, ACCEL_BUFFER_MAP, page),
		   "no room for the answer");
	EXPECT_EQ(0, context_info(self->ctx).mapped) {
		TH_LOG("expected: what nobody was told of is not mapped");
	}
	munmap(page, PAGE);
}

TEST_F(space, mappings_go_as_wholes)
{
	struct accel_buffer_unmap unmap = { .size = sizeof(unmap), .flags = 1, .length = SIZE };
	__s64 at = buffer_map(self->ctx, self->fd, BOTH);

	ASSERT_WORKS(at, "map");
	EXPECT_RET(-EINVAL, buffer_unmap(self->ctx, at, SIZE - PAGE), "too short");
	EXPECT_RET(-EINVAL, buffer_unmap(self->ctx, at, SIZE + PAGE), "too long");
	EXPECT_RET(-EINVAL, buffer_unmap(self->ctx, at, 0), "no length");
	EXPECT_RET(-EINVAL, buffer_unmap(self->ctx, at, ~0ull), "2^64 - 1");
	EXPECT_RET(-ENOENT, buffer_unmap(self->ctx, at + PAGE, SIZE - PAGE), "in its middle");
	EXPECT_RET(-ENOENT, buffer_unmap(self->ctx, at + 1, SIZE), "an odd address");
	EXPECT_RET(-ENOENT, buffer_unmap(self->ctx, at - PAGE, SIZE), "before it");
	EXPECT_RET(-ENOENT, buffer_unmap(self->ctx, 0, SIZE), "address 0");
	EXPECT_RET(-ENOENT, buffer_unmap(self->ctx, ~0ull, SIZE), "the last address");
	unmap.address = at;
	EXPECT_RET(-EINVAL, accel_ioctl(self->ctx, ACCEL_BUFFER_UNMAP, &unmap), "a flag");
	EXPECT_DEVICE(OK, device_write(&self->q, at, SIZE, 0), "it is still there");
	EXPECT_RET(0, buffer_unmap(self->ctx, at, SIZE), "unmap");
	EXPECT_RET(-ENOENT, buffer_unmap(self->ctx, at, SIZE), "twice");
	EXPECT_DEVICE(FAULT, device_write(&self->q, at, 1, 0), "gone");
	ASSERT_RET(0, map_at(self->ctx, self->fd, at, 0, 0, BOTH), "the place is free again");
}

TEST_F(space, only_private_contexts_have_one)
{
	int unbound = sim_open(), shared = sim_open_shared();
	int kernel = sim_open_mode(ACCEL_MODE_KERNEL);

	EXPECT_RET(-ENOTCONN, buffer_map(unbound, self->fd, BOTH), "an unbound context");
	EXPECT_RET(-EOPNOTSUPP, buffer_map(shared, self->fd, BOTH), "a shared one");
	EXPECT_RET(-EOPNOTSUPP, buffer_map(kernel, self->fd, BOTH), "one in kernel mode");
	EXPECT_RET(-ENOTCONN, buffer_unmap(unbound, 1 << 20, PAGE), "an unbound context");
	EXPECT_RET(-EOPNOTSUPP, buffer_unmap(shared, 1 << 20, PAGE), "a shared one");
	EXPECT_RET(-EOPNOTSUPP, buffer_unmap(kernel, 1 << 20, PAGE), "one in kernel mode");
	close(unbound);
	close(shared);
	close(kernel);
}

TEST_F(space, there_is_an_end)
{
	int fd = buffer_alloc(self->ctx, 64 << 20), ret = 0, i;

	ASSERT_WORKS(fd, "64 MiB");
	/* As much as a kernel can have mapped. */
	for (i = 0; i < 64 && !ret; i++)
		ret = map_at(self->ctx, fd, (i + 1ull) << 40, 0, 0, BOTH);
	EXPECT_RET(0, ret, "one buffer at many places");
	EXPECT_EQ(64ull * (64 << 20), context_info(self->ctx).mapped);
	EXPECT_DEVICE(OK, device_write(&self->q, (64ull << 40) + (63 << 20), 1 << 20, 7),
		      "the last");
	close(fd);
	EXPECT_DEVICE(OK, device_write(&self->q, 64ull << 40, 1 << 20, 7),
		      "a mapping holds its buffer");
}

/* --- Buffers of others --- */

TEST_F(space, buffers_of_others_are_mapped)
{
	struct { const char *what; int fd; unsigned char *memory; __s64 at; } others[] = {
		{ .what = "udmabuf" }, { .what = "the heap" }, { .what = "another device" },
		{ .what = "another device's memory" }, { .what = "its own device's memory" },
	};
	const int n = ARRAY_SIZE(others);
	void *file = MAP_FAILED;
	int number, second, i;

	SKIP_WITHOUT("/dev/udmabuf", "CONFIG_HAS_DMA");
	second = sim_add(&number);
	others[0].fd = udmabuf_alloc(SIZE, &file);
	others[1].fd = heap_alloc(SIZE);
	others[2].fd = buffer_alloc(second, SIZE);
	others[3].fd = buffer_alloc_local(second, SIZE);
	others[4].fd = buffer_alloc_local(self->ctx, SIZE);
	others[0].memory = file;
	for (i = 0; i < n; i++) {
		ASSERT_WORKS(others[i].fd, others[i].what);
		if (!others[i].memory)
			others[i].memory = buffer_mmap(others[i].fd, SIZE);
		ASSERT_NE(MAP_FAILED, others[i].memory);
		others[i].at = buffer_map(self->ctx, others[i].fd, BOTH);
		ASSERT_WORKS(others[i].at, others[i].what);
		memset(others[i].memory, i + 1, SIZE);
		buffer_sync(others[i].fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
	}
	for (i = 0; i < n; i++) {
		struct accel_sim_job copy = sim_copy((void *)others[(i + 1) % n].at,
						     (void *)others[i].at, SIZE);
		struct sim_result r = sim_run(&self->q, &copy);

		EXPECT_DONE(r, others[i].what);
		EXPECT_EQ(1, all_bytes(others[(i + 1) % n].memory, SIZE)) {
			TH_LOG("expected: what %s had", others[i].what);
		}
	}
	EXPECT_EQ(n * SIZE, context_info(self->ctx).mapped);
	ASSERT_TRUE(sim_remove(second, number));
	EXPECT_DEVICE(OK, device_read(&self->q, others[2].at, SIZE),
		      "system memory stays when the device goes that it was allocated for");
	for (i = 0; i < n; i++) {
		munmap(others[i].memory, SIZE);
		close(others[i].fd);
		EXPECT_RET(0, buffer_unmap(self->ctx, others[i].at, SIZE), others[i].what);
	}
	close(second);
}

/* Uses @fd, a buffer of another, in all ways, and lets go of it in the order of @order. */
static void use_and_let_go(struct __test_metadata *_metadata, int ctx, struct accel_queue *q,
			   int fd, const int order[3])
{
	unsigned char *p = buffer_mmap(fd, SIZE);
	__s64 at = buffer_map(ctx, fd, BOTH);
	bool gone[3] = {};
	int i;

	ASSERT_NE(MAP_FAILED, p);
	ASSERT_WORKS(at, "map");
	EXPECT_RET(-EFAULT, buffer_wrap(ctx, p, SIZE, 0), "it is not made a buffer of ours");
	EXPECT_RET(-EFAULT, buffer_wrap(ctx, p, SIZE, ACCEL_WRAP_READ_ONLY), "not to be read");
	for (i = 0; i < 3; i++) {
		if (order[i] == 0)
			close(fd);
		else if (order[i] == 1)
			munmap(p, SIZE);
		else
			EXPECT_RET(0, buffer_unmap(ctx, at, SIZE), "unmap");
		gone[order[i]] = true;
		EXPECT_DEVICE(gone[2] ? FAULT : OK,
			      device_write(q, at, SIZE, (i + 1) * 0x0101010101010101),
			      "the device reaches it as long as it is mapped");
		if (!gone[1] && !gone[2])
			EXPECT_EQ(i + 1, all_bytes(p, SIZE));
		if (!gone[1])
			EXPECT_TOUCH(0, touch_write(p + SIZE - 8, 0), "the process reaches it");
	}
}

TEST_F(space, ivpu_cve_2026_43498_buffers_of_others_stay_theirs)
{
	/* What goes: 0 the descriptor, 1 the mapping of the process, 2 that of the device. */
	static const int orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	int number, second, kind, i, fd;
	void *file;

	SKIP_WITHOUT("/dev/udmabuf", "CONFIG_HAS_DMA");
	second = sim_add(&number);
	ASSERT_WORKS(second, "a second device");
	for (kind = 0; kind < 4; kind++) {
		for (i = 0; i < 6; i++) {
			fd = kind == 0 ? udmabuf_alloc(SIZE, &file) :
			     kind == 1 ? heap_alloc(SIZE) :
			     kind == 2 ? buffer_alloc(second, SIZE) :
					 buffer_alloc_local(second, SIZE);
			ASSERT_WORKS(fd, "a buffer of another");
			use_and_let_go(_metadata, self->ctx, &self->q, fd, orders[i]);
			if (kind == 0)
				munmap(file, SIZE);
		}
	}
	EXPECT_EQ(0, context_info(self->ctx).mapped);
	EXPECT_THAT(WAIT_FOR(!memory_info(second).used, WAIT_SECONDS), "nothing of it is kept");
	ASSERT_TRUE(sim_remove(second, number));
	close(second);
}

/* --- Two spaces --- */

TEST_F(space, spaces_are_apart)
{
	int other = sim_open_mode(ACCEL_MODE_PRIVATE), fd = buffer_alloc(other, SIZE);
	unsigned char *memory = buffer_mmap(fd, SIZE);
	struct accel_queue q;

	ASSERT_WORKS(fd, "a buffer of another context");
	ASSERT_RET(0, sim_queue_open(&q, other, 4), "a queue");
	ASSERT_RET(0, map_at(self->ctx, self->fd, 1 << 28, 0, 0, BOTH), "map");
	EXPECT_DEVICE(FAULT, device_write(&q, 1 << 28, 1, 0), "the other has nothing there");
	ASSERT_RET(0, map_at(other, fd, 1 << 28, 0, 0, BOTH), "the same address");
	EXPECT_DEVICE(OK, device_write(&self->q, 1 << 28, SIZE, 0x0101010101010101), "the first");
	EXPECT_DEVICE(OK, device_write(&q, 1 << 28, SIZE, 0x0202020202020202), "the second");
	EXPECT_EQ(1, all_bytes(self->memory, SIZE));
	EXPECT_EQ(2, all_bytes(memory, SIZE));
	EXPECT_RET(0, buffer_unmap(other, 1 << 28, SIZE), "unmap one");
	EXPECT_DEVICE(OK, device_write(&self->q, 1 << 28, SIZE, 0), "the other stays");
	munmap(memory, SIZE);
	close(fd);
	queue_close(&q);
	close(other);
}

/* --- Ends, in every order --- */

TEST_F(space, what_is_mapped_goes_in_any_order)
{
	/* What ends: 0 the descriptor, 1 the queue, 2 the context, 3 the device. */
	static const int orders[][4] = {
		{ 0, 1, 2, 3 }, { 0, 2, 1, 3 }, { 2, 1, 0, 3 }, { 1, 2, 0, 3 }, { 2, 0, 1, 3 },
		{ 3, 0, 1, 2 }, { 3, 2, 1, 0 }, { 0, 3, 1, 2 }, { 0, 3, 2, 1 }, { 2, 3, 0, 1 },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		int number, watch = sim_add(&number);
		int ctx = accel_open_number("accel", number, O_RDWR);
		int local = buffer_alloc_local(ctx, SIZE);
		struct accel_queue q;
		__s64 at;

		ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_PRIVATE), "bind");
		ASSERT_RET(0, sim_queue_open(&q, ctx, 4), "a queue");
		at = buffer_map(ctx, local, BOTH);
		ASSERT_WORKS(at, "map");
		EXPECT_EQ(SIZE, memory_info(watch).used);
		for (j = 0; j < 4; j++) {
			if (orders[i][j] == 0)
				close(local);
			else if (orders[i][j] == 1)
				queue_close(&q);
			else if (orders[i][j] == 2)
				close(ctx);
			else if (orders[i][j] == 3)
				ASSERT_TRUE(sim_remove(watch, number));
			if (j == 0 && orders[i][0] == 0)
				EXPECT_DEVICE(OK, device_write(&q, at, SIZE, 1), "it is held");
			if (j == 1 && orders[i][0] == 0 && orders[i][1] == 2)
				EXPECT_DEVICE(OK, device_write(&q, at, SIZE, 1),
					      "the queue holds the space of its context");
		}
		close(watch);
	}
}

TEST_F(space, device_memory_is_free_when_the_mapping_goes)
{
	int local = buffer_alloc_local(self->ctx, SIZE), ctx = sim_open_mode(ACCEL_MODE_PRIVATE);
	__s64 at = buffer_map(ctx, local, BOTH), again;

	ASSERT_WORKS(at, "map");
	again = buffer_map(ctx, local, ACCEL_ACCESS_READ);
	ASSERT_WORKS(again, "map it twice");
	close(local);
	EXPECT_EQ(SIZE, memory_info(self->ctx).used);
	EXPECT_RET(0, buffer_unmap(ctx, at, SIZE), "unmap");
	EXPECT_EQ(SIZE, memory_info(self->ctx).used);
	EXPECT_RET(0, buffer_unmap(ctx, again, SIZE), "unmap the second");
	EXPECT_EQ(0, memory_info(self->ctx).used) {
		TH_LOG("expected: the last mapping has held it");
	}
	local = buffer_alloc_local(self->ctx, SIZE);
	ASSERT_WORKS(buffer_map(ctx, local, BOTH), "map");
	close(local);
	close(ctx);
	EXPECT_EQ(0, memory_info(self->ctx).used) {
		TH_LOG("expected: mappings go with their context");
	}
}

/* --- While jobs run --- */

struct busy {
	int ctx;
	int fd;
	int stop;
	int errors;
	__u64 at;
};

static void *map_and_unmap(void *arg)
{
	struct busy *busy = arg;

	while (!LOAD(busy->stop)) {
		if (map_at(busy->ctx, busy->fd, busy->at, 0, 0, BOTH) ||
		    buffer_unmap(busy->ctx, busy->at, SIZE))
			busy->errors++;
	}
	return NULL;
}

TEST_F(space, unmapping_under_jobs_does_no_harm)
{
	struct busy busy[2] = {
		{ .ctx = self->ctx, .fd = self->fd, .at = 1 << 22 },
		{ .ctx = self->ctx, .fd = self->fd, .at = (1 << 22) + SIZE },
	};
	pthread_t threads[2];
	int i, status, done[2] = {};

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, map_and_unmap, &busy[i]));
	for (i = 0; i < 2000; i++) {
		status = device_write(&self->q, (1 << 22) + PAGE * (i % 9), SIZE, i);
		ASSERT_TRUE(status == OK || status == FAULT);
		done[status == FAULT]++;
	}
	for (i = 0; i < 2; i++) {
		STORE(busy[i].stop, 1);
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, busy[i].errors);
	}
	TH_LOG("%d jobs went well, %d were refused", done[0], done[1]);
	EXPECT_EQ(0, context_info(self->ctx).mapped);
	EXPECT_DEVICE(FAULT, device_write(&self->q, 1 << 22, 1, 0), "gone");
}

/* A number of descriptors that no other gets. */
#define SLOT 500

/* Puts buffers into the slot, and closes them. */
static void *open_and_close(void *arg)
{
	struct busy *busy = arg;
	int fd, i;

	for (i = 0; !LOAD(busy->stop); i++) {
		fd = buffer_alloc(busy->ctx, SIZE);
		if (fd < 0 || dup2(fd, SLOT) != SLOT)
			busy->errors++;
		close(fd);
		/* Otherwise the next takes its place. */
		if (i % 8 == 0) {
			sched_yield();
			close(SLOT);
		}
	}
	close(SLOT);
	return NULL;
}

TEST_F(space, amdkfd_cve_2023_53816_closed_while_it_is_mapped)
{
	int kernel = sim_open_mode(ACCEL_MODE_KERNEL), queue = accel_queue_create(kernel, 16);
	struct accel_sim_job job = fill(0, 0, 1, SIZE);
	struct busy busy = { .ctx = self->ctx };
	double end = seconds() + WAIT_SECONDS;
	int i, ret, mapped[2] = {}, submitted[2] = {};
	pthread_t thread;
	__s64 at;

	ASSERT_WORKS(queue, "a queue in kernel mode");
	ASSERT_EQ(0, pthread_create(&thread, NULL, open_and_close, &busy));
	for (i = 0; (i < 200 || !mapped[0] || !mapped[1] || !submitted[0] || !submitted[1]) &&
		    seconds() < end; i++) {
		/* Every other time it was there just now. */
		while (i % 2 && fcntl(SLOT, F_GETFD) < 0 && seconds() < end)
			sched_yield();
		at = buffer_map(self->ctx, SLOT, BOTH);
		mapped[at < 0]++;
		if (at >= 0) {
			EXPECT_DEVICE(OK, device_write(&self->q, at, SIZE, i), "it is held");
			EXPECT_RET(0, buffer_unmap(self->ctx, at, SIZE), "unmap");
		} else {
			ASSERT_RET(-EBADF, at, "it was closed");
		}
		ret = submit_one(queue, &job, SLOT, ACCEL_ACCESS_WRITE);
		submitted[ret == -EBADF]++;
		ASSERT_TRUE(!ret || ret == -EBADF || ret == -EAGAIN) {
			TH_LOG("expected: it is taken or was closed, got %s", ret_name(ret));
		}
	}
	STORE(busy.stop, 1);
	pthread_join(thread, NULL);
	TH_LOG("%d times mapped, %d times closed before", mapped[0], mapped[1]);
	EXPECT_EQ(0, busy.errors);
	EXPECT_TRUE(mapped[0] && mapped[1] && submitted[0] && submitted[1]);
	EXPECT_EQ(0, context_info(self->ctx).mapped);
	close(queue);
	close(kernel);
}

/* Takes memory of the device, and gives it back. */
static void *take_and_give_back(void *arg)
{
	struct busy *busy = arg;
	int fd;

	while (!LOAD(busy->stop)) {
		fd = buffer_alloc_local(busy->ctx, SIZE);
		if (fd < 0)
			busy->errors++;
		close(fd);
	}
	return NULL;
}

TEST_F(space, amdkfd_cve_2026_74446_counted_while_they_come_and_go)
{
	struct busy busy[2] = {
		{ .ctx = self->ctx, .fd = self->fd, .at = 1 << 22 },
		{ .ctx = self->ctx },
	};
	struct accel_info_context context;
	pthread_t threads[2];
	long long count;
	int i;

	ASSERT_EQ(0, pthread_create(&threads[0], NULL, map_and_unmap, &busy[0]));
	ASSERT_EQ(0, pthread_create(&threads[1], NULL, take_and_give_back, &busy[1]));
	for (i = 0; i < 200; i++) {
		context = context_info(self->ctx);
		EXPECT_TRUE(!context.mapped || context.mapped == SIZE);
		EXPECT_TRUE(!context.device_memory || context.device_memory == SIZE);
		count = fdinfo_number(self->ctx, "accel-mapped");
		EXPECT_TRUE(!count || count == SIZE);
		count = fdinfo_number(self->ctx, "accel-device-memory");
		EXPECT_TRUE(!count || count == SIZE);
		EXPECT_GE(SIZE, memory_info(self->ctx).used);
		EXPECT_GE(1, memory_info(self->ctx).buffers);
	}
	for (i = 0; i < 2; i++) {
		STORE(busy[i].stop, 1);
		pthread_join(threads[i], NULL);
		EXPECT_EQ(0, busy[i].errors);
	}
	EXPECT_EQ(0, context_info(self->ctx).mapped);
	EXPECT_EQ(0, context_info(self->ctx).device_memory);
}

TEST_HARNESS_MAIN
