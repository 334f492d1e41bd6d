// SPDX-License-Identifier: GPL-2.0
/* read() of queues and of the monitor node into memory that is not there. */
/* accel-bench: modules=accel_sim */
#include <pthread.h>

#include "memory_util.h"

#define WAIT 60

FIXTURE(readers)
{
	int ctx;
	int queue;
	int monitor;
	/* A page of a file, of which whoever touches it waits. */
	int file;
	unsigned char *page;
	int faults;
};

FIXTURE_SETUP(readers)
{
	self->ctx = sim_open_mode(ACCEL_MODE_KERNEL);
	ASSERT_SIM(self->ctx);
	self->queue = accel_queue_create(self->ctx, 4);
	ASSERT_WORKS(self->queue, "a queue");
	self->monitor = accel_open_number("accel_monitor", sim_number(), O_RDONLY);
	ASSERT_WORKS(self->monitor, "the monitor node");
	self->file = memfd_create("readers", MFD_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, ftruncate(self->file, PAGE));
	self->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, self->file, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	self->faults = userfault_open(self->page, PAGE);
	ASSERT_WORKS(self->faults, "a userfaultfd");
}

FIXTURE_TEARDOWN(readers)
{
	close(self->faults);
	munmap(self->page, PAGE);
	close(self->file);
	close(self->monitor);
	close(self->queue);
	close(self->ctx);
}

/* A thread that reads. */
struct reader {
	pthread_t thread;
	int fd;
	void *to;
	size_t size;
	/* What read() returned, or a negative errno. */
	long ret;
	int done;
	pid_t tid;
};

static void *read_once(void *arg)
{
	struct reader *r = arg;
	ssize_t n;

	STORE(r->tid, (pid_t)syscall(SYS_gettid));
	n = read(r->fd, r->to, r->size);
	r->ret = n < 0 ? -errno : n;
	STORE(r->done, 1);
	return NULL;
}

static int reader_start(struct reader *r, int fd, void *to, size_t size)
{
	*r = (struct reader){ .fd = fd, .to = to, .size = size };
	return pthread_create(&r->thread, NULL, read_once, r);
}

/* Whether the thread sleeps, in read() since it does nothing else. */
static bool reader_sleeps(const struct reader *r)
{
	char path[64], text[512], *state;

	if (!LOAD(r->tid))
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", LOAD(r->tid));
	if (read_file(path, text, sizeof(text)) < 0)
		return false;
	state = strrchr(text, ')');
	return state && state[2] == 'S';
}

/* Its read() ends within time. */
static long reader_end(struct reader *r)
{
	if (!WAIT_FOR(LOAD(r->done), WAIT)) {
		pthread_cancel(r->thread);
		return -ETIME;
	}
	pthread_join(r->thread, NULL);
	return r->ret;
}

/* What waits for the page finds that there will be none. */
static void take_page_away(const FIXTURE_DATA(readers) * self)
{
	struct uffdio_range range = { .start = (uintptr_t)self->page, .len = PAGE };

	if (ftruncate(self->file, 0) || ioctl(self->faults, UFFDIO_WAKE, &range))
		perror("take_page_away");
}

static void open_and_close(void)
{
	close(sim_open());
}

/*
 * One has the next thing to be read, and has no memory for it. Another comes meanwhile. It gets
 * what the first did not.
 */
static void expect_passed_on(struct __test_metadata *_metadata,
			     const FIXTURE_DATA(readers) * self, int fd, size_t size, void *to)
{
	struct pollfd p = { .fd = self->faults, .events = POLLIN };
	struct reader first, second;

	ASSERT_EQ(0, reader_start(&first, fd, self->page, size));
	ASSERT_EQ(1, poll(&p, 1, WAIT * 1000)) {
		TH_LOG("expected: it waits for its memory");
	}
	ASSERT_EQ(0, reader_start(&second, fd, to, size));
	ASSERT_TRUE(WAIT_FOR(reader_sleeps(&second), WAIT)) {
		TH_LOG("expected: another waits for what there is to read");
	}
	take_page_away(self);
	EXPECT_RET(-EFAULT, reader_end(&first), "the first, which has no memory");
	EXPECT_RET(size, reader_end(&second), "the second, which has");
}

TEST_F(readers, a_count_that_could_not_be_told_wakes_another)
{
	struct accel_sim_job nop = sim_nop(1);
	struct pollfd p = { .fd = self->queue, .events = POLLIN };
	__u64 count = 0;

	ASSERT_RET(0, submit_one(self->queue, &nop, -1, 0), "a job");
	ASSERT_EQ(1, poll(&p, 1, WAIT * 1000));
	expect_passed_on(_metadata, self, self->queue, sizeof(count), &count);
	EXPECT_EQ(1, count);
	EXPECT_EQ(0, poll_now(self->queue, POLLIN));
}

TEST_F(readers, an_event_that_could_not_be_told_goes_to_another)
{
	struct accel_event event = {}, next = {};

	open_and_close();
	expect_passed_on(_metadata, self, self->monitor, sizeof(event), &event);
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_OPEN, event.type);
	ASSERT_EQ(sizeof(next), read(self->monitor, &next, sizeof(next)));
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_CLOSE, next.type) {
		TH_LOG("expected: each event once, in order");
	}
	EXPECT_EQ(event.sequence + 1, next.sequence);
}

TEST_F(readers, a_fault_at_a_later_event_is_a_short_read)
{
	unsigned char *two = anonymous(2 * PAGE, PROT_READ | PROT_WRITE);
	struct accel_event *event = (void *)(two + PAGE - sizeof(*event)), next = {};

	ASSERT_EQ(0, mprotect(two + PAGE, PAGE, PROT_NONE));
	open_and_close();
	EXPECT_EQ(-1, read(self->monitor, two + PAGE, PAGE));
	EXPECT_EQ(EFAULT, errno) {
		TH_LOG("expected: no memory for the first");
	}
	/* Its first bytes fit. */
	EXPECT_EQ(-1, read(self->monitor, two + PAGE - 8, PAGE));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(sizeof(*event), read(self->monitor, event, 4 * sizeof(*event))) {
		TH_LOG("expected: what there is memory for");
	}
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_OPEN, event->type);
	EXPECT_EQ(POLLIN, poll_now(self->monitor, POLLIN));
	ASSERT_EQ(sizeof(next), read(self->monitor, &next, sizeof(next)));
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_CLOSE, next.type) {
		TH_LOG("expected: the one that there was no memory for");
	}
	EXPECT_EQ(event->sequence + 1, next.sequence);
	munmap(two, 2 * PAGE);
}

TEST_HARNESS_MAIN
