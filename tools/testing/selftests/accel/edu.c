// SPDX-License-Identifier: GPL-2.0
/*
 * A device that is not ours, with one engine for all queues, to which the kernel hands the jobs.
 *
 * accel-bench: modules=rust_driver_accel_edu device=edu kernel=check,races limit=300
 */
#include "edu_util.h"

FIXTURE(edu) {
	struct edu edu;
	int queue;
};

FIXTURE_SETUP(edu)
{
	ASSERT_RET(0, edu_open(&self->edu), "a context of the device of " EDU_DRIVER);
	self->queue = accel_queue_create(self->edu.ctx, 0);
	ASSERT_WORKS(self->queue, "a queue");
}

FIXTURE_TEARDOWN(edu)
{
	close(self->queue);
	edu_close(&self->edu);
}

TEST_F(edu, describes_itself)
{
	struct accel_info_device device = {};

	ASSERT_WORKS(accel_info_device(self->edu.ctx, &device), "INFO_DEVICE");
	EXPECT_STREQ("QEMU edu", device.name);
	EXPECT_STREQ("pci", device.bus);
	EXPECT_EQ(1u << ACCEL_MODE_KERNEL, device.address_modes);
	EXPECT_EQ(1u << ACCEL_FUNCTION_COPY, device.functions);
	EXPECT_EQ(EDU_QUEUES, device.queues_max);
}

/* Within a page, over the end of one, and as much as the device takes. */
TEST_F(edu, copies)
{
	static const struct {
		__u32 from, to, length;
	} all[] = {
		{ 0, 0, 1 },
		{ 3, 4094, 7 },
		{ 2 * PAGE, PAGE, EDU_BYTES },
		{ PAGE - 1, 2 * PAGE + 5, EDU_BYTES },
		{ EDU_ROOM - EDU_BYTES, EDU_ROOM - EDU_BYTES, EDU_BYTES },
	};
	unsigned char *wanted = calloc(1, EDU_ROOM);
	struct edu *edu = &self->edu;
	int i;

	for (i = 0; i < ARRAY_SIZE(all); i++) {
		struct edu_job job = edu_copy(all[i].from, all[i].to, all[i].length);

		memset(edu->out, 0, EDU_ROOM);
		memset(wanted, 0, EDU_ROOM);
		memcpy(wanted + all[i].to, edu->in + all[i].from, all[i].length);
		ASSERT_RET(0, edu_run(edu, self->queue, job), "a job");
		EXPECT_THAT(!memcmp(wanted, edu->out, EDU_ROOM), "these bytes and no others");
	}
	free(wanted);
}

TEST_F(edu, refuses_what_it_cannot_do)
{
	struct edu_job job = edu_copy(0, 0, 0);

	EXPECT_RET(-EINVAL, edu_run(&self->edu, self->queue, job), "nothing to copy");
	job.length = EDU_BYTES + 1;
	EXPECT_RET(-EINVAL, edu_run(&self->edu, self->queue, job), "more than the device takes");
	job = edu_copy(EDU_ROOM - 1, 0, 2);
	EXPECT_RET(-EINVAL, edu_run(&self->edu, self->queue, job), "over the end of a buffer");
	job = edu_copy(0, 0, 1);
	job.reserved = 1;
	EXPECT_RET(-EINVAL, edu_run(&self->edu, self->queue, job), "what has no meaning");
	job = edu_copy(0, 0, 1);
	job.dest = ACCEL_BUFFER_ADDRESS(0, 0);
	EXPECT_RET(-EACCES, edu_run(&self->edu, self->queue, job),
		   "to write a buffer that was named for reading");
	EXPECT_RET(0, edu_run(&self->edu, self->queue, edu_copy(0, 0, 1)), "the next job");
}

/* Each has a quarter of the room, and more jobs than the driver takes at once. */
TEST_F(edu, queues_take_turns)
{
	enum { EACH = 3 };
	struct edu_job jobs[EACH];
	int queues[EDU_QUEUES] = { self->queue }, fences[EDU_QUEUES];
	struct edu *edu = &self->edu;
	int i, k;

	for (i = 1; i < EDU_QUEUES; i++) {
		queues[i] = accel_queue_create(edu->ctx, 0);
		ASSERT_WORKS(queues[i], "a queue");
	}
	EXPECT_RET(-EBUSY, accel_queue_create(edu->ctx, 0), "one more than the device has");
	for (i = 0; i < EDU_QUEUES; i++) {
		for (k = 0; k < EACH; k++)
			jobs[k] = edu_copy(i * PAGE + k * 100, i * PAGE + k * 100, 100);
		fences[i] = edu_submit(edu, queues[i], jobs, EACH);
		ASSERT_WORKS(fences[i], "jobs");
	}
	for (i = 0; i < EDU_QUEUES; i++) {
		EXPECT_RET(0, edu_wait(fences[i]), "the end of a queue's jobs");
		EXPECT_THAT(!memcmp(edu->out + i * PAGE, edu->in + i * PAGE, EACH * 100),
			    "all that they copy");
		close(i ? queues[i] : -1);
	}
}

TEST_F(edu, closing_a_queue_amid_jobs_ends_them)
{
	struct edu_job jobs[3] = { edu_copy(0, 0, 8), edu_copy(8, 8, 8), edu_copy(16, 16, 8) };
	struct edu *edu = &self->edu;
	int other = accel_queue_create(edu->ctx, 0), round, fence, kept;

	ASSERT_WORKS(other, "another queue");
	for (round = 0; round < 3; round++) {
		kept = edu_submit(edu, other, jobs, 3);
		ASSERT_WORKS(kept, "jobs of the other queue");
		fence = edu_submit(edu, self->queue, jobs, 3);
		ASSERT_WORKS(fence, "jobs");
		usleep(round * 60000);
		ASSERT_EQ(0, close(self->queue));
		EXPECT_GT(0, edu_wait(fence)) {
			TH_LOG("expected: the fence says that the jobs were not done");
		}
		EXPECT_RET(0, edu_wait(kept), "the other queue goes on");
		self->queue = accel_queue_create(edu->ctx, 0);
		ASSERT_WORKS(self->queue, "the next queue");
	}
	close(other);
	expect_edu_works(_metadata, edu);
}

static int work_on(void *arg)
{
	struct edu_job jobs[2] = { edu_copy(0, 0, 8), edu_copy(8, 8, 8) };
	struct edu edu;
	int queue;

	(void)arg;
	if (edu_open(&edu))
		return 1;
	queue = accel_queue_create(edu.ctx, 0);
	while (!edu_wait(edu_submit(&edu, queue, jobs, 2)))
		;
	return 2;
}

TEST_F(edu, a_process_is_killed_amid_jobs)
{
	pid_t child = child_start(work_on, NULL);

	ASSERT_LE(0, child);
	EXPECT_THAT(WAIT_FOR(accel_queues(self->edu.ctx) == 2, WAIT_SECONDS), "it has a queue");
	usleep(150000);
	kill(child, SIGKILL);
	EXPECT_EQ(CHILD_KILLED - SIGKILL, child_result(child));
	EXPECT_THAT(WAIT_FOR(accel_queues(self->edu.ctx) == 1, WAIT_SECONDS), "it has gone");
	expect_edu_works(_metadata, &self->edu);
}

TEST_F(edu, a_reset_amid_jobs_ends_them)
{
	struct edu_job jobs[3] = { edu_copy(0, 0, 8), edu_copy(8, 8, 8), edu_copy(16, 16, 8) };
	int fence = edu_submit(&self->edu, self->queue, jobs, 3);

	ASSERT_WORKS(fence, "jobs");
	ASSERT_RET(0, accel_reset(self->edu.ctx), "a reset");
	EXPECT_GT(0, edu_wait(fence)) {
		TH_LOG("expected: the fence says that the jobs were not done");
	}
	EXPECT_RET(-ENODEV, edu_run(&self->edu, self->queue, jobs[0]), "the queue is dead");
	expect_edu_works(_metadata, &self->edu);
}

TEST_F(edu, sleeps_and_wakes_up_amid_jobs)
{
	struct edu_job jobs[3] = { edu_copy(0, 0, 8), edu_copy(8, 8, 8), edu_copy(16, 16, 8) };
	int fence;

	ASSERT_RET(0, write_file("/sys/power/pm_test", "platform"),
		   "a kernel with CONFIG_PM_SLEEP_DEBUG");
	ASSERT_RET(0, write_file("/sys/module/suspend/parameters/pm_test_delay", "0"),
		   "no time asleep");
	fence = edu_submit(&self->edu, self->queue, jobs, 3);
	ASSERT_WORKS(fence, "jobs");
	ASSERT_RET(0, write_file("/sys/power/state", "freeze"), "the system sleeps and wakes up");
	write_file("/sys/power/pm_test", "none");
	EXPECT_GT(0, edu_wait(fence)) {
		TH_LOG("expected: the fence says that the jobs were not done");
	}
	expect_edu_works(_metadata, &self->edu);
}

TEST_F(edu, is_unbound_amid_jobs)
{
	struct edu_job jobs[3] = { edu_copy(0, 0, 8), edu_copy(8, 8, 8), edu_copy(16, 16, 8) };
	int number = edu_number(), fence;
	char address[ACCEL_NAME_MAX];
	struct edu edu;

	ASSERT_RET(0, accel_address(self->edu.ctx, address), "where it is");
	fence = edu_submit(&self->edu, self->queue, jobs, 3);
	ASSERT_WORKS(fence, "jobs");
	ASSERT_RET(0, pci_write(address, "driver/unbind", address), "unbind it");
	EXPECT_GT(0, edu_wait(fence)) {
		TH_LOG("expected: the fence says that the jobs were not done");
	}
	EXPECT_RET(-ENODEV, edu_run(&self->edu, self->queue, jobs[0]), "the queue is dead");
	close(self->queue);
	edu_close(&self->edu);
	ASSERT_RET(0, write_file("/sys/bus/pci/drivers/" EDU_DRIVER "/bind", address), "bind it");
	EXPECT_EQ(number, edu_number()) {
		TH_LOG("expected: it has the number that it had");
	}

	ASSERT_RET(0, edu_open(&edu), "a context");
	expect_edu_works(_metadata, &edu);
	self->edu = edu;
	self->queue = -1;
}

TEST_HARNESS_MAIN
