// SPDX-License-Identifier: GPL-2.0
/* ACCEL_QUEUE_SUBMIT: jobs in kernel mode, their buffers, records and fences. */
/* accel-bench: kernel=check,races,quick modules=accel_sim */
#include <pthread.h>

#include "memory_util.h"

#define DEPTH 8
#define WAIT 60

FIXTURE(submit)
{
	int descriptors;
	int number;
	int ctx;
	int queue;
	int buffer;
	unsigned char *memory;
	const struct accel_sim_record *records;
};

FIXTURE_SETUP(submit)
{
	self->number = sim_number();
	ASSERT_SIM(self->number);
	self->descriptors = descriptors();
	self->ctx = sim_open_mode(ACCEL_MODE_KERNEL);
	ASSERT_WORKS(self->ctx, "a context in kernel mode");
	self->queue = accel_queue_create(self->ctx, DEPTH);
	ASSERT_WORKS(self->queue, "a queue");
	self->records = records_map(self->queue);
	ASSERT_NE(MAP_FAILED, self->records);
	self->buffer = buffer_alloc(self->ctx, 4 * PAGE);
	ASSERT_WORKS(self->buffer, "a buffer");
	self->memory = buffer_mmap(self->buffer, 4 * PAGE);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(submit)
{
	close(self->buffer);
	close(self->queue);
	close(self->ctx);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

static struct accel_sim_job copy(__u32 from, __u64 from_offset, __u32 to, __u64 to_offset,
				 __u64 length)
{
	return (struct accel_sim_job){
		.opcode = ACCEL_SIM_COPY,
		.source = ACCEL_BUFFER_ADDRESS(from, from_offset),
		.dest = ACCEL_BUFFER_ADDRESS(to, to_offset),
		.length = length,
	};
}

static struct accel_sim_job sleep_ms(__u64 ms)
{
	return (struct accel_sim_job){ .opcode = ACCEL_SIM_SLEEP, .value = ms };
}

static struct accel_sim_job fail(void)
{
	return (struct accel_sim_job){ .opcode = ACCEL_SIM_FAIL, .value = 0xbad };
}

/* The fence is signalled in the end, with this. */
#define EXPECT_FENCE(expected, fence, rule) EXPECT_RET(expected, fence_wait(fence, WAIT), rule)

/* A submission of one job with an out-fence, no buffer. */
static struct submission single(struct accel_sim_job job)
{
	return (struct submission){
		.jobs = { job },
		.job_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
}

/* The same, with a buffer. */
static struct submission on_buffer(struct accel_sim_job job, int fd, __u32 flags)
{
	struct submission s = single(job);

	s.buffers[0] = use(fd, flags);
	s.buffer_count = 1;
	return s;
}

static struct submission behind(struct accel_sim_job job, int fence)
{
	struct submission s = single(job);

	s.in_fences[0] = fence;
	s.in_fence_count = 1;
	return s;
}

/* A job on a queue of its own ends: what would have happened before that has. */
static void expect_others_work(struct __test_metadata *_metadata, int ctx)
{
	int queue = accel_queue_create(ctx, 4), i;

	ASSERT_WORKS(queue, "another queue");
	for (i = 0; i < 3; i++) {
		struct submission s = single(sim_nop(1));

		ASSERT_RET(0, submit(queue, &s), "a job");
		EXPECT_FENCE(0, s.out_fence, "a job of another queue");
		close(s.out_fence);
	}
	close(queue);
}

TEST_F(submit, jobs_reach_the_buffer_and_tell_their_end)
{
	struct submission s = {
		.jobs = { fill(0, PAGE - 3, 0x4141414141414141, PAGE + 6) },
		.job_count = 1,
		.buffers = { use(self->buffer, ACCEL_ACCESS_WRITE) },
		.buffer_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	__u64 count;
	size_t i;

	s.jobs[0].tag = 77;
	ASSERT_RET(0, submit(self->queue, &s), "a job");
	ASSERT_RET(0, fence_wait(s.out_fence, WAIT), "its fence");
	EXPECT_EQ(1, LOAD(self->records[0].head.number));
	EXPECT_EQ(0, self->records[0].head.error);
	EXPECT_EQ(77, self->records[0].completion.tag);
	EXPECT_EQ(PAGE + 6, self->records[0].completion.bytes);
	EXPECT_EQ(8, read(self->queue, &count, 8));
	EXPECT_EQ(1, count);
	for (i = 0; i < 4 * PAGE; i++)
		ASSERT_EQ(i >= PAGE - 3 && i < 2 * PAGE + 3 ? 0x41 : 0, self->memory[i]);
	close(s.out_fence);
}

/* --- Order and records --- */

TEST_F(submit, jobs_go_in_their_order)
{
	struct submission s = {
		.job_count = 8,
		.buffer_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	const struct accel_sim_record *r;
	__u64 n = 0;
	int i, round;

	s.buffers[0] = use(self->buffer, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE);
	for (round = 1; round <= 5; round++) {
		/* Each takes what the one before has made. */
		s.jobs[0] = fill(0, 0, round * 0x0101010101010101, 512);
		for (i = 1; i < 8; i++)
			s.jobs[i] = copy(0, 512 * (i - 1), 0, 512 * i, 512);
		for (i = 0; i < 8; i++)
			s.jobs[i].tag = round * 100 + i;
		ASSERT_RET(0, submit(self->queue, &s), "a batch");
		EXPECT_FENCE(0, s.out_fence, "the batch");
		close(s.out_fence);
		EXPECT_EQ(round, all_bytes(self->memory, PAGE));
		for (i = 0; i < 8; i++, n++) {
			r = &self->records[n % DEPTH];
			EXPECT_EQ(n + 1, LOAD(r->head.number)) {
				TH_LOG("expected: the record at the number modulo the depth");
			}
			EXPECT_EQ(round * 100 + i, r->completion.tag);
			EXPECT_EQ(0, r->head.error);
			EXPECT_EQ(0, r->head.reserved);
		}
	}
}

TEST_F(submit, records_are_read_only_and_zero_before)
{
	struct accel_region region;

	EXPECT_EQ(0, all_bytes(self->records, DEPTH * sizeof(self->records[0])));
	ASSERT_RET(0, accel_region(self->queue, ACCEL_REGION_RECORDS, &region), "the region");
	EXPECT_EQ(ACCEL_ACCESS_READ, region.flags);
	EXPECT_RET(-EPERM, map_error(accel_map(self->queue, region.offset, region.size,
						PROT_READ | PROT_WRITE)), "mapped to be written");
	EXPECT_EQ(-1, mprotect((void *)self->records, PAGE, PROT_READ | PROT_WRITE));
	EXPECT_RET(-ENOENT, accel_region(self->queue, ACCEL_REGION_RING, &region), "no ring");
	EXPECT_RET(-ENOENT, accel_region(self->queue, ACCEL_REGION_DOORBELL, &region),
		   "no doorbell");
}

TEST_F(submit, a_failure_is_told_and_the_others_go_on)
{
	struct submission s = {
		.jobs = { fill(0, 0, ~0ull, 8), fail(), fill(0, 8, ~0ull, 8), fail() },
		.job_count = 4,
		.buffers = { use(self->buffer, ACCEL_ACCESS_WRITE) },
		.buffer_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	int errors[4] = { 0, EIO, 0, EIO }, i;

	ASSERT_RET(0, submit(self->queue, &s), "a batch");
	EXPECT_FENCE(-EIO, s.out_fence, "the fence has the error of the first that failed");
	close(s.out_fence);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(i + 1, LOAD(self->records[i].head.number));
		EXPECT_EQ(errors[i], self->records[i].head.error);
	}
	EXPECT_EQ(0xbad, self->records[1].completion.result);
	EXPECT_EQ(0xff, all_bytes(self->memory, 16));
	ASSERT_RET(0, sim_control(self->number, "fault", "1"), "the next job faults");
	s = single(sim_nop(0));
	ASSERT_RET(0, submit(self->queue, &s), "a job that faults");
	EXPECT_FENCE(-EFAULT, s.out_fence, "a fault");
	close(s.out_fence);
	EXPECT_EQ(EFAULT, self->records[4].head.error);
	expect_others_work(_metadata, self->ctx);
}

TEST_F(submit, amdxdna_cve_2026_23288_as_many_as_the_queue_is_deep)
{
	int timeline = timeline_open(), i;
	struct submission s, one;

	ASSERT_WORKS(timeline, "sw_sync in debugfs");
	s = behind(sim_nop(0), timeline_fence(timeline, 1));
	s.job_count = DEPTH - 2;
	ASSERT_RET(0, submit(self->queue, &s), "all but two");
	for (i = 0; i < 2; i++) {
		one = single(sim_nop(0));
		ASSERT_RET(0, submit(self->queue, &one), "and those two");
		close(one.out_fence);
	}
	for (i = 0; i < 3; i++) {
		one = on_buffer(fill(0, 0, 1, 8), self->buffer, ACCEL_ACCESS_WRITE);
		EXPECT_RET(-EAGAIN, submit(self->queue, &one), "one too many");
		one.flags = 0;
		EXPECT_RET(-EAGAIN, submit(self->queue, &one), "without a fence");
	}
	EXPECT_EQ(0, fence_status(s.out_fence));
	EXPECT_EQ(0, self->records[0].head.number);
	timeline_advance(timeline, 1);
	EXPECT_FENCE(0, s.out_fence, "all of them");
	close(s.out_fence);
	EXPECT_EQ(0, self->memory[0]) {
		TH_LOG("expected: nothing of what was refused is done");
	}
	one = on_buffer(fill(0, 0, 1, 8), self->buffer, ACCEL_ACCESS_WRITE);
	one.job_count = 8;
	for (i = 1; i < 8; i++)
		one.jobs[i] = one.jobs[0];
	EXPECT_THAT(WAIT_FOR(submit(self->queue, &one) != -EAGAIN, WAIT), "there is room again");
	EXPECT_FENCE(0, one.out_fence, "a full ring");
	close(one.out_fence);
	close(s.in_fences[0]);
	close(timeline);
}

/* --- Lies --- */

TEST_F(submit, amdkfd_cve_2026_63881_lies_are_refused)
{
	struct accel_sim_job job = fill(0, 0, ~0ull, 8), jobs[DEPTH + 1];
	struct accel_submit_buffer buffer = use(self->buffer, ACCEL_ACCESS_WRITE), many[65];
	struct accel_submit_fence fences[65], bad = { .fd = -1 };
	const struct accel_queue_submit good = {
		.size = sizeof(good),
		.flags = ACCEL_SUBMIT_OUT_FENCE,
		.jobs = (unsigned long)&job,
		.job_count = 1,
		.job_size = sizeof(job),
		.buffers = (unsigned long)&buffer,
		.buffer_count = 1,
		.buffer_size = sizeof(buffer),
		.in_fence_size = sizeof(fences[0]),
	};
	struct accel_queue_submit args;
	unsigned int i;

	for (i = 0; i < 65; i++) {
		many[i] = buffer;
		fences[i] = bad;
	}
	for (i = 0; i <= DEPTH; i++)
		jobs[i] = job;
#define REFUSED(error, rule, ...) \
	do { \
		args = good; \
		__VA_ARGS__; \
		EXPECT_RET(error, accel_ioctl(self->queue, ACCEL_QUEUE_SUBMIT, &args), rule); \
		EXPECT_EQ(self->descriptors + 3, descriptors()) { \
			TH_LOG("%s: expected: no descriptor is left", rule); \
		} \
	} while (0)

	REFUSED(-EINVAL, "no job", args.job_count = 0);
	REFUSED(-EINVAL, "more than the depth", args.job_count = DEPTH + 1,
		args.jobs = (unsigned long)jobs);
	REFUSED(-EINVAL, "2^32 - 1 jobs", args.job_count = ~0u);
	REFUSED(-EINVAL, "2^31 jobs of 2^31 bytes", args.job_count = 1u << 31,
		args.job_size = 1u << 31);
	REFUSED(-EINVAL, "a job that is shorter", args.job_size = ACCEL_SIM_JOB_SIZE_VER0 - 1);
	REFUSED(-E2BIG, "a job that is longer", args.job_size = ~0u);
	REFUSED(-EINVAL, "a job of no size", args.job_size = 0);
	REFUSED(-EINVAL, "a buffer of no size", args.buffer_size = 0);
	REFUSED(-E2BIG, "a buffer of 4 GiB", args.buffer_size = ~0u);
	REFUSED(-EINVAL, "a fence of no size", args.in_fence_count = 1, args.in_fence_size = 0);
	REFUSED(-E2BIG, "a fence of 4 GiB", args.in_fence_count = 1, args.in_fence_size = ~0u);
	REFUSED(-EINVAL, "an unknown flag", args.flags = 2);
	REFUSED(-EINVAL, "all flags", args.flags = ~0u);
	REFUSED(-EINVAL, "a reserved field", args.reserved = 1);
	REFUSED(-EINVAL, "a struct that is shorter", args.size -= 8);
	REFUSED(-EINVAL, "a struct of no size", args.size = 0);
	REFUSED(-E2BIG, "a struct that is longer", args.size = 4096;
		args.size = ~0u);
	REFUSED(-EFAULT, "no jobs there", args.jobs = 0);
	REFUSED(-EFAULT, "jobs of the kernel's", args.jobs = -PAGE);
	REFUSED(-EFAULT, "no buffers there", args.buffers = 8);
	REFUSED(-EFAULT, "no fences there", args.in_fence_count = 1, args.in_fences = 8);
	REFUSED(-EINVAL, "65 buffers", args.buffer_count = 65, args.buffers = (unsigned long)many);
	REFUSED(-EINVAL, "2^32 - 1 buffers", args.buffer_count = ~0u);
	REFUSED(-EINVAL, "65 fences", args.in_fence_count = 65,
		args.in_fences = (unsigned long)fences);
	REFUSED(-EINVAL, "no fence", args.in_fence_count = 1, args.in_fences = (unsigned long)&bad);
	bad.fd = self->buffer;
	REFUSED(-EINVAL, "a buffer for a fence", args.in_fence_count = 1,
		args.in_fences = (unsigned long)&bad);
	many[0].fd = 1000;
	REFUSED(-EBADF, "a closed buffer", args.buffers = (unsigned long)many);
	many[0].fd = self->ctx;
	REFUSED(-EINVAL, "a device for a buffer", args.buffers = (unsigned long)many);
	many[0] = use(self->buffer, 0);
	REFUSED(-EINVAL, "a buffer for nothing", args.buffers = (unsigned long)many);
	many[0].flags = ACCEL_ACCESS_WRITE | ACCEL_MAP_FIXED;
	REFUSED(-EINVAL, "an unknown flag of a buffer", args.buffers = (unsigned long)many);
	many[0].flags = ACCEL_ACCESS_READ;
	REFUSED(-EACCES, "writing what is named to be read", args.buffers = (unsigned long)many);
	EXPECT_EQ(0, self->memory[0]) {
		TH_LOG("expected: nothing of what was refused is done");
	}

	void *page = in_read_only_page(&good, sizeof(good));

	EXPECT_RET(-EFAULT, accel_ioctl(self->queue, ACCEL_QUEUE_SUBMIT, page), "no room");
	munmap(page, PAGE);
	for (i = 0; i < 64; i++)
		many[i] = buffer;
	args = good;
	args.buffers = (unsigned long)many;
	args.buffer_count = 64;
	job = fill(63, 0, 0x4242424242424242, 8);
	many[0].flags = ACCEL_ACCESS_READ;
	job = fill(0, 0, ~0ull, 8);
	EXPECT_RET(-EACCES, accel_ioctl(self->queue, ACCEL_QUEUE_SUBMIT, &args),
		   "writing by a place that says read");
	job = fill(63, 0, 0x4242424242424242, 8);
	ASSERT_RET(0, accel_ioctl(self->queue, ACCEL_QUEUE_SUBMIT, &args),
		   "64 times the same buffer");
	EXPECT_FENCE(0, args.out_fence, "a job on the last of them");
	EXPECT_EQ(0x42, self->memory[0]);
	EXPECT_EQ(1, self->records[0].head.number) {
		TH_LOG("expected: the first job that was taken has number 0");
	}
	close(args.out_fence);
}

TEST_F(submit, ethosu_cve_2026_53170_jobs_that_lie_are_refused)
{
	const struct { const char *what; int error; struct accel_sim_job job; } lies[] = {
		{ "a buffer that is not named", -EINVAL, fill(1, 0, 0, 8) },
		{ "buffer 64", -EINVAL, fill(64, 0, 0, 8) },
		{ "buffer 65535", -EINVAL, fill(65535, 0, 0, 8) },
		{ "behind the end", -EINVAL, fill(0, 4 * PAGE, 0, 1) },
		{ "over the end", -EINVAL, fill(0, 4 * PAGE - 4, 0, 8) },
		{ "the last offset", -EINVAL, fill(0, (1ull << 48) - 8, 0, 8) },
		{ "the last address", -EINVAL, fill(0xffff, (1ull << 48) - 1, 0, 8) },
		{ "reading what is named to be written", -EACCES, checksum(0, 0, 8) },
		{ "nothing but an opcode", -EINVAL, { .opcode = ACCEL_SIM_FILL } },
		{ "no length", -EINVAL, fill(0, 0, 0, 0) },
		{ "a length of 2^64 - 1", -EINVAL, fill(0, 0, 0, ~0ull) },
		{ "a length that ends at 2^64", -EINVAL, fill(0, PAGE, 0, -PAGE) },
		{ "a length of 2^32", -EINVAL, fill(0, 0, 0, 1ull << 32) },
		{ "no such opcode", -EINVAL, { .opcode = 99 } },
		{ "a reserved field", -EINVAL, { .reserved = { 0, 1 } } },
		{ "an unknown flag", -EINVAL, { .flags = 1u << 31 } },
		{ "too long a sleep", -EINVAL, sleep_ms(ACCEL_SIM_SLEEP_MAX + 1) },
	};
	struct submission s;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lies); i++) {
		s = on_buffer(lies[i].job, self->buffer, ACCEL_ACCESS_WRITE);
		EXPECT_RET(lies[i].error, submit(self->queue, &s), lies[i].what);
		s.jobs[1] = s.jobs[0];
		s.jobs[0] = fill(0, 0, ~0ull, 8);
		s.job_count = 2;
		EXPECT_RET(lies[i].error, submit(self->queue, &s), "the same behind what is right");
	}
	EXPECT_EQ(self->descriptors + 3, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
	expect_others_work(_metadata, self->ctx);
	EXPECT_EQ(0, self->memory[0]) {
		TH_LOG("expected: nothing of what was refused is done");
	}
	EXPECT_EQ(0, self->records[0].head.number);
}

/* A job that is right and wrong by turns. */
struct fickle {
	struct accel_sim_job job;
	int stop;
};

static void *change(void *arg)
{
	struct fickle *fickle = arg;

	while (!LOAD(fickle->stop)) {
		STORE(fickle->job.dest, ACCEL_BUFFER_ADDRESS(0, 4 * PAGE));
		STORE(fickle->job.dest, ACCEL_BUFFER_ADDRESS(0, 0));
	}
	return NULL;
}

TEST_F(submit, ethosu_cve_2026_53173_jobs_change_while_they_are_read)
{
	struct fickle fickle = { .job = fill(0, 0, ~0ull, PAGE) };
	struct accel_submit_buffer buffer = use(self->buffer, ACCEL_ACCESS_WRITE);
	struct accel_queue_submit args = {
		.size = sizeof(args),
		.flags = ACCEL_SUBMIT_OUT_FENCE,
		.jobs = (unsigned long)&fickle.job,
		.job_count = 1,
		.job_size = sizeof(fickle.job),
		.buffers = (unsigned long)&buffer,
		.buffer_count = 1,
		.buffer_size = sizeof(buffer),
	};
	double end = seconds() + WAIT;
	int ret, taken = 0, refused = 0;
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, change, &fickle));
	while ((taken < 50 || refused < 50) && seconds() < end) {
		ret = accel_ioctl(self->queue, ACCEL_QUEUE_SUBMIT, &args);
		if (ret) {
			ASSERT_RET(-EINVAL, ret, "wrong when it was looked at");
			refused++;
			continue;
		}
		ASSERT_RET(0, fence_wait(args.out_fence, WAIT), "what is checked is what is done");
		close(args.out_fence);
		taken++;
	}
	STORE(fickle.stop, 1);
	pthread_join(thread, NULL);
	EXPECT_LT(0, taken);
	EXPECT_LT(0, refused);
}

TEST_F(submit, only_queues_in_kernel_mode_take_jobs)
{
	int ctx = sim_open_shared(), queue = accel_queue_create(ctx, 4);
	int private = sim_open_mode(ACCEL_MODE_PRIVATE), theirs = accel_queue_create(private, 4);
	struct accel_sim_job job = sim_nop(1);

	ASSERT_WORKS(queue, "a queue of a shared context");
	EXPECT_RET(-EOPNOTSUPP, submit_one(queue, &job, -1, 0), "a shared context");
	EXPECT_RET(-EOPNOTSUPP, submit_one(theirs, &job, -1, 0), "a private context");
	EXPECT_RET(-ENOTTY, submit_one(self->ctx, &job, -1, 0), "a context is no queue");
	close(queue);
	close(ctx);
	close(theirs);
	close(private);
}

/* --- Fences --- */

TEST_F(submit, jobs_wait_for_fences)
{
	int timeline = timeline_open();
	struct submission s;

	ASSERT_WORKS(timeline, "sw_sync in debugfs");
	s = on_buffer(fill(0, 0, ~0ull, 8), self->buffer, ACCEL_ACCESS_WRITE);
	s.in_fences[0] = timeline_fence(timeline, 2);
	s.in_fences[1] = timeline_fence(timeline, 1);
	s.in_fence_count = 2;
	ASSERT_RET(0, submit(self->queue, &s), "a job behind two fences");
	expect_others_work(_metadata, self->ctx);
	timeline_advance(timeline, 1);
	expect_others_work(_metadata, self->ctx);
	EXPECT_EQ(0, self->records[0].head.number) {
		TH_LOG("expected: it has not begun, one fence is not signalled");
	}
	EXPECT_EQ(0, self->memory[0]);
	EXPECT_EQ(0, fence_status(s.out_fence));
	timeline_advance(timeline, 1);
	EXPECT_FENCE(0, s.out_fence, "the job, once both are");
	EXPECT_EQ(0xff, self->memory[0]);
	close(s.out_fence);
	ASSERT_RET(0, submit(self->queue, &s), "the same, when both are signalled already");
	EXPECT_FENCE(0, s.out_fence, "that job");
	close(s.out_fence);
	close(s.in_fences[0]);
	close(s.in_fences[1]);
	close(timeline);
}

TEST_F(submit, a_fence_that_fails_cancels)
{
	int timeline = timeline_open(), later = timeline_open(), i;
	struct submission s, next;

	ASSERT_WORKS(timeline, "sw_sync in debugfs");
	s = on_buffer(fill(0, 0, ~0ull, 8), self->buffer, ACCEL_ACCESS_WRITE);
	s.jobs[1] = s.jobs[0];
	s.job_count = 2;
	s.in_fences[0] = timeline_fence(timeline, 1);
	s.in_fences[1] = timeline_fence(later, 1);
	s.in_fence_count = 2;
	ASSERT_RET(0, submit(self->queue, &s), "jobs behind two fences");
	next = on_buffer(fill(0, 64, ~0ull, 8), self->buffer, ACCEL_ACCESS_WRITE);
	ASSERT_RET(0, submit(self->queue, &next), "a job behind them");
	/* Its fences end with an error. */
	close(timeline);
	expect_others_work(_metadata, self->ctx);
	EXPECT_EQ(0, fence_status(next.out_fence)) {
		TH_LOG("expected: the other fence is waited for");
	}
	timeline_advance(later, 1);
	EXPECT_FENCE(-ECANCELED, s.out_fence, "jobs behind a fence that failed");
	EXPECT_FENCE(0, next.out_fence, "the job behind them");
	for (i = 0; i < 2; i++)
		EXPECT_EQ(ECANCELED, self->records[i].head.error);
	EXPECT_EQ(0, self->memory[0]) {
		TH_LOG("expected: they never began");
	}
	EXPECT_EQ(0xff, self->memory[64]);
	close(s.out_fence);
	ASSERT_RET(0, submit(self->queue, &s), "fences that have failed already");
	EXPECT_FENCE(-ECANCELED, s.out_fence, "jobs behind them");
	EXPECT_EQ(0, self->memory[0]);
	close(s.out_fence);
	close(next.out_fence);
	close(s.in_fences[0]);
	close(s.in_fences[1]);
	close(later);
}

TEST_F(submit, queues_wait_for_each_other)
{
	int other = sim_open_mode(ACCEL_MODE_KERNEL), queue = accel_queue_create(other, 4);
	struct submission first, second;

	ASSERT_WORKS(queue, "a queue of another context");
	first = single(sleep_ms(50));
	first.jobs[1] = fail();
	first.job_count = 2;
	ASSERT_RET(0, submit(self->queue, &first), "a job that takes a while, and fails");
	second = behind(sim_nop(0), first.out_fence);
	ASSERT_RET(0, submit(queue, &second), "a job of another queue behind it");
	EXPECT_FENCE(-ECANCELED, second.out_fence, "it is cancelled");
	EXPECT_EQ(-EIO, fence_status(first.out_fence)) {
		TH_LOG("expected: the first has ended before");
	}
	close(first.out_fence);
	close(second.out_fence);
	first = single(sleep_ms(50));
	ASSERT_RET(0, submit(self->queue, &first), "a job that takes a while");
	second = behind(sim_nop(0), first.out_fence);
	ASSERT_RET(0, submit(queue, &second), "a job behind it");
	EXPECT_FENCE(0, second.out_fence, "it is done");
	EXPECT_EQ(1, fence_status(first.out_fence));
	close(first.out_fence);
	close(second.out_fence);
	close(queue);
	close(other);
}

/* --- Order by what buffers are used for --- */

FIXTURE(order)
{
	int descriptors;
	int number;
	int timeline;
	int fence;
	int ctx[2];
	int queue[2];
	int buffer;
	int result;
	unsigned char *memory;
	unsigned char *copied;
};

/* Two devices, and a buffer; what the first does waits for the timeline. */
FIXTURE_SETUP(order)
{
	int i;

	ASSERT_SIM(sim_number());
	self->descriptors = descriptors();
	self->timeline = timeline_open();
	ASSERT_WORKS(self->timeline, "sw_sync in debugfs");
	self->fence = timeline_fence(self->timeline, 1);
	self->ctx[0] = sim_open();
	self->ctx[1] = sim_add(&self->number);
	for (i = 0; i < 2; i++) {
		ASSERT_RET(0, accel_bind(self->ctx[i], ACCEL_MODE_KERNEL), "bind");
		self->queue[i] = accel_queue_create(self->ctx[i], 8);
		ASSERT_WORKS(self->queue[i], "a queue");
	}
	self->buffer = buffer_alloc(self->ctx[0], PAGE);
	self->result = buffer_alloc(self->ctx[1], PAGE);
	self->memory = buffer_mmap(self->buffer, PAGE);
	self->copied = buffer_mmap(self->result, PAGE);
	ASSERT_NE(MAP_FAILED, self->memory);
	ASSERT_NE(MAP_FAILED, self->copied);
}

FIXTURE_TEARDOWN(order)
{
	close(self->timeline);
	close(self->fence);
	close(self->queue[0]);
	close(self->queue[1]);
	close(self->buffer);
	close(self->result);
	EXPECT_TRUE(sim_remove(self->ctx[1], self->number));
	close(self->ctx[0]);
	close(self->ctx[1]);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* What the first device does with the buffer, when the timeline lets it. */
static struct submission waiting(struct accel_sim_job job, int fd, __u32 flags, int fence)
{
	struct submission s = on_buffer(job, fd, flags);

	s.in_fences[0] = fence;
	s.in_fence_count = 1;
	return s;
}

/* Copies the buffer to the result. */
static struct submission taking(int buffer, int result)
{
	struct submission s = on_buffer(copy(0, 0, 1, 0, PAGE), buffer, ACCEL_ACCESS_READ);

	s.buffers[1] = use(result, ACCEL_ACCESS_WRITE);
	s.buffer_count = 2;
	return s;
}

TEST_F(order, a_reader_waits_for_the_writer_before)
{
	struct submission writer = waiting(fill(0, 0, 0x0909090909090909, PAGE), self->buffer,
					   ACCEL_ACCESS_WRITE, self->fence);
	struct submission reader = taking(self->buffer, self->result);

	ASSERT_RET(0, submit(self->queue[0], &writer), "a writer");
	ASSERT_RET(0, submit(self->queue[1], &reader), "a reader behind it");
	expect_others_work(_metadata, self->ctx[1]);
	EXPECT_EQ(0, fence_status(reader.out_fence)) {
		TH_LOG("expected: the reader waits");
	}
	timeline_advance(self->timeline, 1);
	EXPECT_FENCE(0, reader.out_fence, "the reader");
	EXPECT_EQ(1, fence_status(writer.out_fence));
	EXPECT_EQ(9, all_bytes(self->copied, PAGE)) {
		TH_LOG("expected: it has read what was written");
	}
	close(writer.out_fence);
	close(reader.out_fence);
}

TEST_F(order, a_writer_waits_for_the_readers_before)
{
	struct submission first = waiting(copy(0, 0, 1, 0, PAGE), self->buffer, ACCEL_ACCESS_READ,
					  self->fence);
	struct submission second, third;

	memset(self->memory, 3, PAGE);
	first.buffers[1] = use(self->result, ACCEL_ACCESS_WRITE);
	first.buffer_count = 2;
	ASSERT_RET(0, submit(self->queue[0], &first), "a reader");
	second = on_buffer(checksum(0, 0, PAGE), self->buffer, ACCEL_ACCESS_READ);
	ASSERT_RET(0, submit(self->queue[1], &second), "another reader");
	EXPECT_FENCE(0, second.out_fence, "readers do not wait for each other");
	EXPECT_EQ(0, fence_status(first.out_fence));
	third = on_buffer(fill(0, 0, ~0ull, PAGE), self->buffer, ACCEL_ACCESS_WRITE);
	ASSERT_RET(0, submit(self->queue[1], &third), "a writer");
	expect_others_work(_metadata, self->ctx[1]);
	EXPECT_EQ(0, fence_status(third.out_fence)) {
		TH_LOG("expected: the writer waits");
	}
	EXPECT_EQ(3, all_bytes(self->memory, PAGE));
	timeline_advance(self->timeline, 1);
	EXPECT_FENCE(0, third.out_fence, "the writer");
	EXPECT_FENCE(0, first.out_fence, "the reader before it");
	EXPECT_EQ(3, all_bytes(self->copied, PAGE)) {
		TH_LOG("expected: the reader has read what was there before");
	}
	EXPECT_EQ(0xff, all_bytes(self->memory, PAGE));
	close(first.out_fence);
	close(second.out_fence);
	close(third.out_fence);
}

TEST_F(order, a_writer_that_fails_does_not_cancel_others)
{
	struct submission writer = waiting(fail(), self->buffer, ACCEL_ACCESS_WRITE, self->fence);
	struct submission reader = taking(self->buffer, self->result);

	memset(self->memory, 4, PAGE);
	ASSERT_RET(0, submit(self->queue[0], &writer), "a writer that will fail");
	ASSERT_RET(0, submit(self->queue[1], &reader), "a reader behind it");
	timeline_advance(self->timeline, 1);
	EXPECT_FENCE(0, reader.out_fence, "the reader");
	EXPECT_FENCE(-EIO, writer.out_fence, "the writer");
	EXPECT_EQ(4, all_bytes(self->copied, PAGE));
	close(writer.out_fence);
	close(reader.out_fence);
}

TEST_F(order, poll_and_sync_files_tell_of_jobs)
{
	struct submission writer = waiting(fill(0, 0, 1, PAGE), self->buffer, ACCEL_ACCESS_WRITE,
					   self->fence);
	int before, to_read, to_write;

	before = buffer_export_fence(self->buffer, DMA_BUF_SYNC_RW);
	ASSERT_WORKS(before, "export of nothing");
	EXPECT_EQ(1, fence_status(before));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->buffer, POLLIN | POLLOUT));
	ASSERT_RET(0, submit(self->queue[0], &writer), "a writer");
	EXPECT_EQ(0, poll_now(self->buffer, POLLIN)) {
		TH_LOG("expected: a buffer that is written is not ready to be read");
	}
	EXPECT_EQ(0, poll_now(self->buffer, POLLOUT));
	to_read = buffer_export_fence(self->buffer, DMA_BUF_SYNC_READ);
	to_write = buffer_export_fence(self->buffer, DMA_BUF_SYNC_WRITE);
	ASSERT_WORKS(to_read, "export");
	ASSERT_WORKS(to_write, "export");
	EXPECT_EQ(0, fence_status(to_read));
	EXPECT_EQ(0, fence_status(to_write));
	EXPECT_EQ(1, fence_status(before));
	timeline_advance(self->timeline, 1);
	EXPECT_FENCE(0, to_read, "what a reader waits for");
	EXPECT_FENCE(0, to_write, "what a writer waits for");
	EXPECT_EQ(1, fence_status(writer.out_fence));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->buffer, POLLIN | POLLOUT));
	close(before);
	close(to_read);
	close(to_write);
	close(writer.out_fence);
}

TEST_F(order, jobs_wait_for_fences_that_were_put_into_the_buffer)
{
	struct submission reader = taking(self->buffer, self->result), writer;

	ASSERT_RET(0, buffer_import_fence(self->buffer, self->fence, DMA_BUF_SYNC_READ),
		   "a reader");
	ASSERT_RET(0, submit(self->queue[1], &reader), "another reader");
	EXPECT_FENCE(0, reader.out_fence, "does not wait");
	close(reader.out_fence);
	ASSERT_RET(0, buffer_import_fence(self->buffer, self->fence, DMA_BUF_SYNC_WRITE),
		   "a writer");
	reader = taking(self->buffer, self->result);
	ASSERT_RET(0, submit(self->queue[1], &reader), "a reader");
	writer = on_buffer(fill(0, 0, 1, 8), self->buffer, ACCEL_ACCESS_WRITE);
	ASSERT_RET(0, submit(self->queue[0], &writer), "a writer");
	expect_others_work(_metadata, self->ctx[0]);
	EXPECT_EQ(0, fence_status(reader.out_fence));
	EXPECT_EQ(0, fence_status(writer.out_fence));
	timeline_advance(self->timeline, 1);
	EXPECT_FENCE(0, writer.out_fence, "the writer");
	EXPECT_FENCE(0, reader.out_fence, "the reader before it");
	close(writer.out_fence);
	close(reader.out_fence);
}

/* --- Ends of queues --- */

#define JOBS 4

/* Jobs of which the first two are taken, the others wait for a fence for ever. */
struct doomed {
	int ctx;
	int queue;
	int timeline;
	int buffer;
	int fences[JOBS];
	int never;
	const struct accel_queue_status *status;
};

static int doom(struct doomed *d, int ctx, struct accel_sim_job first)
{
	struct accel_region region;
	struct submission s;
	int i, ret;

	d->ctx = ctx;
	d->queue = accel_queue_create(ctx, 8);
	d->timeline = timeline_open();
	d->buffer = buffer_alloc(ctx, PAGE);
	if (d->queue < 0 || d->timeline < 0 || d->buffer < 0)
		return -ENOENT;
	d->never = timeline_fence(d->timeline, 1);
	ret = accel_region(d->queue, ACCEL_REGION_STATUS, &region);
	if (ret)
		return ret;
	d->status = accel_map_region(d->queue, &region);
	for (i = 0; i < JOBS; i++) {
		s = on_buffer(i ? sim_nop(0) : first, d->buffer, ACCEL_ACCESS_WRITE);
		if (i >= 2) {
			s.in_fences[0] = d->never;
			s.in_fence_count = 1;
		}
		ret = submit(d->queue, &s);
		if (ret)
			return ret;
		d->fences[i] = s.out_fence;
	}
	return 0;
}

/* They all end with @error, and the buffer is free for others. */
static void expect_doom(struct __test_metadata *_metadata, struct doomed *d, int error, __u32 state)
{
	struct submission late = single(sim_nop(0));
	int i, left;

	for (i = 0; i < JOBS; i++) {
		EXPECT_FENCE(error, d->fences[i], "a job of a queue that died");
		close(d->fences[i]);
	}
	left = buffer_export_fence(d->buffer, DMA_BUF_SYNC_RW);
	EXPECT_EQ(1, fence_status(left)) {
		TH_LOG("expected: no fence is left in the buffer");
	}
	close(left);
	if (d->queue >= 0) {
		EXPECT_THAT(WAIT_FOR(LOAD(d->status->state) != ACCEL_QUEUE_LIVE, WAIT),
			    "it is dead");
		EXPECT_EQ(state, LOAD(d->status->state));
		EXPECT_RET(-ENODEV, submit(d->queue, &late), "a job on a dead queue");
		EXPECT_EQ(POLLERR | POLLHUP, poll_now(d->queue, POLLIN) & (POLLERR | POLLHUP));
		close(d->queue);
	}
	munmap((void *)d->status, PAGE);
	close(d->never);
	close(d->timeline);
	close(d->buffer);
}

TEST_F(submit, a_job_that_hangs_ends)
{
	struct doomed d;

	ASSERT_RET(0, doom(&d, self->ctx, sim_hang()), "jobs");
	expect_doom(_metadata, &d, -ETIMEDOUT, ACCEL_QUEUE_DEAD_TIMEOUT);
	expect_others_work(_metadata, self->ctx);
}

TEST_F(submit, a_reset_cancels)
{
	struct doomed d;

	ASSERT_RET(0, doom(&d, self->ctx, sleep_ms(60000)), "jobs");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	expect_doom(_metadata, &d, -ECANCELED, ACCEL_QUEUE_DEAD_RESET);
	expect_others_work(_metadata, self->ctx);
}

static int reset_it(void *arg)
{
	return accel_reset(*(int *)arg);
}

/* Nobody may be told to try again: the queue will never take a job. */
TEST_F(submit, a_queue_is_dead_while_a_reset_lasts)
{
	struct accel_sim_kick kick = { .size = sizeof(kick) };
	struct submission late = single(sim_nop(0));
	struct accel_queue_info info;
	pid_t resets;

	ASSERT_RET(0, sim_control(self->number, "hold_reset", "1"), "resets last");
	resets = child_start(reset_it, &self->ctx);
	EXPECT_THAT(WAIT_FOR(accel_state(self->ctx) == ACCEL_STATUS_IN_RESET, WAIT), "a reset");

	EXPECT_RET(-ENODEV, submit(self->queue, &late), "a job");
	late.flags = 0;
	EXPECT_RET(-ENODEV, submit(self->queue, &late), "without a fence");
	EXPECT_RET(-ENODEV, accel_ioctl(self->queue, ACCEL_SIM_KICK, &kick), "the driver's ioctl");
	EXPECT_RET(-ENODEV, accel_queue_info(self->queue, &info, NULL), "QUEUE_INFO");
	EXPECT_EQ(POLLERR | POLLHUP, poll_now(self->queue, POLLIN) & (POLLERR | POLLHUP));
	EXPECT_RET(-EAGAIN, accel_queue_create(self->ctx, 4), "a new queue comes later");

	ASSERT_RET(0, sim_control(self->number, "hold_reset", "0"), "it ends");
	EXPECT_RET(0, child_result(resets), "the reset");
	expect_others_work(_metadata, self->ctx);
}

TEST_F(submit, isolation_ends_jobs)
{
	struct doomed d;
	char path[96];

	snprintf(path, sizeof(path), ACCEL_CLASS "/accel%d/error_threshold", self->number);
	ASSERT_RET(0, write_file(path, "1"), "a threshold");
	ASSERT_RET(0, doom(&d, self->ctx, sleep_ms(60000)), "jobs");
	ASSERT_RET(0, sim_control(self->number, "error", "3"), "an error");
	expect_doom(_metadata, &d, -EIO, ACCEL_QUEUE_DEAD_ISOLATED);
	ASSERT_RET(0, write_file(path, "0"), "no threshold");
	EXPECT_THAT(WAIT_FOR(accel_state(self->ctx) == ACCEL_STATUS_ISOLATED, WAIT), "isolated");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	expect_others_work(_metadata, self->ctx);
}

TEST_F(submit, removal_ends_jobs)
{
	struct doomed d;
	int number, ctx = sim_add(&number);

	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_KERNEL), "bind");
	ASSERT_RET(0, doom(&d, ctx, sleep_ms(60000)), "jobs");
	ASSERT_TRUE(sim_remove(ctx, number));
	expect_doom(_metadata, &d, -ENODEV, ACCEL_QUEUE_DEAD_REMOVED);
	close(ctx);
}

TEST_F(submit, closing_a_queue_cancels)
{
	struct doomed d;

	ASSERT_RET(0, doom(&d, self->ctx, sleep_ms(60000)), "jobs");
	munmap((void *)d.status, PAGE);
	d.status = anonymous(PAGE, PROT_READ);
	close(d.queue);
	d.queue = -1;
	expect_doom(_metadata, &d, -ECANCELED, 0);
	expect_others_work(_metadata, self->ctx);
}

static int submit_and_be_killed(void *arg)
{
	int ctx = sim_open_mode(ACCEL_MODE_KERNEL), i, ret;
	struct doomed d;

	ret = doom(&d, ctx, sleep_ms(60000));
	for (i = 0; i < JOBS && !ret; i++)
		ret = send_fd(*(int *)arg, d.fences[i]);
	ret = ret ?: send_fd(*(int *)arg, d.never);
	ret = ret ?: send_fd(*(int *)arg, d.buffer);
	if (ret)
		return ret;
	kill(getpid(), SIGKILL);
	return 0;
}

TEST_F(submit, fences_of_a_process_that_is_killed_are_signalled)
{
	int socks[2], i, fd[JOBS + 2], left;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	EXPECT_RET(CHILD_KILLED - SIGKILL, in_child(submit_and_be_killed, &socks[1]), "killed");
	for (i = 0; i < JOBS + 2; i++) {
		fd[i] = recv_fd(socks[0]);
		ASSERT_WORKS(fd[i], "a descriptor");
	}
	EXPECT_FENCE(-ECANCELED, fd[0], "the job that it was at");
	for (i = 1; i < JOBS; i++)
		EXPECT_THAT(fence_wait(fd[i], WAIT) < 0, "those behind it end with an error");
	left = buffer_export_fence(fd[JOBS + 1], DMA_BUF_SYNC_RW);
	EXPECT_EQ(1, fence_status(left)) {
		TH_LOG("expected: no fence is left in the buffer");
	}
	close(left);
	for (i = 0; i < JOBS + 2; i++)
		close(fd[i]);
	close(socks[0]);
	close(socks[1]);
	expect_others_work(_metadata, self->ctx);
}

struct legacy {
	int sock;
	int fence;
};

/* Leaves a queue with a job that waits for a fence, on memory of its own. */
static int leave_a_job(void *arg)
{
	const struct legacy *legacy = arg;
	int ctx = sim_open_mode(ACCEL_MODE_KERNEL), queue = accel_queue_create(ctx, 4), buffer, ret;
	void *own = anonymous(2 * PAGE, PROT_READ | PROT_WRITE);
	struct submission s;

	memset(own, 0x3c, 2 * PAGE);
	buffer = buffer_wrap(ctx, own, 2 * PAGE, 0);
	s = on_buffer(fill(0, PAGE, 0x7777777777777777, PAGE), buffer, ACCEL_ACCESS_WRITE);
	s.in_fences[0] = legacy->fence;
	s.in_fence_count = 1;
	ret = submit(queue, &s);
	ret = ret ?: send_fd(legacy->sock, queue);
	ret = ret ?: send_fd(legacy->sock, buffer);
	ret = ret ?: send_fd(legacy->sock, s.out_fence);
	if (ret)
		return ret;
	kill(getpid(), SIGKILL);
	return 0;
}

TEST_F(submit, amdxdna_cve_2026_68380_jobs_on_memory_of_a_dead_process)
{
	int timeline = timeline_open(), socks[2], fd[3], i;
	struct legacy legacy;
	unsigned char *p;

	ASSERT_WORKS(timeline, "sw_sync in debugfs");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, socks));
	legacy = (struct legacy){ socks[1], timeline_fence(timeline, 1) };
	EXPECT_RET(CHILD_KILLED - SIGKILL, in_child(leave_a_job, &legacy), "a process dies");
	for (i = 0; i < 3; i++) {
		fd[i] = recv_fd(socks[0]);
		ASSERT_WORKS(fd[i], "what it leaves");
	}
	EXPECT_EQ(0, fence_status(fd[2])) {
		TH_LOG("expected: its job is still to come");
	}
	timeline_advance(timeline, 1);
	EXPECT_FENCE(0, fd[2], "the job of a process that is no more");
	p = buffer_mmap(fd[1], 2 * PAGE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(0x3c, all_bytes(p, PAGE));
	EXPECT_EQ(0x77, all_bytes(p + PAGE, PAGE)) {
		TH_LOG("expected: it has written the memory that the process had");
	}
	munmap(p, 2 * PAGE);
	for (i = 0; i < 3; i++)
		close(fd[i]);
	close(legacy.fence);
	close(timeline);
	close(socks[0]);
	close(socks[1]);
}

TEST_F(submit, rocket_cve_2026_64008_jobs_keep_their_buffers)
{
	int timeline = timeline_open(), local = buffer_alloc_local(self->ctx, PAGE), result;
	struct submission s;

	ASSERT_WORKS(local, "a buffer");
	s = waiting(fill(0, 0, 0x1313131313131313, PAGE), local, ACCEL_ACCESS_WRITE,
		    timeline_fence(timeline, 1));
	s.jobs[1] = copy(0, 0, 1, 0, PAGE);
	s.job_count = 2;
	s.buffers[0].flags |= ACCEL_ACCESS_READ;
	s.buffers[1] = use(self->buffer, ACCEL_ACCESS_WRITE);
	s.buffer_count = 2;
	ASSERT_RET(0, submit(self->queue, &s), "jobs");
	close(local);
	result = memory_info(self->ctx).used;
	EXPECT_EQ(PAGE, result) {
		TH_LOG("expected: the buffer of a job that waits stays");
	}
	timeline_advance(timeline, 1);
	EXPECT_FENCE(0, s.out_fence, "the jobs");
	EXPECT_EQ(0x13, all_bytes(self->memory, PAGE));
	EXPECT_THAT(WAIT_FOR(!memory_info(self->ctx).used, WAIT), "it goes when they have ended");
	close(s.out_fence);
	close(s.in_fences[0]);
	close(timeline);
}

/* --- Many at once --- */

#define CROSSINGS 1000

struct crosser {
	pthread_t thread;
	int queue;
	int a;
	int b;
	int done;
	int error;
};

static void *cross(void *arg)
{
	struct crosser *c = arg;
	struct submission s;
	int i, ret, last;

	for (i = 0; i < CROSSINGS; i++) {
		s = (struct submission){
			.jobs = { copy(0, 0, 1, 0, 64) },
			.job_count = 1,
			.buffers = { use(c->a, ACCEL_ACCESS_READ), use(c->b, ACCEL_ACCESS_WRITE) },
			.buffer_count = 2,
			.flags = i % 16 ? 0 : ACCEL_SUBMIT_OUT_FENCE,
		};
		do {
			ret = submit(c->queue, &s);
			if (ret == -EAGAIN)
				sched_yield();
		} while (ret == -EAGAIN);
		if (ret) {
			c->error = ret;
			return NULL;
		}
		if (s.flags)
			close(s.out_fence);
	}
	s = single(sim_nop(0));
	while ((ret = submit(c->queue, &s)) == -EAGAIN)
		sched_yield();
	last = s.out_fence;
	c->error = ret ?: fence_wait(last, WAIT);
	close(last);
	c->done = i;
	return NULL;
}

TEST_F(submit, two_that_lock_in_opposite_order_do_not_block)
{
	int other = buffer_alloc(self->ctx, PAGE), second = accel_queue_create(self->ctx, DEPTH), i;
	struct crosser crossers[2] = {
		{ .queue = self->queue, .a = self->buffer, .b = other },
		{ .queue = second, .a = other, .b = self->buffer },
	};

	ASSERT_WORKS(other, "a second buffer");
	ASSERT_WORKS(second, "a second queue");
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&crossers[i].thread, NULL, cross, &crossers[i]));
	for (i = 0; i < 2; i++) {
		pthread_join(crossers[i].thread, NULL);
		EXPECT_RET(0, crossers[i].error, "every submission");
		EXPECT_EQ(CROSSINGS, crossers[i].done);
	}
	close(second);
	close(other);
}

TEST_HARNESS_MAIN
