// SPDX-License-Identifier: GPL-2.0
/* ACCEL_BUFFER_ALLOC and ACCEL_BUFFER_WRAP: memory that is shared by descriptors. */
/* accel-bench: kernel=check,races,quick modules=accel_sim */
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "memory_util.h"

#define MIB (1ul << 20)
#define CGROUPS "/sys/fs/cgroup"

FIXTURE(buffer)
{
	int number;
	int ctx;
	int descriptors;
	/* All memory of the device. */
	__u64 local;
};

FIXTURE_SETUP(buffer)
{
	self->number = sim_number();
	ASSERT_SIM(self->number);
	self->ctx = sim_open_mode(ACCEL_MODE_KERNEL);
	ASSERT_WORKS(self->ctx, "a context in kernel mode");
	self->descriptors = descriptors();
	self->local = memory_info(self->ctx).size;
	ASSERT_EQ(MIB, self->local) {
		TH_LOG("expected: a device with 1 MiB of memory");
	}
}

FIXTURE_TEARDOWN(buffer)
{
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
	EXPECT_THAT(WAIT_FOR(!memory_info(self->ctx).used, 10), "all device memory is free again");
	EXPECT_EQ(0, memory_info(self->ctx).buffers);
	EXPECT_EQ(0, context_info(self->ctx).device_memory);
	close(self->ctx);
}

/* --- Allocation --- */

static int alloc(int ctx, struct accel_buffer_alloc *args)
{
	args->size = sizeof(*args);
	args->fd = -1;
	return accel_ioctl(ctx, ACCEL_BUFFER_ALLOC, args);
}

TEST_F(buffer, has_whole_pages_of_zeroes)
{
	static const struct {
		__u64 asked, made;
	} sizes[] = {
		{ 1, PAGE }, { PAGE - 1, PAGE }, { PAGE, PAGE }, { PAGE + 1, 2 * PAGE },
		{ 5 * PAGE + 7, 6 * PAGE }, { 3 * MIB - 1, 3 * MIB }, { 64 * MIB, 64 * MIB },
	};
	unsigned int i, memory, again;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (memory = ACCEL_MEMORY_SYSTEM; memory <= ACCEL_MEMORY_DEVICE; memory++) {
			if (memory == ACCEL_MEMORY_DEVICE && sizes[i].made > self->local)
				continue;
			/* The second time the pages are those that were just given back. */
			for (again = 0; again < 2; again++) {
				struct accel_buffer_alloc args = {
					.memory = memory,
					.length = sizes[i].asked,
				};
				void *p;

				ASSERT_RET(0, alloc(self->ctx, &args), "a buffer");
				EXPECT_EQ(sizes[i].made, args.length) {
					TH_LOG("expected: the length of whole pages is told");
				}
				EXPECT_EQ(sizes[i].made, lseek(args.fd, 0, SEEK_END)) {
					TH_LOG("expected: the dma-buf is as long");
				}
				p = buffer_mmap(args.fd, sizes[i].made);
				ASSERT_NE(MAP_FAILED, p);
				EXPECT_EQ(0, all_bytes(p, sizes[i].made)) {
					TH_LOG("expected: zeroes, %llu bytes, memory %u",
					       sizes[i].asked, memory);
				}
				memset(p, 0xff, sizes[i].made);
				munmap(p, sizes[i].made);
				EXPECT_EQ(FD_CLOEXEC, fcntl(args.fd, F_GETFD));
				close(args.fd);
			}
		}
	}
}

TEST_F(buffer, lies_are_refused)
{
	static const struct {
		const char *what;
		int error;
		struct accel_buffer_alloc args;
	} lies[] = {
		{ "length 0", -EINVAL, { .length = 0 } },
		{ "length 0 of the device's", -EINVAL, { .memory = 1, .length = 0 } },
		{ "length 2^63 + 1", -EINVAL, { .length = (1ull << 63) + 1 } },
		{ "length 2^64 - 1", -EINVAL, { .length = ~0ull } },
		{ "the last page of 2^64", -EINVAL, { .length = -PAGE } },
		{ "length 2^63 - 1", -ENOMEM, { .length = ~0ull >> 1 } },
		{ "length 2^62", -ENOMEM, { .length = 1ull << 62 } },
		{ "length 2^44", -ENOMEM, { .length = 1ull << 44 } },
		{ "8 GiB", -ENOMEM, { .length = 1ull << 33 } },
		{ "8 GiB in one piece", -ENOMEM,
		  { .length = 1ull << 33, .flags = ACCEL_ALLOC_CONTIGUOUS } },
		{ "64 MiB in one piece", -ENOMEM,
		  { .length = 64 * MIB, .flags = ACCEL_ALLOC_CONTIGUOUS } },
		{ "alignment of 2^63", -ENOMEM,
		  { .length = 1, .alignment = 1ull << 63, .flags = ACCEL_ALLOC_CONTIGUOUS } },
		{ "2^63 - 1 of the device's", -ENOSPC, { .memory = 1, .length = ~0ull >> 1 } },
		{ "2^32 of the device's", -ENOSPC, { .memory = 1, .length = 1ull << 32 } },
		{ "2^32 + 1 of the device's", -ENOSPC,
		  { .memory = 1, .length = (1ull << 32) + 1 } },
		{ "a page too much", -ENOSPC, { .memory = 1, .length = MIB + 1 } },
		{ "a page too much, in one piece", -ENOSPC,
		  { .memory = 1, .length = MIB + 1, .flags = ACCEL_ALLOC_CONTIGUOUS } },
		{ "alignment of 2 MiB in 1 MiB", -ENOSPC,
		  { .memory = 1, .length = 3 * PAGE, .alignment = 2 * MIB } },
		{ "alignment of 2^63 of the device's", -ENOSPC,
		  { .memory = 1, .length = PAGE, .alignment = 1ull << 63 } },
		{ "alignment 3", -EINVAL, { .length = 1, .alignment = 3 } },
		{ "alignment of two bits", -EINVAL,
		  { .length = 1, .alignment = (1ull << 63) + PAGE } },
		{ "alignment of what is scattered", -EOPNOTSUPP,
		  { .length = 1, .alignment = 2 * PAGE } },
		{ "an unknown flag", -EINVAL, { .length = 1, .flags = 4 } },
		{ "all flags", -EINVAL, { .length = 1, .flags = ~0u } },
		{ "no such memory", -EINVAL, { .length = 1, .memory = 2 } },
		{ "no memory at all", -EINVAL, { .length = 1, .memory = ~0u } },
		{ "write-combined device memory", -EOPNOTSUPP,
		  { .length = 1, .memory = 1, .flags = ACCEL_ALLOC_WRITE_COMBINE } },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		struct accel_buffer_alloc args = lies[i].args;

		EXPECT_RET(lies[i].error, alloc(self->ctx, &args), lies[i].what);
		if (args.fd >= 0)
			close(args.fd);
	}
	EXPECT_EQ(0, memory_info(self->ctx).used);
}

/* For all ioctls of buffers: what the general rules of structs say. */
static void expect_struct_rules(struct __test_metadata *_metadata, int ctx, unsigned long request,
				const void *good, __u32 size)
{
	__u32 sizes[] = { 0, 1, 4, size - 8, size - 1, 1u << 31, ~0u };
	unsigned char longer[256] = {};
	unsigned int i;
	void *page;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		memcpy(longer, good, size);
		memcpy(longer, &sizes[i], 4);
		EXPECT_RET(sizes[i] > size ? -E2BIG : -EINVAL, accel_ioctl(ctx, request, longer),
			   "a size that can't be");
	}
	memcpy(longer, good, size);
	*(__u32 *)longer = size + 8;
	longer[size + 3] = 1;
	EXPECT_RET(-E2BIG, accel_ioctl(ctx, request, longer), "more than is known");
	EXPECT_RET(-EFAULT, accel_ioctl(ctx, request, NULL), "a null pointer");
	EXPECT_RET(-EFAULT, accel_ioctl(ctx, request, (void *)-PAGE), "a pointer of the kernel's");
	page = in_read_only_page(good, size);
	EXPECT_RET(-EFAULT, accel_ioctl(ctx, request, page), "no room for the answer");
	munmap(page, PAGE);
}

TEST_F(buffer, ivpu_cve_2026_53202_structs_follow_the_rules)
{
	struct accel_buffer_alloc local = {
		.size = sizeof(local),
		.memory = ACCEL_MEMORY_DEVICE,
		.length = PAGE,
	};
	struct accel_buffer_alloc system = { .size = sizeof(system), .length = PAGE };
	void *p = anonymous(PAGE, PROT_READ | PROT_WRITE);
	struct accel_buffer_wrap wrap = {
		.size = sizeof(wrap),
		.address = (unsigned long)p,
		.length = PAGE,
	};
	struct {
		struct accel_buffer_alloc args;
		__u64 more;
	} longer = { .args = system };

	expect_struct_rules(_metadata, self->ctx, ACCEL_BUFFER_ALLOC, &local, sizeof(local));
	expect_struct_rules(_metadata, self->ctx, ACCEL_BUFFER_ALLOC, &system, sizeof(system));
	expect_struct_rules(_metadata, self->ctx, ACCEL_BUFFER_WRAP, &wrap, sizeof(wrap));
	EXPECT_EQ(0, memory_info(self->ctx).used) {
		TH_LOG("expected: a buffer that nobody was told of is gone");
	}
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: a failure leaves no descriptor");
	}
	longer.args.size = sizeof(longer);
	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_BUFFER_ALLOC, &longer), "zeroes behind it");
	close(longer.args.fd);
	munmap(p, PAGE);
}

TEST_F(buffer, no_descriptor_is_left_where_none_is_free)
{
	struct rlimit limit, tight;
	int i, fd;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	tight = limit;
	tight.rlim_cur = 3;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &tight));
	for (i = 0; i < 100; i++) {
		fd = buffer_alloc_local(self->ctx, self->local);
		if (fd >= 0 || fd == -ENOSPC)
			break;
	}
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_RET(-EMFILE, fd, "no descriptor is free, and no memory stays behind");
}

TEST_F(buffer, one_piece_is_as_long_as_asked_for)
{
	static const struct {
		__u64 length, alignment;
	} pieces[] = {
		{ 1, 0 }, { 2 * PAGE, 0 }, { 5 * PAGE, 0 }, { 64 * PAGE, 0 }, { PAGE, 64 * PAGE },
		{ 3 * PAGE, 16 * PAGE }, { 16 * PAGE, 2 * PAGE }, { 3 * PAGE, 1 }, { PAGE, 512 },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct accel_buffer_alloc args = {
			.flags = ACCEL_ALLOC_CONTIGUOUS,
			.length = pieces[i].length,
			.alignment = pieces[i].alignment,
		};
		char *p;

		ASSERT_RET(0, alloc(self->ctx, &args), "a piece");
		EXPECT_EQ((pieces[i].length + PAGE - 1) / PAGE * PAGE, args.length);
		p = buffer_mmap(args.fd, args.length);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(0, all_bytes(p, args.length));
		memset(p, 1, args.length);
		munmap(p, args.length);
		close(args.fd);
	}
}

TEST_F(buffer, write_combined_memory_holds_what_is_written)
{
	int fd = buffer_alloc_from(self->ctx, 0, 3 * PAGE, ACCEL_ALLOC_WRITE_COMBINE);
	int both = buffer_alloc_from(self->ctx, 0, 3 * PAGE,
				     ACCEL_ALLOC_WRITE_COMBINE | ACCEL_ALLOC_CONTIGUOUS);
	unsigned char *p;

	ASSERT_WORKS(fd, "write-combined memory");
	ASSERT_WORKS(both, "in one piece, too");
	p = buffer_mmap(fd, 3 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	memset(p, 0x77, 2 * PAGE);
	ASSERT_EQ(0, mprotect(p, 3 * PAGE, PROT_READ));
	ASSERT_EQ(0, mprotect(p, 3 * PAGE, PROT_READ | PROT_WRITE));
	memset(p + 2 * PAGE, 0x77, PAGE);
	EXPECT_EQ(0x77, all_bytes(p, 3 * PAGE)) {
		TH_LOG("expected: mprotect() changes neither memory nor what comes later");
	}
	munmap(p, 3 * PAGE);
	close(fd);
	close(both);
}

TEST_F(buffer, needs_no_address_space)
{
	int ctx = sim_open(), fd;

	ASSERT_SIM(ctx);
	fd = buffer_alloc_local(ctx, PAGE);
	EXPECT_WORKS_FD(fd, "a buffer of a context that has no mode");
	close(fd);
	close(ctx);
}

/* --- Use --- */

TEST_F(buffer, qaic_cve_2026_64051_mappings_stay_inside)
{
	int fd = buffer_alloc(self->ctx, 4 * PAGE);
	char *p;

	ASSERT_WORKS(fd, "a buffer");
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 5 * PAGE, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 3 * PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 4 * PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, -PAGE));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_TOUCH(0, touch_write(p + 2 * PAGE - 8, 1), "its last word");
	EXPECT_EQ(MAP_FAILED, mremap(p, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE)) {
		TH_LOG("expected: a mapping does not grow");
	}
	EXPECT_EQ(0, munmap(p, PAGE));
	EXPECT_TOUCH(0, touch_write(p + 2 * PAGE - 8, 2), "the rest of it");
	munmap(p + PAGE, PAGE);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 3 * PAGE);
	EXPECT_EQ(2, *(__u64 *)(p + PAGE - 8)) {
		TH_LOG("expected: the last page is the last page");
	}
	munmap(p, PAGE);
	close(fd);
}

TEST_F(buffer, sync_takes_what_it_should)
{
	int memory, fd;
	__u64 flags;

	for (memory = 0; memory < 2; memory++) {
		fd = buffer_alloc_from(self->ctx, memory, PAGE, 0);
		ASSERT_WORKS(fd, "a buffer");
		for (flags = DMA_BUF_SYNC_READ; flags <= DMA_BUF_SYNC_RW; flags++) {
			EXPECT_RET(0, buffer_sync(fd, flags | DMA_BUF_SYNC_START), "begin");
			EXPECT_RET(0, buffer_sync(fd, flags | DMA_BUF_SYNC_END), "end");
		}
		EXPECT_RET(-EINVAL, buffer_sync(fd, DMA_BUF_SYNC_START), "no direction");
		EXPECT_RET(-EINVAL, buffer_sync(fd, 8 | DMA_BUF_SYNC_READ), "an unknown flag");
		close(fd);
	}
}

struct passed {
	int sock;
	int memory;
	int die;
};

/* Makes a buffer, hands it to the parent, and ends without closing anything. */
static int make_and_pass(void *arg)
{
	struct passed *passed = arg;
	int ctx = sim_open(), fd;
	char *p;

	if (ctx < 0)
		return ctx;
	fd = buffer_alloc_from(ctx, passed->memory, 2 * PAGE, 0);
	if (fd < 0)
		return fd;
	p = buffer_mmap(fd, 2 * PAGE);
	if (p == MAP_FAILED)
		return -errno;
	memset(p, 0x3c, 2 * PAGE);
	fd = send_fd(passed->sock, fd);
	if (passed->die)
		kill(getpid(), SIGKILL);
	return fd;
}

TEST_F(buffer, outlives_the_process_that_made_it)
{
	int memory, die, socks[2], fd;
	char *p;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	for (memory = 0; memory < 2; memory++) {
		for (die = 0; die < 2; die++) {
			struct passed passed = { socks[1], memory, die };

			EXPECT_RET(die ? CHILD_KILLED - SIGKILL : 0,
				   in_child(make_and_pass, &passed), "a process makes a buffer");
			fd = recv_fd(socks[0]);
			ASSERT_WORKS(fd, "the buffer arrives");
			EXPECT_EQ(memory, memory_info(self->ctx).buffers);
			p = buffer_mmap(fd, 2 * PAGE);
			ASSERT_NE(MAP_FAILED, p);
			close(fd);
			EXPECT_EQ(0x3c, all_bytes(p, 2 * PAGE)) {
				TH_LOG("expected: what the other wrote, by the mapping alone");
			}
			EXPECT_EQ(memory * 2 * PAGE, memory_info(self->ctx).used);
			munmap(p, 2 * PAGE);
			EXPECT_EQ(0, memory_info(self->ctx).used) {
				TH_LOG("expected: free when the last user goes");
			}
		}
	}
	close(socks[0]);
	close(socks[1]);
}

struct inherited {
	int fd;
	unsigned char *p;
};

static int use_inherited(void *arg)
{
	struct inherited *in = arg;
	unsigned char *mine = buffer_mmap(in->fd, PAGE);

	if (mine == MAP_FAILED)
		return -errno;
	if (in->p[5] != 5 || mine[5] != 5)
		return -EBADMSG;
	in->p[6] = 6;
	mine[7] = 7;
	return 0;
}

TEST_F(buffer, children_share_it)
{
	struct inherited in;
	int memory;

	for (memory = 0; memory < 2; memory++) {
		in.fd = buffer_alloc_from(self->ctx, memory, PAGE, 0);
		ASSERT_WORKS(in.fd, "a buffer");
		in.p = buffer_mmap(in.fd, PAGE);
		ASSERT_NE(MAP_FAILED, in.p);
		in.p[5] = 5;
		EXPECT_RET(0, in_child(use_inherited, &in), "a child has descriptor and mapping");
		EXPECT_EQ(6, in.p[6]);
		EXPECT_EQ(7, in.p[7]);
		munmap(in.p, PAGE);
		close(in.fd);
	}
}

TEST_F(buffer, habanalabs_cve_2023_53353_goes_when_the_last_of_all_goes)
{
	/* Bits of what goes first, second, third: context 0, descriptor 1, mapping 2. */
	static const int orders[6][3] = {
		{ 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 },
	};
	int i, j, ctx, fd;
	void *p;

	for (i = 0; i < 6; i++) {
		ctx = sim_open();
		ASSERT_SIM(ctx);
		fd = buffer_alloc_local(ctx, 3 * PAGE);
		ASSERT_WORKS(fd, "a buffer");
		p = buffer_mmap(fd, 3 * PAGE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(3 * PAGE, context_info(ctx).device_memory);
		for (j = 0; j < 3; j++) {
			bool held = (fd >= 0) || p;

			EXPECT_EQ(held ? 3 * PAGE : 0, memory_info(self->ctx).used);
			if (orders[i][j] == 0) {
				close(ctx);
			} else if (orders[i][j] == 1) {
				close(fd);
				fd = -1;
			} else {
				munmap(p, 3 * PAGE);
				p = NULL;
			}
		}
		EXPECT_EQ(0, memory_info(self->ctx).used) {
			TH_LOG("expected: free at the end of order %d", i);
		}
	}
}

/* --- Device memory --- */

TEST_F(buffer, device_memory_is_counted_at_each_step)
{
	int fds[256], i, n = self->local / (16 * PAGE);
	__u64 used;

	for (i = 0; i < n; i++) {
		used = i * 16 * PAGE;
		EXPECT_EQ(used, memory_info(self->ctx).used);
		EXPECT_EQ(i, memory_info(self->ctx).buffers);
		EXPECT_EQ(used, context_info(self->ctx).device_memory);
		EXPECT_EQ(used, fdinfo_number(self->ctx, "accel-device-memory"));
		fds[i] = buffer_alloc_local(self->ctx, 16 * PAGE);
		ASSERT_WORKS(fds[i], "there is room");
	}
	for (i = 0; i < 3; i++)
		EXPECT_RET(-ENOSPC, buffer_alloc_local(self->ctx, 1), "it is full");
	EXPECT_EQ(self->local, memory_info(self->ctx).used) {
		TH_LOG("expected: what was refused is not counted");
	}
	for (i = n - 1; i >= 0; i--) {
		close(fds[i]);
		EXPECT_EQ(i * 16 * PAGE, memory_info(self->ctx).used) {
			TH_LOG("expected: it is free as soon as close() returns");
		}
		EXPECT_EQ(i * 16 * PAGE, context_info(self->ctx).device_memory);
	}
	fds[0] = buffer_alloc_local(self->ctx, self->local);
	EXPECT_WORKS_FD(fds[0], "all of it again, at once");
	close(fds[0]);
}

TEST_F(buffer, counts_are_of_the_context_that_made_it)
{
	int other = sim_open(), mine = buffer_alloc_local(self->ctx, PAGE), theirs;

	ASSERT_WORKS(mine, "a buffer");
	theirs = buffer_alloc_local(other, 2 * PAGE);
	ASSERT_WORKS(theirs, "a buffer of another context");
	EXPECT_EQ(PAGE, context_info(self->ctx).device_memory);
	EXPECT_EQ(2 * PAGE, context_info(other).device_memory);
	EXPECT_EQ(2, memory_info(other).buffers);
	close(theirs);
	EXPECT_EQ(0, context_info(other).device_memory);
	close(mine);
	close(other);
}

TEST_F(buffer, fragments_are_used_and_are_no_piece)
{
	int fds[256], i, n = self->local / PAGE, half;
	unsigned char *p;

	for (i = 0; i < n; i++) {
		fds[i] = buffer_alloc_local(self->ctx, PAGE);
		ASSERT_WORKS(fds[i], "a page");
		p = buffer_mmap(fds[i], PAGE);
		memset(p, i, PAGE);
		munmap(p, PAGE);
	}
	for (i = 0; i < n; i += 2)
		close(fds[i]);
	EXPECT_RET(-ENOSPC, buffer_alloc_from(self->ctx, ACCEL_MEMORY_DEVICE, 3 * PAGE,
					      ACCEL_ALLOC_CONTIGUOUS), "no piece is left");
	half = buffer_alloc_local(self->ctx, self->local / 2);
	ASSERT_WORKS(half, "all that is free, in fragments");
	p = buffer_mmap(half, self->local / 2);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0, all_bytes(p, self->local / 2));
	memset(p, 0xee, self->local / 2);
	munmap(p, self->local / 2);
	for (i = 1; i < n; i += 2) {
		p = buffer_mmap(fds[i], PAGE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(i, all_bytes(p, PAGE)) {
			TH_LOG("expected: page %d is as it was", i);
		}
		munmap(p, PAGE);
		close(fds[i]);
	}
	EXPECT_EQ(self->local / 2, memory_info(self->ctx).used);
	close(half);
}

/* The device's memory has as many places of an alignment as it has. */
TEST_F(buffer, device_memory_is_aligned)
{
	static const struct {
		__u64 length, alignment;
		int count;
	} cases[] = {
		{ PAGE, 16 * PAGE, 16 }, { 3 * PAGE, 16 * PAGE, 16 }, { 5 * PAGE, 128 * PAGE, 2 },
		{ 32 * PAGE, 2 * PAGE, 8 }, { PAGE, 256 * PAGE, 1 }, { 256 * PAGE, 256 * PAGE, 1 },
		{ 2 * PAGE, 1, 128 },
	};
	unsigned int i, flags;
	int fds[257], n;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		for (flags = 0; flags <= ACCEL_ALLOC_CONTIGUOUS; flags++) {
			for (n = 0; n < 257; n++) {
				struct accel_buffer_alloc args = {
					.memory = ACCEL_MEMORY_DEVICE,
					.flags = flags,
					.length = cases[i].length,
					.alignment = cases[i].alignment,
				};
				int ret = alloc(self->ctx, &args);

				if (ret) {
					EXPECT_RET(-ENOSPC, ret, "it is full");
					break;
				}
				fds[n] = args.fd;
			}
			EXPECT_EQ(cases[i].count, n) {
				TH_LOG("%llu bytes, aligned to %llu, flags %u: other places",
				       cases[i].length, cases[i].alignment, flags);
			}
			EXPECT_EQ(n * cases[i].length, memory_info(self->ctx).used) {
				TH_LOG("expected: as much is used as was asked for");
			}
			while (n--)
				close(fds[n]);
		}
	}
}

static int alloc_in_group(void *arg)
{
	int ctx = *(int *)arg, fd, ret;

	ret = write_file(CGROUPS "/accel_test/cgroup.procs", "0");
	if (ret)
		return ret;
	fd = buffer_alloc_local(ctx, 16 * PAGE);
	if (fd < 0)
		return fd;
	/* One page less is left than these. */
	ret = buffer_alloc_local(ctx, 16 * PAGE);
	if (ret != -EDQUOT)
		return ret < 0 ? ret : -EBADMSG;
	ret = buffer_alloc_local(ctx, 15 * PAGE);
	if (ret < 0)
		return ret;
	if (buffer_alloc_local(ctx, 1) != -EDQUOT)
		return -EBADMSG;
	close(fd);
	fd = buffer_alloc_local(ctx, 16 * PAGE);
	return fd < 0 ? fd : 0;
}

TEST_F(buffer, groups_have_limits)
{
	char text[64];

	mount("none", CGROUPS, "cgroup2", 0, NULL);
	write_file(CGROUPS "/cgroup.subtree_control", "+dmem");
	rmdir(CGROUPS "/accel_test");
	ASSERT_EQ(0, mkdir(CGROUPS "/accel_test", 0755));
	snprintf(text, sizeof(text), "accel/accel%d %lu\n", self->number, 31 * PAGE);
	ASSERT_RET(0, write_file(CGROUPS "/accel_test/dmem.max", text), "a limit");
	EXPECT_RET(0, in_child(alloc_in_group, &self->ctx), "31 pages, and EDQUOT for more");
	EXPECT_EQ(0, memory_info(self->ctx).used);
	EXPECT_RET(0, in_child(alloc_in_group, &self->ctx), "again: nothing was lost");
	EXPECT_THAT(WAIT_FOR(!rmdir(CGROUPS "/accel_test"), 10), "the group goes");
}

/* --- The device goes --- */

TEST_F(buffer, system_memory_stays_and_device_memory_goes_with_the_device)
{
	int number, ctx = sim_add(&number), system, local, path, wrapped, held;
	void *own = anonymous(PAGE, PROT_READ | PROT_WRITE);
	char *s, *l, name[64];

	ASSERT_WORKS(ctx, "a second device");
	system = buffer_alloc(ctx, PAGE);
	local = buffer_alloc_local(ctx, 2 * PAGE);
	held = buffer_alloc_local(ctx, PAGE);
	wrapped = buffer_wrap(ctx, own, PAGE, 0);
	ASSERT_TRUE(system >= 0 && local >= 0 && wrapped >= 0 && held >= 0);
	/* Keeps the name of a buffer, and not the buffer's file. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", held);
	path = open(name, O_PATH | O_CLOEXEC);
	ASSERT_LE(0, path);
	close(held);
	s = buffer_mmap(system, PAGE);
	l = buffer_mmap(local, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, s);
	ASSERT_NE(MAP_FAILED, l);
	EXPECT_TOUCH(0, touch_write(l, 5), "device memory before");
	ASSERT_TRUE(sim_remove(ctx, number));

	EXPECT_TOUCH(SIGBUS, touch_read(l), "device memory that was touched before");
	EXPECT_TOUCH(SIGBUS, touch_write(l + PAGE, 1), "device memory that was not");
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, local, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_TOUCH(0, touch_write(s, 1), "system memory");
	EXPECT_TOUCH(0, touch_write(own, 1), "wrapped memory");
	munmap(s, PAGE);
	s = buffer_mmap(system, PAGE);
	ASSERT_NE(MAP_FAILED, s);
	EXPECT_EQ(1, *s);
	EXPECT_RET(-ENODEV, buffer_alloc(ctx, PAGE), "no new buffer");
	EXPECT_RET(-ENODEV, buffer_wrap(ctx, own, PAGE, 0), "nothing new is wrapped");
	EXPECT_RET(0, buffer_sync(local, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW), "begin");

	close(path);
	close(ctx);
	EXPECT_TOUCH(SIGBUS, touch_read(l), "device memory when nobody has the device");
	munmap(l, 2 * PAGE);
	munmap(s, PAGE);
	munmap(own, PAGE);
	close(system);
	close(local);
	close(wrapped);
}

TEST_F(buffer, who_is_told_that_the_device_is_gone_finds_nothing_of_it)
{
	int number, ctx, monitor, local, queue, i;
	struct accel_queue q;
	char *memory;
	double end;

	for (i = 0; i < 20; i++) {
		ctx = sim_add(&number);
		ASSERT_WORKS(ctx, "a second device");
		monitor = accel_open_number("accel_monitor", number, O_RDONLY);
		ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_PRIVATE), "bind");
		queue = accel_queue_create(ctx, 4);
		ASSERT_RET(0, queue_adopt(&q, queue), "a queue");
		local = buffer_alloc_local(ctx, PAGE);
		memory = buffer_mmap(local, PAGE);
		ASSERT_NE(MAP_FAILED, memory);
		EXPECT_TOUCH(0, touch_write(memory, 1), "device memory before");
		EXPECT_TOUCH(0, touch_read(q.ring), "the ring before");

		ASSERT_RET(0, sim_control(number, "remove", "1"), "pulled out");
		/* Without a sleep: that would give the device time. */
		for (end = seconds() + WAIT_SECONDS; seconds() < end;) {
			if (accel_state(monitor) == ACCEL_STATUS_REMOVED)
				break;
		}
		EXPECT_TOUCH(SIGBUS, touch_read(memory), "device memory");
		EXPECT_TOUCH(SIGBUS, touch_read(q.ring), "the ring");
		EXPECT_EQ(ACCEL_QUEUE_DEAD_REMOVED, LOAD(q.status->state));
		munmap(memory, PAGE);
		queue_close(&q);
		close(local);
		close(monitor);
		close(ctx);
	}
}

TEST_F(buffer, memory_of_a_device_that_is_gone_serves_no_other)
{
	int number, ctx = sim_add(&number), local, queue = accel_queue_create(self->ctx, 4);
	struct accel_sim_job job = checksum(0, 0, PAGE);

	ASSERT_WORKS(ctx, "a second device");
	ASSERT_WORKS(queue, "a queue");
	local = buffer_alloc_local(ctx, PAGE);
	ASSERT_WORKS(local, "a buffer of the second device");
	EXPECT_RET(0, submit_one(queue, &job, local, ACCEL_ACCESS_READ), "a job of the first");
	close(queue);
	ASSERT_TRUE(sim_remove(ctx, number));
	queue = accel_queue_create(self->ctx, 4);
	ASSERT_WORKS(queue, "a queue");
	EXPECT_RET(-ENODEV, submit_one(queue, &job, local, ACCEL_ACCESS_READ), "a job afterwards");
	close(queue);
	close(local);
	close(ctx);
}

/* --- Wrapped memory --- */

TEST_F(buffer, wrapped_memory_is_the_same)
{
	unsigned char *own = anonymous(5 * PAGE, PROT_READ | PROT_WRITE), *p;
	struct accel_buffer_wrap wrap = {
		.size = sizeof(wrap),
		.address = (unsigned long)own + PAGE,
		.length = 3 * PAGE,
	};

	own[PAGE] = 1;
	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_BUFFER_WRAP, &wrap), "wrap");
	EXPECT_EQ(0, wrap.flags);
	EXPECT_EQ(FD_CLOEXEC, fcntl(wrap.fd, F_GETFD));
	EXPECT_EQ(3 * PAGE, lseek(wrap.fd, 0, SEEK_END));
	p = buffer_mmap(wrap.fd, 3 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(1, p[0]);
	own[2 * PAGE + 1] = 2;
	EXPECT_EQ(2, p[PAGE + 1]) {
		TH_LOG("expected: what the process writes is in the buffer");
	}
	p[3 * PAGE - 1] = 3;
	EXPECT_EQ(3, own[4 * PAGE - 1]) {
		TH_LOG("expected: what is written to the buffer is in the process");
	}
	close(wrap.fd);
	p[0] = 9;
	EXPECT_EQ(9, own[PAGE]);
	munmap(p, 3 * PAGE);
	munmap(own, 5 * PAGE);
}

/* Nobody writes to what is behind @fd, in no way that there is. */
static void expect_read_only(struct __test_metadata *_metadata, int ctx, int fd)
{
	struct accel_sim_job write = fill(0, 0, 1, PAGE), read = checksum(0, 0, PAGE);
	int private = sim_open_mode(ACCEL_MODE_PRIVATE), queue = accel_queue_create(ctx, 4);
	const struct accel_sim_record *records = records_map(queue);
	char path[64];
	void *p;

	EXPECT_EQ(MAP_FAILED, buffer_mmap(fd, PAGE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	EXPECT_TOUCH(SIGSEGV, touch_write(p, 1), "a write to the mapping");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	EXPECT_EQ(-1, open(path, O_RDWR));

	EXPECT_RET(-EACCES, buffer_map(private, fd, ACCEL_ACCESS_WRITE), "mapped to be written");
	EXPECT_RET(-EACCES, buffer_map(private, fd, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE),
		   "mapped for both");
	EXPECT_LE(0, buffer_map(private, fd, ACCEL_ACCESS_READ));
	EXPECT_RET(-EACCES, submit_one(queue, &write, fd, ACCEL_ACCESS_WRITE), "a job that writes");
	EXPECT_RET(-EACCES, submit_one(queue, &write, fd, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE),
		   "a buffer named for both");
	EXPECT_RET(-EACCES, submit_one(queue, &write, fd, ACCEL_ACCESS_READ), "named for reading");
	ASSERT_RET(0, submit_one(queue, &read, fd, ACCEL_ACCESS_READ), "a job that reads");
	EXPECT_THAT(WAIT_FOR(LOAD(records[0].head.number) == 1, 30), "it ends");
	EXPECT_EQ(0, records[0].head.error);
	EXPECT_EQ(crc32(0, p, PAGE), records[0].completion.result) {
		TH_LOG("expected: the device reads what is there");
	}
	munmap(p, PAGE);
	munmap((void *)records, PAGE);
	close(queue);
	close(private);
}

TEST_F(buffer, read_only_memory_stays_so)
{
	unsigned char *own = anonymous(PAGE, PROT_READ | PROT_WRITE);
	struct accel_buffer_wrap wrap = {
		.size = sizeof(wrap),
		.flags = ACCEL_WRAP_READ_ONLY,
		.address = (unsigned long)own,
		.length = PAGE,
	};

	memset(own, 0x6a, PAGE);
	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_BUFFER_WRAP, &wrap), "read-only by request");
	EXPECT_EQ(ACCEL_WRAP_READ_ONLY, wrap.flags);
	expect_read_only(_metadata, self->ctx, wrap.fd);
	own[0] = 7;
	expect_read_only(_metadata, self->ctx, wrap.fd);
	close(wrap.fd);

	ASSERT_EQ(0, mprotect(own, PAGE, PROT_READ));
	wrap.flags = 0;
	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_BUFFER_WRAP, &wrap), "memory that is");
	EXPECT_EQ(ACCEL_WRAP_READ_ONLY, wrap.flags) {
		TH_LOG("expected: it is told that it can't be written");
	}
	expect_read_only(_metadata, self->ctx, wrap.fd);
	ASSERT_EQ(0, mprotect(own, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_EQ(7, own[0]) {
		TH_LOG("expected: as it was");
	}
	own[1] = 99;
	expect_read_only(_metadata, self->ctx, wrap.fd);
	close(wrap.fd);
	munmap(own, PAGE);
}

/* Kilobytes that this process has pinned. */
static long pinned(void)
{
	char text[4096], *line;

	if (read_file("/proc/self/status", text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, "VmPin:");
	return line ? atol(line + 6) : -1;
}

static int wrap_to_the_limit(void *arg)
{
	struct rlimit limit = { 16 * PAGE, 16 * PAGE };
	char *own = anonymous(17 * PAGE, PROT_READ | PROT_WRITE);
	int ctx = *(int *)arg, ret = drop_capability(CAP_IPC_LOCK), a, b;
	void *p;

	if (ret || setrlimit(RLIMIT_MEMLOCK, &limit))
		return -EPERM;
	if (buffer_wrap(ctx, own, 17 * PAGE, 0) != -ENOMEM)
		return -E2BIG;
	if (pinned())
		return -EADDRINUSE;
	a = buffer_wrap(ctx, own, 10 * PAGE, 0);
	b = buffer_wrap(ctx, own, 6 * PAGE, ACCEL_WRAP_READ_ONLY);
	if (a < 0 || b < 0)
		return -ENOSPC;
	if (buffer_wrap(ctx, own, PAGE, 0) != -ENOMEM || pinned() != 64)
		return -EDQUOT;
	close(b);
	if (pinned() != 40)
		return -EBUSY;
	p = buffer_mmap(a, 10 * PAGE);
	close(a);
	if (pinned() != 40)
		return -EAGAIN;
	munmap(p, 10 * PAGE);
	if (pinned())
		return -EBUSY;
	a = buffer_wrap(ctx, own, 16 * PAGE, 0);
	return a < 0 ? a : 0;
}

TEST_F(buffer, pinned_memory_has_a_limit)
{
	long before = pinned();
	void *own = anonymous(8 * PAGE, PROT_READ | PROT_WRITE);
	int fd = buffer_wrap(self->ctx, own, 8 * PAGE, 0);

	ASSERT_WORKS(fd, "wrap");
	EXPECT_EQ(before + 32, pinned());
	close(fd);
	EXPECT_EQ(before, pinned()) {
		TH_LOG("expected: it counts until nobody has the buffer");
	}
	munmap(own, 8 * PAGE);
	EXPECT_RET(0, in_child(wrap_to_the_limit, &self->ctx), "to the limit and no further");
}

struct shared_wrap {
	int ctx;
	int sock;
};

/* As many pages as may be pinned, or one. */
static int wrap_limited(struct shared_wrap *shared, int pages)
{
	struct rlimit limit = { 16 * PAGE, 16 * PAGE };
	void *own = anonymous(16 * PAGE, PROT_READ | PROT_WRITE);
	int fd;

	if (drop_capability(CAP_IPC_LOCK) || setrlimit(RLIMIT_MEMLOCK, &limit))
		return -EPERM;
	fd = buffer_wrap(shared->ctx, own, pages * PAGE, 0);
	if (fd >= 0 && shared->sock >= 0 && send_fd(shared->sock, fd))
		return -EPIPE;
	return fd < 0 ? fd : 0;
}

static int wrap_all(void *arg)
{
	return wrap_limited(arg, 16);
}

static int wrap_one(void *arg)
{
	return wrap_limited(arg, 1);
}

TEST_F(buffer, pinned_memory_counts_when_its_process_has_ended)
{
	struct shared_wrap shared = { .ctx = self->ctx }, alone = { .ctx = self->ctx, .sock = -1 };
	int socks[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	shared.sock = socks[1];
	ASSERT_RET(0, in_child(wrap_all, &shared), "a process pins what it may, and ends");
	fd = recv_fd(socks[0]);
	ASSERT_WORKS(fd, "its buffer");
	EXPECT_RET(-ENOMEM, in_child(wrap_one, &alone), "another process of the same user");
	close(fd);
	EXPECT_RET(0, in_child(wrap_one, &alone), "once the buffer is gone");
	close(socks[0]);
	close(socks[1]);
}

static int wrap_and_be_killed(void *arg)
{
	struct shared_wrap *shared = arg;
	void *own = anonymous(4 * PAGE, PROT_READ | PROT_WRITE);
	int fd;

	memset(own, 0x5b, 4 * PAGE);
	fd = buffer_wrap(shared->ctx, own, 4 * PAGE, 0);
	if (fd < 0 || send_fd(shared->sock, fd))
		return -EPIPE;
	kill(getpid(), SIGKILL);
	return 0;
}

TEST_F(buffer, wrapped_memory_outlives_its_process)
{
	struct shared_wrap shared = { .ctx = self->ctx };
	int socks[2], fd;
	char *p;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	shared.sock = socks[1];
	EXPECT_RET(CHILD_KILLED - SIGKILL, in_child(wrap_and_be_killed, &shared), "a process dies");
	fd = recv_fd(socks[0]);
	ASSERT_WORKS(fd, "its buffer");
	p = buffer_mmap(fd, 4 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0x5b, all_bytes(p, 4 * PAGE));
	EXPECT_TOUCH(0, touch_write(p, 1), "its memory");
	munmap(p, 4 * PAGE);
	close(fd);
	close(socks[0]);
	close(socks[1]);
}

TEST_F(buffer, amdxdna_cve_2026_23280_what_is_no_memory_is_not_wrapped)
{
	char *own = anonymous(4 * PAGE, PROT_READ | PROT_WRITE);
	char *hole = anonymous(3 * PAGE, PROT_READ | PROT_WRITE);
	void *none = anonymous(PAGE, PROT_NONE);
	int fd = buffer_alloc(self->ctx, PAGE), local = buffer_alloc_local(self->ctx, PAGE);
	int heap = heap_alloc(PAGE);
	void *mapped = buffer_mmap(fd, PAGE), *device = buffer_mmap(local, PAGE);
	void *heaped = buffer_mmap(heap, PAGE);
	struct accel_buffer_wrap wrap = {};
	const struct {
		const char *what;
		int error;
		__u64 address, length;
	} lies[] = {
		{ "an odd address", -EINVAL, (unsigned long)own + 1, PAGE },
		{ "an odd length", -EINVAL, (unsigned long)own, PAGE - 1 },
		{ "no length", -EINVAL, (unsigned long)own, 0 },
		{ "past the end of addresses", -EINVAL, (unsigned long)own, -PAGE },
		{ "the last page, twice", -EINVAL, -PAGE, 2 * PAGE },
		{ "null", -EFAULT, 0, PAGE },
		{ "a hole", -EFAULT, (unsigned long)hole, 3 * PAGE },
		{ "no access", -EFAULT, (unsigned long)none, PAGE },
		{ "the kernel", -EFAULT, 0xffff888000000000, PAGE },
		{ "behind user space", -EFAULT, 0x00007ffffffff000, 2 * PAGE },
		{ "2^62 bytes", -ENOMEM, (unsigned long)own, 1ull << 62 },
	};
	unsigned int i;

	munmap(hole + PAGE, PAGE);
	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		wrap.address = lies[i].address;
		wrap.length = lies[i].length;
		wrap.size = sizeof(wrap);
		EXPECT_RET(lies[i].error, accel_ioctl(self->ctx, ACCEL_BUFFER_WRAP, &wrap),
			   lies[i].what);
		wrap.flags = 0;
	}
	EXPECT_RET(-EINVAL, buffer_wrap(self->ctx, own, PAGE, 2), "an unknown flag");
	wrap = (struct accel_buffer_wrap){ sizeof(wrap), 0, (unsigned long)own, PAGE, -1, 1 };
	EXPECT_RET(-EINVAL, accel_ioctl(self->ctx, ACCEL_BUFFER_WRAP, &wrap), "a reserved field");
	EXPECT_RET(-EFAULT, buffer_wrap(self->ctx, mapped, PAGE, 0), "a buffer of ours");
	EXPECT_RET(-EFAULT, buffer_wrap(self->ctx, device, PAGE, 0), "device memory");
	EXPECT_RET(-EFAULT, buffer_wrap(self->ctx, heaped, PAGE, 0), "a buffer of the heap");
	EXPECT_EQ(0, pinned());
	EXPECT_EQ(self->descriptors + 3, descriptors()) {
		TH_LOG("expected: a failure leaves no descriptor");
	}
	close(fd);
	close(local);
	close(heap);
	munmap(mapped, PAGE);
	munmap(device, PAGE);
	munmap(heaped, PAGE);
}

/* Pages of the kernel's that have users of their own, and no device that could go with them. */
TEST_F(buffer, pages_of_a_queue_outlive_it)
{
	int shared = sim_open_shared(), ring, status;
	struct accel_queue q;
	char *p, *s;

	ASSERT_RET(0, sim_queue_open(&q, shared, 4), "a queue");
	ring = buffer_wrap(self->ctx, q.ring, PAGE, 0);
	status = buffer_wrap(self->ctx, q.status, PAGE, 0);
	ASSERT_WORKS(ring, "a queue's ring");
	ASSERT_WORKS(status, "a queue's status page");
	EXPECT_EQ(MAP_FAILED, buffer_mmap(status, PAGE)) {
		TH_LOG("expected: a status page is not written by way of a buffer");
	}
	p = buffer_mmap(ring, PAGE);
	s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, status, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_NE(MAP_FAILED, s);
	queue_close(&q);
	close(shared);
	EXPECT_TOUCH(0, touch_write(p, ~0ull), "what was the ring");
	EXPECT_TOUCH(0, touch_read(s), "what was the status page");
	munmap(p, PAGE);
	munmap(s, PAGE);
	close(ring);
	close(status);
}

TEST_F(buffer, memory_of_all_kinds_is_wrapped)
{
	int file = memfd_create("wrapped", MFD_CLOEXEC), i, fd;
	unsigned char *memory[4], *p;
	const char *what[4] = { "shared anonymous", "a shared file", "a private file", "huge" };

	ASSERT_EQ(0, ftruncate(file, 4 * MIB));
	memory[0] = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memory[1] = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	memory[2] = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	memory[3] = anonymous(4 * MIB, PROT_READ | PROT_WRITE);
	/* Where there are no huge pages it is ordinary memory. */
	madvise(memory[3], 4 * MIB, MADV_HUGEPAGE);
	for (i = 0; i < 4; i++) {
		memset(memory[i], i + 1, 4 * MIB);
		fd = buffer_wrap(self->ctx, memory[i] + 3 * PAGE, 3 * MIB, 0);
		EXPECT_WORKS_FD(fd, what[i]);
		p = buffer_mmap(fd, 3 * MIB);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_EQ(i + 1, all_bytes(p, 3 * MIB));
		memset(p, 0x80 + i, 3 * MIB);
		EXPECT_EQ(0x80 + i, all_bytes(memory[i] + 3 * PAGE, 3 * MIB)) {
			TH_LOG("expected: %s memory is the same in both", what[i]);
		}
		munmap(p, 3 * MIB);
		close(fd);
		munmap(memory[i], 4 * MIB);
	}
	close(file);
}

#define HUGE (2 * MIB)
#define HUGE_PAGES 3

static long huge_pages_free(void)
{
	char text[4096], *line;

	if (read_file("/proc/meminfo", text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, "HugePages_Free:");
	return line ? atol(line + 15) : -1;
}

TEST_F(buffer, huge_pages_are_wrapped_whole_and_in_part)
{
	static const struct {
		size_t begin, length;
	} parts[] = {
		{ 0, HUGE_PAGES * HUGE }, { 0, HUGE }, { PAGE, PAGE }, { HUGE - PAGE, 2 * PAGE },
		{ 3 * PAGE, HUGE }, { PAGE, HUGE_PAGES * HUGE - PAGE }, { 3 * HUGE - PAGE, PAGE },
	};
	unsigned char *own, *p;
	__u32 flags;
	unsigned int i;
	int fd = -1;

	SKIP_WITHOUT("/proc/sys/vm/nr_hugepages", "CONFIG_HUGETLBFS");
	ASSERT_RET(0, write_file("/proc/sys/vm/nr_hugepages", "3"), "make huge pages");
	ASSERT_EQ(HUGE_PAGES, huge_pages_free());
	own = mmap(NULL, HUGE_PAGES * HUGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ASSERT_NE(MAP_FAILED, own);
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		for (flags = 0; flags <= ACCEL_WRAP_READ_ONLY; flags++) {
			memset(own, 0x11, HUGE_PAGES * HUGE);
			memset(own + parts[i].begin, 0x22, parts[i].length);
			fd = buffer_wrap(self->ctx, own + parts[i].begin, parts[i].length, flags);
			ASSERT_WORKS(fd, "wrap");
			p = mmap(NULL, parts[i].length, PROT_READ, MAP_SHARED, fd, 0);
			ASSERT_NE(MAP_FAILED, p);
			EXPECT_EQ(0x22, all_bytes(p, parts[i].length)) {
				TH_LOG("expected: the part, and nothing beside it");
			}
			munmap(p, parts[i].length);
			close(fd);
		}
		fd = buffer_wrap(self->ctx, own + parts[i].begin, parts[i].length, 0);
		p = buffer_mmap(fd, parts[i].length);
		ASSERT_NE(MAP_FAILED, p);
		memset(p, 0x33, parts[i].length);
		munmap(p, parts[i].length);
		close(fd);
		EXPECT_EQ(0x33, all_bytes(own + parts[i].begin, parts[i].length));
		if (parts[i].begin)
			EXPECT_EQ(0x11, all_bytes(own, parts[i].begin)) {
				TH_LOG("expected: what is before it is as it was");
			}
	}
	EXPECT_RET(-EFAULT, buffer_wrap(self->ctx, own + HUGE, HUGE_PAGES * HUGE, 0),
		   "over the end");

	memset(own + HUGE + PAGE, 0x44, PAGE);
	fd = buffer_wrap(self->ctx, own + HUGE + PAGE, PAGE, 0);
	ASSERT_WORKS(fd, "wrap");
	munmap(own, HUGE_PAGES * HUGE);
	EXPECT_EQ(HUGE_PAGES - 1, huge_pages_free()) {
		TH_LOG("expected: the page of which a part is wrapped stays");
	}
	p = buffer_mmap(fd, PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0x44, all_bytes(p, PAGE));
	munmap(p, PAGE);
	close(fd);
	EXPECT_THAT(WAIT_FOR(huge_pages_free() == HUGE_PAGES, 10), "all of them are free again");
	EXPECT_RET(0, write_file("/proc/sys/vm/nr_hugepages", "0"), "no huge pages");
	EXPECT_EQ(0, huge_pages_free());
}

TEST_F(buffer, wrapped_pages_stay_when_the_mapping_goes)
{
	unsigned char *own = anonymous(2 * PAGE, PROT_READ | PROT_WRITE), *p, *moved;
	int fd;

	memset(own, 1, 2 * PAGE);
	fd = buffer_wrap(self->ctx, own, 2 * PAGE, 0);
	ASSERT_WORKS(fd, "wrap");
	p = buffer_mmap(fd, 2 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	moved = mremap(own, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		       anonymous(2 * PAGE, PROT_READ));
	ASSERT_NE(MAP_FAILED, moved);
	p[0] = 2;
	EXPECT_EQ(2, moved[0]) {
		TH_LOG("expected: the pages have moved along");
	}
	madvise(moved, PAGE, MADV_DONTNEED);
	EXPECT_EQ(0, moved[0]);
	EXPECT_EQ(2, p[0]) {
		TH_LOG("expected: the buffer keeps the page that the process gave up");
	}
	munmap(moved, 2 * PAGE);
	EXPECT_EQ(1, p[PAGE]);
	memset(p, 3, 2 * PAGE);
	EXPECT_EQ(3, all_bytes(p, 2 * PAGE));
	munmap(p, 2 * PAGE);
	close(fd);
}

/* Far from where the kernel puts what has no address of its own. */
#define RESTLESS ((void *)(1ul << 40))
#define RESTLESS_SIZE (16 * PAGE)

/* Memory comes and goes there, and changes what it allows. */
static void *never_rest(void *arg)
{
	int *stop = arg, i;

	while (!LOAD(*stop)) {
		mmap(RESTLESS, RESTLESS_SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		for (i = 0; i < 20; i++) {
			mprotect(RESTLESS + 8 * PAGE, PAGE, PROT_READ);
			madvise(RESTLESS + 4 * PAGE, 4 * PAGE, MADV_DONTNEED);
			mprotect(RESTLESS + 8 * PAGE, PAGE, PROT_READ | PROT_WRITE);
		}
		munmap(RESTLESS + 12 * PAGE, PAGE);
		munmap(RESTLESS, RESTLESS_SIZE);
	}
	return NULL;
}

TEST_F(buffer, amdxdna_cve_2026_72331_wrapped_while_mappings_change)
{
	int stop = 0, i, fd, done[2] = {};
	double end = seconds() + WAIT_SECONDS;
	unsigned char there[RESTLESS_SIZE / PAGE];
	long before = pinned();
	pthread_t thread;
	char *p;

	ASSERT_EQ(0, pthread_create(&thread, NULL, never_rest, &stop));
	for (i = 0; (i < 300 || !done[0] || !done[1]) && seconds() < end; i++) {
		/* Every other time it was there just now. */
		while (i % 2 && mincore(RESTLESS, RESTLESS_SIZE, there) && seconds() < end)
			sched_yield();
		fd = buffer_wrap(self->ctx, RESTLESS, RESTLESS_SIZE,
				 i % 4 / 2 ? ACCEL_WRAP_READ_ONLY : 0);
		done[fd < 0]++;
		if (fd < 0) {
			ASSERT_RET(-EFAULT, fd, "all of it or nothing");
			continue;
		}
		p = mmap(NULL, RESTLESS_SIZE, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_TOUCH(0, touch_read(p + RESTLESS_SIZE - PAGE), "the last of its pages");
		munmap(p, RESTLESS_SIZE);
		close(fd);
	}
	STORE(stop, 1);
	pthread_join(thread, NULL);
	TH_LOG("%d were wrapped, %d were not there", done[0], done[1]);
	EXPECT_LT(0, done[0]);
	EXPECT_LT(0, done[1]);
	EXPECT_EQ(before, pinned()) {
		TH_LOG("expected: nothing stays pinned");
	}
}

static int write_after_fork(void *arg)
{
	unsigned char *own = arg;

	if (own[0] != 1)
		return -EBADMSG;
	own[0] = 77;
	return 0;
}

TEST_F(buffer, fork_leaves_the_pages_with_the_parent)
{
	unsigned char *own = anonymous(PAGE, PROT_READ | PROT_WRITE), *p;
	__u32 flags;
	int fd;

	for (flags = 0; flags <= ACCEL_WRAP_READ_ONLY; flags++) {
		own[0] = 1;
		fd = buffer_wrap(self->ctx, own, PAGE, flags);
		ASSERT_WORKS(fd, "wrap");
		p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_RET(0, in_child(write_after_fork, own), "a child writes its copy");
		EXPECT_EQ(1, p[0]) {
			TH_LOG("expected: the child's write is not in the buffer");
		}
		own[0] = 2;
		EXPECT_EQ(2, p[0]) {
			TH_LOG("expected: the parent's write after fork() is in the buffer");
		}
		munmap(p, PAGE);
		close(fd);
	}
	munmap(own, PAGE);
}

TEST_HARNESS_MAIN
