// SPDX-License-Identifier: GPL-2.0
/*
 * The sample driver, samples/rust/rust_driver_accel.rs: contexts with totals of
 * their own, queues with a page of numbers, jobs by an ioctl of the driver's.
 *
 * accel-bench: modules=rust_driver_accel,rust_driver_accel_buses limit=300
 */
#include "accel_util.h"

#define SAMPLE_ADD _IO(ACCEL_IOC_TYPE, ACCEL_NR_DRIVER_BASE)

/* struct Add of the driver. */
struct sample_add {
	__u32 size;
	__u32 count;
};

/* A queue with its page. */
struct adder {
	int fd;
	__u64 *numbers;
	__u32 depth;
};

/* A context of the sample's device, among whatever others there are. */
static int sample_open(void)
{
	struct accel_info_device device = {};
	int number, fd;

	for (number = 0; number < 64; number++) {
		fd = accel_open_number("accel", number, O_RDWR);
		if (fd < 0)
			continue;
		if (accel_info_device(fd, &device) > 0 &&
		    !strcmp(device.driver, "rust_driver_accel"))
			return fd;
		close(fd);
	}
	return -ENODEV;
}

static int adder_create(int ctx, struct adder *adder)
{
	struct accel_queue_info info;
	struct accel_region ring;
	int ret;

	adder->fd = accel_queue_create(ctx, 0);
	if (adder->fd < 0)
		return adder->fd;
	ret = accel_queue_info(adder->fd, &info, NULL);
	if (ret < 0)
		return ret;
	adder->depth = info.depth;
	ret = accel_region(adder->fd, ACCEL_REGION_RING, &ring);
	if (ret)
		return ret;
	adder->numbers = accel_map_region(adder->fd, &ring);
	return map_error(adder->numbers);
}

static int adder_submit(struct adder *adder, __u32 count)
{
	struct sample_add add = { .size = sizeof(add), .count = count };

	return accel_ioctl(adder->fd, SAMPLE_ADD, &add);
}

/* Does a job with the first @count numbers; returns when it is done. */
static int adder_run(struct adder *adder, __u32 count)
{
	struct pollfd p = { .fd = adder->fd, .events = POLLIN };
	__u64 events;
	int ret = adder_submit(adder, count);

	if (ret)
		return ret;
	if (poll(&p, 1, -1) < 0)
		return -errno;
	if (p.revents != POLLIN)
		return -EIO;
	return read(adder->fd, &events, sizeof(events)) < 0 ? -errno : 0;
}

FIXTURE(sample) {
	int ctx;
	struct adder adder;
};

FIXTURE_SETUP(sample)
{
	self->ctx = sample_open();
	ASSERT_WORKS(self->ctx, "open the device of rust_driver_accel");
	ASSERT_RET(0, accel_bind(self->ctx, ACCEL_MODE_PRIVATE), "bind an empty address space");
	ASSERT_RET(0, adder_create(self->ctx, &self->adder), "create a queue and map its page");
}

FIXTURE_TEARDOWN(sample)
{
	close(self->adder.fd);
	close(self->ctx);
}

TEST_F(sample, describes_itself)
{
	struct accel_info_device device = {};

	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	EXPECT_STREQ("adder in software", device.name);
	EXPECT_STREQ("faux", device.bus);
	EXPECT_STREQ("rust-accel-sample", device.address);
	EXPECT_EQ(1u << ACCEL_MODE_PRIVATE, device.address_modes) {
		TH_LOG("expected: it reaches nothing of a process, so it is private");
	}
	EXPECT_EQ(getpagesize() / sizeof(__u64), self->adder.depth) {
		TH_LOG("expected: a page of numbers");
	}
}

TEST_F(sample, adds_up)
{
	__u64 *numbers = self->adder.numbers;
	__u32 i;

	for (i = 0; i < self->adder.depth; i++)
		numbers[i] = i + 1;
	ASSERT_RET(0, adder_run(&self->adder, self->adder.depth), "a job of the whole page");
	for (i = 0; i < self->adder.depth; i++) {
		ASSERT_EQ((i + 1) * (i + 2) / 2, LOAD(numbers[i])) {
			TH_LOG("expected: the sum of 1 to %u", i + 1);
		}
	}
}

TEST_F(sample, total_goes_on_in_the_context_and_nowhere_else)
{
	struct adder second, other;
	int ctx = sample_open();

	self->adder.numbers[0] = 40;
	ASSERT_RET(0, adder_run(&self->adder, 1), "a job");
	ASSERT_RET(0, adder_create(self->ctx, &second), "another queue of the context");
	second.numbers[0] = 2;
	ASSERT_RET(0, adder_run(&second, 1), "a job of the other queue");
	EXPECT_EQ(42, LOAD(second.numbers[0])) {
		TH_LOG("expected: queues of a context share its total");
	}

	ASSERT_WORKS(ctx, "another context");
	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_PRIVATE), "bind it");
	ASSERT_RET(0, adder_create(ctx, &other), "a queue of it");
	EXPECT_EQ(0, LOAD(other.numbers[0])) {
		TH_LOG("expected: a new queue has a new page");
	}
	other.numbers[0] = 7;
	ASSERT_RET(0, adder_run(&other, 1), "a job of it");
	EXPECT_EQ(7, LOAD(other.numbers[0])) {
		TH_LOG("expected: a context begins at 0, whatever others did");
	}
	close(second.fd);
	close(other.fd);
	close(ctx);
}

TEST_F(sample, refuses_jobs_that_do_not_fit)
{
	struct sample_add add = { .size = 4 };

	EXPECT_RET(-EINVAL, adder_submit(&self->adder, 0), "a job of no numbers");
	EXPECT_RET(-EINVAL, adder_submit(&self->adder, self->adder.depth + 1),
		   "a job of more than the page has");
	EXPECT_RET(-EINVAL, adder_submit(&self->adder, ~0u), "a job of 2^32 - 1 numbers");
	EXPECT_RET(-EINVAL, accel_ioctl(self->adder.fd, SAMPLE_ADD, &add), "a short struct");
	EXPECT_RET(-ENOTTY, accel_ioctl(self->ctx, SAMPLE_ADD, &add),
		   "the ioctl is one on queues, not on contexts");
	EXPECT_EQ(0, poll_now(self->adder.fd, POLLIN)) {
		TH_LOG("expected: what was refused is not completed");
	}
}

/* The driver has no check of its own. */
TEST_F(sample, core_refuses_queues_deeper_than_the_limit)
{
	EXPECT_RET(-EINVAL, accel_queue_create(self->ctx, self->adder.depth + 1),
		   "one entry more than depth_max");
	EXPECT_RET(-EINVAL, accel_queue_create(self->ctx, ~0u), "the largest number as depth");
}

TEST_F(sample, offers_one_address_mode)
{
	int ctx = sample_open();

	ASSERT_WORKS(ctx, "another context");
	EXPECT_RET(-EOPNOTSUPP, accel_bind(ctx, ACCEL_MODE_SHARED), "a mode that it has not");
	EXPECT_RET(-EOPNOTSUPP, accel_bind(ctx, ACCEL_MODE_KERNEL), "a mode that it has not");
	close(ctx);
}

TEST_F(sample, closing_a_queue_amid_a_job_leaves_the_page)
{
	__u64 *numbers = self->adder.numbers;
	struct accel_region ring;
	int round;

	ASSERT_RET(0, accel_region(self->adder.fd, ACCEL_REGION_RING, &ring), "find the page");
	for (round = 0; round < 50; round++) {
		numbers[0] = 1;
		ASSERT_RET(0, adder_submit(&self->adder, self->adder.depth), "hand over a job");
		ASSERT_EQ(0, munmap(numbers, ring.size));
		ASSERT_EQ(0, close(self->adder.fd));
		ASSERT_RET(0, adder_create(self->ctx, &self->adder), "the next queue");
		numbers = self->adder.numbers;
	}
}

TEST_HARNESS_MAIN
