// SPDX-License-Identifier: GPL-2.0
/* Events of queues: by poll and by eventfd, none lost and none without a cause. */
/* accel-bench: modules=accel_hisi_zip,accel_sim */
#include <pthread.h>
#include <sys/eventfd.h>

#include "device_util.h"

#define PAGE 4096
#define CYCLES 100000
/* What a kernel with run-time checkers does in the same time. */
#define CYCLES_CHECKED (CYCLES / 10)
#define BATCH 4

FIXTURE(events) {
	int ctx;
	struct accel_queue q;
	int event;
};

ON_EACH_DEVICE(events);

FIXTURE_SETUP(events)
{
	SETUP_DEVICE(variant->kind);
	self->ctx = queue_open_alone(&self->q, 16);
	ASSERT_DEVICE(self->ctx);
	self->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ASSERT_LE(0, self->event);
}

FIXTURE_TEARDOWN(events)
{
	queue_close(&self->q);
	close(self->event);
	close(self->ctx);
}

static int set_eventfd(const struct accel_queue *q, int fd)
{
	struct accel_queue_eventfd set = { .size = sizeof(set), .fd = fd };

	return accel_ioctl(q->fd, ACCEL_QUEUE_EVENTFD, &set);
}

/* What the eventfd has counted, which is 0 afterwards. */
static __u64 counted(int event)
{
	__u64 count = 0;

	return read(event, &count, 8) == 8 ? count : 0;
}

static bool becomes_ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_SECONDS * 1000) == 1 && p.revents == POLLIN;
}

/* With @event, the first of them raises an event. */
static void submit(struct accel_queue *q, int jobs, bool event)
{
	static __u8 in[64], out[2 * sizeof(in)];
	int i;

	for (i = 0; i < jobs; i++)
		tested->put(q, in, out, sizeof(in), event && !i);
	tested->start(q);
}

/* One event, and the job behind it taken. */
static void one_event(struct accel_queue *q)
{
	__u64 before = LOAD(q->status->completions);

	submit(q, 1, true);
	WAIT_FOR(LOAD(q->status->completions) != before, WAIT_SECONDS);
	/* The status page is first; who polls waits until all have been told. */
	poll_now(q->fd, POLLIN);
	tested->end(q, NULL, NULL, 0);
}

/* --- Setting --- */

TEST_F(events, eventfd_counts_each_event)
{
	struct accel_queue *q = &self->q;
	__u64 count = 0;
	int i;

	ASSERT_RET(0, set_eventfd(q, self->event), "set the eventfd");
	EXPECT_EQ(0, counted(self->event)) {
		TH_LOG("expected: setting it signals nothing");
	}
	for (i = 0; i < 5; i++)
		one_event(q);
	EXPECT_EQ(5, counted(self->event)) {
		TH_LOG("expected: it counts five events");
	}
	EXPECT_EQ(8, read(q->fd, &count, 8)) {
		TH_LOG("expected: they can be read from the queue too");
	}
	EXPECT_EQ(5, count) {
		TH_LOG("expected: as many there");
	}
}

TEST_F(events, wrong_eventfds_are_refused)
{
	struct accel_queue_eventfd set = { .size = sizeof(set), .fd = self->event, .flags = 1 };
	int closed = dup(self->event), file = open("/proc/self/maps", O_RDONLY), pipes[2];

	ASSERT_EQ(0, pipe(pipes));
	close(closed);
	ASSERT_RET(0, set_eventfd(&self->q, self->event), "set the eventfd");
	EXPECT_RET(-EBADF, set_eventfd(&self->q, closed), "a closed descriptor");
	EXPECT_RET(-EBADF, set_eventfd(&self->q, INT_MAX), "a descriptor that never was");
	EXPECT_RET(-EINVAL, set_eventfd(&self->q, -2), "-2");
	EXPECT_RET(-EINVAL, set_eventfd(&self->q, INT_MIN), "the least number");
	EXPECT_RET(-EINVAL, set_eventfd(&self->q, file), "a file");
	EXPECT_RET(-EINVAL, set_eventfd(&self->q, pipes[0]), "a pipe");
	EXPECT_RET(-EINVAL, set_eventfd(&self->q, self->q.fd), "the queue itself");
	EXPECT_RET(-EINVAL, set_eventfd(&self->q, self->ctx), "a context");
	EXPECT_RET(-EINVAL, accel_ioctl(self->q.fd, ACCEL_QUEUE_EVENTFD, &set), "unknown flags");
	set.flags = 0;
	set.reserved = 1;
	EXPECT_RET(-EINVAL, accel_ioctl(self->q.fd, ACCEL_QUEUE_EVENTFD, &set), "reserved bits");
	one_event(&self->q);
	EXPECT_EQ(1, counted(self->event)) {
		TH_LOG("expected: what is refused changes nothing");
	}
	close(file);
	close(pipes[0]);
	close(pipes[1]);
}

TEST_F(events, another_eventfd_takes_its_place)
{
	int second = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	ASSERT_RET(0, set_eventfd(&self->q, self->event), "set the first");
	one_event(&self->q);
	EXPECT_EQ(1, counted(self->event)) {
		TH_LOG("expected: the first counts");
	}
	counted(self->q.fd);
	ASSERT_RET(0, set_eventfd(&self->q, second), "set the second");
	one_event(&self->q);
	EXPECT_EQ(0, counted(self->event)) {
		TH_LOG("expected: the first counts no more");
	}
	EXPECT_EQ(1, counted(second)) {
		TH_LOG("expected: the second does");
	}
	ASSERT_RET(0, set_eventfd(&self->q, -1), "none");
	one_event(&self->q);
	EXPECT_EQ(0, counted(second)) {
		TH_LOG("expected: nobody counts");
	}
	EXPECT_RET(0, set_eventfd(&self->q, -1), "none in place of none");
	close(second);
}

TEST_F(events, unread_event_is_told_when_the_eventfd_is_set)
{
	one_event(&self->q);
	ASSERT_RET(0, set_eventfd(&self->q, self->event), "set the eventfd with an event unread");
	EXPECT_EQ(1, counted(self->event)) {
		TH_LOG("expected: it is told of the event at once");
	}
	ASSERT_EQ(1, counted(self->q.fd));
	ASSERT_RET(0, set_eventfd(&self->q, self->event), "set it again with none unread");
	EXPECT_EQ(0, counted(self->event)) {
		TH_LOG("expected: there is nothing to tell");
	}
}

TEST_F(events, one_eventfd_serves_many_queues)
{
	struct accel_queue q[4];
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_RET(0, queue_open(&q[i], self->ctx, 8), "a queue");
		ASSERT_RET(0, set_eventfd(&q[i], self->event), "the same eventfd");
	}
	for (i = 0; i < 4; i++)
		one_event(&q[i]);
	EXPECT_EQ(4, counted(self->event)) {
		TH_LOG("expected: it counts the events of all");
	}
	for (i = 0; i < 4; i++)
		queue_close(&q[i]);
	one_event(&self->q);
	EXPECT_EQ(0, counted(self->event)) {
		TH_LOG("expected: closing is no event, and another queue has no eventfd");
	}
}

TEST_F(events, eventfd_may_be_closed_while_it_is_set)
{
	int second = dup(self->event);

	ASSERT_RET(0, set_eventfd(&self->q, second), "set the eventfd");
	close(second);
	one_event(&self->q);
	EXPECT_EQ(1, counted(self->event)) {
		TH_LOG("expected: the queue keeps what it was given");
	}
	close(self->event);
	self->event = -1;
	one_event(&self->q);
	EXPECT_WORKS(&self->q, "the queue goes on with nobody to listen");
}

TEST_F(events, full_eventfd_does_not_harm)
{
	__u64 most = ~0ull - 1;

	ASSERT_RET(0, set_eventfd(&self->q, self->event), "set the eventfd");
	ASSERT_EQ(8, write(self->event, &most, 8));
	one_event(&self->q);
	one_event(&self->q);
	EXPECT_EQ(2, counted(self->q.fd)) {
		TH_LOG("expected: the queue's own count is right");
	}
	EXPECT_LE(most, counted(self->event)) {
		TH_LOG("expected: the eventfd's is full, not wrapped");
	}
	one_event(&self->q);
	EXPECT_EQ(1, counted(self->event)) {
		TH_LOG("expected: once it was read, it counts again");
	}
}

TEST_F(events, death_is_an_event)
{
	ASSERT_RET(0, set_eventfd(&self->q, self->event), "set the eventfd");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	EXPECT_EQ(1, counted(self->event)) {
		TH_LOG("expected: one event when the queue dies");
	}
	EXPECT_EQ(ACCEL_QUEUE_DEAD_RESET, LOAD(self->q.status->state)) {
		TH_LOG("expected: it is dead");
	}
	EXPECT_RET(-ENODEV, set_eventfd(&self->q, self->event), "QUEUE_EVENTFD of a dead queue");
	EXPECT_RET(-ENODEV, set_eventfd(&self->q, -1), "even to take it away");
	ASSERT_RET(0, accel_reset(self->ctx), "another reset");
	EXPECT_EQ(0, counted(self->event)) {
		TH_LOG("expected: it dies once");
	}
}

/* --- Many --- */

/* The eventfd is taken and given while events come. */
static void *replace(void *arg)
{
	struct accel_queue *q = arg;
	int event[2] = { eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) };
	int i;

	for (i = 0; i < 5000; i++)
		set_eventfd(q, i % 3 == 2 ? -1 : event[i % 3]);
	close(event[0]);
	close(event[1]);
	return NULL;
}

TEST_F(events, eventfd_is_replaced_while_events_come)
{
	pthread_t thread;
	int i;

	ASSERT_EQ(0, pthread_create(&thread, NULL, replace, &self->q));
	for (i = 0; i < 1000; i++)
		one_event(&self->q);
	pthread_join(thread, NULL);
	EXPECT_EQ(1000, LOAD(self->q.status->completions)) {
		TH_LOG("expected: each event is counted");
	}
	EXPECT_EQ(1000, counted(self->q.fd)) {
		TH_LOG("expected: each can be read");
	}
}

/* Events are on their way to queues that are not there any more. */
static void *live_with_events(void *arg)
{
	int ctx = *(int *)arg, event = eventfd(0, EFD_NONBLOCK);
	const char *wrong = NULL;
	struct accel_queue q;
	int i;

	for (i = 0; i < 300 && !wrong; i++) {
		if (queue_open(&q, ctx, 8)) {
			wrong = "no queue";
			break;
		}
		if (set_eventfd(&q, event))
			wrong = "no eventfd";
		submit(&q, 1 + i % BATCH, true);
		if (i % 3 == 2)
			becomes_ready(q.fd);
		queue_close(&q);
	}
	close(event);
	return (void *)wrong;
}

TEST_F(events, idxd_cve_2024_40956_queues_are_closed_amid_events)
{
	pthread_t thread[3];
	void *wrong;
	int i;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, live_with_events, &self->ctx));
	for (i = 0; i < 3; i++) {
		pthread_join(thread[i], &wrong);
		EXPECT_EQ(NULL, wrong) {
			TH_LOG("%s", (char *)wrong);
		}
	}
	EXPECT_EQ(1, accel_queues(self->ctx)) {
		TH_LOG("expected: all queues are closed");
	}
	EXPECT_EQ(0, LOAD(self->q.status->completions)) {
		TH_LOG("expected: no event went astray");
	}
	EXPECT_WORKS(&self->q, "a queue that was there all the time");
}

/* --- Arming for the next completion, which only the zip device has --- */

FIXTURE(armed) {
	int ctx;
};

FIXTURE_SETUP(armed)
{
	SETUP_DEVICE(&zip_kind);
	self->ctx = accel_open_shared();
	ASSERT_DEVICE(self->ctx);
}

FIXTURE_TEARDOWN(armed)
{
	close(self->ctx);
}

struct runner {
	int ctx;
	bool by_eventfd;
	__u32 cycles;
	/* What came out. */
	const char *wrong;
	__u32 cycle;
	__u64 arms;
	__u64 told;
	__u64 jobs;
};

static int run_cycle(struct runner *r, struct accel_queue *q, int event)
{
	int left = 1 + r->cycle % BATCH, fd = r->by_eventfd ? event : q->fd;
	struct zip_result result;
	__u64 count;

	/* Some arm before the device has a job, some after; some have done jobs then. */
	if (r->cycle & 8)
		submit(q, left, false);
	while (left) {
		zip_arm(q);
		r->arms++;
		if (!(r->cycle & 8)) {
			submit(q, left, false);
			r->cycle |= 8;
		}
		if (!becomes_ready(fd)) {
			r->wrong = "a completion that was armed for wakes nobody";
			return -1;
		}
		count = counted(fd);
		r->told += count;
		if (count != 1) {
			r->wrong = "arming once gives not one event";
			return -1;
		}
		if (!zip_done(q)) {
			r->wrong = "a wake-up has no completion";
			return -1;
		}
		while (zip_done(q) && left) {
			result = zip_take(q);
			if (!zip_good(&result)) {
				r->wrong = "a job failed";
				return -1;
			}
			r->jobs++;
			left--;
		}
	}
	return 0;
}

static void *run(void *arg)
{
	int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	struct runner *r = arg;
	struct accel_queue q;
	__u32 i;

	if (queue_open(&q, r->ctx, 16)) {
		r->wrong = "no queue";
		return NULL;
	}
	if (r->by_eventfd && set_eventfd(&q, event))
		r->wrong = "no eventfd";
	for (i = 0; i < r->cycles && !r->wrong; i++) {
		r->cycle = i;
		run_cycle(r, &q, event);
	}
	r->cycle = i;
	if (!r->wrong && LOAD(q.status->completions) != r->arms)
		r->wrong = "the status page counts not as many events as were armed for";
	queue_close(&q);
	close(event);
	return NULL;
}

/* Two threads, one that polls its queue and one that polls an eventfd. */
TEST_F(armed, wake_ups_are_neither_lost_nor_without_cause)
{
	bool checked = !access("/sys/kernel/debug/kmemleak", F_OK);
	struct runner r[2] = {};
	double begin = seconds();
	pthread_t thread[2];
	int i;

	for (i = 0; i < 2; i++) {
		r[i].ctx = self->ctx;
		r[i].by_eventfd = i;
		r[i].cycles = checked ? CYCLES_CHECKED : CYCLES;
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, run, &r[i]));
	}
	for (i = 0; i < 2; i++) {
		pthread_join(thread[i], NULL);
		EXPECT_EQ(NULL, r[i].wrong) {
			TH_LOG("%s, in cycle %u of the thread that polls %s", r[i].wrong,
			       r[i].cycle, i ? "an eventfd" : "its queue");
		}
		EXPECT_EQ(r[i].arms, r[i].told) {
			TH_LOG("expected: as many events as arms");
		}
		TH_LOG("%u cycles, %llu jobs, %llu events", r[i].cycle, r[i].jobs, r[i].told);
	}
	TH_LOG("%.0f s", seconds() - begin);
}

TEST_HARNESS_MAIN
