// SPDX-License-Identifier: GPL-2.0
/*
 * Queues and devices that hang: who is stopped, who goes on, and what mends it.
 * Hangs are made by the test port of the emulated device.
 *
 * accel-bench: option=accel_hisi_zip.job_limit_ms=1000
 */
#include "hisi_zip_util.h"

#define PAGE 4096
#define LIMIT_MS 1000
/* The driver waits so long for a queue to stop, while its largest job may need it. */
#define STOP_SECONDS 30
#define HARD_SECONDS (2 * STOP_SECONDS + 30)
/* More events than the driver has room for. */
#define EVENTS 2100
/* A device may be so slow to stop a queue. */
#define STOP_MS 2500

FIXTURE(watchdog) {
	char address[ACCEL_NAME_MAX];
	int monitor;
	int watch;
	int ctx;
	int generation;
	struct accel_queue hung;
	struct accel_queue other;
	struct accel_info_errors before;
};

static bool has_auto_recovery(int fd)
{
	struct accel_info_device device = {};

	accel_info_device(fd, &device);
	return device.flags & ACCEL_DEVICE_AUTO_RECOVERY;
}

static void setup(struct __test_metadata *_metadata, FIXTURE_DATA(watchdog) * self)
{
	struct accel_info_device device = {};

	self->monitor = accel_open_monitor();
	self->watch = accel_open();
	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->monitor);
	ASSERT_DEVICE(self->watch);
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_address(self->monitor, self->address), "INFO_DEVICE");
	ASSERT_WORKS(accel_info_device(self->monitor, &device), "INFO_DEVICE");
	ASSERT_EQ(LIMIT_MS, device.job_limit_ms) {
		TH_LOG("load the driver with job_limit_ms=%d for this", LIMIT_MS);
	}
	self->generation = accel_generation(self->monitor);
	ASSERT_WORKS(accel_info_errors(self->monitor, &self->before), "INFO_ERRORS");
	ASSERT_RET(0, zip_open(&self->hung, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	ASSERT_RET(0, zip_open(&self->other, self->ctx, 8, HISI_ZIP_COMPRESS), "a second queue");
	EXPECT_WORKS(&self->hung, "a job before");
	EXPECT_WORKS(&self->other, "a job before");
}

static void teardown(FIXTURE_DATA(watchdog) * self)
{
	zip_poke(self->address, ZIP_END_HANGS, 1);
	zip_poke(self->address, ZIP_MASK_EVENTS, 0);
	queue_close(&self->hung);
	queue_close(&self->other);
	close(self->ctx);
	close(self->watch);
	close(self->monitor);
}

FIXTURE_SETUP(watchdog)
{
	setup(_metadata, self);
	ASSERT_TRUE(has_auto_recovery(self->monitor)) {
		TH_LOG("load the driver with auto_recovery on for this");
	}
}

FIXTURE_TEARDOWN(watchdog)
{
	teardown(self);
}

static void submit_one(struct accel_queue *q)
{
	static __u8 in[PAGE], out[2 * PAGE];
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, PAGE, 2 * PAGE };

	zip_submit(q, &job);
}

/* A queue hangs with a job under way, or before its next one. */
static void hang_with_a_job(struct __test_metadata *_metadata, const char *address,
			    struct accel_queue *q, __u32 how)
{
	ASSERT_POKE(address, how, q->id);
	submit_one(q);
}

static bool is_dead(const struct accel_queue *q)
{
	return LOAD(q->status->state) != ACCEL_QUEUE_LIVE;
}

/* The others go on, and it was no error of the device. */
static void expect_no_harm(struct __test_metadata *_metadata, FIXTURE_DATA(watchdog) * self)
{
	struct accel_info_errors errors = {};

	EXPECT_WORKS(&self->other, "another queue afterwards");
	EXPECT_EQ(self->generation, accel_generation(self->monitor)) {
		TH_LOG("expected: no reset");
	}
	ASSERT_WORKS(accel_info_errors(self->monitor, &errors), "INFO_ERRORS");
	EXPECT_EQ(self->before.hardware, errors.hardware) {
		TH_LOG("expected: no error of the hardware is counted");
	}
}

static void expect_timeouts(struct __test_metadata *_metadata,
			    const FIXTURE_DATA(watchdog) * self, __u64 count)
{
	struct accel_info_errors errors = {};

	ASSERT_WORKS(accel_info_errors(self->monitor, &errors), "INFO_ERRORS");
	EXPECT_EQ(self->before.timeouts + count, errors.timeouts) {
		TH_LOG("expected: INFO_ERRORS counts %llu timeouts more", count);
	}
	EXPECT_EQ(errors.timeouts, attribute_number("timeouts")) {
		TH_LOG("expected: so does the attribute");
	}
}

/* --- A queue that can be stopped --- */

TEST_F(watchdog, hung_queue_is_stopped_alone)
{
	double begin = seconds(), end;
	struct accel_queue fresh;
	int jobs = 0;

	hang_with_a_job(_metadata, self->address, &self->hung, ZIP_HANG_QUEUE);
	while (!is_dead(&self->hung) && seconds() < begin + WAIT_SECONDS) {
		ASSERT_TRUE(queue_works(&self->other)) {
			TH_LOG("expected: another queue goes on meanwhile");
		}
		jobs++;
	}
	end = seconds();
	TH_LOG("stopped after %.1f s, %d jobs of another queue", end - begin, jobs);
	EXPECT_LE(LIMIT_MS / 1000.0, end - begin) {
		TH_LOG("expected: not before the limit");
	}
	expect_dead(_metadata, &self->hung, ACCEL_QUEUE_DEAD_TIMEOUT);
	EXPECT_WORKS(&self->other, "the other queue afterwards");
	expect_timeouts(_metadata, self, 1);
	EXPECT_EQ(self->generation, accel_generation(self->monitor)) {
		TH_LOG("expected: no reset");
	}
	ASSERT_RET(0, zip_open(&fresh, self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	EXPECT_EQ(self->hung.id, fresh.id) {
		TH_LOG("expected: the number is free again");
	}
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
}

TEST_F(watchdog, monitor_is_told_who_hung)
{
	struct accel_info_context contexts[2] = {};
	struct accel_event event = {};

	ASSERT_RET(sizeof(contexts),
		   accel_info(self->monitor, ACCEL_INFO_CONTEXTS, contexts, sizeof(contexts)),
		   "INFO_CONTEXTS");
	hang_with_a_job(_metadata, self->address, &self->hung, ZIP_HANG_QUEUE);
	ASSERT_RET(0, event_wait(self->monitor, ACCEL_EVENT_TIMEOUT, &event, WAIT_SECONDS),
		   "the event of the timeout");
	EXPECT_EQ(self->hung.id, event.queue) {
		TH_LOG("expected: it names the queue");
	}
	EXPECT_EQ(getpid(), event.pid) {
		TH_LOG("expected: it names the process");
	}
	EXPECT_NE(0, event.pasid) {
		TH_LOG("expected: it names the PASID");
	}
	EXPECT_THAT(event.pasid == contexts[0].pasid || event.pasid == contexts[1].pasid,
		    "the PASID is that of the context");
}

static int read_timeout_unprivileged(void *arg)
{
	int ret = drop_capability(CAP_PERFMON) ?: drop_capability(CAP_SYS_ADMIN);
	int fd = ret ?: accel_open_monitor();
	struct accel_event event;

	if (fd < 0)
		return fd;
	STORE(*(int *)arg, 1);
	ret = event_wait(fd, ACCEL_EVENT_TIMEOUT, &event, WAIT_SECONDS);
	if (ret)
		return ret;
	if (event.queue == ACCEL_NO_QUEUE)
		return -EBADMSG;
	return event.pid || event.pasid || event.address ? -EPERM : 0;
}

TEST_F(watchdog, monitor_without_cap_perfmon_is_not_told_who_hung)
{
	int *ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, ready);
	pid = child_start(read_timeout_unprivileged, ready);
	ASSERT_TRUE(WAIT_FOR(LOAD(*ready), WAIT_SECONDS)) {
		TH_LOG("expected: the reader is there");
	}
	hang_with_a_job(_metadata, self->address, &self->hung, ZIP_HANG_QUEUE);
	EXPECT_RET(0, child_result(pid), "the event comes, without process and PASID");
	munmap(ready, PAGE);
}

TEST_F(watchdog, idle_and_busy_queues_are_left_alone)
{
	double end = seconds() + 4 * LIMIT_MS / 1000.0;
	struct accel_queue idle;

	ASSERT_RET(0, zip_open(&idle, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue without jobs");
	while (seconds() < end) {
		submit_one(&self->other);
		ASSERT_TRUE(queue_works(&self->hung)) {
			TH_LOG("expected: a busy queue is never stopped");
		}
		zip_wait(&self->other);
	}
	EXPECT_WORKS(&idle, "a queue that was idle longer than the limit");
	expect_timeouts(_metadata, self, 0);
	queue_close(&idle);
}

/* --- A process that does not keep to the rules of the rings --- */

/* What is done when nobody reads it takes room that others need. */
TEST_F(watchdog, process_that_reads_no_completions_loses_its_queue_alone)
{
	double end = seconds() + WAIT_SECONDS;
	struct accel_queue *q = &self->hung;

	while (!is_dead(q) && seconds() < end) {
		touch_catch(touch_caught);
		if (!sigsetjmp(touch_return, 1))
			submit_one(q);
		touch_catch(SIG_DFL);
		ASSERT_TRUE(queue_works(&self->other)) {
			TH_LOG("expected: another queue goes on meanwhile");
		}
	}
	expect_dead(_metadata, q, ACCEL_QUEUE_DEAD_ERROR);
	expect_no_harm(_metadata, self);
}

static void ring_for_events(struct accel_queue *q, unsigned int rings)
{
	/* As if the last completion had not been read: each ring is an event. */
	__u32 head = (q->head + q->depth - 1) % q->depth;

	touch_catch(touch_caught);
	if (!sigsetjmp(touch_return, 1)) {
		while (rings--)
			zip_ring(q, HISI_ZIP_DB_CQ, head, 1);
	}
	touch_catch(SIG_DFL);
}

/* A job, and the event that it is done. */
static bool is_told(struct accel_queue *q)
{
	zip_arm(q);
	submit_one(q);
	return zip_event_comes(q) && !zip_wait(q).error;
}

TEST_F(watchdog, events_that_find_no_room_are_made_up_for)
{
	/* The driver does not see the event before there are too many. */
	ASSERT_POKE(self->address, ZIP_MASK_EVENTS, 1);
	zip_arm(&self->other);
	submit_one(&self->other);
	ASSERT_TRUE(WAIT_FOR(zip_done(&self->other), WAIT_SECONDS));
	ring_for_events(&self->hung, EVENTS);
	EXPECT_TRUE(zip_event_comes(&self->other)) {
		TH_LOG("expected: who sleeps until a job is done is woken up all the same");
	}
	EXPECT_EQ(0, zip_wait(&self->other).error);
	ASSERT_TRUE(WAIT_FOR(is_dead(&self->hung), WAIT_SECONDS)) {
		TH_LOG("expected: who rang so often is stopped");
	}
	expect_dead(_metadata, &self->hung, ACCEL_QUEUE_DEAD_ERROR);
	ASSERT_POKE(self->address, ZIP_MASK_EVENTS, 0);
	EXPECT_TRUE(is_told(&self->other)) {
		TH_LOG("expected: events come as before");
	}
	expect_no_harm(_metadata, self);
}

TEST_F(watchdog, who_gets_a_number_does_not_answer_for_who_had_it)
{
	struct accel_queue heir;
	__u32 id = self->hung.id;

	/* The driver sees neither the events nor that there are too many. */
	ASSERT_POKE(self->address, ZIP_MASK_EVENTS, 1);
	ASSERT_POKE(self->address, ZIP_MASK_ABNORMAL_EVENTS, 1);
	ring_for_events(&self->hung, EVENTS);
	queue_close(&self->hung);
	ASSERT_RET(0, zip_open(&heir, self->ctx, 8, HISI_ZIP_COMPRESS), "another queue");
	ASSERT_EQ(id, heir.id) {
		TH_LOG("expected: it has the number of the one that is closed");
	}
	/* Too many once more, so that the driver looks who is to blame. */
	ASSERT_POKE(self->address, ZIP_MASK_ABNORMAL_EVENTS, 0);
	ring_for_events(&self->other, EVENTS);
	ASSERT_TRUE(WAIT_FOR(is_dead(&self->other), WAIT_SECONDS)) {
		TH_LOG("expected: who rings too often now is stopped");
	}
	ASSERT_POKE(self->address, ZIP_MASK_EVENTS, 0);
	EXPECT_FALSE(is_dead(&heir)) {
		TH_LOG("expected: who has the number now is not");
	}
	EXPECT_TRUE(is_told(&heir)) {
		TH_LOG("expected: and events of it come");
	}
	queue_close(&heir);
}

static int ring_until_dead(void *arg)
{
	struct accel_queue q;
	int ctx = accel_open_shared(), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	if (!queue_works(&q))
		return -EIO;
	STORE(*(int *)arg, 1);
	for (;;)
		ring_for_events(&q, EVENTS);
}

/* Whether that is too fast for the driver or not. */
TEST_F(watchdog, process_that_rings_as_fast_as_it_can_keeps_no_event_from_others)
{
	int *ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, ready);
	pid = child_start(ring_until_dead, ready);
	ASSERT_TRUE(WAIT_FOR(LOAD(*ready), WAIT_SECONDS)) {
		TH_LOG("expected: the process rings");
	}
	for (i = 0; i < 50; i++) {
		ASSERT_TRUE(is_told(&self->other)) {
			TH_LOG("expected: job %d is told of", i);
		}
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	expect_no_harm(_metadata, self);
	munmap(ready, PAGE);
}

TEST_F(watchdog, hung_queue_can_be_closed)
{
	struct accel_queue q;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
		hang_with_a_job(_metadata, self->address, &q, ZIP_HANG_QUEUE);
		queue_close(&q);
		EXPECT_TRUE(WAIT_FOR(accel_queues(self->monitor) == 2, WAIT_SECONDS)) {
			TH_LOG("expected: a queue that hangs is gone soon after it is closed");
		}
	}
	EXPECT_WORKS(&self->other, "another queue afterwards");
	expect_timeouts(_metadata, self, 0);
}

static int end_hangs_later(void *address)
{
	usleep((LIMIT_MS + STOP_MS) * 1000);
	return zip_poke(address, ZIP_END_HANGS, 1);
}

/* The mailbox is waited for that long: then there is no need of a reset. */
TEST_F(watchdog, hung_queue_may_take_seconds_to_stop)
{
	pid_t pid = child_start(end_hangs_later, self->address);

	hang_with_a_job(_metadata, self->address, &self->hung, ZIP_HANG_QUEUE_HARD);
	EXPECT_TRUE(WAIT_FOR(is_dead(&self->hung), WAIT_SECONDS)) {
		TH_LOG("expected: the queue is stopped");
	}
	EXPECT_RET(0, child_result(pid), "the end of the hang");
	expect_dead(_metadata, &self->hung, ACCEL_QUEUE_DEAD_TIMEOUT);
	EXPECT_WORKS(&self->other, "another queue");
	EXPECT_EQ(self->generation, accel_generation(self->monitor)) {
		TH_LOG("expected: no reset");
	}
}

/* What it could not end is not there any more when it wakes up. */
TEST_F(watchdog, device_wakes_up_that_could_not_stop)
{
	hang_with_a_job(_metadata, self->address, &self->hung, ZIP_HANG_QUEUE_HARD);
	ASSERT_RET(0, write_file("/sys/power/pm_test", "platform"),
		   "a kernel with CONFIG_PM_SLEEP_DEBUG");
	ASSERT_RET(0, write_file("/sys/module/suspend/parameters/pm_test_delay", "0"), "a delay");
	EXPECT_RET(0, write_file("/sys/power/state", "freeze"), "the system sleeps and wakes up");
	write_file("/sys/power/pm_test", "none");
	EXPECT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_OPERATIONAL,
			     WAIT_SECONDS)) {
		TH_LOG("expected: it is in operation, once it was reset");
	}
	expect_device_works(_metadata);
}

/* --- A queue that can't --- */

static bool ask_until_reset(struct __test_metadata *_metadata, int monitor, int generation)
{
	double begin = seconds();

	while (accel_generation(monitor) != generation && seconds() < begin + HARD_SECONDS) {
		expect_info_without_sleep(_metadata, monitor);
		usleep(50000);
	}
	TH_LOG("%.1f s to the reset", seconds() - begin);
	return accel_generation(monitor) == generation;
}

TEST_F(watchdog, queue_that_does_not_stop_leads_to_a_reset)
{
	struct accel_queue fresh;

	hang_with_a_job(_metadata, self->address, &self->hung, ZIP_HANG_QUEUE_HARD);
	ASSERT_TRUE(ask_until_reset(_metadata, self->monitor, self->generation + 1)) {
		TH_LOG("expected: the device is reset without being asked");
	}
	ASSERT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_OPERATIONAL,
			     WAIT_SECONDS));
	expect_dead(_metadata, &self->hung, ACCEL_QUEUE_DEAD_TIMEOUT);
	expect_dead(_metadata, &self->other, ACCEL_QUEUE_DEAD_RESET);
	expect_timeouts(_metadata, self, 1);
	ASSERT_RET(0, zip_open(&fresh, self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
}

static int hang_and_leave(void *arg)
{
	struct accel_queue q;
	int ctx = accel_open_shared(), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (!ret)
		ret = zip_poke(arg, ZIP_HANG_QUEUE_HARD, q.id);
	if (!ret)
		submit_one(&q);
	return ret;
}

/* The memory that the device may still write must outlive the process. */
TEST_F(watchdog, hisi_cve_2024_47730_process_dies_with_a_queue_that_does_not_stop)
{
	EXPECT_RET(0, in_child(hang_and_leave, self->address), "the child's end");
	ASSERT_TRUE(ask_until_reset(_metadata, self->monitor, self->generation + 1)) {
		TH_LOG("expected: the device is reset without being asked");
	}
	ASSERT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_OPERATIONAL,
			     WAIT_SECONDS));
	EXPECT_EQ(0, accel_queues(self->monitor)) {
		TH_LOG("expected: no queue is left");
	}
	expect_device_works(_metadata);
}

/* --- A device that hangs --- */

static void hang_device(struct __test_metadata *_metadata, FIXTURE_DATA(watchdog) * self)
{
	ASSERT_POKE(self->address, ZIP_HANG_DEVICE, 1);
	submit_one(&self->hung);
	submit_one(&self->other);
}

TEST_F(watchdog, device_that_hangs_is_reset)
{
	hang_device(_metadata, self);
	ASSERT_TRUE(ask_until_reset(_metadata, self->monitor, self->generation + 1)) {
		TH_LOG("expected: the device is reset without being asked");
	}
	ASSERT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_OPERATIONAL,
			     WAIT_SECONDS));
	EXPECT_THAT(is_dead(&self->hung) && is_dead(&self->other), "all its queues are dead");
	expect_device_works(_metadata);
}

/* --- Left to the administrator --- */

FIXTURE(by_hand) {
	FIXTURE_DATA(watchdog) base;
};

static int reload(const char *parameters)
{
	char command[128];
	int ret;

	snprintf(command, sizeof(command), "modprobe -r " ACCEL_DRIVER " && modprobe "
		 ACCEL_DRIVER " %s", parameters);
	fflush(stdout);
	ret = system(command);
	return ret ? -EIO : 0;
}

FIXTURE_SETUP(by_hand)
{
	ASSERT_RET(0, reload("auto_recovery=0"), "the module can be loaded anew");
	setup(_metadata, &self->base);
	ASSERT_FALSE(has_auto_recovery(self->base.monitor)) {
		TH_LOG("expected: INFO_DEVICE tells that the device is not reset by itself");
	}
}

FIXTURE_TEARDOWN(by_hand)
{
	accel_reset_at_last(self->base.watch);
	teardown(&self->base);
	reload("");
}

TEST_F(by_hand, queue_that_does_not_stop_waits_for_the_administrator)
{
	FIXTURE_DATA(watchdog) * base = &self->base;
	struct accel_queue fresh;
	double begin;

	hang_with_a_job(_metadata, base->address, &base->hung, ZIP_HANG_QUEUE_HARD);
	ASSERT_TRUE(WAIT_FOR(is_dead(&base->hung), WAIT_SECONDS)) {
		TH_LOG("expected: the queue is dead for its process");
	}
	for (begin = seconds(); seconds() < begin + STOP_SECONDS + 5;) {
		ASSERT_TRUE(queue_works(&base->other)) {
			TH_LOG("expected: another queue goes on");
		}
		expect_info_without_sleep(_metadata, base->monitor);
	}
	expect_dead(_metadata, &base->hung, ACCEL_QUEUE_DEAD_TIMEOUT);
	EXPECT_EQ(base->generation, accel_generation(base->monitor)) {
		TH_LOG("expected: no reset");
	}
	EXPECT_RET(0, accel_reset_at_last(base->watch), "a reset by the administrator");
	expect_dead(_metadata, &base->other, ACCEL_QUEUE_DEAD_RESET);
	ASSERT_RET(0, zip_open(&fresh, base->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
}

/* Until then they stand in its registers, and have the driver look with each that comes. */
TEST_F(by_hand, errors_that_only_a_reset_mends_are_told_once_each)
{
	static const struct { __u32 where, bits; } those[] = {
		{ ZIP_SET_MANAGER_ERRORS, ZIP_HARMFUL_ERROR },
		{ ZIP_SET_ENGINE_ERRORS, ZIP_HARMFUL_ERROR },
		{ ZIP_SET_MANAGER_ERRORS, ZIP_MENDED_MANAGER_ERROR },
		{ ZIP_SET_ENGINE_ERRORS, ZIP_MENDED_ENGINE_ERROR },
	};
	FIXTURE_DATA(watchdog) * base = &self->base;
	struct accel_info_errors after = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(those); i++) {
		ASSERT_POKE(base->address, those[i].where, those[i].bits);
		EXPECT_TRUE(WAIT_FOR(zip_errors(base->monitor) > base->before.hardware + i,
				     WAIT_SECONDS)) {
			TH_LOG("expected: error %u is counted", i);
		}
	}
	usleep(300000);
	ASSERT_WORKS(accel_info_errors(base->monitor, &after), "INFO_ERRORS");
	EXPECT_EQ(base->before.hardware + ARRAY_SIZE(those), after.hardware) {
		TH_LOG("expected: each once");
	}
	EXPECT_EQ(2, after.recent) {
		TH_LOG("expected: those that only a reset mends count for the threshold");
	}
	EXPECT_RET(0, accel_reset_at_last(base->watch), "a reset by the administrator");
	expect_device_works(_metadata);
}

TEST_F(by_hand, device_that_hangs_answers_info_and_is_mended_by_a_reset)
{
	FIXTURE_DATA(watchdog) * base = &self->base;
	struct accel_queue fresh;
	double begin;
	long before;

	hang_device(_metadata, base);
	for (begin = seconds(); seconds() < begin + 5;) {
		expect_info_without_sleep(_metadata, base->monitor);
		usleep(20000);
	}
	EXPECT_EQ(base->generation, accel_generation(base->monitor)) {
		TH_LOG("expected: no reset");
	}
	before = sleeps();
	EXPECT_RET(0, accel_reset_at_last(base->watch), "a reset by the administrator");
	EXPECT_LT(before, sleeps()) {
		TH_LOG("expected: who does wait for the device is seen to sleep");
	}
	EXPECT_THAT(is_dead(&base->hung) && is_dead(&base->other), "all its queues are dead");
	ASSERT_RET(0, zip_open(&fresh, base->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
}

TEST_HARNESS_MAIN
