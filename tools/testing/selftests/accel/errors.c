// SPDX-License-Identifier: GPL-2.0
/* Hardware errors: how they are counted and told, and what happens when there are too many. */
#include "hisi_zip_util.h"

FIXTURE(errors) {
	char address[ACCEL_NAME_MAX];
	int monitor;
	int ctx;
	struct accel_queue q;
	struct accel_info_errors before;
};

FIXTURE_SETUP(errors)
{
	self->monitor = accel_open_monitor();
	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->monitor);
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, accel_address(self->monitor, self->address), "INFO_DEVICE");
	/* So that none of those that others made count. */
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	ASSERT_WORKS(accel_info_errors(self->monitor, &self->before), "INFO_ERRORS");
	ASSERT_RET(0, zip_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
}

FIXTURE_TEARDOWN(errors)
{
	attribute_write("error_threshold", "0");
	accel_reset(self->ctx);
	queue_close(&self->q);
	close(self->ctx);
	close(self->monitor);
}

static struct accel_info_errors errors_of(int fd)
{
	struct accel_info_errors errors = {};

	accel_info_errors(fd, &errors);
	return errors;
}

/* Raises an error, and waits until the driver has told of it. */
static int raise_error(const char *address, int monitor, __u32 where, __u32 bits)
{
	__u64 before = errors_of(monitor).hardware;
	int ret = zip_poke(address, where, bits);

	if (ret)
		return ret;
	return WAIT_FOR(errors_of(monitor).hardware != before, WAIT_SECONDS) ? 0 : -ETIMEDOUT;
}

/* --- Counting and telling --- */

static void expect_error(struct __test_metadata *_metadata, FIXTURE_DATA(errors) * self,
			 __u32 where, __u32 bits, __u64 code)
{
	struct accel_event event = {};

	ASSERT_RET(0, raise_error(self->address, self->monitor, where, bits),
		   "a hardware error is counted");
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_ERROR, &event, WAIT_SECONDS),
		   "the event of the error");
	EXPECT_EQ(code, event.value) {
		TH_LOG("expected: it has the driver's number for the error");
	}
	EXPECT_EQ(ACCEL_NO_QUEUE, event.queue) {
		TH_LOG("expected: it is about no queue");
	}
	EXPECT_WORKS(&self->q, "the queue goes on");
}

TEST_F(errors, are_counted_and_told)
{
	struct accel_info_status status = {};
	struct accel_info_errors after;

	expect_error(_metadata, self, ZIP_SET_MANAGER_ERRORS, 1 << 3, 1 << 3);
	expect_error(_metadata, self, ZIP_SET_MANAGER_ERRORS, 0x11, 0x11);
	expect_error(_metadata, self, ZIP_SET_ENGINE_ERRORS, 1 << 2, 1ull << 34);
	after = errors_of(self->monitor);
	EXPECT_EQ(self->before.hardware + 3, after.hardware) {
		TH_LOG("expected: INFO_ERRORS counts three");
	}
	EXPECT_EQ(3, after.recent) {
		TH_LOG("expected: all three are recent");
	}
	ASSERT_WORKS(accel_info_status(self->monitor, &status), "INFO_STATUS");
	EXPECT_EQ(after.hardware, status.errors) {
		TH_LOG("expected: INFO_STATUS counts the same");
	}
	EXPECT_EQ(after.hardware, attribute_number("errors")) {
		TH_LOG("expected: so does the attribute");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, status.status) {
		TH_LOG("expected: without a threshold the device stays in operation");
	}
}

TEST_F(errors, storm_is_survived)
{
	int i;

	for (i = 0; i < 500; i++)
		ASSERT_POKE(self->address, i % 2 ? ZIP_SET_MANAGER_ERRORS : ZIP_SET_ENGINE_ERRORS,
			    1u << i % 10);
	EXPECT_WORKS(&self->q, "the queue goes on");
	EXPECT_LT(self->before.hardware, errors_of(self->monitor).hardware) {
		TH_LOG("expected: errors are counted, those that come together as one");
	}
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	EXPECT_EQ(0, errors_of(self->monitor).recent) {
		TH_LOG("expected: none is recent after a reset");
	}
	EXPECT_LT(self->before.hardware, errors_of(self->monitor).hardware) {
		TH_LOG("expected: their total stays");
	}
}

/* --- The threshold --- */

static void expect_threshold(struct __test_metadata *_metadata, int monitor, __u32 value)
{
	EXPECT_EQ(value, attribute_number("error_threshold")) {
		TH_LOG("expected: the attribute says %u", value);
	}
	EXPECT_EQ(value, errors_of(monitor).threshold) {
		TH_LOG("expected: INFO_ERRORS says %u", value);
	}
}

TEST_F(errors, threshold_can_be_read_and_written)
{
	static const char *const wrong[] = {
		"-1", "x", "", " ", "\n", "1x", "0x10", "4294967296", "99999999999999999999",
		"1 2", "1.5",
	};
	char path[PATH_MAX];
	struct stat st;
	unsigned int i;

	expect_threshold(_metadata, self->monitor, 0);
	EXPECT_RET(0, attribute_write("error_threshold", "12\n"), "a number and a newline");
	expect_threshold(_metadata, self->monitor, 12);
	EXPECT_RET(0, attribute_write("error_threshold", "4294967295"), "the largest number");
	EXPECT_EQ(4294967295u, errors_of(self->monitor).threshold) {
		TH_LOG("expected: INFO_ERRORS says the same");
	}
	EXPECT_RET(0, attribute_write("error_threshold", "7"), "a number");
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		/* To write nothing writes nothing. */
		EXPECT_RET(*wrong[i] ? -EINVAL : 0, attribute_write("error_threshold", wrong[i]),
			   wrong[i]);
		expect_threshold(_metadata, self->monitor, 7);
	}
	ASSERT_RET(0, attribute_path(path, "error_threshold"), "its path");
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0644, st.st_mode & 0777) {
		TH_LOG("expected: all may read it, root may write it");
	}
}

/* --- Isolation --- */

/* Errors up to the threshold, and the device is out of service. */
static void raise_too_many(struct __test_metadata *_metadata, FIXTURE_DATA(errors) * self)
{
	int i;

	ASSERT_RET(0, attribute_write("error_threshold", "3"), "set the threshold");
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->monitor)) {
			TH_LOG("expected: %d errors do not isolate", i);
		}
		ASSERT_RET(0, raise_error(self->address, self->monitor, ZIP_SET_ENGINE_ERRORS,
					  1 << i), "a hardware error");
	}
	ASSERT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_ISOLATED,
			     WAIT_SECONDS)) {
		TH_LOG("expected: three do");
	}
}

TEST_F(errors, threshold_isolates_and_reset_brings_back)
{
	int unbound = accel_open(), generation = accel_generation(self->monitor);
	struct accel_event event = {};
	struct accel_queue fresh;

	ASSERT_DEVICE(unbound);
	EXPECT_WORKS(&self->q, "a job before");
	raise_too_many(_metadata, self);
	EXPECT_THAT(attribute_is("status", "isolated"), "the attribute says isolated");
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_ISOLATED, &event, WAIT_SECONDS),
		   "the event of it");
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_ISOLATED);
	EXPECT_RET(-EIO, accel_queue_create(self->ctx, 0), "QUEUE_CREATE while isolated");
	EXPECT_RET(-EIO, accel_bind_shared(unbound), "CONTEXT_BIND while isolated");
	EXPECT_EQ(0, accel_queues(self->monitor)) {
		TH_LOG("expected: no queue is left");
	}
	EXPECT_EQ(generation, accel_generation(self->monitor)) {
		TH_LOG("expected: that was no reset");
	}

	EXPECT_RET(0, accel_reset(self->ctx), "a reset of an isolated device");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->monitor)) {
		TH_LOG("expected: it is in service again");
	}
	EXPECT_THAT(attribute_is("status", "operational"), "so says the attribute");
	EXPECT_EQ(generation + 1, accel_generation(self->monitor)) {
		TH_LOG("expected: one reset");
	}
	EXPECT_EQ(0, errors_of(self->monitor).recent) {
		TH_LOG("expected: no error is recent any more");
	}
	EXPECT_EQ(ACCEL_QUEUE_DEAD_ISOLATED, LOAD(self->q.status->state)) {
		TH_LOG("expected: a dead queue does not change its reason");
	}
	EXPECT_RET(0, accel_bind_shared(unbound), "CONTEXT_BIND again");
	ASSERT_RET(0, zip_open(&fresh, self->ctx, 8, HISI_ZIP_COMPRESS), "QUEUE_CREATE again");
	EXPECT_WORKS(&fresh, "a job on the new queue");
	ASSERT_RET(0, raise_error(self->address, self->monitor, ZIP_SET_ENGINE_ERRORS, 1),
		   "an error");
	EXPECT_EQ(1, errors_of(self->monitor).recent) {
		TH_LOG("expected: counting begins anew");
	}
	EXPECT_WORKS(&fresh, "one error does not isolate");
	queue_close(&fresh);
	close(unbound);
}

/* A device out of service must write no more, whatever it was at. */
TEST_F(errors, hisi_cve_2024_47730_isolated_amid_jobs_writes_no_more)
{
	size_t size = 4 << 20, i;
	__u8 *in = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool untouched = true;

	for (i = 0; i < 7; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, i, in, out, size, size };

		zip_put(&self->q, &job);
	}
	zip_ring(&self->q, HISI_ZIP_DB_SQ, self->q.tail, 0);
	raise_too_many(_metadata, self);
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_ISOLATED);
	memset(out, 0x5a, size);
	usleep(200000);
	for (i = 0; i < size; i++)
		untouched &= out[i] == 0x5a;
	EXPECT_THAT(untouched, "what the process wrote afterwards stays");
	munmap(in, size);
	munmap(out, size);
}

TEST_F(errors, isolated_device_can_be_unbound_and_bound)
{
	raise_too_many(_metadata, self);
	ASSERT_RET(0, device_unbind(self->address), "unbind");
	EXPECT_EQ(ACCEL_STATUS_REMOVED, accel_state(self->monitor)) {
		TH_LOG("expected: the old monitor descriptor says 'removed'");
	}
	EXPECT_EQ(ACCEL_QUEUE_DEAD_ISOLATED, LOAD(self->q.status->state)) {
		TH_LOG("expected: a dead queue does not change its reason");
	}
	ASSERT_RET(0, device_bind(self->address), "bind");
	expect_device_works(_metadata);
}

/* Whether the device may access memory at all, or -1. */
static int is_master(const char *address)
{
	char path[PATH_MAX];
	__u8 command = 0;
	int fd, ret;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", address);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ret = pread(fd, &command, 1, 4);
	close(fd);
	return ret == 1 ? command >> 2 & 1 : -1;
}

TEST_F(errors, isolated_device_is_brought_back_by_the_bus)
{
	EXPECT_EQ(1, is_master(self->address));
	raise_too_many(_metadata, self);
	EXPECT_EQ(0, is_master(self->address)) {
		TH_LOG("expected: what is isolated is cut off from memory");
	}
	ASSERT_RET(0, pci_write(self->address, "reset", "1"), "a reset by the bus");
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->monitor)) {
		TH_LOG("expected: it is in service again");
	}
	EXPECT_EQ(1, is_master(self->address));
	expect_device_works(_metadata);
}

TEST_F(errors, pci_error_is_one_too)
{
	int generation = accel_generation(self->monitor);
	struct accel_event event = {};

	ASSERT_POKE(self->address, ZIP_PCI_ERROR, ZIP_PCI_CORRECTABLE);
	usleep(100000);
	EXPECT_WORKS(&self->q, "a correctable error disturbs nobody");
	ASSERT_POKE(self->address, ZIP_PCI_ERROR, ZIP_PCI_NONFATAL);
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_ERROR, &event, WAIT_SECONDS),
		   "the event of the error");
	EXPECT_EQ(~0ull, event.value) {
		TH_LOG("expected: the number for errors of the bus");
	}
	ASSERT_TRUE(WAIT_FOR(accel_generation(self->monitor) == generation + 1 &&
			     accel_state(self->monitor) == ACCEL_STATUS_OPERATIONAL,
			     WAIT_SECONDS)) {
		TH_LOG("expected: the device is reset");
	}
	expect_device_works(_metadata);
}

/* The one who comes last must not leave the device out of service unseen. */
TEST_F(errors, too_many_while_it_is_reset)
{
	int round, i;

	ASSERT_RET(0, attribute_write("error_threshold", "2"), "set the threshold");
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 4; i++)
			ASSERT_POKE(self->address, ZIP_SET_MANAGER_ERRORS, 1 << i);
		i = accel_reset(self->ctx);
		EXPECT_THAT(!i || i == -EAGAIN, "a reset succeeds, or another is under way");
	}
	EXPECT_RET(0, attribute_write("error_threshold", "0"), "no threshold");
	ASSERT_TRUE(WAIT_FOR(!accel_reset(self->ctx), WAIT_SECONDS)) {
		TH_LOG("expected: a reset succeeds");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->monitor)) {
		TH_LOG("expected: the device is operational");
	}
	expect_device_works(_metadata);
}

TEST_HARNESS_MAIN
