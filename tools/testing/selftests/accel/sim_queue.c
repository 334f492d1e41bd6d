// SPDX-License-Identifier: GPL-2.0
/* Queues of the device in software: jobs, their faults, their events, and their end. */
/* accel-bench: modules=accel_sim */
#include "sim_util.h"

#define PAGE 4096
#define DEPTH 64
#define LIMIT ACCEL_SIM_LENGTH_MAX

static void *fresh(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *filled(size_t size, __u32 seed)
{
	__u8 *p = fresh(size);
	size_t i;

	for (i = 0; p && i < size; i++) {
		seed = seed * 1664525u + 1013904223u;
		p[i] = seed >> 24;
	}
	return p;
}

static bool all_are(const __u8 *p, size_t size, __u8 value)
{
	while (size--) {
		if (*p++ != value)
			return false;
	}
	return true;
}

FIXTURE(sim) {
	int ctx;
	struct accel_queue q;
};

FIXTURE_SETUP(sim)
{
	self->ctx = sim_open_shared();
	ASSERT_SIM(self->ctx);
	ASSERT_RET(0, sim_queue_open(&self->q, self->ctx, DEPTH), "a queue");
}

FIXTURE_TEARDOWN(sim)
{
	queue_close(&self->q);
	close(self->ctx);
}

static void expect_works(struct __test_metadata *_metadata, struct accel_queue *q)
{
	struct accel_sim_job job = sim_nop(0x1234567890abcdef);
	struct sim_result r = sim_run(q, &job);

	EXPECT_DONE(r, "the queue goes on");
	EXPECT_EQ(job.tag, r.completion.tag);
}

/* --- What jobs compute --- */

static const size_t sizes[] = { 1, 7, 8, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5, 1 << 20 };

TEST_F(sim, copy_copies_what_was_asked_for_and_no_more)
{
	__u8 *in = filled((1 << 20) + PAGE, 1), *out = fresh((1 << 20) + 2 * PAGE);
	unsigned int i, shift;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (shift = 0; shift < 24; shift += 11) {
			struct accel_sim_job job = sim_copy(out + PAGE, in + shift, sizes[i]);
			struct sim_result r;

			memset(out, 0x5a, (1 << 20) + 2 * PAGE);
			r = sim_run(&self->q, &job);
			EXPECT_DONE(r, "a copy");
			EXPECT_EQ(sizes[i], r.completion.bytes);
			EXPECT_THAT(!memcmp(out + PAGE, in + shift, sizes[i]), "the same bytes");
			EXPECT_THAT(all_are(out, PAGE, 0x5a), "nothing is written before");
			EXPECT_EQ(0x5a, out[PAGE + sizes[i]]) {
				TH_LOG("expected: nothing is written behind");
			}
		}
	}
}

TEST_F(sim, fill_repeats_the_pattern)
{
	const __u64 pattern = 0x0807060504030201;
	__u8 *out = fresh((1 << 20) + 2 * PAGE);
	unsigned int i, shift;
	size_t k;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (shift = 0; shift < 6; shift += 5) {
			struct accel_sim_job job = sim_fill(out + shift, pattern, sizes[i]);
			struct sim_result r;

			memset(out, 0, (1 << 20) + 2 * PAGE);
			r = sim_run(&self->q, &job);
			EXPECT_DONE(r, "a fill");
			for (k = 0; k < sizes[i] && out[shift + k] == k % 8 + 1; k++)
				;
			EXPECT_EQ(sizes[i], k) {
				TH_LOG("expected: the pattern all over");
			}
			EXPECT_EQ(0, out[shift + k]) {
				TH_LOG("expected: nothing is written behind");
			}
		}
	}
}

TEST_F(sim, checksum_is_that_of_zlib)
{
	__u8 *in = filled((1 << 20) + PAGE, 2);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct accel_sim_job job = sim_checksum(in + i, sizes[i]);
		struct sim_result r = sim_run(&self->q, &job);

		EXPECT_DONE(r, "a checksum");
		EXPECT_EQ(crc32(0, in + i, sizes[i]), r.completion.result);
		EXPECT_EQ(sizes[i], r.completion.bytes);
	}
}

TEST_F(sim, sixteen_mebibytes_are_the_limit)
{
	__u8 *in = filled(LIMIT, 3), *out = fresh(LIMIT);
	struct accel_sim_job job = sim_copy(out, in, LIMIT);
	struct sim_result r;

	/* To bring in 4096 pages takes the checking kernel most of the time that a job may have. */
	memset(out, 0x5a, LIMIT);
	r = sim_run(&self->q, &job);
	EXPECT_DONE(r, "a copy of 16 MiB");
	EXPECT_THAT(!memcmp(in, out, LIMIT), "the same bytes");
	job.length = LIMIT + 1ull;
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_BAD_SIZE, r, "one byte more is refused");
	job.length = ~0ull;
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_BAD_SIZE, r, "all bytes are refused");
	job.length = 0;
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_BAD_SIZE, r, "no byte is refused");
	expect_works(_metadata, &self->q);
	munmap(in, LIMIT);
	munmap(out, LIMIT);
}

TEST_F(sim, what_is_not_known_is_refused_alone)
{
	struct accel_sim_job job = { .opcode = 7 };
	struct sim_result r = sim_run(&self->q, &job);

	EXPECT_STATUS(ACCEL_SIM_STATUS_BAD_OPCODE, r, "an unknown opcode");
	job = sim_nop(0);
	job.flags = 2;
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_BAD_FIELD, r, "an unknown flag");
	job = sim_nop(0);
	job.reserved[1] = 1;
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_BAD_FIELD, r, "a reserved field");
	job = (struct accel_sim_job){ .opcode = ACCEL_SIM_SLEEP, .value = ACCEL_SIM_SLEEP_MAX + 1 };
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_BAD_SIZE, r, "too long a sleep");
	job = (struct accel_sim_job){ .opcode = ACCEL_SIM_FAIL, .value = 0xffff00001234567f };
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_FAILED, r, "a failure that was asked for");
	EXPECT_EQ(0x1234567f, r.completion.result);
	expect_works(_metadata, &self->q);
}

TEST_F(sim, sleep_takes_its_time)
{
	struct accel_sim_job job = { .opcode = ACCEL_SIM_SLEEP, .value = 150 };
	double begin = seconds();
	struct sim_result r = sim_run(&self->q, &job);

	EXPECT_DONE(r, "a sleep");
	EXPECT_LE(0.15, seconds() - begin);
}

/* --- Faults --- */

struct bad_address {
	const char *what;
	__u64 address;
};

static const struct bad_address bad_addresses[] = {
	{ "null", 0 },
	{ "unmapped", 0x7000000000 },
	{ "kernel", 0xffff888000000000 },
	{ "last page of all", 0xfffffffffffff000 },
	{ "non-canonical", 0x0000900000000000 },
	{ "first byte behind user space", 0x00007ffffffff000 },
};

static void expect_fault(struct __test_metadata *_metadata, struct accel_queue *q,
			 const struct accel_sim_job *job, __u64 address, const char *rule)
{
	struct sim_result r = sim_run(q, job);

	EXPECT_STATUS(ACCEL_SIM_STATUS_FAULT, r, rule);
	EXPECT_EQ(address, r.completion.address) {
		TH_LOG("%s: expected: the address of the fault", rule);
	}
	expect_works(_metadata, q);
}

TEST_F(sim, bad_addresses_fault_alone)
{
	__u8 *good = filled(PAGE, 4);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad_addresses); i++) {
		const struct bad_address *bad = &bad_addresses[i];
		void *at = (void *)bad->address;
		struct accel_sim_job jobs[] = {
			sim_copy(good, at, PAGE),
			sim_copy(at, good, PAGE),
			sim_fill(at, 1, 8),
			sim_checksum(at, 8),
		};
		unsigned int k;

		for (k = 0; k < ARRAY_SIZE(jobs); k++)
			expect_fault(_metadata, &self->q, &jobs[k], bad->address, bad->what);
	}
}

TEST_F(sim, a_job_that_runs_into_nothing_faults_there)
{
	__u8 *in = filled(4 * PAGE, 5), *out = fresh(4 * PAGE);
	struct accel_sim_job job = sim_copy(out, in + 100, 3 * PAGE);
	struct sim_result r;

	ASSERT_EQ(0, munmap(in + 2 * PAGE, 2 * PAGE));
	expect_fault(_metadata, &self->q, &job, (uintptr_t)in + 2 * PAGE, "an unmapped page");
	ASSERT_EQ(0, mprotect(out + PAGE, PAGE, PROT_READ));
	job = sim_fill(out + 8, ~0ull, 2 * PAGE);
	r = sim_run(&self->q, &job);
	EXPECT_STATUS(ACCEL_SIM_STATUS_FAULT, r, "a page that can't be written");
	EXPECT_EQ((uintptr_t)out + PAGE, r.completion.address);
	EXPECT_EQ(PAGE - 8, r.completion.bytes);
	job = sim_checksum((void *)0xffffffffffffff00, 0x200);
	expect_fault(_metadata, &self->q, &job, 0xffffffffffffff00, "a range that wraps around");
}

TEST_F(sim, faults_are_counted_and_told)
{
	struct accel_info_errors before = {}, after = {};
	struct accel_sim_job job = sim_fill((void *)0x1000, 0, 8);

	ASSERT_WORKS(accel_info(self->ctx, ACCEL_INFO_ERRORS, &before, sizeof(before)), "ERRORS");
	expect_fault(_metadata, &self->q, &job, 0x1000, "a bad address");
	ASSERT_WORKS(accel_info(self->ctx, ACCEL_INFO_ERRORS, &after, sizeof(after)), "ERRORS");
	EXPECT_EQ(before.faults + 1, after.faults);
}

/* The page faults of the worker on the queue's own ring must not wait for the worker. */
TEST_F(sim, a_job_may_work_on_its_own_ring)
{
	struct accel_sim_job job;
	struct sim_result r;
	void *again;

	again = accel_map_region(self->q.fd, &self->q.ring_region);
	ASSERT_EQ(0, map_error(again));
	job = sim_checksum(again, self->q.ring_region.size);
	r = sim_run(&self->q, &job);
	EXPECT_DONE(r, "a checksum of the ring");
	expect_works(_metadata, &self->q);
	munmap(again, self->q.ring_region.size);
}

TEST_F(sim, private_memory_is_empty)
{
	int ctx = sim_open_mode(ACCEL_MODE_PRIVATE);
	__u8 *good = filled(PAGE, 6);
	struct accel_sim_job job = sim_checksum(good, PAGE);
	struct accel_queue q;

	ASSERT_WORKS(ctx, "a private context");
	ASSERT_RET(0, sim_queue_open(&q, ctx, 4), "a queue");
	expect_fault(_metadata, &q, &job, (uintptr_t)good, "an address of the process");
	queue_close(&q);
	close(ctx);
}

/* --- Indices --- */

TEST_F(sim, wrong_indices_stop_the_queue_until_they_are_right)
{
	struct accel_sim_control *indices = sim_indices(&self->q);
	double end = seconds() + WAIT_SECONDS;
	bool told = false;

	STORE(indices->sq_tail, DEPTH + 1);
	sim_kick(&self->q);
	while (!told && seconds() < end)
		told = LOAD(indices->flags) & ACCEL_SIM_BAD_INDEX;
	EXPECT_THAT(told, "the device says so");
	EXPECT_EQ(0, LOAD(indices->sq_head));
	STORE(indices->sq_tail, 0);
	expect_works(_metadata, &self->q);
	STORE(indices->cq_head, 0x80000000);
	usleep(30000);
	STORE(indices->cq_head, self->q.head);
	expect_works(_metadata, &self->q);
}

TEST_F(sim, unread_completions_are_not_overwritten)
{
	struct accel_sim_job job = sim_nop(0);
	double end = seconds() + WAIT_SECONDS;
	struct sim_result r;
	__u32 i;

	for (i = 0; i < DEPTH; i++) {
		job.tag = i;
		sim_submit(&self->q, &job);
	}
	while (sim_done(&self->q) < DEPTH && seconds() < end)
		sched_yield();
	job.tag = DEPTH;
	sim_submit(&self->q, &job);
	usleep(50000);
	EXPECT_EQ(DEPTH, sim_done(&self->q)) {
		TH_LOG("expected: no completion without room for it");
	}
	for (i = 0; i <= DEPTH; i++) {
		r = sim_wait(&self->q);
		EXPECT_DONE(r, "a job in order");
		ASSERT_EQ(i, r.completion.tag);
	}
}

/* A kick that does not come costs time, and nothing else. */
TEST_F(sim, a_lost_kick_only_delays)
{
	struct accel_sim_job job = sim_nop(1);
	struct sim_result r;
	int i;

	for (i = 0; i < 10; i++) {
		usleep(2000);
		sim_put(&self->q, &job);
		STORE(sim_indices(&self->q)->sq_tail, self->q.tail);
		r = sim_wait(&self->q);
		EXPECT_DONE(r, "a job without a kick");
	}
}

/* --- Many jobs, and their events --- */

#define MANY 100000
/* As many of them as a slow kernel has to do, and the seconds that it gives to the others. */
#define FEW 10000
#define LONG 20

/* Fills the ring; every eighth job and the last one of a batch raise an event. */
static __u32 put_batch(struct accel_queue *q, __u32 sent)
{
	__u32 room = q->depth - (q->tail - q->head);
	__u32 i, batch = room < MANY - sent ? room : MANY - sent;

	for (i = 0; i < batch; i++) {
		struct accel_sim_job job = sim_nop(sent + i);

		if (i % 8 == 7 || i == batch - 1)
			job.flags = ACCEL_SIM_IRQ;
		sim_put(q, &job);
	}
	return batch;
}

static void take_all(struct __test_metadata *_metadata, struct accel_queue *q, __u32 *done)
{
	while (sim_done(q)) {
		struct accel_sim_completion c = sim_take(q);

		ASSERT_EQ(*done, c.tag) {
			TH_LOG("expected: completions in order");
		}
		ASSERT_EQ(ACCEL_SIM_STATUS_OK, c.status);
		(*done)++;
	}
	sim_give_back(q);
}

/* Sleeps on @fd only, and never misses the end of a job. */
static void run_many(struct __test_metadata *_metadata, struct accel_queue *q, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	double begin = seconds();
	__u32 sent = 0, done = 0;
	bool more = true;
	__u64 count;

	do {
		if (more)
			sent += put_batch(q, sent);
		ASSERT_RET(0, sim_ring(q), "the doorbell");
		ASSERT_EQ(1, poll(&p, 1, WAIT_SECONDS * 1000)) {
			TH_LOG("expected: an event; %u of %u jobs are done, %u wait", done, sent,
			       sim_done(q));
		}
		ASSERT_EQ(POLLIN, p.revents);
		ASSERT_EQ(8, read(fd, &count, 8));
		take_all(_metadata, q, &done);
		more = sent < FEW || (sent < MANY && seconds() - begin < LONG);
	} while (more || done < sent);
	TH_LOG("%u jobs in %.1f s", done, seconds() - begin);
}

TEST_F(sim, many_jobs_by_poll)
{
	run_many(_metadata, &self->q, self->q.fd);
}

TEST_F(sim, many_jobs_by_eventfd)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct accel_queue_eventfd set = { .size = sizeof(set), .fd = fd };

	ASSERT_LE(0, fd);
	ASSERT_RET(0, accel_ioctl(self->q.fd, ACCEL_QUEUE_EVENTFD, &set), "an eventfd");
	run_many(_metadata, &self->q, fd);
	close(fd);
}

TEST_F(sim, usage_is_counted)
{
	struct accel_sim_stats before = { .size = sizeof(before) }, after = before;
	struct accel_info_status status = {};
	struct accel_sim_job job = { .opcode = ACCEL_SIM_SLEEP, .value = 20 };
	__u64 jobs;
	struct sim_result r;

	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_SIM_STATS, &before), "STATS");
	r = sim_run(&self->q, &job);
	EXPECT_DONE(r, "a sleep");
	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_SIM_STATS, &after), "STATS");
	EXPECT_EQ(before.jobs + 1, after.jobs);
	EXPECT_LE(before.busy_ns + 20000000, after.busy_ns);
	EXPECT_EQ(1, after.queues);
	EXPECT_LE(1, after.contexts);

	ASSERT_WORKS(accel_info_status(self->ctx, &status), "STATUS");
	jobs = status.jobs;
	expect_works(_metadata, &self->q);
	queue_close(&self->q);
	ASSERT_WORKS(accel_info_status(self->ctx, &status), "STATUS");
	EXPECT_LE(jobs + 1, status.jobs) {
		TH_LOG("expected: the jobs of a queue that is gone are counted");
	}
	ASSERT_RET(0, sim_queue_open(&self->q, self->ctx, DEPTH), "a queue for the end");
}

/* --- Ends --- */

TEST_F(sim, a_hanging_job_is_stopped)
{
	struct accel_sim_job hang = sim_hang();
	struct accel_info_errors before = {}, after = {};
	struct accel_queue other;

	ASSERT_WORKS(accel_info(self->ctx, ACCEL_INFO_ERRORS, &before, sizeof(before)), "ERRORS");
	ASSERT_RET(0, sim_queue_open(&other, self->ctx, 4), "a second queue");
	ASSERT_RET(0, sim_submit(&self->q, &hang), "a job that hangs");
	EXPECT_EQ(ACCEL_QUEUE_DEAD_TIMEOUT, sim_wait_dead(&self->q));
	EXPECT_TOUCH(SIGBUS, touch_read(self->q.ring), "the ring is gone");
	EXPECT_EQ(POLLERR | POLLHUP, poll_now(self->q.fd, POLLIN) & (POLLERR | POLLHUP));
	expect_works(_metadata, &other);
	ASSERT_WORKS(accel_info(self->ctx, ACCEL_INFO_ERRORS, &after, sizeof(after)), "ERRORS");
	EXPECT_EQ(before.timeouts + 1, after.timeouts);
	queue_close(&other);
}

/* The application's fault, not the device's. */
TEST_F(sim, completions_that_nobody_reads_are_no_hang)
{
	struct accel_sim_job job = sim_nop(0);
	__u32 i;

	for (i = 0; i < DEPTH; i++)
		sim_submit(&self->q, &job);
	while (sim_done(&self->q) < DEPTH)
		sched_yield();
	sim_submit(&self->q, &job);
	usleep(3500000);
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(self->q.status->state));
}

TEST_F(sim, closing_ends_jobs_that_hang_or_sleep)
{
	struct accel_sim_job job = { .opcode = ACCEL_SIM_SLEEP, .value = 60000 };
	struct accel_sim_job hang = sim_hang();
	struct accel_info_errors before = {}, after = {};
	struct accel_queue q;
	int i;

	ASSERT_WORKS(accel_info(self->ctx, ACCEL_INFO_ERRORS, &before, sizeof(before)), "ERRORS");
	for (i = 0; i < 2; i++) {
		ASSERT_RET(0, sim_queue_open(&q, self->ctx, 4), "a queue");
		ASSERT_RET(0, sim_submit(&q, i ? &hang : &job), "a job");
		usleep(20000);
		queue_close(&q);
		EXPECT_EQ(1, accel_queues(self->ctx));
	}
	ASSERT_WORKS(accel_info(self->ctx, ACCEL_INFO_ERRORS, &after, sizeof(after)), "ERRORS");
	EXPECT_EQ(before.timeouts, after.timeouts) {
		TH_LOG("expected: that is not left to the watchdog");
	}
}

/* With copies of 4 GiB, which would take all memory if they went on after its end. */
static int be_busy_until_killed(void *arg)
{
	int sock = *(int *)arg, ctx = sim_open_shared(), i, ret;
	struct accel_queue q[4];
	void *source = fresh(LIMIT);

	if (ctx < 0)
		return ctx;
	for (i = 0; i < 4; i++) {
		ret = sim_queue_open(&q[i], ctx, DEPTH);
		if (ret)
			return ret;
	}
	for (i = 0; i < 4 * DEPTH; i++) {
		struct accel_sim_job job = sim_copy(fresh(LIMIT), source, LIMIT);

		sim_put(&q[i % 4], &job);
	}
	for (i = 0; i < 4; i++)
		sim_ring(&q[i]);
	if (write(sock, "", 1) != 1)
		return -EPIPE;
	for (;;)
		pause();
}

TEST_F(sim, killed_amid_jobs)
{
	int contexts = accel_contexts(self->ctx), sock[2], i;
	double end;
	char byte;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	for (i = 0; i < 20; i++) {
		pid_t pid = child_start(be_busy_until_killed, &sock[1]);

		ASSERT_EQ(1, read(sock[0], &byte, 1));
		usleep(i * 700);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_RET(CHILD_KILLED - SIGKILL, child_result(pid), "the child's end");
		end = seconds() + WAIT_SECONDS;
		while ((accel_queues(self->ctx) != 1 || accel_contexts(self->ctx) != contexts) &&
		       seconds() < end)
			usleep(1000);
		EXPECT_EQ(1, accel_queues(self->ctx));
		EXPECT_EQ(contexts, accel_contexts(self->ctx));
	}
	expect_works(_metadata, &self->q);
}

TEST_HARNESS_MAIN
