// SPDX-License-Identifier: GPL-2.0
/*
 * The system goes to sleep and wakes up. The kernel only plays it, up to and from the point
 * where the platform would be asked: hardware goes through all of its driver's callbacks, and
 * comes back as after a reset; a device in software sleeps with the processors.
 *
 * accel-bench: kernel=check,races modules=accel_hisi_zip,accel_sim
 */
#include "device_util.h"
#include "fuse_util.h"

#define PM_TEST "/sys/power/pm_test"
#define PM_DELAY "/sys/module/suspend/parameters/pm_test_delay"
#define WORKERS 4

FIXTURE(suspend) {
	int ctx;
	int monitor;
	int generation;
	struct accel_queue q;
};

ON_EACH_DEVICE(suspend);

FIXTURE_SETUP(suspend)
{
	SETUP_DEVICE(variant->kind);
	ASSERT_RET(0, write_file(PM_TEST, "platform"), "a kernel with CONFIG_PM_SLEEP_DEBUG");
	ASSERT_RET(0, write_file(PM_DELAY, "0"), "no time asleep");
	self->ctx = queue_open_alone(&self->q, 16);
	self->monitor = accel_open_monitor();
	ASSERT_DEVICE(self->ctx);
	ASSERT_DEVICE(self->monitor);
	self->generation = accel_generation(self->monitor);
}

FIXTURE_TEARDOWN(suspend)
{
	write_file(PM_TEST, "none");
	queue_close(&self->q);
	close(self->ctx);
	close(self->monitor);
}

/* What could not end before is reset once the system is awake. */
static int sleep_and_wake(void)
{
	int monitor = accel_open_monitor();
	int ret = monitor < 0 ? monitor : write_file("/sys/power/state", "freeze");

	if (!ret && !WAIT_FOR(accel_state(monitor) != ACCEL_STATUS_IN_RESET, WAIT_SECONDS))
		ret = -ETIMEDOUT;
	if (monitor >= 0)
		close(monitor);
	return ret;
}

/* What became of a queue over the sleep, and what its context is good for. */
static void expect_awake(struct __test_metadata *_metadata, int ctx, struct accel_queue *q)
{
	struct accel_queue fresh;

	if (tested->forgets_asleep)
		expect_dead(_metadata, q, ACCEL_QUEUE_DEAD_RESET);
	else
		EXPECT_WORKS(q, "a job on the queue from before");
	ASSERT_RET(0, queue_open(&fresh, ctx, 8), "a new queue of the context from before");
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
}

TEST_F(suspend, queues_say_what_became_of_them)
{
	struct accel_info_context c[2] = {};
	struct accel_event event = {};
	int resets = tested->forgets_asleep;
	__u64 id;

	EXPECT_WORKS(&self->q, "a job before");
	ASSERT_EQ(sizeof(c[0]), accel_info(self->monitor, ACCEL_INFO_CONTEXTS, c, sizeof(c)));
	id = c[0].id;
	ASSERT_RET(0, sleep_and_wake(), "the system sleeps and wakes up");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->monitor)) {
		TH_LOG("expected: the device is operational");
	}
	EXPECT_EQ(self->generation + resets, accel_generation(self->monitor)) {
		TH_LOG("expected: %d resets more", resets);
	}
	if (resets) {
		EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_RESET_BEGIN, &event,
					 WAIT_SECONDS), "the event of its beginning");
		EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_RESET_END, &event,
					 WAIT_SECONDS), "the event of its end");
		EXPECT_EQ(0, event.value) {
			TH_LOG("expected: it ended well");
		}
	}
	ASSERT_EQ(sizeof(c[0]), accel_info(self->monitor, ACCEL_INFO_CONTEXTS, c, sizeof(c)));
	EXPECT_EQ(id, c[0].id) {
		TH_LOG("expected: the context is still there");
	}
	EXPECT_EQ(ACCEL_MODE_SHARED, c[0].mode) {
		TH_LOG("expected: with its address space");
	}
	expect_awake(_metadata, self->ctx, &self->q);
	expect_device_works(_metadata);
}

/* Results that were there before are not lost, and none comes later. */
TEST_F(suspend, jobs_under_way_are_done_or_given_up)
{
	static __u8 in[256 << 10], out[8][2 * sizeof(in)];
	int i;

	fill_text(in, sizeof(in), 7);
	for (i = 0; i < 8; i++)
		tested->put(&self->q, in, out[i], sizeof(in), false);
	ASSERT_EQ(0, tested->start(&self->q));
	ASSERT_RET(0, sleep_and_wake(), "the system sleeps and wakes up");
	if (!tested->forgets_asleep) {
		for (i = 0; i < 8; i++)
			EXPECT_RET(0, tested->end(&self->q, in, out[i], sizeof(in)),
				   "a job from before, done right");
	} else {
		struct accel_queue fresh;

		EXPECT_TOUCH(SIGBUS, touch_read(self->q.ring), "the ring from before");
		ASSERT_RET(0, queue_open(&fresh, self->ctx, 16), "a new queue");
		for (i = 0; i < 8; i++) {
			memset(out[i], 0xa5, sizeof(out[i]));
			tested->put(&fresh, in, out[i], sizeof(in), false);
		}
		ASSERT_EQ(0, tested->start(&fresh));
		for (i = 0; i < 8; i++)
			EXPECT_RET(0, tested->end(&fresh, in, out[i], sizeof(in)),
				   "the same jobs, done again");
		queue_close(&fresh);
	}
	expect_awake(_metadata, self->ctx, &self->q);
}

struct worker {
	int stop;
	int jobs;
};

/* Works until the queue dies, or until told to stop. */
static int work(void *arg)
{
	static __u8 in[32 << 10], out[2 * sizeof(in)];
	struct worker *worker = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, 8), ret = 0;

	if (ctx < 0)
		return ctx;
	if (tested->forgets_asleep) {
		if (!queue_work_until_dead(&q, &worker->jobs))
			return -EBADMSG;
		return LOAD(q.status->state) == ACCEL_QUEUE_DEAD_RESET ? 0 : -EPROTO;
	}
	fill_text(in, sizeof(in), getpid());
	while (!LOAD(worker->stop) && !ret) {
		memset(out, 0, sizeof(out));
		ret = queue_run(&q, in, out, sizeof(in));
		STORE(worker->jobs, worker->jobs + 1);
	}
	return ret;
}

TEST_F(suspend, processes_work_while_the_system_goes_to_sleep)
{
	struct worker *workers = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid[WORKERS];
	int round, i;

	ASSERT_NE(MAP_FAILED, workers);
	for (round = 0; round < 3; round++) {
		memset(workers, 0, 4096);
		for (i = 0; i < WORKERS; i++)
			pid[i] = child_start(work, &workers[i]);
		for (i = 0; i < WORKERS; i++) {
			EXPECT_TRUE(WAIT_FOR(LOAD(workers[i].jobs) > 1, WAIT_SECONDS)) {
				TH_LOG("expected: process %d works", i);
			}
		}
		EXPECT_RET(0, sleep_and_wake(), "the system sleeps and wakes up");
		for (i = 0; i < WORKERS; i++) {
			STORE(workers[i].stop, 1);
			EXPECT_RET(0, child_result(pid[i]),
				   "each result was right, and the queue went on, or said why not");
		}
		expect_device_works(_metadata);
	}
	munmap(workers, 4096);
}

/*
 * Who is to give the device a page sleeps before the device does. So the system stays awake, as it
 * does for a process that waits for such a page; nobody waits for ever.
 */
TEST_F(suspend, a_page_that_a_file_system_owes)
{
	static __u8 content[FILE_SIZE], room[2 * PAGE];
	struct file_system *told = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t server;
	void *p;
	int fd;

	if (!tested->forgets_asleep)
		return;
	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	ASSERT_NE(MAP_FAILED, told);
	fd = file_system_begin(told, &server);
	ASSERT_WORKS(fd, "a file system");
	p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	tested->put(&self->q, p, room, PAGE, false);
	ASSERT_EQ(0, tested->start(&self->q));
	EXPECT_TRUE(WAIT_FOR(LOAD(told->waiting), WAIT_SECONDS)) {
		TH_LOG("expected: the file system is asked for a page");
	}
	EXPECT_RET(-EBUSY, sleep_and_wake(), "the system stays awake");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->monitor)) {
		TH_LOG("expected: the device is operational");
	}
	EXPECT_EQ(self->generation, accel_generation(self->monitor)) {
		TH_LOG("expected: no reset");
	}
	STORE(told->answers, 1);
	file_content(content);
	EXPECT_RET(0, tested->end(&self->q, content, room, PAGE), "the job, done right");
	EXPECT_RET(0, sleep_and_wake(), "the system sleeps and wakes up");
	expect_awake(_metadata, self->ctx, &self->q);
	munmap(p, PAGE);
	close(fd);
	file_system_end(_metadata, server);
	munmap(told, PAGE);
}

TEST_F(suspend, isolated_device_sleeps_too)
{
	char address[ACCEL_NAME_MAX];

	ASSERT_RET(0, accel_address(self->ctx, address), "INFO_DEVICE");
	ASSERT_RET(0, attribute_write("error_threshold", "1"), "set the threshold");
	ASSERT_RET(0, tested->break_down(address), "an error");
	EXPECT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_ISOLATED, WAIT_SECONDS)) {
		TH_LOG("expected: the device is isolated");
	}
	attribute_write("error_threshold", "0");
	EXPECT_RET(0, sleep_and_wake(), "the system sleeps and wakes up");
	EXPECT_EQ(ACCEL_STATUS_ISOLATED, accel_state(self->monitor)) {
		TH_LOG("expected: sleeping does not bring it back");
	}
	EXPECT_RET(0, accel_reset(self->ctx), "a reset");
	expect_device_works(_metadata);
}

TEST_HARNESS_MAIN
