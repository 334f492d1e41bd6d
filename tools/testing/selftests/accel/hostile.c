// SPDX-License-Identifier: GPL-2.0
/*
 * A device that lies, told to by the test port of the emulated one: what the driver makes of it,
 * that those who wait are told, and that machine, other devices and, once it is honest and reset,
 * the device itself go on. Each lie leaves a line "# lie: WHAT: WHAT HAPPENED".
 *
 * accel-bench: kernel=plain,check,races modules=accel_hisi_zip,accel_sim
 * accel-bench: option=accel_hisi_zip.job_limit_ms=1000
 */

#include "sim_util.h"
#include "zip_submit_util.h"

#define LIMIT_MS 1000
#define SIZE 65536u
/* Queues of the emulated device. */
#define QUEUES 64
#define DEPTH 8
/* The driver waits so long for a queue to stop. */
#define STOP_SECONDS 30

/* Those that its doorbell pages are enough for: other functions could have some, too. */
#define DOORBELL_PAGES (2 * QUEUES)

/* Registers that the driver reads. */
enum {
	ISOLATION = 0x30,
	CACHE_WRITTEN = 0x208,
	SUB_VERSION = 0x210,
	MAILBOX = 0x300,
	CAPABILITIES = 0x3100,
	EVENT_DEPTHS = 0x3104,
	QUEUE_DEPTHS = 0x3108,
	EVENT_VECTOR = 0x310c,
	ERROR_VECTOR = 0x3114,
	VECTORS = 0x311c,
	ALGORITHMS = 0x3148,
	/* Of the capabilities. */
	STOP_QUEUE = 1 << 9,
	MANAGER_STATUS = 0x100008,
	CONTEXTS_FORGOTTEN = 0x100044,
	RANGE_READY = 0x10006c,
	QUEUE_COUNT = 0x100158,
	HALTED = 0x300150,
	ENGINE_STATUS = 0x3010ac,
};

#define HAPPENED(lie, ...) \
	do { \
		printf("# lie: %s: ", lie); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		fflush(stdout); \
	} while (0)

/* --- A queue in ACCEL_MODE_KERNEL, whose rings and fences are the driver's --- */

struct kernel {
	int ctx;
	struct buffer in;
	struct buffer out;
	struct submit_queue q;
};

static int kernel_open(struct kernel *k)
{
	k->ctx = accel_open_kernel();
	if (k->ctx < 0)
		return k->ctx;
	return buffer_alloc(&k->in, k->ctx, SIZE, 0) ?:
	       buffer_alloc(&k->out, k->ctx, 2 * SIZE, 0) ?:
	       submit_open(&k->q, k->ctx, DEPTH, HISI_ZIP_COMPRESS);
}

static void kernel_close(struct kernel *k)
{
	submit_close(&k->q);
	buffer_free(&k->in);
	buffer_free(&k->out);
	close(k->ctx);
}

/* Hands a job over; returns its fence, or a negative errno. */
static int kernel_submit(struct kernel *k)
{
	struct hisi_zip_sqe job = submit_job(HISI_ZIP_DEFLATE, 0, SIZE, 0, 2 * SIZE);
	int fence, ret;

	fill_text(k->in.p, SIZE, 1);
	memset(k->out.p, 0, 2 * SIZE);
	ret = submit(&k->q, &job, 1, &k->in, &k->out, &fence);
	return ret ?: fence;
}

static bool kernel_result_is_right(const struct kernel *k)
{
	const struct hisi_zip_record *r = submit_record(&k->q, k->q.next - 1);

	return r && !r->head.error &&
	       zip_matches(k->out.p, le32toh(r->sqe.produced), k->in.p, SIZE);
}

static bool queue_has_ended(int fd)
{
	return poll_now(fd, 0) & POLLHUP;
}

/* --- All that is needed to be lied to --- */

FIXTURE(hostile) {
	char address[ACCEL_NAME_MAX];
	/* Of interrupts for errors. */
	int errors_vector;
	/* Bound by none: they ask. */
	int watch;
	int monitor;
	int generation;
	struct accel_info_errors before;
	/* Of a process that uses the device meanwhile. */
	int ctx;
	struct accel_queue q;
	/* And of one that uses another device. */
	int sim_ctx;
	struct accel_queue sim;
};

static __u64 errors_of(int fd)
{
	struct accel_info_errors errors = {};

	accel_info_errors(fd, &errors);
	return errors.hardware;
}

static bool sim_works(struct accel_queue *q)
{
	bool works;

	tested = &sim_kind;
	works = queue_works(q);
	tested = &zip_kind;
	return works;
}

/* Has the device be honest, once no reset is under way, in which its registers are not there. */
static bool tell_truth(int fd, const char *address)
{
	return WAIT_FOR(accel_state(fd) != ACCEL_STATUS_IN_RESET &&
			!zip_poke(address, ZIP_TRUTH, 1), WAIT_SECONDS);
}

static void open_device(struct __test_metadata *_metadata, FIXTURE_DATA(hostile) * self)
{
	/* The node comes a moment after the directory in sysfs. */
	WAIT_FOR(({ int fd = accel_open_monitor(); close(fd); fd >= 0; }), 10);
	self->watch = accel_open();
	self->monitor = accel_open_monitor();
	ASSERT_DEVICE(self->watch);
	ASSERT_DEVICE(self->monitor);
	self->generation = accel_generation(self->monitor);
	ASSERT_WORKS(accel_info_errors(self->monitor, &self->before), "INFO_ERRORS");
	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->ctx);
	ASSERT_RET(0, zip_open(&self->q, self->ctx, DEPTH, HISI_ZIP_COMPRESS), "a queue");
	EXPECT_WORKS(&self->q, "the device works");
}

static void close_device(FIXTURE_DATA(hostile) * self)
{
	queue_close(&self->q);
	close(self->ctx);
	close(self->watch);
	close(self->monitor);
}

#define LIE(offset, value) ASSERT_POKE(self->address, offset, value)

#define LIE_ABOUT(reg, value) \
	do { \
		LIE(ZIP_LIE_REGISTER, reg); \
		LIE(ZIP_LIE_VALUE, value); \
	} while (0)

FIXTURE_SETUP(hostile)
{
	struct accel_info_device device = {};

	tested = &zip_kind;
	self->watch = accel_open();
	ASSERT_DEVICE(self->watch);
	ASSERT_RET(0, accel_address(self->watch, self->address), "INFO_DEVICE");
	ASSERT_TRUE(tell_truth(self->watch, self->address));
	self->errors_vector = zip_peek(self->address, ERROR_VECTOR) & 0xffff;
	ASSERT_RET(0, accel_reset_at_last(self->watch), "a reset");
	close(self->watch);
	open_device(_metadata, self);
	ASSERT_WORKS(accel_info_device(self->monitor, &device), "INFO_DEVICE");
	ASSERT_EQ(LIMIT_MS, device.job_limit_ms) {
		TH_LOG("load the driver with job_limit_ms=%d for this", LIMIT_MS);
	}
	self->sim_ctx = sim_open_shared();
	ASSERT_SIM(self->sim_ctx);
	ASSERT_RET(0, sim_kind.open(&self->sim, self->sim_ctx, DEPTH), "a queue of another device");
}

/* An honest device works after a reset, whatever it told before. */
FIXTURE_TEARDOWN(hostile)
{
	EXPECT_THAT(sim_works(&self->sim), "another device works");
	queue_close(&self->sim);
	close(self->sim_ctx);
	EXPECT_TRUE(tell_truth(self->monitor, self->address)) {
		TH_LOG("expected: the device can be told to be honest");
	}
	zip_poke(self->address, ZIP_END_HANGS, 1);
	attribute_write("error_threshold", "0");
	close_device(self);
	self->watch = accel_open();
	EXPECT_TRUE(WAIT_FOR(!accel_reset(self->watch), WAIT_SECONDS)) {
		TH_LOG("expected: the device can be reset");
	}
	EXPECT_EQ(ACCEL_STATUS_OPERATIONAL, accel_state(self->watch)) {
		TH_LOG("expected: it is in operation");
	}
	close(self->watch);
	expect_device_works(_metadata);
}

static __u32 tales_left(const char *address)
{
	return zip_peek(address, ZIP_INTERRUPT);
}

/* Whatever was to be told has been told, and the driver has had time to hear it. */
#define ASSERT_ALL_IS_TOLD() \
	do { \
		ASSERT_TRUE(WAIT_FOR(!tales_left(self->address), WAIT_SECONDS)) { \
			TH_LOG("expected: the device tells its lies"); \
		} \
		usleep(50000); \
	} while (0)

/* Errors counted since the test began. */
#define EXPECT_ERRORS(count) \
	do { \
		__u64 __want = self->before.hardware + (count); \
		WAIT_FOR(errors_of(self->monitor) >= __want, WAIT_SECONDS); \
		EXPECT_EQ(__want, errors_of(self->monitor)) { \
			TH_LOG("expected: INFO_ERRORS counts %d errors", (int)(count)); \
		} \
	} while (0)

#define EXPECT_STATE(state) \
	do { \
		WAIT_FOR(accel_state(self->monitor) == (state), WAIT_SECONDS); \
		EXPECT_EQ(state, accel_state(self->monitor)) { \
			TH_LOG("expected: " #state); \
		} \
	} while (0)

/* The driver says at most ten things in five seconds of a device that misbehaves. */
static void wait_for_room_in_the_log(void)
{
	sleep(6);
}

/* --- Events --- */

TEST_F(hostile, events_of_queues_that_do_not_exist)
{
	static const __u32 numbers[] = { QUEUES, 0x3ff, 0xffff };
	int lines = log_lines("misbehaves: an event of queue");
	unsigned int i;

	wait_for_room_in_the_log();
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		LIE(ZIP_TELL_EVENT, numbers[i]);
		EXPECT_ERRORS(2 * i + 1);
		LIE(ZIP_TELL_ABNORMAL, numbers[i]);
		EXPECT_ERRORS(2 * i + 2);
		EXPECT_WORKS(&self->q, "the device works on");
	}
	EXPECT_LT(lines, log_lines("misbehaves: an event of queue")) {
		TH_LOG("expected: the log says so");
	}
	EXPECT_STATE(ACCEL_STATUS_OPERATIONAL);
	HAPPENED("events of queues beyond those that exist",
		 "each counted as an error and logged, otherwise ignored");
}

TEST_F(hostile, events_of_queues_that_are_not_open)
{
	struct accel_info_status before = {}, after = {};

	ASSERT_WORKS(accel_info_status(self->monitor, &before), "INFO_STATUS");
	LIE(ZIP_REPEAT, 10);
	LIE(ZIP_TELL_EVENT, QUEUES - 1);
	LIE(ZIP_TELL_ABNORMAL, QUEUES - 1);
	ASSERT_ALL_IS_TOLD();
	ASSERT_WORKS(accel_info_status(self->monitor, &after), "INFO_STATUS");
	EXPECT_EQ(before.completions, after.completions) {
		TH_LOG("expected: nothing of that is counted as a completion");
	}
	EXPECT_ERRORS(0);
	EXPECT_WORKS(&self->q, "the device works on");
	HAPPENED("events of queues that are not open",
		 "ignored: a queue may just have been closed");
}

TEST_F(hostile, overflow_of_a_queue_that_has_room)
{
	LIE(ZIP_TELL_ABNORMAL, self->q.id);
	ASSERT_ALL_IS_TOLD();
	EXPECT_WORKS(&self->q, "the queue works on");
	EXPECT_ERRORS(0);
	HAPPENED("an overflow of completions where there is room", "nothing: there may be by now");
}

TEST_F(hostile, completion_that_could_not_be_written)
{
	struct accel_queue fresh;

	LIE(ZIP_TELL_ABNORMAL, 2u << 17 | self->q.id);
	ASSERT_TRUE(WAIT_FOR(LOAD(self->q.status->state) != ACCEL_QUEUE_LIVE, WAIT_SECONDS)) {
		TH_LOG("expected: the queue is stopped");
	}
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_ERROR);
	EXPECT_ERRORS(1);
	ASSERT_RET(0, zip_open(&fresh, self->ctx, DEPTH, HISI_ZIP_COMPRESS), "another queue");
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
	EXPECT_STATE(ACCEL_STATUS_OPERATIONAL);
	HAPPENED("a completion could not be written", "an error; that queue alone is stopped");
}

TEST_F(hostile, overflow_of_the_event_queue_that_was_none)
{
	__u64 count;

	LIE(ZIP_TELL_ABNORMAL, 1u << 17);
	ASSERT_ALL_IS_TOLD();
	EXPECT_WORKS(&self->q, "the queue works on");
	while (poll_now(self->q.fd, POLLIN) == POLLIN)
		ASSERT_EQ(8, read(self->q.fd, &count, 8));
	zip_arm(&self->q);
	EXPECT_WORKS(&self->q, "a job");
	EXPECT_TRUE(zip_event_comes(&self->q)) {
		TH_LOG("expected: its event comes");
	}
	EXPECT_ERRORS(0);
	EXPECT_STATE(ACCEL_STATUS_OPERATIONAL);
	HAPPENED("an overflow of the event queue that was none", "everybody is woken up");
}

TEST_F(hostile, events_without_completions)
{
	__u64 count;

	LIE(ZIP_TELL_EVENT, self->q.id);
	EXPECT_TRUE(WAIT_FOR(poll_now(self->q.fd, POLLIN) == POLLIN, WAIT_SECONDS)) {
		TH_LOG("expected: the process is woken up");
	}
	EXPECT_EQ(8, read(self->q.fd, &count, 8));
	EXPECT_FALSE(zip_done(&self->q)) {
		TH_LOG("expected: it finds nothing in its ring");
	}
	EXPECT_WORKS(&self->q, "the queue works on");
	HAPPENED("events without completions", "the process wakes up, and finds its ring empty");
}

TEST_F(hostile, event_of_the_wrong_phase_hides_those_behind_it)
{
	struct kernel k;
	int fence, ret;

	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_TELL_EVENT, ZIP_WRONG_PHASE | k.q.id);
	ASSERT_ALL_IS_TOLD();
	fence = kernel_submit(&k);
	ASSERT_WORKS(fence, "a job");
	ret = fence_end(fence);
	EXPECT_THAT(ret == -ETIMEDOUT || (!ret && kernel_result_is_right(&k)),
		    "its fence ends all the same");
	EXPECT_TRUE(WAIT_FOR(queue_has_ended(k.q.fd), WAIT_SECONDS)) {
		TH_LOG("expected: the queue is stopped");
	}
	kernel_close(&k);
	HAPPENED("an event of the wrong phase",
		 "those behind it are not seen: the watchdog stops the queue, its fence ended with %s",
		 ret_name(ret));
}

TEST_F(hostile, lies_count_for_the_threshold)
{
	struct accel_event event = {};
	int i;

	expect_dmesg("accel_hisi_zip .*: isolated after");
	ASSERT_RET(0, attribute_write("error_threshold", "5"), "set the threshold");
	for (i = 0; i < 5; i++)
		LIE(ZIP_TELL_EVENT, 0xffff);
	EXPECT_STATE(ACCEL_STATUS_ISOLATED);
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_ERROR, &event, WAIT_SECONDS),
		   "the event of an error");
	EXPECT_EQ(~0ull - 1, event.value) {
		TH_LOG("expected: it has the driver's number for what can't be");
	}
	EXPECT_RET(0, event_wait(self->monitor, ACCEL_EVENT_ISOLATED, &event, WAIT_SECONDS),
		   "the event of the isolation");
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_ISOLATED);
	EXPECT_RET(-EIO, accel_queue_create(self->ctx, 0), "QUEUE_CREATE while isolated");
	/* It can't interrupt any more, even if it wants to. */
	LIE(ZIP_REPEAT, 1000);
	LIE(ZIP_TELL_EVENT, 0xffff);
	ASSERT_ALL_IS_TOLD();
	EXPECT_ERRORS(5);
	HAPPENED("lies beyond error_threshold",
		 "isolated, bus mastering off: what it tells afterwards does not arrive");
}

/* --- Completions, and the fences that they signal --- */

TEST_F(hostile, completions_of_jobs_that_can_not_be_done)
{
	/* Out of range, not submitted. */
	static const __u32 indices[] = { 0xffff, 0x7fff, DEPTH, DEPTH + 1, 2, DEPTH - 1 };
	struct kernel k;
	int first, second;
	unsigned int i;

	wait_for_room_in_the_log();
	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_HANG_QUEUE, k.q.id);
	first = kernel_submit(&k);
	second = kernel_submit(&k);
	ASSERT_WORKS(first, "a job");
	ASSERT_WORKS(second, "another");
	for (i = 0; i < ARRAY_SIZE(indices); i++)
		LIE(ZIP_TELL_COMPLETION, k.q.id << 16 | indices[i]);
	EXPECT_RET(-ETIMEDOUT, fence_end(first), "the fence of a job that never ended");
	EXPECT_RET(-ETIMEDOUT, fence_end(second), "the one behind it");
	EXPECT_LT(self->before.hardware, errors_of(self->monitor)) {
		TH_LOG("expected: errors are counted");
	}
	EXPECT_LT(0, log_lines("of jobs that are not done")) {
		TH_LOG("expected: the log says so");
	}
	EXPECT_TRUE(WAIT_FOR(queue_has_ended(k.q.fd), WAIT_SECONDS)) {
		TH_LOG("expected: the queue is stopped");
	}
	EXPECT_WORKS(&self->q, "another queue works");
	kernel_close(&k);
	HAPPENED("completions with heads out of range, of jobs not submitted",
		 "counted, logged, ignored: the fences end with ETIMEDOUT by the watchdog");
}

TEST_F(hostile, completions_of_jobs_that_are_not_done)
{
	struct hisi_zip_sqe jobs[3];
	const struct hisi_zip_record *r;
	int fence, i;
	struct kernel k;

	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_HANG_QUEUE, k.q.id);
	for (i = 0; i < 3; i++)
		jobs[i] = submit_job(HISI_ZIP_DEFLATE, 0, SIZE, 0, 2 * SIZE);
	ASSERT_RET(0, submit(&k.q, jobs, 3, &k.in, &k.out, &fence), "three jobs");
	/* The one whose turn it is, and one whose turn it is not. */
	for (i = 0; i < 3; i += 2) {
		/* Again and again, since the device may not have it yet. */
		while (!submit_record(&k.q, i)) {
			LIE(ZIP_TELL_COMPLETION, k.q.id << 16 | i);
			WAIT_FOR(submit_record(&k.q, i), 0.02);
		}
		r = submit_record(&k.q, i);
		EXPECT_EQ(EIO, r->head.error) {
			TH_LOG("expected: its record says that it has no result");
		}
	}
	/* What comes at once is counted once, and behind the end of the job. */
	EXPECT_TRUE(WAIT_FOR(self->before.hardware < errors_of(self->monitor), WAIT_SECONDS)) {
		TH_LOG("expected: errors are counted");
	}
	EXPECT_RET(-EIO, fence_end(fence), "their fence");
	r = submit_record(&k.q, 1);
	ASSERT_NE(NULL, r);
	EXPECT_EQ(ETIMEDOUT, r->head.error) {
		TH_LOG("expected: the one that never ended has another");
	}
	kernel_close(&k);
	HAPPENED("completions of jobs that are not done, in turn and out of turn",
		 "counted, logged, the jobs and their fence end with EIO");
}

TEST_F(hostile, completion_of_the_wrong_phase)
{
	struct kernel k;
	int fence, ret;

	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_TELL_COMPLETION, ZIP_WRONG_PHASE | k.q.id << 16);
	ASSERT_ALL_IS_TOLD();
	fence = kernel_submit(&k);
	ASSERT_WORKS(fence, "a job");
	ret = fence_end(fence);
	EXPECT_RET(-ETIMEDOUT, ret, "its fence, whose completion is not seen");
	kernel_close(&k);
	HAPPENED("a completion of the wrong phase",
		 "those behind it are not seen: the fence ends with ETIMEDOUT by the watchdog");
}

TEST_F(hostile, results_that_can_not_be)
{
	struct kernel k;
	int fence;

	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_LIE_PRODUCED, 1);
	fence = kernel_submit(&k);
	ASSERT_WORKS(fence, "a job");
	EXPECT_RET(-EIO, fence_end(fence), "the fence of a job that produced 4 GiB");
	fence = kernel_submit(&k);
	ASSERT_WORKS(fence, "a job");
	EXPECT_RET(0, fence_end(fence), "an honest one");
	EXPECT_THAT(kernel_result_is_right(&k), "its result");
	kernel_close(&k);
	HAPPENED("a job that produced more than there was room for", "EIO, the next one is right");
}

TEST_F(hostile, tails_that_run_do_not_keep_the_watchdog_away)
{
	struct kernel k;
	int fence;

	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_HANG_QUEUE, k.q.id);
	LIE(ZIP_TAILS_RUN, 1);
	fence = kernel_submit(&k);
	ASSERT_WORKS(fence, "a job");
	EXPECT_RET(-ETIMEDOUT, fence_end(fence), "the fence of a job that never ended");
	EXPECT_TRUE(WAIT_FOR(queue_has_ended(k.q.fd), WAIT_SECONDS)) {
		TH_LOG("expected: the queue is stopped");
	}
	kernel_close(&k);
	HAPPENED("a tail of completions that never stands still",
		 "not asked for jobs with fences: ETIMEDOUT by the watchdog");
}

/* --- Interrupts --- */

TEST_F(hostile, interrupts_without_cause)
{
	int vector;

	for (vector = 0; vector < 4; vector++) {
		LIE(ZIP_REPEAT, 300);
		LIE(ZIP_INTERRUPT, vector);
		ASSERT_ALL_IS_TOLD();
		EXPECT_WORKS(&self->q, "the device works on");
	}
	EXPECT_ERRORS(0);
	HAPPENED("300 interrupts without cause on each of the four vectors", "nothing");
}

/* --- Registers --- */

/* What becomes of a queue, a job, an interrupt and a reset while a register lies. */
static void use_and_reset(struct __test_metadata *_metadata, FIXTURE_DATA(hostile) * self,
			  const char *lie)
{
	int created, reset, state;

	LIE(ZIP_INTERRUPT, self->errors_vector);
	created = accel_queue_create(self->ctx, DEPTH);
	EXPECT_THAT(created >= 0 || created == -ENODEV || created == -EIO,
		    "QUEUE_CREATE works or says what is the matter");
	if (created >= 0)
		close(created);
	expect_info_without_sleep(_metadata, self->monitor);
	reset = accel_reset_at_last(self->watch);
	EXPECT_THAT(!reset || reset == -EIO, "a reset works or fails with EIO");
	state = accel_state(self->monitor);
	EXPECT_EQ(reset ? ACCEL_STATUS_ISOLATED : ACCEL_STATUS_OPERATIONAL, state) {
		TH_LOG("expected: where it fails the device is isolated");
	}
	EXPECT_THAT(sim_works(&self->sim), "another device works");
	HAPPENED(lie, "QUEUE_CREATE %s, RESET %s%s, %llu errors counted", ret_name(created),
		 ret_name(reset), reset ? " and isolated" : "",
		 errors_of(self->monitor) - self->before.hardware);
}

TEST_F(hostile, registers_that_read_all_ones_one_by_one)
{
	static const struct {
		const char *name;
		__u32 offset;
	} registers[] = {
		{ "cache written reads all ones", CACHE_WRITTEN },
		{ "manager status reads all ones", MANAGER_STATUS },
		{ "contexts forgotten reads all ones", CONTEXTS_FORGOTTEN },
		{ "range ready reads all ones", RANGE_READY },
		{ "halted reads all ones", HALTED },
		{ "engine status reads all ones", ENGINE_STATUS },
	};
	unsigned int i;

	expect_dmesg("accel_hisi_zip .*: (errors: |the reset failed)");
	for (i = 0; i < ARRAY_SIZE(registers); i++) {
		LIE_ABOUT(registers[i].offset, ~0u);
		use_and_reset(_metadata, self, registers[i].name);
		LIE(ZIP_TRUTH, 1);
		ASSERT_RET(0, accel_reset_at_last(self->watch), "a reset of an honest one");
	}
}

TEST_F(hostile, mailbox_that_reads_all_ones)
{
	LIE_ABOUT(MAILBOX, ~0u);
	LIE_ABOUT(MAILBOX + 4, ~0u);
	EXPECT_RET(-ENODEV, accel_queue_create(self->ctx, DEPTH), "QUEUE_CREATE");
	use_and_reset(_metadata, self, "the mailbox reads all ones");
	EXPECT_STATE(ACCEL_STATUS_ISOLATED);
}

TEST_F(hostile, all_registers_read_all_ones)
{
	LIE_ABOUT(ZIP_ALL_REGISTERS, ~0u);
	EXPECT_RET(-ENODEV, accel_queue_create(self->ctx, DEPTH), "QUEUE_CREATE");
	LIE(ZIP_INTERRUPT, self->errors_vector);
	EXPECT_TRUE(WAIT_FOR(errors_of(self->monitor) >= self->before.hardware + 2,
			     WAIT_SECONDS)) {
		TH_LOG("expected: counted as errors");
	}
	use_and_reset(_metadata, self, "all registers read all ones");
	EXPECT_STATE(ACCEL_STATUS_ISOLATED);
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
}

TEST_F(hostile, all_registers_read_zero)
{
	LIE_ABOUT(ZIP_ALL_REGISTERS, 0);
	use_and_reset(_metadata, self, "all registers read zero");
	EXPECT_STATE(ACCEL_STATUS_ISOLATED);
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
}

/* --- The mailbox --- */

TEST_F(hostile, mailbox_silent_when_a_queue_is_made)
{
	int ret;

	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_SILENT);
	ret = accel_queue_create(self->ctx, DEPTH);
	EXPECT_THAT(ret == -ETIMEDOUT || ret == -EAGAIN,
		    "QUEUE_CREATE says that it takes too long, or that the device is being reset");
	/* It is reset without being asked, and does not start. */
	EXPECT_STATE(ACCEL_STATUS_ISOLATED);
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
	EXPECT_ERRORS(1);
	EXPECT_RET(-EIO, accel_queue_create(self->ctx, DEPTH), "QUEUE_CREATE afterwards");
	HAPPENED("the mailbox is silent when a queue is made",
		 "ETIMEDOUT, reset by itself, and isolated since it does not start");
}

TEST_F(hostile, mailbox_that_refuses_when_a_queue_is_made)
{
	struct accel_queue fresh;

	wait_for_room_in_the_log();
	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_FAILS);
	EXPECT_RET(-EIO, accel_queue_create(self->ctx, DEPTH), "QUEUE_CREATE");
	EXPECT_ERRORS(1);
	EXPECT_LT(0, log_lines("misbehaves: queue 1 does not start")) {
		TH_LOG("expected: the log says so");
	}
	LIE(ZIP_TRUTH, 1);
	ASSERT_RET(0, zip_open(&fresh, self->ctx, DEPTH, HISI_ZIP_COMPRESS), "an honest one");
	EXPECT_WORKS(&fresh, "a job on it");
	queue_close(&fresh);
	HAPPENED("the mailbox refuses when a queue is made", "EIO, no reset");
}

/* The mappings may go at any moment: that is why a child does it. */
static int submit_one(void *arg)
{
	static __u8 in[4096], out[2 * sizeof(in)];
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, sizeof(in), sizeof(out) };
	struct accel_queue q;
	int ret = queue_adopt(&q, *(int *)arg);

	if (!ret)
		zip_submit(&q, &job);
	return ret;
}

/* Of the queue that there was the device tells nothing any more either: it may come to a reset. */
TEST_F(hostile, mailbox_that_pretends_to_make_a_queue)
{
	int queue;

	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_PRETENDS);
	queue = zip_queue_create(self->ctx, DEPTH, HISI_ZIP_COMPRESS);
	ASSERT_WORKS(queue, "a queue that is none");
	in_child(submit_one, &queue);
	EXPECT_TRUE(WAIT_FOR(queue_has_ended(queue), WAIT_SECONDS)) {
		TH_LOG("expected: the queue is stopped");
	}
	close(queue);
	HAPPENED("the mailbox pretends to have made a queue",
		 "its contexts can't be read back: the watchdog stops it");
}

/* What parent and child say to each other. */
struct order {
	int ready;
	int go;
};

/* To close a queue waits for the device to stop it. */
static int close_when_told(void *arg)
{
	struct order *order = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, DEPTH);

	if (ctx < 0)
		return ctx;
	STORE(order->ready, 1);
	if (!WAIT_FOR(LOAD(order->go), WAIT_SECONDS))
		return -ETIMEDOUT;
	queue_close(&q);
	close(ctx);
	return 0;
}

static void expect_reset_and_isolated(struct __test_metadata *_metadata,
				      FIXTURE_DATA(hostile) * self, int limit)
{
	EXPECT_TRUE(WAIT_FOR(accel_state(self->monitor) == ACCEL_STATUS_ISOLATED, limit)) {
		TH_LOG("expected: it is reset, does not start, and is isolated");
	}
	EXPECT_LT(self->generation, accel_generation(self->monitor)) {
		TH_LOG("expected: it was reset");
	}
	EXPECT_EQ(0, accel_queues(self->monitor)) {
		TH_LOG("expected: no queue is left");
	}
}

TEST_F(hostile, mailbox_silent_when_a_queue_is_stopped)
{
	struct order *order = mmap(NULL, sizeof(*order), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	double begin = seconds();
	int jobs = 0;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, order);
	pid = child_start(close_when_told, order);
	ASSERT_TRUE(WAIT_FOR(LOAD(order->ready), WAIT_SECONDS)) {
		TH_LOG("expected: a process has a queue");
	}
	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_SILENT);
	STORE(order->go, 1);
	while (accel_state(self->monitor) != ACCEL_STATUS_ISOLATED &&
	       seconds() < begin + STOP_SECONDS + WAIT_SECONDS) {
		ASSERT_TRUE(sim_works(&self->sim)) {
			TH_LOG("expected: another device works meanwhile");
		}
		expect_info_without_sleep(_metadata, self->monitor);
		usleep(20000);
		jobs++;
	}
	expect_reset_and_isolated(_metadata, self, 1);
	EXPECT_RET(0, child_result(pid), "the process that closed it");
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
	munmap(order, sizeof(*order));
	HAPPENED("the mailbox is silent when a queue is stopped",
		 "reset by itself, isolated after %.0f s; another device did %d jobs meanwhile",
		 seconds() - begin, jobs);
}

TEST_F(hostile, mailbox_that_refuses_to_stop_a_queue)
{
	struct accel_queue q;

	ASSERT_RET(0, zip_open(&q, self->ctx, DEPTH, HISI_ZIP_COMPRESS), "a queue");
	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_FAILS);
	queue_close(&q);
	expect_reset_and_isolated(_metadata, self, WAIT_SECONDS);
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
	HAPPENED("the mailbox refuses to stop a queue",
		 "reset by itself, and isolated since it does not start");
}

/* What it goes on with was given back to others. */
TEST_F(hostile, mailbox_that_pretends_to_stop_a_queue)
{
	size_t size = 4 << 20, i;
	__u8 *in = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int ctx, faults = log_lines("fault addr");
	struct accel_queue q;

	expect_dmesg("DMAR: (DRHD: handling fault status|\\[DMA .* fault addr)");
	/* The process has no other: its address space is taken from the device with the last. */
	queue_close(&self->q);
	close(self->ctx);
	ctx = queue_open_alone(&q, DEPTH);
	ASSERT_DEVICE(ctx);
	for (i = 0; i < DEPTH - 1; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, i, in, out, size, size };

		zip_put(&q, &job);
	}
	zip_ring(&q, HISI_ZIP_DB_SQ, q.tail, 0);
	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_PRETENDS);
	queue_close(&q);
	close(ctx);
	memset(out, 0x5a, size);
	for (i = 0; i < 20 && log_lines("fault addr") == faults; i++)
		usleep(100000);
	for (i = 0; i < size && out[i] == 0x5a; i++)
		;
	EXPECT_EQ(size, i) {
		TH_LOG("expected: it can't write to the process any more");
	}
	munmap(in, size);
	munmap(out, size);
	LIE(ZIP_TRUTH, 1);
	ASSERT_RET(0, accel_reset_at_last(self->watch), "a reset of an honest one");
	self->ctx = queue_open_alone(&self->q, DEPTH);
	ASSERT_DEVICE(self->ctx);
	HAPPENED("the mailbox pretends to have stopped a queue with jobs",
		 "the IOMMU refuses: neither rings nor the process are reached, %d faults logged",
		 log_lines("fault addr") - faults);
}

TEST_F(hostile, mailbox_at_a_reset)
{
	static const struct {
		const char *name;
		__u32 how;
	} ways[] = {
		{ "the mailbox is silent in a reset", ZIP_MAILBOX_SILENT },
		{ "the mailbox refuses in a reset", ZIP_MAILBOX_FAILS },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		LIE(ZIP_LIE_MAILBOX, ways[i].how);
		EXPECT_RET(-EIO, accel_reset_at_last(self->watch), "RESET");
		EXPECT_STATE(ACCEL_STATUS_ISOLATED);
		EXPECT_RET(-EIO, accel_queue_create(self->ctx, 0), "QUEUE_CREATE while isolated");
		LIE(ZIP_TRUTH, 1);
		EXPECT_RET(0, accel_reset_at_last(self->watch), "RESET of an honest one");
		EXPECT_STATE(ACCEL_STATUS_OPERATIONAL);
		HAPPENED(ways[i].name, "EIO, isolated, and in service after an honest one");
	}
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
}

/* --- Probing --- */

#define ASSERT_UNBOUND() \
	do { \
		close_device(self); \
		ASSERT_RET(0, device_unbind(self->address), "unbind"); \
	} while (0)

#define ASSERT_BOUND() \
	do { \
		LIE(ZIP_TRUTH, 1); \
		ASSERT_RET(0, device_bind(self->address), "bind an honest one"); \
		open_device(_metadata, self); \
	} while (0)

TEST_F(hostile, probe_of_a_device_that_reads_all_ones)
{
	ASSERT_UNBOUND();
	LIE_ABOUT(ZIP_ALL_REGISTERS, ~0u);
	EXPECT_RET(-ENODEV, device_bind(self->address), "bind");
	EXPECT_EQ(-ENOENT, accel_number()) {
		TH_LOG("expected: there is no such accelerator");
	}
	ASSERT_BOUND();
	HAPPENED("all registers read all ones at the probe", "ENODEV, nothing is registered");
}

TEST_F(hostile, probe_of_a_device_whose_mailbox_does_not_answer)
{
	ASSERT_UNBOUND();
	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_SILENT);
	EXPECT_RET(-ETIMEDOUT, device_bind(self->address), "bind");
	ASSERT_BOUND();
	ASSERT_UNBOUND();
	LIE(ZIP_LIE_MAILBOX, ZIP_MAILBOX_FAILS);
	EXPECT_RET(-EIO, device_bind(self->address), "bind");
	ASSERT_BOUND();
	HAPPENED("the mailbox is silent, or refuses, at the probe",
		 "ETIMEDOUT, EIO, nothing is registered");
}

/* What the core knows of the device, once it has been bound. */
static struct accel_info_device device_info(int fd)
{
	struct accel_info_device device = {};

	accel_info_device(fd, &device);
	return device;
}

TEST_F(hostile, probe_of_a_device_with_an_absurd_number_of_queues)
{
	struct kernel k[QUEUES + 1];
	int i, ret;

	ASSERT_UNBOUND();
	LIE_ABOUT(QUEUE_COUNT, 0x7ff);
	EXPECT_RET(-ENODEV, device_bind(self->address), "bind of one without queues of its own");
	LIE_ABOUT(QUEUE_COUNT, ~0u);
	EXPECT_RET(-ENODEV, device_bind(self->address), "bind of one that reads all ones");
	LIE_ABOUT(QUEUE_COUNT, 0x7ff << 11);
	ASSERT_RET(0, device_bind(self->address), "bind of one with 2047");
	open_device(_metadata, self);
	EXPECT_EQ(DOORBELL_PAGES, device_info(self->monitor).queues_max) {
		TH_LOG("expected: no more queues than doorbells");
	}
	/* Of these the driver rings the doorbells. */
	for (i = 0; i < QUEUES - 1; i++) {
		ASSERT_RET(0, kernel_open(&k[i]), "a queue in KERNEL mode");
		ret = kernel_submit(&k[i]);
		ASSERT_WORKS(ret, "a job");
		EXPECT_RET(0, fence_end(ret), "its fence");
	}
	EXPECT_RET(-EIO, accel_queue_create(self->ctx, 0), "one more queue than there are");
	while (i--)
		kernel_close(&k[i]);
	ASSERT_UNBOUND();
	ASSERT_BOUND();
	HAPPENED("it says that it has no queues, or 2047",
		 "ENODEV, or as many as it has doorbells, of which some can't be made");
}

/* --- Capabilities --- */

TEST_F(hostile, queues_are_those_of_the_function)
{
	__u32 count = zip_peek(self->address, QUEUE_COUNT);

	ASSERT_LT(QUEUES, count & 0x7ff) {
		TH_LOG("expected: all functions together have more queues than this one");
	}
	EXPECT_EQ(QUEUES, device_info(self->monitor).queues_max) {
		TH_LOG("expected: as many queues as the function may have");
	}
}

TEST_F(hostile, capabilities_that_count)
{
	static const struct {
		const char *name;
		__u32 offset;
		__u32 value;
	} bad[] = {
		{ "no entries in a queue", QUEUE_DEPTHS, 0x4000000 },
		{ "an event queue of one entry", EVENT_DEPTHS, 0x4000001 },
		{ "an event queue without interrupt", EVENT_VECTOR, 0 },
		{ "an interrupt beyond those that there are", ERROR_VECTOR, 0x10004 },
		{ "no interrupts", VECTORS, 0 },
	};
	unsigned int i;

	ASSERT_UNBOUND();
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		LIE_ABOUT(bad[i].offset, bad[i].value);
		EXPECT_RET(-ENODEV, device_bind(self->address), bad[i].name);
	}
	/* The defaults are more than this one has. */
	LIE_ABOUT(CAPABILITIES, 0x6f00);
	EXPECT_RET(-EIO, device_bind(self->address), "bind of one whose capabilities don't count");
	ASSERT_BOUND();
	HAPPENED("capabilities with which there is no working, or that don't count",
		 "ENODEV, or the driver goes by the defaults");
}

/* What the core tells of the device when it is bound while a register lies. */
static struct accel_info_device bound_with(struct __test_metadata *_metadata,
					   FIXTURE_DATA(hostile) * self, __u32 offset, __u32 value)
{
	struct accel_info_device device = {};
	int monitor = -1;

	EXPECT_RET(0, zip_poke(self->address, ZIP_LIE_REGISTER, offset), "which register");
	EXPECT_RET(0, zip_poke(self->address, ZIP_LIE_VALUE, value), "which value");
	EXPECT_RET(0, device_bind(self->address), "bind");
	WAIT_FOR((monitor = accel_open_monitor()) >= 0, WAIT_SECONDS);
	EXPECT_THAT(accel_info_device(monitor, &device) >= 0, "INFO_DEVICE");
	close(monitor);
	EXPECT_RET(0, device_unbind(self->address), "unbind");
	return device;
}

TEST_F(hostile, capabilities_are_told)
{
	const __u64 checked = 1ull << ACCEL_FUNCTION_ZLIB | 1ull << ACCEL_FUNCTION_GZIP;
	struct accel_info_device device;

	ASSERT_UNBOUND();
	device = bound_with(_metadata, self, QUEUE_DEPTHS, 0x1000200);
	EXPECT_EQ(256, device.depth_max) {
		TH_LOG("expected: both rings are as long as the shorter one may be");
	}
	device = bound_with(_metadata, self, ALGORITHMS, 0xf);
	EXPECT_EQ(checked, device.functions) {
		TH_LOG("expected: zlib and gzip, but no deflate");
	}
	device = bound_with(_metadata, self, ISOLATION, 0);
	EXPECT_EQ(ACCEL_DOORBELL_SHARED, device.doorbell) {
		TH_LOG("expected: queues share a doorbell page");
	}
	ASSERT_BOUND();
}

TEST_F(hostile, queues_that_can_not_be_stopped)
{
	__u32 all = zip_peek(self->address, CAPABILITIES);
	struct kernel k;
	int fence;

	ASSERT_UNBOUND();
	LIE_ABOUT(CAPABILITIES, all & ~STOP_QUEUE);
	ASSERT_RET(0, device_bind(self->address), "bind of one without STOP_QP");
	open_device(_metadata, self);
	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_HANG_QUEUE, k.q.id);
	fence = kernel_submit(&k);
	ASSERT_WORKS(fence, "a job");
	EXPECT_THAT(fence_end(fence) < 0, "the fence of a job that never ended");
	EXPECT_TRUE(WAIT_FOR(accel_generation(self->monitor) > self->generation, WAIT_SECONDS)) {
		TH_LOG("expected: nothing but a reset ends such a queue");
	}
	EXPECT_STATE(ACCEL_STATUS_OPERATIONAL);
	kernel_close(&k);
	ASSERT_UNBOUND();
	ASSERT_BOUND();
	HAPPENED("a queue hangs, and the device says that it can't stop any",
		 "it is not asked to, but reset");
}

static int find_anew(const char *address)
{
	int ret = pci_write(address, "remove", "1");

	return ret ?: write_file("/sys/bus/pci/rescan", "1");
}

TEST_F(hostile, probe_of_a_device_of_an_unknown_revision)
{
	static const struct {
		__u32 number;
		const char *says;
	} revisions[] = {
		{ 0x20, "revision 0x20 is not known" },
		{ 0x22, "revision 0x22 is not known" },
		{ 0x31, "revision 0x31 is not known" },
		{ 0x50, "revision 0x50 (V4) is not supported: " },
		{ 0x51, "revision 0x51 (V5) is not supported: " },
		{ 0xff, "revision 0xff is not known" },
	};
	int lines = log_lines("revision 0x51 (V5) is not supported: ");
	unsigned int i;

	ASSERT_UNBOUND();
	LIE_ABOUT(SUB_VERSION, 0x51);
	EXPECT_RET(-ENODEV, device_bind(self->address), "bind of one that says it in a register");
	EXPECT_LT(lines, log_lines("revision 0x51 (V5) is not supported: ")) {
		TH_LOG("expected: the log says so");
	}
	LIE(ZIP_TRUTH, 1);
	for (i = 0; i < ARRAY_SIZE(revisions); i++) {
		lines = log_lines(revisions[i].says);
		LIE(ZIP_LIE_REVISION, revisions[i].number);
		ASSERT_ALL_IS_TOLD();
		ASSERT_RET(0, find_anew(self->address), "the device is found anew");
		EXPECT_EQ(-ENOENT, accel_number()) {
			TH_LOG("expected: no accelerator of revision %#x", revisions[i].number);
		}
		EXPECT_LT(lines, log_lines(revisions[i].says)) {
			TH_LOG("expected: the log says \"%s\"", revisions[i].says);
		}
		/* The driver did not. */
		ASSERT_RET(0, pci_write(self->address, "enable", "1"), "enable its registers");
	}
	LIE(ZIP_LIE_REVISION, 0);
	ASSERT_ALL_IS_TOLD();
	ASSERT_RET(0, find_anew(self->address), "the device is found anew");
	ASSERT_TRUE(WAIT_FOR(accel_number() >= 0, WAIT_SECONDS)) {
		TH_LOG("expected: the driver takes the one that it knows");
	}
	open_device(_metadata, self);
	HAPPENED("it says that it is of a revision other than 0x21 and 0x30",
		 "ENODEV, nothing is registered");
}

/* --- Memory --- */

/* Tries an access; one of enum zip_dma_result. */
static int intrude(const char *address, __u32 pasid, __u64 to, enum zip_dma how)
{
	int ret = zip_poke(address, ZIP_DMA_PASID, pasid) ?:
		  zip_poke(address, ZIP_DMA_LOW, (__u32)to) ?:
		  zip_poke(address, ZIP_DMA_HIGH, to >> 32) ?:
		  zip_poke(address, ZIP_DMA, how);

	if (ret)
		return ret;
	WAIT_FOR(zip_peek(address, ZIP_DMA), WAIT_SECONDS);
	return zip_peek(address, ZIP_DMA);
}

static __u32 pasid_of(int monitor)
{
	struct accel_info_context contexts[8] = {};
	int n = accel_info(monitor, ACCEL_INFO_CONTEXTS, contexts, sizeof(contexts)), i;

	for (i = 0; i < n / (int)sizeof(contexts[0]); i++)
		if (contexts[i].pasid)
			return contexts[i].pasid;
	return 0;
}

TEST_F(hostile, accesses_outside_of_what_it_was_given)
{
	__u8 *mine = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 pasid = pasid_of(self->monitor);
	struct {
		const char *what;
		__u32 pasid;
		__u64 address;
	} tries[] = {
		{ "without a PASID, to an address of a process", ZIP_NO_PASID, (uintptr_t)mine },
		{ "without a PASID, to the kernel's memory", ZIP_NO_PASID, 0x1000000 },
		{ "without a PASID, far away", ZIP_NO_PASID, 0x7fff00000000 },
		{ "with a PASID that it was not given", pasid + 7, (uintptr_t)mine },
		{ "with a PASID beyond all others", 0xfffff, (uintptr_t)mine },
		{ "with a process's PASID, to the kernel's addresses", pasid, 0xffff888000000000 },
		{ "with a process's PASID, to nothing", pasid, 0x10000 },
	};
	unsigned int i;

	expect_dmesg("DMAR: (DRHD: handling fault status|\\[DMA .* fault addr)");
	ASSERT_NE(0, pasid);
	ASSERT_NE(MAP_FAILED, mine);
	memset(mine, 0x5a, PAGE);
	for (i = 0; i < ARRAY_SIZE(tries); i++) {
		EXPECT_EQ(ZIP_DMA_REFUSED, intrude(self->address, tries[i].pasid,
						   tries[i].address, ZIP_DMA_WRITE)) {
			TH_LOG("expected: it can't write %s", tries[i].what);
		}
		EXPECT_EQ(ZIP_DMA_REFUSED, intrude(self->address, tries[i].pasid,
						   tries[i].address, ZIP_DMA_READ)) {
			TH_LOG("expected: it can't read %s", tries[i].what);
		}
		HAPPENED(tries[i].what, "the IOMMU refuses writing and reading");
	}
	for (i = 0; i < PAGE && mine[i] == 0x5a; i++)
		;
	EXPECT_EQ(PAGE, i) {
		TH_LOG("expected: nothing was written");
	}
	/* The control: in a process that uses it, it can do what that can. */
	EXPECT_EQ(ZIP_DMA_DONE, intrude(self->address, pasid, (uintptr_t)mine, ZIP_DMA_WRITE));
	EXPECT_THAT(!memcmp(mine, "intruder", 8), "there it is");
	HAPPENED("with a process's PASID, to that process",
		 "done: whoever uses a device trusts it with its memory");
	EXPECT_WORKS(&self->q, "the device works on");
}

TEST_F(hostile, page_requests_for_what_it_was_not_given)
{
	__u32 pasid = pasid_of(self->monitor);

	expect_dmesg("DMAR: (DRHD: handling fault status|\\[DMA .* fault addr)");
	intrude(self->address, pasid + 7, 0x10000, ZIP_DMA_ASK);
	intrude(self->address, pasid, 0xffff888000000000, ZIP_DMA_ASK);
	intrude(self->address, pasid, 0x10000, ZIP_DMA_ASK);
	EXPECT_WORKS(&self->q, "the device works on, and gets the pages that it needs");
	HAPPENED("page requests for other PASIDs, for kernel addresses, for nothing",
		 "answered: no");
}

/* Whoever resets it, it gets its way to memory back afterwards. */
TEST_F(hostile, never_halts)
{
	struct accel_queue fresh;
	int i;

	LIE_ABOUT(HALTED, 0);
	for (i = 0; i < 3; i++) {
		if (i == 0)
			ASSERT_RET(0, accel_reset_at_last(self->watch), "RESET");
		else if (i == 1)
			ASSERT_RET(0, pci_write(self->address, "reset", "1"), "a reset by the bus");
		else
			ASSERT_POKE(self->address, ZIP_PCI_ERROR, ZIP_PCI_FATAL);
		ASSERT_TRUE(WAIT_FOR(accel_generation(self->watch) == self->generation + i + 1 &&
				     accel_state(self->watch) == ACCEL_STATUS_OPERATIONAL,
				     WAIT_SECONDS)) {
			TH_LOG("expected: it is in operation again");
		}
		ASSERT_RET(0, zip_open(&fresh, self->ctx, DEPTH, HISI_ZIP_COMPRESS), "a queue");
		EXPECT_WORKS(&fresh, "a job on it");
		queue_close(&fresh);
	}
	EXPECT_LT(0, log_lines("it does not halt")) {
		TH_LOG("expected: the log says so");
	}
	HAPPENED("it never says that it has halted",
		 "cut off from the bus, and in operation after each kind of reset");
}

/* A device out of service must write no more, whatever it says. */
TEST_F(hostile, goes_on_when_halted)
{
	size_t size = 4 << 20, i;
	__u8 *in = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	expect_dmesg("accel_hisi_zip .*: isolated after");
	for (i = 0; i < DEPTH - 1; i++) {
		struct zip_job job = { HISI_ZIP_DEFLATE, i, in, out, size, size };

		zip_put(&self->q, &job);
	}
	zip_ring(&self->q, HISI_ZIP_DB_SQ, self->q.tail, 0);
	LIE(ZIP_GOES_ON, 1);
	ASSERT_RET(0, attribute_write("error_threshold", "1"), "set the threshold");
	LIE(ZIP_TELL_EVENT, 0xffff);
	EXPECT_STATE(ACCEL_STATUS_ISOLATED);
	memset(out, 0x5a, size);
	usleep(300000);
	for (i = 0; i < size && out[i] == 0x5a; i++)
		;
	EXPECT_EQ(size, i) {
		TH_LOG("expected: what the process wrote afterwards stays");
	}
	munmap(in, size);
	munmap(out, size);
	HAPPENED("it says that it has halted, and goes on",
		 "cut off from the bus as well: it writes no more");
}

/* --- Too much of it: last, since it uses up what the log takes --- */

TEST_F(hostile, flood_of_events)
{
	int lines = log_lines("misbehaves");

	LIE(ZIP_REPEAT, 6000);
	LIE(ZIP_TELL_EVENT, 0xffff);
	LIE(ZIP_REPEAT, 6000);
	LIE(ZIP_TELL_ABNORMAL, 5u << 17 | self->q.id);
	EXPECT_THAT(sim_works(&self->sim), "another device works meanwhile");
	expect_info_without_sleep(_metadata, self->monitor);
	ASSERT_ALL_IS_TOLD();
	EXPECT_LT(self->before.hardware, errors_of(self->monitor)) {
		TH_LOG("expected: errors are counted");
	}
	/* Ten in five seconds. */
	EXPECT_GT(lines + 150, log_lines("misbehaves")) {
		TH_LOG("expected: the log is not flooded");
	}
	EXPECT_STATE(ACCEL_STATUS_OPERATIONAL);
	HAPPENED("6000 events and 6000 abnormal events, more than their queues hold",
		 "%llu errors counted, %d lines logged",
		 errors_of(self->monitor) - self->before.hardware,
		 log_lines("misbehaves") - lines);
}

TEST_F(hostile, flood_of_completions)
{
	struct kernel k;
	int fence;

	ASSERT_RET(0, kernel_open(&k), "a queue in KERNEL mode");
	LIE(ZIP_HANG_QUEUE, k.q.id);
	fence = kernel_submit(&k);
	ASSERT_WORKS(fence, "a job");
	LIE(ZIP_REPEAT, 3000);
	LIE(ZIP_TELL_COMPLETION, k.q.id << 16 | 5);
	EXPECT_THAT(sim_works(&self->sim), "another device works meanwhile");
	ASSERT_ALL_IS_TOLD();
	EXPECT_RET(-ETIMEDOUT, fence_end(fence), "the fence of a job that never ended");
	kernel_close(&k);
	HAPPENED("3000 completions of no job in a ring of 8", "as few of them, and others work on");
}

TEST_F(hostile, storm_of_interrupts)
{
	int vector, jobs = 0;

	/* The kernel may have enough of it. */
	expect_dmesg("irq \\d+: nobody cared");
	for (vector = 0; vector < 4; vector++) {
		LIE(ZIP_REPEAT, 8000);
		LIE(ZIP_INTERRUPT, vector);
	}
	while (tales_left(self->address)) {
		ASSERT_TRUE(sim_works(&self->sim)) {
			TH_LOG("expected: another device works meanwhile");
		}
		expect_info_without_sleep(_metadata, self->monitor);
		jobs++;
	}
	EXPECT_WORKS(&self->q, "the device works afterwards");
	HAPPENED("a storm of 32000 interrupts", "another device did %d jobs meanwhile", jobs);
}

TEST_HARNESS_MAIN
