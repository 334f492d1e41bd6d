// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation fails once that buffers, mappings and jobs in kernel mode make, and nothing is
 * left behind.
 *
 * accel-bench: kernel=check modules=accel_sim limit=1200
 */
#include "fault_util.h"
#include "memory_util.h"

#define BOTH (ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE)
#define SIZE (3 * PAGE)

/* Of the device; looking for it would be part of the path. */
static int number;

FIXTURE(fail_nth_memory)
{
	int nth;
	int ctx;
	int contexts;
	int descriptors;
	char *own;
};

FIXTURE_SETUP(fail_nth_memory)
{
	self->nth = faults_open();
	ASSERT_FAULTS(self->nth);
	number = sim_number();
	ASSERT_SIM(number);
	self->ctx = sim_open_mode(ACCEL_MODE_KERNEL);
	ASSERT_WORKS(self->ctx, "a context");
	self->contexts = accel_contexts(self->ctx);
	self->own = anonymous(SIZE, PROT_READ | PROT_WRITE);
	memset(self->own, 1, SIZE);
	self->descriptors = descriptors();
}

FIXTURE_TEARDOWN(fail_nth_memory)
{
	close(self->nth);
	close(self->ctx);
}

static long pinned(void)
{
	char text[4096], *line;

	if (read_file("/proc/self/status", text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, "VmPin:");
	return line ? atol(line + 6) : -1;
}

static int own_error(int error)
{
	return error < 0 ? error : 0;
}

/* Maps the buffer, touches it, and closes it. */
static int use_buffer(int fd)
{
	char *p;
	int ret;

	if (fd < 0)
		return fd;
	p = buffer_mmap(fd, SIZE);
	ret = p == MAP_FAILED ? -errno : 0;
	if (!ret) {
		touch_write(p + PAGE, 1);
		buffer_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
		munmap(p, SIZE);
	}
	close(fd);
	return ret;
}

static int system_buffer(int ctx, void *own)
{
	(void)own;
	return use_buffer(buffer_alloc(ctx, SIZE));
}

static int one_piece(int ctx, void *own)
{
	(void)own;
	return use_buffer(buffer_alloc_from(ctx, 0, SIZE, ACCEL_ALLOC_CONTIGUOUS));
}

static int write_combined(int ctx, void *own)
{
	(void)own;
	return use_buffer(buffer_alloc_from(ctx, 0, SIZE, ACCEL_ALLOC_WRITE_COMBINE));
}

static int device_buffer(int ctx, void *own)
{
	(void)own;
	return use_buffer(buffer_alloc_local(ctx, SIZE));
}

static int wrapped(int ctx, void *own)
{
	return use_buffer(buffer_wrap(ctx, own, SIZE, 0));
}

static int wrapped_to_be_read(int ctx, void *own)
{
	int fd = buffer_wrap(ctx, own, SIZE, ACCEL_WRAP_READ_ONLY);

	if (fd >= 0)
		close(fd);
	return own_error(fd);
}

static void close_all(int *fds, int count)
{
	while (count--) {
		if (fds[count] >= 0)
			close(fds[count]);
	}
}

/* One of each kind; a negative errno if not all could be had. */
static int make_all(int ctx, void *own, int fds[4])
{
	int i;

	fds[0] = buffer_alloc(ctx, SIZE);
	fds[1] = buffer_alloc_local(ctx, SIZE);
	fds[2] = buffer_wrap(ctx, own, SIZE, 0);
	fds[3] = buffer_wrap(ctx, own, SIZE, ACCEL_WRAP_READ_ONLY);
	for (i = 0; i < 4; i++) {
		if (fds[i] < 0)
			return fds[i];
	}
	return 0;
}

static int map_all(int ctx, void *own)
{
	int fds[4], space = accel_open_number("accel", number, O_RDWR), ret, i;
	__s64 at[4] = {};

	ret = make_all(ctx, own, fds);
	ret = ret ?: own_error(space);
	ret = ret ?: accel_bind(space, ACCEL_MODE_PRIVATE);
	for (i = 0; i < 4 && !ret; i++) {
		at[i] = buffer_map(space, fds[i], i == 3 ? ACCEL_ACCESS_READ : BOTH);
		if (at[i] < 0)
			ret = at[i];
	}
	/* One is left to the end of the context. */
	for (i = 0; i < 3 && !ret; i++)
		ret = buffer_unmap(space, at[i], SIZE);
	close_all(fds, 4);
	if (space >= 0)
		close(space);
	return ret;
}

static int run_jobs(int ctx, void *own)
{
	int fds[4], queue = accel_queue_create(ctx, 4), ret, first = -1;
	struct submission s = {
		.jobs = { fill(0, 0, 1, SIZE), checksum(3, 0, SIZE), fill(1, 0, 2, SIZE) },
		.job_count = 3,
		.buffer_count = 4,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};

	ret = make_all(ctx, own, fds);
	ret = ret ?: own_error(queue);
	s.buffers[0] = use(fds[0], BOTH);
	s.buffers[1] = use(fds[1], BOTH);
	s.buffers[2] = use(fds[2], BOTH);
	s.buffers[3] = use(fds[3], ACCEL_ACCESS_READ);
	if (!ret)
		ret = submit(queue, &s);
	if (!ret) {
		/* The same behind it, by its fence and by its buffers. */
		first = s.out_fence;
		s.job_count = 1;
		s.in_fences[0] = first;
		s.in_fence_count = 1;
		ret = submit(queue, &s);
	}
	if (!ret) {
		ret = fence_wait(s.out_fence, 60);
		close(s.out_fence);
	}
	if (first >= 0)
		close(first);
	if (queue >= 0)
		close(queue);
	close_all(fds, 4);
	return ret;
}

static int ask_for_memory(int ctx, void *own)
{
	struct accel_info_memory memory;

	(void)own;
	return own_error(accel_info(ctx, ACCEL_INFO_MEMORY, &memory, sizeof(memory)));
}

FIXTURE_VARIANT(fail_nth_memory)
{
	int (*path)(int ctx, void *own);
};

FIXTURE_VARIANT_ADD(fail_nth_memory, system_buffer) { .path = system_buffer };
FIXTURE_VARIANT_ADD(fail_nth_memory, one_piece) { .path = one_piece };
FIXTURE_VARIANT_ADD(fail_nth_memory, write_combined) { .path = write_combined };
FIXTURE_VARIANT_ADD(fail_nth_memory, device_buffer) { .path = device_buffer };
FIXTURE_VARIANT_ADD(fail_nth_memory, wrapped) { .path = wrapped };
FIXTURE_VARIANT_ADD(fail_nth_memory, wrapped_to_be_read) { .path = wrapped_to_be_read };
FIXTURE_VARIANT_ADD(fail_nth_memory, map_all) { .path = map_all };
FIXTURE_VARIANT_ADD(fail_nth_memory, run_jobs) { .path = run_jobs };
FIXTURE_VARIANT_ADD(fail_nth_memory, ask_for_memory) { .path = ask_for_memory };

TEST_F(fail_nth_memory, leaves_nothing)
{
	bool failed = true;
	int n, ret;

	for (n = 1; failed && n < LIMIT; n++) {
		arm(self->nth, n);
		ret = variant->path(self->ctx, self->own);
		failed = disarm(self->nth);
		EXPECT_THAT(!ret || (failed && is_shortage(ret)),
			    "either all goes well, or memory is short");
		if (ret && !is_shortage(ret))
			TH_LOG("got %s at allocation %d", ret_name(ret), n);
		ASSERT_EQ(self->descriptors, descriptors()) {
			TH_LOG("expected: no descriptor is left after allocation %d failed", n);
		}
		ASSERT_EQ(0, accel_queues(self->ctx)) {
			TH_LOG("expected: no queue is left after allocation %d failed", n);
		}
		ASSERT_EQ(self->contexts, accel_contexts(self->ctx)) {
			TH_LOG("expected: no context is left after allocation %d failed", n);
		}
		ASSERT_TRUE(WAIT_FOR(!memory_info(self->ctx).used, 10)) {
			TH_LOG("expected: no device memory is left after allocation %d failed", n);
		}
		ASSERT_EQ(0, memory_info(self->ctx).buffers);
		ASSERT_EQ(0, pinned()) {
			TH_LOG("expected: nothing is pinned after allocation %d failed", n);
		}
	}
	EXPECT_LT(n, LIMIT) {
		TH_LOG("expected: fewer than %d allocations", LIMIT);
	}
	TH_LOG("%d allocations failed, one after the other", n - 2);
	EXPECT_RET(0, variant->path(self->ctx, self->own), "all goes well with memory enough");
}

TEST_HARNESS_MAIN
