// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers and jobs of a machine that runs out of memory.
 *
 * Not under the checking kernel, which takes memory of its own for each piece that somebody takes,
 * and ends processes for it.
 *
 * accel-bench: kernel=plain modules=accel_sim memory=512
 */
#include <sys/mount.h>

#include "memory_util.h"

#define MIB (1ul << 20)
#define SIZE (2 * MIB)
#define BOTH (ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE)
/* What may come to be used for reasons of its own. */
#define SLACK (24 * MIB)

FIXTURE(pressure)
{
	int descriptors;
	int ctx;
	__u64 available;
	pid_t bystander;
	int sock[2];
};

/* A line of /proc/meminfo, in bytes. */
static __u64 system_memory(const char *name)
{
	char text[4096], *line;

	if (read_file("/proc/meminfo", text, sizeof(text)) < 0)
		return 0;
	line = strstr(text, name);
	return line ? strtoull(line + strlen(name) + 1, NULL, 10) << 10 : 0;
}

/* Has memory that is in use when others want some. */
static int stand_by(void *arg)
{
	int sock = *(int *)arg;
	void *own = anonymous(SIZE, PROT_READ | PROT_WRITE);
	char byte;

	memset(own, 0x42, SIZE);
	if (write(sock, "", 1) != 1 || read(sock, &byte, 1) != 1)
		return -EPIPE;
	return all_bytes(own, SIZE) == 0x42 ? 0 : -EBADMSG;
}

static void expect_as_much(struct __test_metadata *_metadata, __u64 before)
{
	EXPECT_THAT(WAIT_FOR(system_memory("MemAvailable") + SLACK > before, WAIT_SECONDS),
		    "as much memory can be had as before");
}

FIXTURE_SETUP(pressure)
{
	char byte;

	self->ctx = sim_open_mode(ACCEL_MODE_KERNEL);
	ASSERT_SIM(self->ctx);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, self->sock));
	self->bystander = child_start(stand_by, &self->sock[1]);
	ASSERT_EQ(1, read(self->sock[0], &byte, 1));
	self->descriptors = descriptors();
	self->available = system_memory("MemAvailable");
	ASSERT_LT(128 * MIB, self->available) {
		TH_LOG("expected: memory enough to begin with");
	}
}

FIXTURE_TEARDOWN(pressure)
{
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
	expect_as_much(_metadata, self->available);
	EXPECT_EQ(1, write(self->sock[0], "", 1));
	EXPECT_RET(0, child_result(self->bystander), "a process that has nothing to do with it");
	close(self->sock[0]);
	close(self->sock[1]);
	close(self->ctx);
}

TEST_F(pressure, more_than_there_is_is_refused_and_ends_nobody)
{
	static const __u32 kinds[] = { 0, ACCEL_ALLOC_WRITE_COMBINE, ACCEL_ALLOC_CONTIGUOUS };
	__u64 all = system_memory("MemTotal") / PAGE * PAGE;
	unsigned int i;
	int ret;

	/* Pages are taken, until there are no more, and given back. */
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		ret = buffer_alloc_from(self->ctx, ACCEL_MEMORY_SYSTEM, all, kinds[i]);
		EXPECT_RET(-ENOMEM, ret, "all memory of the machine");
		expect_as_much(_metadata, self->available);
	}
}

#define HOGS 200

/* Takes what there is, down to some MiB; the number of buffers. */
static int hog(int ctx, int fds[HOGS])
{
	__u64 size;
	int n = 0;

	for (size = 64 * MIB; size >= 4 * MIB; size /= 2) {
		while (n < HOGS && (fds[n] = buffer_alloc(ctx, size)) >= 0)
			n++;
	}
	return n;
}

TEST_F(pressure, jobs_go_on_when_memory_has_run_out)
{
	int timeline = timeline_open(), queue = accel_queue_create(self->ctx, 4);
	int space = sim_open_mode(ACCEL_MODE_PRIVATE), reserve = buffer_alloc(self->ctx, 16 * MIB);
	unsigned char *own = anonymous(SIZE, PROT_READ | PROT_WRITE), *p;
	int wrapped = buffer_wrap(self->ctx, own, SIZE, 0), hogs[HOGS], n, i;
	struct accel_sim_job job;
	struct accel_queue q;
	struct submission s = {
		.jobs = { fill(0, 0, 0x1111111111111111, SIZE) },
		.job_count = 1,
		.buffers = { use(wrapped, ACCEL_ACCESS_WRITE) },
		.buffer_count = 1,
		.in_fences = { timeline_fence(timeline, 1) },
		.in_fence_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	struct sim_result r;
	__s64 at;

	ASSERT_WORKS(timeline, "sw_sync in debugfs");
	ASSERT_WORKS(reserve, "a buffer");
	ASSERT_WORKS(wrapped, "wrap");
	ASSERT_RET(0, sim_queue_open(&q, space, 4), "a queue");
	p = buffer_mmap(wrapped, SIZE);
	ASSERT_NE(MAP_FAILED, p);
	at = buffer_map(space, wrapped, BOTH);
	ASSERT_WORKS(at, "map");
	ASSERT_RET(0, submit(queue, &s), "a job that waits");

	n = hog(self->ctx, hogs);
	EXPECT_LT(0, n);
	EXPECT_GT(HOGS, n);
	EXPECT_RET(-ENOMEM, hogs[n], "no more");
	/* Others need some, too. */
	close(reserve);
	EXPECT_RET(0, write_file("/proc/sys/vm/drop_caches", "3"), "drop what can be had again");
	EXPECT_RET(-ENOMEM, buffer_alloc(self->ctx, 64 * MIB), "it is still short");

	timeline_advance(timeline, 1);
	EXPECT_RET(0, fence_wait(s.out_fence, WAIT_SECONDS), "the job that has waited");
	EXPECT_EQ(0x11, all_bytes(own, SIZE)) {
		TH_LOG("expected: it has written the memory of the process");
	}
	job = sim_fill((void *)at, 0x2222222222222222, SIZE);
	r = sim_run(&q, &job);
	EXPECT_DONE(r, "a job on what is mapped");
	EXPECT_EQ(0x22, all_bytes(p, SIZE));
	EXPECT_EQ(0x22, all_bytes(own, SIZE));
	TH_LOG("%d buffers, %llu MiB were left", n, system_memory("MemAvailable") >> 20);

	for (i = 0; i < n; i++)
		close(hogs[i]);
	munmap(p, SIZE);
	munmap(own, SIZE);
	queue_close(&q);
	close(s.out_fence);
	close(s.in_fences[0]);
	close(wrapped);
	close(space);
	close(queue);
	close(timeline);
}

TEST_F(pressure, what_is_wrapped_stays_when_the_rest_is_put_aside)
{
	int timeline = timeline_open(), queue = accel_queue_create(self->ctx, 4), wrapped;
	unsigned char *own = anonymous(MIB, PROT_READ | PROT_WRITE);
	unsigned char *other = anonymous(MIB, PROT_READ | PROT_WRITE);
	struct submission s;
	__u64 entry;

	ASSERT_WORKS(timeline, "sw_sync in debugfs");
	ASSERT_RET(0, swap_on(), "swap on a ram disk");
	memset(own, 0x55, MIB);
	memset(other, 0x66, MIB);
	wrapped = buffer_wrap(self->ctx, own, MIB, 0);
	ASSERT_WORKS(wrapped, "wrap");
	entry = page_entry(own);
	s = (struct submission){
		.jobs = { fill(0, MIB / 2, 0x7777777777777777, MIB / 2) },
		.job_count = 1,
		.buffers = { use(wrapped, ACCEL_ACCESS_WRITE) },
		.buffer_count = 1,
		.in_fences = { timeline_fence(timeline, 1) },
		.in_fence_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	ASSERT_RET(0, submit(queue, &s), "a job that waits");
	ASSERT_EQ(0, madvise(own, MIB, MADV_PAGEOUT));
	EXPECT_THAT(put_aside(other, MIB), "what nobody needs is put aside");
	EXPECT_RET(0, write_file("/proc/sys/vm/compact_memory", "1"), "move what can be moved");
	EXPECT_EQ(entry, page_entry(own)) {
		TH_LOG("expected: what is wrapped is where it was");
	}
	timeline_advance(timeline, 1);
	EXPECT_RET(0, fence_wait(s.out_fence, WAIT_SECONDS), "the job that has waited");
	EXPECT_EQ(0x55, all_bytes(own, MIB / 2));
	EXPECT_EQ(0x77, all_bytes(own + MIB / 2, MIB / 2)) {
		TH_LOG("expected: it has written the memory of the process");
	}
	EXPECT_EQ(0x66, all_bytes(other, MIB));
	close(wrapped);
	memset(other, 0, MIB);
	EXPECT_THAT(put_aside(own, MIB), "it is put aside when it is wrapped no more");
	EXPECT_EQ(0x77, all_bytes(own + MIB / 2, MIB / 2));
	munmap(own, MIB);
	munmap(other, MIB);
	EXPECT_EQ(0, swapoff(SWAP_DEVICE));
	close(s.out_fence);
	close(s.in_fences[0]);
	close(queue);
	close(timeline);
}

#define CGROUPS "/sys/fs/cgroup"
#define GROUP CGROUPS "/accel_pressure"

static long long group_number(const char *file, const char *key)
{
	char path[128], text[4096], *line;

	snprintf(path, sizeof(path), GROUP "/%s", file);
	if (read_file(path, text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, key);
	return line ? atoll(line + strlen(key)) : -1;
}

/*
 * Hands over jobs that wait for as many fences as there can be, until there is no room for another,
 * or no memory. What the kernel has for each fence is charged.
 */
static int wait_in_group(void *arg)
{
	int ctx = *(int *)arg, ret = write_file(GROUP "/cgroup.procs", "0"), queue, timeline, i;
	struct accel_submit_fence fences[ACCEL_SUBMIT_FENCES_MAX];
	struct accel_sim_job nop = sim_nop(1);
	struct accel_queue_submit args = {
		.size = sizeof(args),
		.jobs = (uintptr_t)&nop,
		.job_count = 1,
		.job_size = sizeof(nop),
		.in_fences = (uintptr_t)fences,
		.in_fence_count = ARRAY_SIZE(fences),
		.in_fence_size = sizeof(fences[0]),
	};

	if (ret)
		return ret;
	timeline = timeline_open();
	queue = accel_queue_create(ctx, 4096);
	if (timeline < 0 || queue < 0)
		return timeline < 0 ? timeline : queue;
	for (i = 0; i < (int)ARRAY_SIZE(fences); i++)
		fences[i] = (struct accel_submit_fence){ .fd = timeline_fence(timeline, i + 1) };
	while (!ret)
		ret = accel_ioctl(queue, ACCEL_QUEUE_SUBMIT, &args);
	return ret;
}

/* Makes queues, until there is none left, or no memory. */
static int make_queues_in_group(void *arg)
{
	int ctx = *(int *)arg, ret = write_file(GROUP "/cgroup.procs", "0");

	if (ret)
		return ret;
	do
		ret = accel_queue_create(ctx, 4096);
	while (ret >= 0);
	return ret;
}

/* Opens the nodes, until there is no memory. */
static int open_in_group(void *arg)
{
	struct rlimit many = { 1 << 17, 1 << 17 };
	int ret = setrlimit(RLIMIT_NOFILE, &many) ? -errno : 0, number = sim_number();

	(void)arg;
	ret = ret ?: write_file(GROUP "/cgroup.procs", "0");
	if (ret)
		return ret;
	do
		ret = accel_open_number("accel", number, O_RDWR);
	while (ret >= 0);
	return ret;
}

static int alloc_in_group(void *arg)
{
	int ctx = *(int *)arg, ret = write_file(GROUP "/cgroup.procs", "0"), first, i;
	static const __u32 kinds[] = { 0, ACCEL_ALLOC_WRITE_COMBINE };

	if (ret)
		return ret;
	first = buffer_alloc(ctx, 16 * MIB);
	if (first < 0)
		return first;
	if (group_number("memory.current", "") < 16 * (long long)MIB)
		return -EBADMSG;
	for (i = 0; i < 2; i++) {
		ret = buffer_alloc_from(ctx, ACCEL_MEMORY_SYSTEM, 24 * MIB, kinds[i]);
		if (ret != -ENOMEM)
			return ret < 0 ? ret : -E2BIG;
	}
	close(first);
	first = buffer_alloc(ctx, 24 * MIB);
	return first < 0 ? first : 0;
}

static int group_make(const char *limit)
{
	mount("none", CGROUPS, "cgroup2", 0, NULL);
	write_file(CGROUPS "/cgroup.subtree_control", "+memory");
	rmdir(GROUP);
	return mkdir(GROUP, 0755) ? -errno : write_file(GROUP "/memory.max", limit);
}

TEST_F(pressure, groups_have_limits)
{
	ASSERT_RET(0, group_make("32M"), "a group with a limit");
	EXPECT_RET(0, in_child(alloc_in_group, &self->ctx), "ENOMEM for more");
	EXPECT_RET(0, in_child(alloc_in_group, &self->ctx), "again: nothing was lost");
	EXPECT_THAT(WAIT_FOR(group_number("memory.current", "") < 2 * (long long)MIB, WAIT_SECONDS),
		    "what was counted is not counted any more");
	EXPECT_EQ(0, group_number("memory.events", "oom_kill ")) {
		TH_LOG("expected: nobody is ended for memory");
	}
	EXPECT_THAT(WAIT_FOR(!rmdir(GROUP), 10), "the group goes");
}

/*
 * Who wants more of what is small than its group may have is ended for it, as with any other, where
 * the kernel does not rather say that there is no memory.
 */
TEST_F(pressure, what_the_kernel_has_for_a_process_is_charged_to_it)
{
	static int (*const hogs[])(void *arg) = {
		wait_in_group, make_queues_in_group, open_in_group,
	};
	unsigned int i;
	int ret;

	expect_dmesg("Call Trace:");
	for (i = 0; i < ARRAY_SIZE(hogs); i++) {
		ASSERT_RET(0, group_make("8M"), "a group with a limit");
		ret = in_child(hogs[i], &self->ctx);
		EXPECT_TRUE(ret == -ENOMEM || ret == CHILD_KILLED - SIGKILL) {
			TH_LOG("expected: jobs, queues, contexts meet the limit, got %s, kind %u",
			       ret_name(ret), i);
		}
		EXPECT_LT(0, group_number("memory.events", "\nmax "));
		EXPECT_THAT(WAIT_FOR(group_number("memory.current", "") < 2 * (long long)MIB,
				     WAIT_SECONDS),
			    "what was counted is not counted any more");
		EXPECT_THAT(WAIT_FOR(!rmdir(GROUP), 10), "the group goes");
	}
}

TEST_HARNESS_MAIN
