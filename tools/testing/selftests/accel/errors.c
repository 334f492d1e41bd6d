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

static bool operates_in(int fd, int generation)
{
	return WAIT_FOR(accel_generation(fd) == generation &&
			accel_state(fd) == ACCEL_STATUS_OPERATIONAL, WAIT_SECONDS);
}

/* --- Counting and telling --- */

static void expect_counted(struct __test_metadata *_metadata, FIXTURE_DATA(errors) * self,
			   int count, int recent)
{
	struct accel_info_status status = {};
	struct accel_info_errors errors = errors_of(self->monitor);

	EXPECT_EQ(self->before.hardware + count, errors.hardware) {
		TH_LOG("expected: INFO_ERRORS counts %d", count);
	}
	EXPECT_EQ(recent, errors.recent) {
		TH_LOG("expected: %d of them count for the threshold", recent);
	}
	ASSERT_WORKS(accel_info_status(self->monitor, &status), "INFO_STATUS");
	EXPECT_EQ(errors.hardware, status.errors) {
		TH_LOG("expected: INFO_STATUS counts the same");
	}
	EXPECT_EQ(errors.hardware, attribute_number("errors")) {
		TH_LOG("expected: so does the attribute");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, status.status) {
		TH_LOG("expected: the device is in operation");
	}
}

/* What the hardware has mended by itself, or does not do for who has asked for nonsense. */
TEST_F(errors, from_which_nobody_suffers_are_counted)
{
	static const struct { __u32 where, bits; } those[] = {
		{ ZIP_SET_MANAGER_ERRORS, ZIP_MENDED_MANAGER_ERROR },
		{ ZIP_SET_ENGINE_ERRORS, ZIP_MENDED_ENGINE_ERROR },
		/* Doorbells of queues that there are not, and such without sense. */
		{ ZIP_SET_MANAGER_ERRORS, 1 << 12 },
		{ ZIP_SET_MANAGER_ERRORS, 1 << 12 | ZIP_MENDED_MANAGER_ERROR },
	};
	int generation = accel_generation(self->monitor);
	struct accel_event event = {};
	unsigned int i;

	ASSERT_RET(0, attribute_write("error_threshold", "1"), "set the threshold");
	for (i = 0; i < ARRAY_SIZE(those); i++) {
		ASSERT_RET(0, raise_error(self->address, self->monitor, those[i].where,
					  those[i].bits), "an error is counted");
		EXPECT_WORKS(&self->q, "the queue goes on");
	}
	usleep(100000);
	expect_counted(_metadata, self, ARRAY_SIZE(those), 0);
	EXPECT_EQ(generation, accel_generation(self->monitor)) {
		TH_LOG("expected: the device is not reset");
	}
	EXPECT_RET(-ETIMEDOUT, event_wait(self->monitor, ACCEL_EVENT_ERROR, &event, 0),
		   "nobody is told");
}

/* Of these no more than ten are logged within five seconds. */
TEST_F(errors, what_users_make_keeps_nothing_else_from_the_log)
{
	const char *mended = "it goes on after: engine: memory of its own with one wrong bit";
	int lines = log_lines(mended), i;

	ASSERT_GE(lines, 0);
	for (i = 0; i < 20; i++)
		ASSERT_RET(0, raise_error(self->address, self->monitor, ZIP_SET_MANAGER_ERRORS,
					  1 << 12), "a doorbell without sense is counted");
	ASSERT_RET(0, raise_error(self->address, self->monitor, ZIP_SET_ENGINE_ERRORS,
				  ZIP_MENDED_ENGINE_ERROR), "an error is counted");
	EXPECT_TRUE(WAIT_FOR(log_lines(mended) == lines + 1, WAIT_SECONDS)) {
		TH_LOG("expected: what the hardware has mended is in the log");
	}
}

static void expect_reset(struct __test_metadata *_metadata, FIXTURE_DATA(errors) * self,
			 __u32 where, __u32 bits, __u64 code)
{
	int generation = accel_generation(self->monitor);
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
	EXPECT_THAT(operates_in(self->monitor, generation + 1), "the device is reset");
	expect_device_works(_metadata);
}

TEST_F(errors, that_only_a_reset_mends)
{
	expect_reset(_metadata, self, ZIP_SET_MANAGER_ERRORS, 0x11, 0x11);
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
	expect_reset(_metadata, self, ZIP_SET_ENGINE_ERRORS, ZIP_HARMFUL_ERROR,
		     (__u64)ZIP_HARMFUL_ERROR << 32);
	expect_counted(_metadata, self, 2, 2);
}

/* Works on queues of its own until it is told to stop; -EBADMSG if a result is not right. */
static int work(void *arg)
{
	int *jobs = arg, ctx = accel_open_shared(), ret = 0;
	struct accel_queue q;

	if (ctx < 0)
		return ctx;
	while (LOAD(jobs[1]) == 0 && !ret) {
		ret = zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
		/* In a reset, or one has ended the queue before it was mapped. */
		if (ret == -EAGAIN || ret == -ENODEV) {
			ret = 0;
			continue;
		}
		if (ret)
			break;
		ret = queue_work_until_dead(&q, jobs) ? 0 : -EBADMSG;
		queue_close(&q);
	}
	return ret;
}

/* What hardware computes after an error that it has neither mended nor contained is anything. */
TEST_F(errors, no_result_is_wrong_that_says_it_is_right)
{
	int *jobs = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int round, before, generation = accel_generation(self->monitor);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, jobs);
	pid = child_start(work, jobs);
	for (round = 1; round <= 10; round++) {
		before = LOAD(jobs[0]);
		ASSERT_TRUE(WAIT_FOR(LOAD(jobs[0]) > before, WAIT_SECONDS));
		ASSERT_POKE(self->address,
			    round % 2 ? ZIP_SET_MANAGER_ERRORS : ZIP_SET_ENGINE_ERRORS,
			    ZIP_HARMFUL_ERROR);
		EXPECT_THAT(operates_in(self->monitor, generation + round), "the device is reset");
	}
	STORE(jobs[1], 1);
	ASSERT_RET(0, accel_reset(self->ctx), "a reset, which ends its last queue");
	EXPECT_RET(0, child_result(pid), "each result was right");
	munmap(jobs, 4096);
}

TEST_F(errors, storm_is_survived)
{
	int i;

	for (i = 0; i < 500; i++)
		ASSERT_POKE(self->address, i % 2 ? ZIP_SET_MANAGER_ERRORS : ZIP_SET_ENGINE_ERRORS,
			    1u << i % 10);
	EXPECT_LT(self->before.hardware, errors_of(self->monitor).hardware) {
		TH_LOG("expected: errors are counted, those that come together as one");
	}
	ASSERT_RET(0, accel_reset_at_last(self->ctx), "a reset");
	expect_device_works(_metadata);
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

/* Errors up to the one before the last that the device stands; each has it reset. */
static void raise_many(struct __test_metadata *_metadata, FIXTURE_DATA(errors) * self)
{
	int i, generation = accel_generation(self->monitor);

	queue_close(&self->q);
	ASSERT_RET(0, attribute_write("error_threshold", "3"), "set the threshold");
	for (i = 1; i < 3; i++) {
		ASSERT_RET(0, raise_error(self->address, self->monitor, ZIP_SET_ENGINE_ERRORS,
					  1 << i), "a hardware error");
		EXPECT_THAT(operates_in(self->monitor, generation + i), "it does not isolate");
	}
	ASSERT_RET(0, zip_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
}

/* One more, and the device is out of service. */
static void raise_last(struct __test_metadata *_metadata, FIXTURE_DATA(errors) * self)
{
	ASSERT_RET(0, raise_error(self->address, self->monitor, ZIP_SET_MANAGER_ERRORS,
				  ZIP_HARMFUL_ERROR), "a hardware error");
	ASSERT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_ISOLATED,
			     WAIT_SECONDS)) {
		TH_LOG("expected: it isolates");
	}
	usleep(200000);
	EXPECT_EQ(ACCEL_STATUS_ISOLATED, accel_state(self->monitor)) {
		TH_LOG("expected: that the bus tells of the error, too, does not bring it back");
	}
}

TEST_F(errors, threshold_isolates_and_reset_brings_back)
{
	int unbound = accel_open(), generation;
	struct accel_event event = {};
	struct accel_queue fresh;

	ASSERT_DEVICE(unbound);
	raise_many(_metadata, self);
	generation = accel_generation(self->monitor);
	EXPECT_WORKS(&self->q, "a job before");
	raise_last(_metadata, self);
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
	queue_close(&fresh);
	ASSERT_RET(0, raise_error(self->address, self->monitor, ZIP_SET_ENGINE_ERRORS,
				  ZIP_HARMFUL_ERROR), "an error");
	EXPECT_EQ(1, errors_of(self->monitor).recent) {
		TH_LOG("expected: counting begins anew");
	}
	EXPECT_THAT(operates_in(self->monitor, generation + 2), "one error does not isolate");
	close(unbound);
}

/* A device out of service must write no more, whatever it was at. */
TEST_F(errors, hisi_cve_2024_47730_isolated_amid_jobs_writes_no_more)
{
	size_t size = 4 << 20, i;
	__u8 *in = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool untouched = true;

	raise_many(_metadata, self);
	for (i = 0; i < 7; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, i, in, out, size, size };

		zip_put(&self->q, &job);
	}
	zip_ring(&self->q, HISI_ZIP_DB_SQ, self->q.tail, 0);
	raise_last(_metadata, self);
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
	raise_many(_metadata, self);
	raise_last(_metadata, self);
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
	raise_many(_metadata, self);
	EXPECT_EQ(1, is_master(self->address));
	raise_last(_metadata, self);
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

TEST_F(errors, fatal_pci_error_is_one_too)
{
	int generation = accel_generation(self->monitor);
	struct accel_event event = {};

	ASSERT_POKE(self->address, ZIP_PCI_ERROR, ZIP_PCI_CORRECTABLE);
	ASSERT_POKE(self->address, ZIP_PCI_ERROR, ZIP_PCI_NONFATAL);
	usleep(100000);
	EXPECT_WORKS(&self->q, "neither a correctable error disturbs anybody nor one not fatal");
	expect_counted(_metadata, self, 0, 0);
	ASSERT_POKE(self->address, ZIP_PCI_ERROR, ZIP_PCI_FATAL);
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_ERROR, &event, WAIT_SECONDS),
		   "the event of the error");
	EXPECT_EQ(~0ull, event.value) {
		TH_LOG("expected: the number for errors of the bus");
	}
	EXPECT_THAT(operates_in(self->monitor, generation + 1), "the device is reset");
	expect_counted(_metadata, self, 1, 1);
	expect_device_works(_metadata);
}

/* The bus brings back what it has reset, but neither this nor another error of its undoes that. */
TEST_F(errors, too_many_pci_errors_isolate)
{
	int i;

	ASSERT_RET(0, attribute_write("error_threshold", "1"), "set the threshold");
	for (i = 0; i < 2; i++) {
		ASSERT_POKE(self->address, ZIP_PCI_ERROR, ZIP_PCI_FATAL);
		EXPECT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_ISOLATED,
				     WAIT_SECONDS)) {
			TH_LOG("expected: the device is isolated");
		}
		sleep(2);
		EXPECT_EQ(ACCEL_STATUS_ISOLATED, accel_state(self->monitor)) {
			TH_LOG("expected: it stays so when the bus has recovered");
		}
	}
	EXPECT_RET(0, attribute_write("error_threshold", "0"), "no threshold");
	EXPECT_RET(0, accel_reset(self->ctx), "a reset");
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
