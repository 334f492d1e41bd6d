// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that does wrong what safe code can do wrong, drivers/accel/test/accel_rogue.rs: fences
 * are signalled, queues end, devices go, and the next one finds all as it should be.
 *
 * accel-bench: kernel=plain,check,races,quick modules=accel_rogue
 */
#include "rogue_util.h"

FIXTURE(rogue)
{
	int descriptors;
	int ctx;
	int queue;
	int buffer;
};

FIXTURE_SETUP(rogue)
{
	self->descriptors = descriptors();
	ASSERT_WORKS(rogue_number(NO_LIE), "the device of accel_rogue");
	ASSERT_RET(0, rogue_reform(), "it behaves before");
	self->ctx = rogue_open(ACCEL_MODE_KERNEL);
	ASSERT_WORKS(self->ctx, "a context");
	self->queue = accel_queue_create(self->ctx, DEPTH);
	ASSERT_WORKS(self->queue, "a queue");
	self->buffer = buffer_alloc(self->ctx, PAGE);
	ASSERT_WORKS(self->buffer, "a buffer");
}

FIXTURE_TEARDOWN(rogue)
{
	close(self->queue);
	close(self->ctx);
	close(self->buffer);
	EXPECT_RET(0, rogue_reform(), "it behaves after");
	EXPECT_RET(0, rogue_use(USE_NOTHING), "it lets go of all");
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

static int status_of(int queue)
{
	return poll_now(queue, POLLIN) & POLLERR ? -ENODEV : 0;
}

/* --- Tickets --- */

TEST_F(rogue, a_ticket_that_is_kept_ends_with_its_queue)
{
	int fence;

	ASSERT_RET(0, rogue_do("ticket", TICKET_KEEP), "it keeps tickets");
	fence = rogue_submit(self->queue, 2, self->buffer);
	ASSERT_WORKS(fence, "two jobs");
	EXPECT_RET(-ETIMEDOUT, fence_wait(fence, WAIT), "the watchdog ends them");
	EXPECT_THAT(WAIT_FOR(status_of(self->queue), WAIT), "the queue is dead");
	/* Long after that, the driver ends them again. */
	EXPECT_RET(0, rogue_use(USE_TICKETS), "end jobs that have ended");
	EXPECT_EQ(-ETIMEDOUT, fence_status(fence));
	close(fence);
}

TEST_F(rogue, a_ticket_that_is_kept_can_be_used_later)
{
	int fence;

	ASSERT_RET(0, rogue_do("ticket", TICKET_KEEP), "it keeps tickets");
	fence = rogue_submit(self->queue, 3, self->buffer);
	ASSERT_WORKS(fence, "three jobs");
	/* The driver may not have all of them yet. */
	EXPECT_THAT(WAIT_FOR(rogue_use(USE_TICKETS) || fence_status(fence), WAIT), "end them");
	EXPECT_EQ(1, fence_status(fence));
	close(fence);
}

TEST_F(rogue, a_ticket_outlives_queue_and_device)
{
	int fence, ctx, queue, number;

	ASSERT_RET(0, rogue_add(LONG_NAMES), "another device");
	number = rogue_number(LONG_NAMES);
	ctx = accel_open_number("accel", number, O_RDWR);
	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_KERNEL), "bind");
	queue = accel_queue_create(ctx, DEPTH);
	ASSERT_RET(0, sim_control(number, "ticket", TICKET_KEEP), "it keeps tickets");
	fence = rogue_submit(queue, DEPTH, self->buffer);
	ASSERT_WORKS(fence, "jobs");
	ASSERT_RET(0, rogue_remove(), "take the device back");
	EXPECT_RET(-ENODEV, fence_wait(fence, WAIT), "the jobs end with it");
	close(queue);
	close(ctx);
	EXPECT_RET(0, rogue_use(USE_TICKETS), "end jobs of a device that has gone");
	EXPECT_EQ(-ENODEV, fence_status(fence));
	close(fence);
}

TEST_F(rogue, a_ticket_that_is_dropped_ends_its_job)
{
	ASSERT_RET(0, rogue_do("ticket", TICKET_DROP), "it drops tickets");
	EXPECT_RET(-ECANCELED, rogue_run(self->queue, DEPTH), "jobs");
	EXPECT_EQ(0, status_of(self->queue)) {
		TH_LOG("expected: the queue lives");
	}
}

TEST_F(rogue, a_job_that_is_refused_for_ever_ends_with_its_queue)
{
	int other = accel_queue_create(self->ctx, DEPTH), fence;

	ASSERT_WORKS(other, "another queue");
	ASSERT_RET(0, rogue_do("ticket", TICKET_REFUSE), "it refuses all");
	fence = rogue_submit(self->queue, DEPTH, self->buffer);
	ASSERT_WORKS(fence, "jobs");
	EXPECT_RET(-ETIMEDOUT, fence_wait(fence, WAIT), "the watchdog ends them");
	close(fence);
	ASSERT_RET(0, rogue_do("ticket", TICKET_END), "it takes jobs");
	EXPECT_RET(0, rogue_run(other, DEPTH), "jobs of the other queue");
	close(other);
}

TEST_F(rogue, a_job_that_is_refused_for_a_while_is_done)
{
	int fence;

	ASSERT_RET(0, rogue_do("ticket", TICKET_REFUSE), "it refuses all");
	fence = rogue_submit(self->queue, DEPTH, self->buffer);
	ASSERT_WORKS(fence, "jobs");
	ASSERT_RET(0, rogue_do("ticket", TICKET_END), "it takes jobs");
	EXPECT_RET(0, fence_wait(fence, WAIT), "they are done");
	close(fence);
}

/* The ticket of the first job comes back in place of that of the second one. */
TEST_F(rogue, another_ticket_that_is_given_back_ends_its_job)
{
	int first, second;

	ASSERT_RET(0, rogue_do("ticket", TICKET_SWAP), "it gives back the wrong ones");
	first = rogue_submit(self->queue, 1, self->buffer);
	ASSERT_WORKS(first, "a job");
	second = rogue_submit(self->queue, 1, self->buffer);
	ASSERT_WORKS(second, "a second job");
	EXPECT_RET(-ECANCELED, fence_wait(first, WAIT), "the job whose ticket came back");
	EXPECT_EQ(0, fence_status(second)) {
		TH_LOG("expected: the other is under way");
	}
	EXPECT_RET(0, rogue_use(USE_TICKETS), "end it");
	EXPECT_RET(0, fence_wait(second, WAIT), "it has ended, once");
	close(first);
	close(second);
	EXPECT_EQ(0, status_of(self->queue)) {
		TH_LOG("expected: the queue lives");
	}
}

TEST_F(rogue, tickets_of_two_queues_are_mixed_up)
{
	int other = accel_queue_create(self->ctx, DEPTH), first, second;

	ASSERT_WORKS(other, "another queue");
	ASSERT_RET(0, rogue_do("ticket", TICKET_SWAP), "it gives back the wrong ones");
	first = rogue_submit(self->queue, 1, self->buffer);
	ASSERT_WORKS(first, "a job");
	EXPECT_THAT(WAIT_FOR(!rogue_use(USE_IS_THERE), WAIT), "the driver has its ticket");
	second = rogue_submit(other, 2, self->buffer);
	ASSERT_WORKS(second, "jobs of the other queue");
	EXPECT_RET(-ECANCELED, fence_wait(first, WAIT), "the job whose ticket came back");
	EXPECT_THAT(WAIT_FOR(rogue_use(USE_TICKETS) || fence_status(second), WAIT), "end them");
	EXPECT_EQ(-ECANCELED, fence_status(second)) {
		TH_LOG("expected: the first of them came back, too");
	}
	close(first);
	close(second);
	close(other);
}

TEST_F(rogue, a_queue_keeps_its_own_ticket)
{
	int fence;

	ASSERT_RET(0, rogue_do("ticket", TICKET_TO_QUEUE), "queues keep tickets");
	fence = rogue_submit(self->queue, 1, self->buffer);
	ASSERT_WORKS(fence, "a job");
	close(self->queue);
	self->queue = -1;
	EXPECT_RET(-ECANCELED, fence_wait(fence, WAIT), "it ends with the queue");
	close(fence);
}

/* --- What is kept --- */

TEST_F(rogue, what_is_kept_leads_to_nothing)
{
	int ctx, queue, number, fence;

	ASSERT_RET(0, rogue_add(LONG_NAMES), "another device");
	number = rogue_number(LONG_NAMES);
	ASSERT_RET(0, sim_control(number, "keep", "1"), "it keeps all");

	ctx = accel_open_number("accel", number, O_RDWR);
	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_PRIVATE), "bind");
	ASSERT_RET(0, map_at(ctx, self->buffer, PAGE, 0, PAGE, ACCEL_ACCESS_READ), "map");
	EXPECT_RET(0, rogue_use(USE_SPACES), "it reads what is mapped");
	close(ctx);
	EXPECT_RET(-EFAULT, rogue_use(USE_SPACES), "an address space that has gone");

	ctx = accel_open_number("accel", number, O_RDWR);
	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_KERNEL), "bind");
	queue = accel_queue_create(ctx, DEPTH);
	ASSERT_RET(0, sim_control(number, "ticket", TICKET_KEEP), "it keeps tickets, too");
	fence = rogue_submit(queue, 1, self->buffer);
	ASSERT_WORKS(fence, "a job");
	EXPECT_RET(0, rogue_use(USE_BUFFERS), "it reads the buffer of a job");
	EXPECT_RET(0, rogue_use(USE_DEVICES), "it reaches its data");
	EXPECT_RET(-ENODEV, rogue_use(USE_ANOTHER), "it does not reach that of another driver");
	close(queue);
	close(ctx);
	EXPECT_RET(-ECANCELED, fence_wait(fence, WAIT), "the job ends with the queue");
	EXPECT_THAT(WAIT_FOR(rogue_use(USE_BUFFERS) == -ECANCELED, WAIT), "the buffer is let go");
	close(fence);

	ASSERT_RET(0, rogue_remove(), "take the device back");
	EXPECT_RET(-ENODEV, rogue_use(USE_DEVICES), "the data of a device that has gone");
	EXPECT_RET(-ENOENT, rogue_number(LONG_NAMES), "its number");
}

/* --- Nonsense --- */

TEST_F(rogue, depths_that_a_queue_can_not_have)
{
	static const char *const depths[] = { "0", "65", "4294967295" };
	int private = rogue_open(ACCEL_MODE_PRIVATE);
	unsigned int i;

	ASSERT_WORKS(private, "a private context");
	for (i = 0; i < ARRAY_SIZE(depths); i++) {
		ASSERT_RET(0, rogue_do("depth", depths[i]), "a depth");
		EXPECT_RET(-EIO, accel_queue_create(self->ctx, 4), depths[i]);
		EXPECT_RET(-EIO, accel_queue_create(private, 4), depths[i]);
	}
	close(private);
}

TEST_F(rogue, regions_of_the_same_page)
{
	int private = rogue_open(ACCEL_MODE_PRIVATE), queue;
	struct accel_queue_info info = {};

	ASSERT_WORKS(private, "a private context");
	ASSERT_RET(0, rogue_do("regions", "1000"), "as many regions");
	queue = accel_queue_create(private, 4);
	ASSERT_WORKS(queue, "a queue");
	ASSERT_WORKS(accel_queue_info(queue, &info, NULL), "QUEUE_INFO");
	EXPECT_EQ(1001, info.region_count);
	close(queue);
	ASSERT_RET(0, rogue_do("regions", "0"), "no region");
	queue = accel_queue_create(private, 4);
	ASSERT_WORKS(queue, "a queue");
	close(queue);
	close(private);
}

TEST_F(rogue, counts_that_run_backwards)
{
	int private = rogue_open(ACCEL_MODE_PRIVATE), queue[4], round, i;

	ASSERT_WORKS(private, "a private context");
	ASSERT_RET(0, rogue_do("progress", "1"), "counts go up and down");
	/* Each end of a queue is a look at its counts. */
	for (round = 0; round < 8; round++) {
		for (i = 0; i < 4; i++)
			queue[i] = accel_queue_create(private, 4);
		for (i = 0; i < 4; i++)
			close(queue[i]);
	}
	EXPECT_EQ(0, context_info(private).queues);
	EXPECT_THAT(context_info(private).jobs > 1ull << 63, "sums end where numbers do");
	close(private);
}

/* The caller has no more than it says, whatever the driver writes there. */
TEST_F(rogue, a_struct_is_no_longer_than_its_caller_has_it)
{
	struct {
		__u32 size, value;
		__u64 behind[2];
	} arg = { .size = 8 };

	ASSERT_RET(0, accel_ioctl(self->ctx, OUTGROW, &arg), "an ioctl of the driver's");
	EXPECT_EQ(8, arg.size);
	EXPECT_EQ(~0u, arg.value);
	EXPECT_EQ(0, arg.behind[0] | arg.behind[1]) {
		TH_LOG("expected: nothing is written behind the struct");
	}
}

TEST_F(rogue, errors_are_passed_on)
{
	static const char *const errors[] = { "1", "4", "512", "4095" };
	static const int passed[] = { 1, 4, 512, 4095 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		ASSERT_RET(0, rogue_do("job_error", errors[i]), "an error of jobs");
		EXPECT_RET(-passed[i], rogue_run(self->queue, 2), errors[i]);
	}
	ASSERT_RET(0, rogue_do("create_error", "110"), "an error of queues");
	EXPECT_RET(-ETIMEDOUT, accel_queue_create(self->ctx, 4), "a queue");
	/* No errno at all. */
	ASSERT_RET(0, rogue_do("create_error", "1000000"), "what is no error");
	EXPECT_RET(-EINVAL, accel_queue_create(self->ctx, 4), "a queue");
}

TEST_F(rogue, devices_that_can_not_be)
{
	char what[16];
	enum lie lie;

	for (lie = NO_QUEUES; lie <= NO_DMA; lie++) {
		snprintf(what, sizeof(what), "lie %d", lie);
		EXPECT_RET(-EINVAL, rogue_add(lie), what);
		EXPECT_RET(-ENOENT, rogue_number(lie), what);
	}
	EXPECT_RET(-EIO, rogue_add(DOES_NOT_START), "a device that does not start");
	EXPECT_EQ(-ENOENT, rogue_number(DOES_NOT_START));
}

TEST_F(rogue, names_are_cut)
{
	struct accel_info_sensor sensors[64] = {};
	struct accel_info_device device = {};
	int fd, bytes;

	ASSERT_RET(0, rogue_add(LONG_NAMES), "a device with long names");
	fd = accel_open_number("accel_monitor", rogue_number(LONG_NAMES), O_RDONLY);
	ASSERT_WORKS(accel_info_device(fd, &device), "INFO_DEVICE");
	EXPECT_EQ(ACCEL_NAME_MAX - 1, strnlen(device.name, sizeof(device.name)));
	EXPECT_EQ(ACCEL_NAME_MAX - 1, strnlen(device.version, sizeof(device.version)));
	bytes = accel_info(fd, ACCEL_INFO_SENSORS, sensors, sizeof(sensors));
	EXPECT_EQ(40 * sizeof(sensors[0]), bytes);
	EXPECT_EQ(INT64_MIN, sensors[0].value);
	EXPECT_EQ(INT64_MAX, sensors[1].value);
	EXPECT_EQ(ACCEL_NAME_MAX - 1, strnlen(sensors[39].label, sizeof(sensors[39].label)));
	close(fd);
	ASSERT_RET(0, rogue_remove(), "take it back");
}

TEST_F(rogue, modes_that_the_machine_lacks)
{
	__u32 mode;
	int ctx;

	ASSERT_RET(0, rogue_add(NO_IOMMU), "a device that says it does DMA");
	for (mode = ACCEL_MODE_SHARED; mode <= ACCEL_MODE_PRIVATE; mode++) {
		ctx = accel_open_number("accel", rogue_number(NO_IOMMU), O_RDWR);
		ASSERT_WORKS(ctx, "a context");
		EXPECT_RET(-EOPNOTSUPP, accel_bind(ctx, mode), "a mode");
		close(ctx);
	}
	ASSERT_RET(0, rogue_remove(), "take it back");
}

/* --- Calls from callbacks --- */

TEST_F(rogue, callbacks_call_back)
{
	int i;

	ASSERT_RET(0, rogue_do("call", "1"), "each callback tells all sorts of things");
	for (i = 0; i < 3; i++) {
		EXPECT_RET(0, rogue_run(self->queue, DEPTH), "jobs");
		close(self->queue);
		self->queue = accel_queue_create(self->ctx, DEPTH);
		ASSERT_WORKS(self->queue, "a queue");
	}
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->ctx));
}

TEST_F(rogue, callbacks_ask_for_a_reset)
{
	int fence, status;

	ASSERT_RET(0, rogue_do("call", "2"), "each callback asks for a reset, too");
	fence = rogue_submit(self->queue, DEPTH, self->buffer);
	if (fence >= 0) {
		status = fence_wait(fence, WAIT);
		EXPECT_THAT(!status || status == -ECANCELED, "done, or cancelled by the reset");
		close(fence);
	}
	ASSERT_RET(0, rogue_do("call", "0"), "no more");
	EXPECT_THAT(WAIT_FOR(accel_state(self->ctx) == ACCEL_STATUS_OPERATIONAL, WAIT), "works");
}

TEST_F(rogue, a_parent_has_two_drivers)
{
	ASSERT_RET(0, rogue_add(REGISTERS_ANOTHER), "a device whose probe registers another");
	EXPECT_WORKS_FD(rogue_number(REGISTERS_ANOTHER), "its number");
	ASSERT_RET(0, rogue_remove(), "take both back");
	EXPECT_EQ(-ENOENT, rogue_number(REGISTERS_ANOTHER));
}

/* --- Ends --- */

TEST_F(rogue, a_queue_that_does_not_stop_ends_with_a_reset)
{
	int fence;

	ASSERT_RET(0, rogue_do("ticket", TICKET_KEEP), "it keeps tickets");
	ASSERT_RET(0, rogue_do("destroy_error", "5"), "and does not stop queues");
	fence = rogue_submit(self->queue, DEPTH, self->buffer);
	ASSERT_WORKS(fence, "jobs");
	close(self->queue);
	self->queue = -1;
	EXPECT_RET(-ECANCELED, fence_wait(fence, WAIT), "they end");
	close(fence);
}

TEST_F(rogue, a_queue_that_is_busy_for_ever_ends_with_a_reset)
{
	int fence;

	ASSERT_RET(0, rogue_do("ticket", TICKET_KEEP), "it keeps tickets");
	ASSERT_RET(0, rogue_do("destroy_error", "16"), "and says that queues are busy");
	fence = rogue_submit(self->queue, DEPTH, self->buffer);
	ASSERT_WORKS(fence, "jobs");
	EXPECT_THAT(fence_wait(fence, WAIT) < 0, "they end");
	close(fence);
	EXPECT_THAT(WAIT_FOR(status_of(self->queue), WAIT), "the queue is dead");
}

TEST_F(rogue, a_suspend_that_nobody_ends_ends_with_the_device)
{
	int ctx, queue, number;

	ASSERT_RET(0, rogue_add(LONG_NAMES), "another device");
	number = rogue_number(LONG_NAMES);
	ASSERT_RET(0, sim_control(number, "keep", "1"), "it keeps all");
	ctx = accel_open_number("accel", number, O_RDWR);
	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_KERNEL), "bind");
	queue = accel_queue_create(ctx, DEPTH);
	ASSERT_WORKS(queue, "a queue");
	ASSERT_RET(0, rogue_use(USE_SUSPEND), "suspend it");
	EXPECT_EQ(ACCEL_STATUS_IN_RESET, accel_state(ctx));
	EXPECT_RET(-ENODEV, status_of(queue), "its queue");
	EXPECT_RET(-EAGAIN, accel_queue_create(ctx, DEPTH), "another queue");
	EXPECT_RET(0, rogue_remove(), "take the device back");
	EXPECT_EQ(ACCEL_STATUS_REMOVED, accel_state(ctx));
	close(queue);
	close(ctx);
}

TEST_F(rogue, a_slow_driver_is_slow)
{
	ASSERT_RET(0, rogue_do("slow_ms", "50"), "each callback takes longer");
	EXPECT_RET(0, rogue_run(self->queue, DEPTH), "jobs");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->ctx));
}

TEST_HARNESS_MAIN
