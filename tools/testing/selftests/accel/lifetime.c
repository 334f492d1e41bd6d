// SPDX-License-Identifier: GPL-2.0
/* Processes that die, and descriptors and mappings that go in any order. */
/* accel-bench: modules=accel_hisi_zip,accel_sim */
#include <pthread.h>

#include "device_util.h"

#define PAGE 4096
#define BUFFER (256 * 1024)
#define DEPTH 32

FIXTURE(lifetime) {
	/* Bound by none: counts what exists, and outlives the children. */
	int watch;
	int contexts;
	int sock[2];
};

ON_EACH_DEVICE(lifetime);

FIXTURE_SETUP(lifetime)
{
	SETUP_DEVICE(variant->kind);
	self->watch = accel_open();
	ASSERT_DEVICE(self->watch);
	self->contexts = accel_contexts(self->watch);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, self->sock));
}

FIXTURE_TEARDOWN(lifetime)
{
	close(self->watch);
	close(self->sock[0]);
	close(self->sock[1]);
}

/*
 * A page request that is being served keeps the memory of a dead process, and
 * with it the mappings, for a moment longer.
 */
static void wait_for_the_end(int watch, int contexts)
{
	double end = seconds() + WAIT_SECONDS;

	while ((accel_queues(watch) || accel_contexts(watch) != contexts) && seconds() < end)
		usleep(1000);
}

static void expect_nothing_left(struct __test_metadata *_metadata,
				const FIXTURE_DATA(lifetime) * self)
{
	wait_for_the_end(self->watch, self->contexts);
	/* One whose job is long is gone when that has ended. */
	EXPECT_TRUE(WAIT_FOR(accel_queues(self->watch) == 0, WAIT_SECONDS)) {
		TH_LOG("expected: no queue is left");
	}
	EXPECT_EQ(self->contexts, accel_contexts(self->watch)) {
		TH_LOG("expected: no context is left");
	}
}

static void *fresh(size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		    -1, 0);
}

/* Fills the ring with jobs on pages that the device must ask for. */
static void submit_all(struct accel_queue *q)
{
	__u32 i;

	for (i = 0; i < q->depth - 1; i++)
		tested->put(q, fresh(BUFFER), fresh(2 * BUFFER), BUFFER, false);
	tested->start(q);
}

static int open_busy(struct accel_queue *q)
{
	int ctx = queue_open_alone(q, DEPTH);

	if (ctx >= 0)
		submit_all(q);
	return ctx;
}

/* --- Processes that die --- */

static int be_busy_until_killed(void *arg)
{
	int sock = *(int *)arg;
	struct accel_queue q;
	int ret = open_busy(&q);

	if (ret < 0)
		return ret;
	if (write(sock, "", 1) != 1)
		return -EPIPE;
	for (;;)
		pause();
}

static void kill_one(struct __test_metadata *_metadata, int *sock, int microseconds)
{
	pid_t pid = child_start(be_busy_until_killed, &sock[1]);
	char byte;

	ASSERT_EQ(1, read(sock[0], &byte, 1)) {
		TH_LOG("expected: the child says that its jobs are in flight");
	}
	usleep(microseconds);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_RET(CHILD_KILLED - SIGKILL, child_result(pid), "the child's end");
}

TEST_F(lifetime, amdxdna_cve_2026_68380_killed_with_jobs_in_flight_twenty_times)
{
	int i;

	for (i = 0; i < 20; i++) {
		kill_one(_metadata, self->sock, i * 500);
		expect_nothing_left(_metadata, self);
	}
	expect_device_works(_metadata);
}

TEST_F(lifetime, four_killed_at_once)
{
	pid_t pid[4];
	char byte;
	int i;

	for (i = 0; i < 4; i++)
		pid[i] = child_start(be_busy_until_killed, &self->sock[1]);
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(1, read(self->sock[0], &byte, 1)) {
			TH_LOG("expected: each child says that its jobs are in flight");
		}
	}
	for (i = 0; i < 4; i++)
		kill(pid[i], SIGKILL);
	for (i = 0; i < 4; i++)
		EXPECT_RET(CHILD_KILLED - SIGKILL, child_result(pid[i]), "the child's end");
	expect_nothing_left(_metadata, self);
	expect_device_works(_metadata);
}

static int exit_busy(void *arg)
{
	struct accel_queue q;
	int ret = open_busy(&q);

	(void)arg;
	return ret < 0 ? ret : 0;
}

TEST_F(lifetime, exit_with_queue_open_and_mapped)
{
	int i;

	for (i = 0; i < 5; i++) {
		EXPECT_RET(0, in_child(exit_busy, NULL), "a child that leaves all to exit");
		expect_nothing_left(_metadata, self);
	}
	expect_device_works(_metadata);
}

/* The mappings hold the queue, the queue must not hold the mappings' memory. */
static int exit_mapped(void *arg)
{
	struct accel_queue q;
	int ctx = open_busy(&q);

	(void)arg;
	if (ctx < 0)
		return ctx;
	close(q.fd);
	close(ctx);
	return 0;
}

TEST_F(lifetime, exit_with_nothing_but_mappings)
{
	EXPECT_RET(0, in_child(exit_mapped, NULL),
		   "a child that exits with its descriptors closed and its queue mapped");
	expect_nothing_left(_metadata, self);
	expect_device_works(_metadata);
}

#define EXEC_AND_EXIT "--exit"

static int exec_busy(void *arg)
{
	struct accel_queue q;
	int ret = open_busy(&q);

	(void)arg;
	if (ret < 0)
		return ret;
	execl("/proc/self/exe", "lifetime", EXEC_AND_EXIT, NULL);
	return -errno;
}

/* exec drops the memory before it closes the descriptors. */
TEST_F(lifetime, exec_with_jobs_in_flight)
{
	EXPECT_RET(0, in_child(exec_busy, NULL), "a child that executes another program");
	expect_nothing_left(_metadata, self);
	expect_device_works(_metadata);
}

/* --- Memory that goes before the descriptors --- */

static int pass_and_exit(void *arg)
{
	int sock = *(int *)arg;
	struct accel_queue q;
	int ctx = open_busy(&q), ret;

	if (ctx < 0)
		return ctx;
	ret = send_fd(sock, ctx);
	return ret ? ret : send_fd(sock, q.fd);
}

TEST_F(lifetime, amdxdna_cve_2026_45931_memory_goes_before_the_descriptors)
{
	pid_t pid = child_start(pass_and_exit, &self->sock[1]);
	int ctx = recv_fd(self->sock[0]), queue;
	struct accel_queue_info info;

	ASSERT_WORKS(ctx, "receive the child's context");
	queue = recv_fd(self->sock[0]);
	ASSERT_WORKS(queue, "receive the child's queue");
	ASSERT_RET(0, child_result(pid), "the child passes both and exits");
	EXPECT_RET(-EPERM, accel_queue_info(queue, &info, NULL),
		   "QUEUE_INFO on a queue whose memory is gone");
	EXPECT_GT(0, accel_queue_create(ctx, 0)) {
		TH_LOG("expected: no new queue on memory that is gone");
	}
	poll_now(queue, POLLIN);
	expect_device_works(_metadata);
	close(queue);
	close(ctx);
	expect_nothing_left(_metadata, self);
	expect_device_works(_metadata);
}

static int hold_in_a_fork(void *arg)
{
	int *sock = arg;
	struct accel_queue q;
	int ret = open_busy(&q);
	pid_t holder;
	char byte;

	if (ret < 0)
		return ret;
	holder = fork();
	if (!holder) {
		/* All descriptors are here too, the memory is another. */
		close(sock[0]);
		_exit(read(sock[1], &byte, 1) == 1 ? 0 : 1);
	}
	return holder < 0 ? -errno : 0;
}

TEST_F(lifetime, forked_child_keeps_descriptors_of_dead_parent)
{
	int held;

	ASSERT_RET(0, in_child(hold_in_a_fork, self->sock), "a parent that exits first");
	held = accel_queues(self->watch);
	EXPECT_EQ(1, held) {
		TH_LOG("expected: the queue is held by the fork's descriptor");
	}
	expect_device_works(_metadata);
	ASSERT_EQ(1, write(self->sock[0], "", 1));
	expect_nothing_left(_metadata, self);
}

static int pass_queue_and_wait(void *arg)
{
	int sock = *(int *)arg, ctx, ret;
	struct accel_queue q;
	char byte;

	ctx = queue_open_alone(&q, 8);
	ret = ctx < 0 ? ctx : send_fd(sock, q.fd);
	if (ret)
		return ret;
	if (read(sock, &byte, 1) != 1)
		return -EPIPE;
	return queue_works(&q) ? 0 : -EIO;
}

TEST_F(lifetime, uacce_passed_queue_gives_nothing_of_the_openers)
{
	pid_t pid = child_start(pass_queue_and_wait, &self->sock[1]);
	int queue = recv_fd(self->sock[0]);
	struct accel_queue_info info;

	ASSERT_WORKS(queue, "receive another process's queue");
	EXPECT_RET(-EPERM, accel_queue_info(queue, &info, NULL), "QUEUE_INFO");
	EXPECT_RET(-EPERM, map_error(accel_map(queue, 0, PAGE, PROT_READ)), "mmap");
	close(queue);
	ASSERT_EQ(1, write(self->sock[0], "", 1));
	EXPECT_RET(0, child_result(pid), "the queue goes on working for its opener");
	expect_nothing_left(_metadata, self);
}

/* --- Orders of closing --- */

TEST_F(lifetime, context_closed_before_its_queue)
{
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8);

	ASSERT_WORKS(ctx, "open a queue");
	close(ctx);
	EXPECT_WORKS(&q, "a job on a queue whose context's descriptor is closed");
	queue_close(&q);
	expect_nothing_left(_metadata, self);
}

TEST_F(lifetime, context_closed_with_jobs_in_flight)
{
	struct accel_queue q;
	int ctx = open_busy(&q), i;

	ASSERT_WORKS(ctx, "a busy queue");
	close(ctx);
	for (i = 0; i < DEPTH - 1; i++) {
		ASSERT_RET(0, tested->end(&q, NULL, NULL, 0),
			   "a job that is done without the context's descriptor");
	}
	queue_close(&q);
	expect_nothing_left(_metadata, self);
}

TEST_F(lifetime, queue_closed_with_jobs_in_flight)
{
	struct accel_queue q;
	int ctx, i;

	for (i = 0; i < 10; i++) {
		ctx = open_busy(&q);
		ASSERT_WORKS(ctx, "a busy queue");
		usleep(i * 300);
		queue_close(&q);
		EXPECT_EQ(0, accel_queues(self->watch)) {
			TH_LOG("expected: a closed queue is gone, jobs or not");
		}
		close(ctx);
	}
	expect_nothing_left(_metadata, self);
	expect_device_works(_metadata);
}

/* Stopping waits for the job that was begun, however long that takes. */
TEST_F(lifetime, queue_closed_amid_the_largest_job)
{
	void *in = fresh(tested->request_max), *out = fresh(2 * tested->request_max);
	int ctx = accel_open_shared(), i;
	struct accel_queue q;

	ASSERT_WORKS(ctx, "open and bind a context");
	for (i = 0; i < 3; i++) {
		ASSERT_RET(0, queue_open(&q, ctx, 8), "open a queue");
		tested->put(&q, in, out, tested->request_max, false);
		tested->start(&q);
		usleep(i * 10000);
		queue_close(&q);
		/* The next one meets memory that is not there yet again. */
		madvise(in, tested->request_max, MADV_DONTNEED);
		madvise(out, 2 * tested->request_max, MADV_DONTNEED);
	}
	munmap(in, tested->request_max);
	munmap(out, 2 * tested->request_max);
	close(ctx);
	expect_nothing_left(_metadata, self);
	expect_device_works(_metadata);
}

/* A closed queue's device writes nothing more into the process's memory. */
TEST_F(lifetime, hisi_cve_2024_47730_closed_queue_writes_no_more)
{
	int ctx = accel_open_shared(), round;
	static __u8 in[BUFFER];
	struct accel_queue q;
	__u8 *out, *copy;

	ASSERT_WORKS(ctx, "open and bind a context");
	fill_text(in, BUFFER, 1);
	for (round = 0; round < 10; round++) {
		out = fresh(2 * BUFFER);
		copy = malloc(2 * BUFFER);
		ASSERT_RET(0, queue_open(&q, ctx, 8), "open a queue");
		tested->put(&q, in, out, BUFFER, false);
		tested->start(&q);
		usleep(round * 200);
		queue_close(&q);
		memcpy(copy, out, 2 * BUFFER);
		usleep(20000);
		EXPECT_THAT(!memcmp(copy, out, 2 * BUFFER),
			    "the output stays as it was when close returned");
		munmap(out, 2 * BUFFER);
		free(copy);
	}
	close(ctx);
}

TEST_F(lifetime, buffers_unmapped_while_the_device_works_on_them)
{
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8), round, ret;
	void *in, *out;

	ASSERT_WORKS(ctx, "open a queue");
	for (round = 0; round < 20; round++) {
		in = fresh(BUFFER);
		out = fresh(2 * BUFFER);
		fill_text(in, BUFFER, round);
		tested->put(&q, in, out, BUFFER, false);
		tested->start(&q);
		usleep(round * 200);
		munmap(round & 1 ? in : out, BUFFER);
		ret = tested->end(&q, NULL, NULL, 0);
		EXPECT_TRUE(!ret || ret == -EIO) {
			TH_LOG("expected: the job ends, well or not, got %s", ret_name(ret));
		}
		munmap(in, BUFFER);
		munmap(out, 2 * BUFFER);
		EXPECT_WORKS(&q, "the queue goes on");
	}
	queue_close(&q);
	close(ctx);
	expect_nothing_left(_metadata, self);
}

TEST_F(lifetime, hundred_short_lives)
{
	struct accel_queue q;
	int i, ctx;

	for (i = 0; i < 100; i++) {
		ctx = queue_open_alone(&q, 8);
		ASSERT_WORKS(ctx, "open a context and a queue");
		ASSERT_TRUE(queue_works(&q)) {
			TH_LOG("expected: a job in life %d", i);
		}
		if (i & 1)
			close(ctx);
		queue_close(&q);
		if (!(i & 1))
			close(ctx);
	}
	expect_nothing_left(_metadata, self);
}

static int one_event(int ctx)
{
	static __u8 in[PAGE], out[2 * PAGE];
	struct accel_queue q;
	int ret = queue_open(&q, ctx, 8);
	struct pollfd p = { .fd = q.fd, .events = POLLIN };

	if (ret)
		return ret;
	tested->put(&q, in, out, PAGE, true);
	tested->start(&q);
	if (poll(&p, 1, WAIT_SECONDS * 1000) != 1)
		ret = -ETIMEDOUT;
	else if (p.revents != POLLIN)
		ret = -EIO;
	queue_close(&q);
	return ret;
}

static int many_events(void *arg)
{
	int ctx = accel_open_shared(), i, ret = 0;

	(void)arg;
	if (ctx < 0)
		return ctx;
	for (i = 0; i < 100 && !ret; i++)
		ret = one_event(ctx);
	return ret;
}

/* A number that one process gives back is at once another's. */
TEST_F(lifetime, parallel_lives_get_their_events)
{
	pid_t pid[4];
	int i;

	for (i = 0; i < 4; i++)
		pid[i] = child_start(many_events, NULL);
	for (i = 0; i < 4; i++)
		EXPECT_RET(0, child_result(pid[i]), "each of a hundred queues gets its event");
	expect_nothing_left(_metadata, self);
}

#define MAPPERS 3

struct mapper {
	const struct accel_queue *q;
	int stop;
	int rounds;
};

/* Has a page of the ring mapped at once, and lets it go, until the queue is dead. */
static void *map_again_and_again(void *arg)
{
	struct mapper *m = arg;
	void *page;

	while (!LOAD(m->stop)) {
		page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, m->q->fd,
			    m->q->ring_region.offset);
		if (page == MAP_FAILED)
			break;
		munmap(page, PAGE);
		STORE(m->rounds, m->rounds + 1);
	}
	return NULL;
}

/* Who gives out a page and who takes it away must not meet: the kernel would say "Bad page". */
TEST_F(lifetime, memory_goes_while_it_is_being_mapped)
{
	pthread_t threads[MAPPERS];
	struct accel_queue q;
	int i, n, ctx;

	for (i = 0; i < 20; i++) {
		struct mapper m = { .q = &q };

		ctx = queue_open_alone(&q, 8);
		ASSERT_WORKS(ctx, "open a context and a queue");
		for (n = 0; n < MAPPERS; n++)
			ASSERT_EQ(0, pthread_create(&threads[n], NULL, map_again_and_again, &m));
		EXPECT_TRUE(WAIT_FOR(LOAD(m.rounds) > 10, WAIT_SECONDS)) {
			TH_LOG("expected: a living queue's ring can be mapped");
		}
		EXPECT_RET(0, accel_reset(self->watch), "reset");
		STORE(m.stop, 1);
		for (n = 0; n < MAPPERS; n++)
			pthread_join(threads[n], NULL);
		EXPECT_TOUCH(SIGBUS, touch_read(q.ring), "the ring of a dead queue");
		queue_close(&q);
		close(ctx);
	}
	expect_nothing_left(_metadata, self);
}

static long module_users(void)
{
	char path[PATH_MAX], text[32];
	int ret;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", tested->driver);
	ret = read_file(path, text, sizeof(text));
	return ret < 0 ? ret : atol(text);
}

TEST_F(lifetime, open_descriptor_holds_the_module)
{
	long before = module_users();
	int ctx = accel_open();

	if (before == -ENOENT) {
		TH_LOG("the driver is built in: there is no module to hold");
		return;
	}
	ASSERT_WORKS(ctx, "open");
	EXPECT_EQ(before + 1, module_users()) {
		TH_LOG("expected: one user of the module more");
	}
	close(ctx);
	EXPECT_EQ(before, module_users()) {
		TH_LOG("expected: as many users of the module as before");
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], EXEC_AND_EXIT))
		return 0;
	return test_harness_run(argc, argv);
}
