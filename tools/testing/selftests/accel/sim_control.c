// SPDX-License-Identifier: GPL-2.0
/* The device in software, told to misbehave, and what the core makes of it. */
/* accel-bench: kernel=check,races,quick modules=accel_sim */
#include <glob.h>
#include <sys/syscall.h>

#include "memory_util.h"

#define DEPTH 16

FIXTURE(control) {
	int number;
	int ctx;
	struct accel_queue q;
};

FIXTURE_SETUP(control)
{
	self->number = sim_number();
	self->ctx = sim_open_shared();
	ASSERT_SIM(self->ctx);
	ASSERT_RET(0, sim_queue_open(&self->q, self->ctx, DEPTH), "a queue");
}

/* Waits for a status of the device; the one that it has then. */
static int wait_status(int ctx, int wanted)
{
	double end = seconds() + WAIT_SECONDS;

	while (accel_state(ctx) != wanted && seconds() < end)
		usleep(1000);
	return accel_state(ctx);
}

/* Waits until the device has gone through so many resets, well or not. */
static bool wait_resets(int ctx, __u64 resets)
{
	double end = seconds() + WAIT_SECONDS;

	while (sim_errors(ctx).resets + sim_errors(ctx).resets_failed < resets && seconds() < end)
		usleep(1000);
	return sim_errors(ctx).resets + sim_errors(ctx).resets_failed >= resets;
}

FIXTURE_TEARDOWN(control)
{
	queue_close(&self->q);
	/* One that has begun may last until a sensor has been read. */
	ASSERT_RET(0, accel_reset_at_last(self->ctx), "a reset that mends all");
	close(self->ctx);
}

/* --- Single queues --- */

TEST_F(control, next_jobs_fault)
{
	struct accel_sim_job job = sim_nop(1);
	struct sim_result r;
	int i;

	ASSERT_RET(0, sim_control(self->number, "fault", "2"), "fault");
	for (i = 0; i < 2; i++) {
		r = sim_run(&self->q, &job);
		EXPECT_STATUS(ACCEL_SIM_STATUS_FAULT, r, "a fault that was asked for");
	}
	r = sim_run(&self->q, &job);
	EXPECT_DONE(r, "a job after those");
}

TEST_F(control, hung_queue_is_stopped_alone)
{
	struct accel_sim_job job = sim_nop(1);
	struct accel_queue other;
	struct sim_result r;
	char id[16];

	ASSERT_RET(0, sim_queue_open(&other, self->ctx, 4), "a second queue");
	snprintf(id, sizeof(id), "%u", self->q.id);
	ASSERT_RET(0, sim_control(self->number, "hang", id), "hang");
	ASSERT_RET(0, sim_submit(&self->q, &job), "a job that is not taken");
	EXPECT_EQ(ACCEL_QUEUE_DEAD_TIMEOUT, sim_wait_dead(&self->q));
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(other.status->state));
	r = sim_run(&other, &job);
	EXPECT_DONE(r, "a job on another queue");
	EXPECT_RET(-EINVAL, sim_control(self->number, "hang", "63"), "a queue that is not there");
	queue_close(&other);
}

TEST_F(control, a_queue_that_does_not_stop_is_stopped_later)
{
	struct accel_queue q;
	__u64 resets = sim_errors(self->ctx).resets;

	ASSERT_RET(0, sim_queue_open(&q, self->ctx, 4), "a queue");
	ASSERT_RET(0, sim_control(self->number, "stuck", "1"), "stuck");
	queue_close(&q);
	while (accel_queues(self->ctx) > 1)
		usleep(1000);
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(self->q.status->state));
	EXPECT_EQ(resets, sim_errors(self->ctx).resets);
	sim_expect_works(_metadata, self->ctx);
}

/* --- The whole device --- */

TEST_F(control, hung_device_is_reset)
{
	struct accel_sim_job job = sim_nop(1);
	__u64 resets = sim_errors(self->ctx).resets;
	struct accel_queue q;

	ASSERT_RET(0, sim_control(self->number, "hang", "device"), "hang");
	EXPECT_RET(-ETIMEDOUT, sim_queue_open(&q, self->ctx, 4), "no new queue");
	ASSERT_RET(0, sim_submit(&self->q, &job), "a job that is not taken");
	EXPECT_EQ(ACCEL_QUEUE_DEAD_TIMEOUT, sim_wait_dead(&self->q));
	EXPECT_THAT(wait_resets(self->ctx, resets + 1), "the device is reset");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, wait_status(self->ctx, ACCEL_STATUS_OPERATIONAL));
	EXPECT_EQ(0, accel_queues(self->ctx));
	sim_expect_works(_metadata, self->ctx);
}

/* A sensor is being read all the while, which waits for the device. */
TEST_F(control, hung_device_answers_info_without_sleeping)
{
	int monitor = accel_open_number("accel_monitor", self->number, O_RDONLY), i;
	long before = sleeps();

	ASSERT_LE(0, monitor);
	ASSERT_RET(0, sim_control(self->number, "hang", "device"), "hang");
	EXPECT_RET(-ETIMEDOUT, accel_queue_create(self->ctx, 4), "no new queue");
	EXPECT_LT(before, sleeps()) {
		TH_LOG("expected: who does wait for the device is seen to sleep");
	}
	for (i = 0; i < 100; i++) {
		expect_info_without_sleep(_metadata, monitor);
		expect_info_without_sleep(_metadata, self->ctx);
		usleep(10000);
	}
	close(monitor);
}

TEST_F(control, device_asks_for_a_reset)
{
	__u64 resets = sim_errors(self->ctx).resets;

	ASSERT_RET(0, sim_control(self->number, "reset_request", "1"), "reset_request");
	EXPECT_EQ(ACCEL_QUEUE_DEAD_RESET, sim_wait_dead(&self->q));
	EXPECT_THAT(wait_resets(self->ctx, resets + 1), "the device is reset");
	sim_expect_works(_metadata, self->ctx);
}

TEST_F(control, a_reset_that_fails_isolates)
{
	struct accel_queue q;

	ASSERT_RET(0, sim_control(self->number, "fail_reset", "1"), "fail_reset");
	EXPECT_RET(-EIO, accel_reset(self->ctx), "a reset that fails");
	EXPECT_EQ(ACCEL_STATUS_ISOLATED, accel_state(self->ctx));
	EXPECT_RET(-EIO, sim_queue_open(&q, self->ctx, 4), "no queue on an isolated device");
	EXPECT_RET(0, accel_reset(self->ctx), "the next reset");
	sim_expect_works(_metadata, self->ctx);
}

TEST_F(control, errors_isolate)
{
	int i;
	char path[96];

	snprintf(path, sizeof(path), ACCEL_CLASS "/accel%d/error_threshold", self->number);
	ASSERT_RET(0, write_file(path, "3"), "a threshold");
	for (i = 0; i < 3; i++)
		ASSERT_RET(0, sim_control(self->number, "error", "17"), "error");
	EXPECT_EQ(ACCEL_STATUS_ISOLATED, wait_status(self->ctx, ACCEL_STATUS_ISOLATED));
	EXPECT_EQ(ACCEL_QUEUE_DEAD_ISOLATED, sim_wait_dead(&self->q));
	EXPECT_EQ(3, sim_errors(self->ctx).recent);
	EXPECT_RET(0, accel_reset(self->ctx), "a reset");
	EXPECT_EQ(0, sim_errors(self->ctx).recent);
	ASSERT_RET(0, write_file(path, "0"), "no threshold");
	sim_expect_works(_metadata, self->ctx);
}

TEST_F(control, sensors_move_with_load)
{
	struct accel_sim_job job = { .opcode = ACCEL_SIM_SLEEP, .value = 1000 };
	struct accel_info_sensor idle[3] = {}, busy[3] = {};
	struct sim_result r;
	int i;

	usleep(300000);
	accel_info(self->ctx, ACCEL_INFO_SENSORS, idle, sizeof(idle));
	usleep(300000);
	ASSERT_EQ(sizeof(idle), accel_info(self->ctx, ACCEL_INFO_SENSORS, idle, sizeof(idle)));
	sim_submit(&self->q, &job);
	usleep(300000);
	accel_info(self->ctx, ACCEL_INFO_SENSORS, busy, sizeof(busy));
	usleep(300000);
	ASSERT_EQ(sizeof(busy), accel_info(self->ctx, ACCEL_INFO_SENSORS, busy, sizeof(busy)));
	for (i = 0; i < 3; i++) {
		EXPECT_LT(idle[i].value, busy[i].value) {
			TH_LOG("expected: sensor %s of kind %u shows more under load",
			       idle[i].label, idle[i].kind);
		}
		EXPECT_LT(idle[i].timestamp_ns, busy[i].timestamp_ns);
	}
	r = sim_wait(&self->q);
	EXPECT_DONE(r, "the load");
}

/* Kinds of sensors that are told, as bits. */
static int kinds_told(int fd)
{
	struct accel_info_sensor all[8] = {};
	int n = accel_info(fd, ACCEL_INFO_SENSORS, all, sizeof(all)), kinds = 0;

	for (n /= (int)sizeof(all[0]); n > 0; n--)
		kinds |= 1 << all[n - 1].kind;
	return kinds;
}

static int look_at_power(void *arg)
{
	int ret = drop_capability(CAP_PERFMON) ?: drop_capability(CAP_SYS_ADMIN);

	return ret ?: kinds_told(*(int *)arg) & 1 << ACCEL_SENSOR_POWER ? -EPERM : 0;
}

/* From enough values of it can be told what others compute. */
TEST_F(control, power_is_told_to_those_who_may_look_at_others)
{
	const int all = 1 << ACCEL_SENSOR_TEMPERATURE | 1 << ACCEL_SENSOR_POWER |
			1 << ACCEL_SENSOR_FREQUENCY;
	glob_t files;
	struct stat st;
	size_t i;

	ASSERT_TRUE(WAIT_FOR(kinds_told(self->ctx) == all, WAIT_SECONDS));
	EXPECT_RET(0, in_child(look_at_power, &self->ctx), "without CAP_PERFMON");
	ASSERT_EQ(0, glob("/sys/class/hwmon/hwmon*/power1_input", 0, NULL, &files)) {
		TH_LOG("expected: hwmon has it, too");
	}
	for (i = 0; i < files.gl_pathc; i++) {
		ASSERT_EQ(0, stat(files.gl_pathv[i], &st));
		EXPECT_EQ(0400, st.st_mode & 0777) {
			TH_LOG("%s: expected: for root alone", files.gl_pathv[i]);
		}
	}
	globfree(&files);
	ASSERT_EQ(0, glob("/sys/class/hwmon/hwmon*/temp1_input", 0, NULL, &files));
	for (i = 0; i < files.gl_pathc; i++) {
		ASSERT_EQ(0, stat(files.gl_pathv[i], &st));
		EXPECT_EQ(0444, st.st_mode & 0777);
	}
	globfree(&files);
}

/* --- Coming and going --- */

TEST_F(control, a_device_comes_and_is_pulled_out)
{
	struct accel_sim_job hang = sim_hang();
	double end = seconds() + WAIT_SECONDS;
	int number, ctx;
	struct accel_queue q;

	EXPECT_RET(-ENOENT, sim_number_from(self->number + 1), "one device at first");
	ASSERT_RET(0, write_file("/sys/kernel/debug/accel_sim/add", "1"), "add");
	number = sim_number_from(self->number + 1);
	ASSERT_LE(0, number);
	ctx = accel_open_number("accel", number, O_RDWR);
	ASSERT_LE(0, ctx);
	ASSERT_RET(0, accel_bind_shared(ctx), "bind");
	ASSERT_RET(0, sim_queue_open(&q, ctx, 4), "a queue");
	ASSERT_RET(0, sim_submit(&q, &hang), "a job");
	ASSERT_RET(0, sim_control(number, "remove", "1"), "remove");
	EXPECT_EQ(ACCEL_QUEUE_DEAD_REMOVED, sim_wait_dead(&q));
	EXPECT_EQ(ACCEL_STATUS_REMOVED, wait_status(ctx, ACCEL_STATUS_REMOVED));
	while (sim_is(number) && seconds() < end)
		usleep(1000);
	EXPECT_THAT(!sim_is(number), "its nodes are gone");
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(self->q.status->state));
	EXPECT_TOUCH(SIGBUS, touch_read(q.ring), "the ring is gone");
	queue_close(&q);
	close(ctx);
}

/* What looks at queues from time to time, or reads sensors, does not keep the number. */
TEST_F(control, a_number_is_free_when_its_device_has_gone)
{
	struct accel_info_sensor sensors[3];
	int first, second, ctx;
	struct accel_queue q;

	ctx = sim_add(&first);
	ASSERT_WORKS(ctx, "another device");
	ASSERT_RET(0, accel_bind_shared(ctx), "bind");
	ASSERT_RET(0, sim_queue_open(&q, ctx, 4), "a queue, which is looked at from now on");
	EXPECT_EQ(sizeof(sensors), accel_info(ctx, ACCEL_INFO_SENSORS, sensors, sizeof(sensors)));
	queue_close(&q);
	EXPECT_THAT(sim_remove(ctx, first), "it is pulled out");
	close(ctx);

	ctx = sim_add(&second);
	ASSERT_WORKS(ctx, "one more");
	EXPECT_EQ(first, second) {
		TH_LOG("expected: it has the number of the one that has gone");
	}
	EXPECT_THAT(sim_remove(ctx, second), "it is pulled out, too");
	close(ctx);
}

TEST_HARNESS_MAIN
