// SPDX-License-Identifier: GPL-2.0
/*
 * What a monitor is told: events, the use that processes make of the device,
 * attributes and fdinfo; and what those are not told who may not know.
 *
 * accel-bench: kernel=check,races,quick
 */
#include <sched.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "hisi_zip_util.h"

#define KEPT 256
#define SOMEBODY 1000
/* Usage is looked at once a second. */
#define SAMPLE_SECONDS 20

FIXTURE(monitor) {
	char address[ACCEL_NAME_MAX];
	int number;
	int fd;
};

FIXTURE_SETUP(monitor)
{
	self->number = accel_number();
	self->fd = accel_open_number("accel_monitor", self->number, O_RDONLY | O_NONBLOCK);
	ASSERT_DEVICE(self->fd);
	ASSERT_RET(0, accel_address(self->fd, self->address), "INFO_DEVICE");
}

FIXTURE_TEARDOWN(monitor)
{
	close(self->fd);
	if (accel_number() < 0)
		device_bind(self->address);
}

static void open_and_close(int times)
{
	while (times--)
		close(accel_open());
}

static int set_mask(int fd, __u64 mask)
{
	struct accel_events events = { .size = sizeof(events), .mask = mask };

	return accel_ioctl(fd, ACCEL_EVENTS, &events);
}

/* --- The stream of events --- */

TEST_F(monitor, opening_and_closing_are_events)
{
	double before = seconds();
	struct accel_event opened = {}, closed = {};

	EXPECT_RET(-EAGAIN, event_take(self->fd, &opened), "nothing has happened yet");
	EXPECT_EQ(0, poll_now(self->fd, POLLIN)) {
		TH_LOG("expected: poll says the same");
	}
	open_and_close(1);
	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN)) {
		TH_LOG("expected: poll says that there are events");
	}
	ASSERT_RET(0, event_take(self->fd, &opened), "the first event");
	ASSERT_RET(0, event_take(self->fd, &closed), "the second");
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_OPEN, opened.type) {
		TH_LOG("expected: a context was opened");
	}
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_CLOSE, closed.type) {
		TH_LOG("expected: and closed");
	}
	EXPECT_EQ(opened.value, closed.value) {
		TH_LOG("expected: the same context");
	}
	EXPECT_NE(0, opened.value) {
		TH_LOG("expected: contexts are numbered from 1");
	}
	EXPECT_EQ(getpid(), opened.pid) {
		TH_LOG("expected: the event tells who opened it");
	}
	EXPECT_EQ(opened.sequence + 1, closed.sequence) {
		TH_LOG("expected: numbers without a gap");
	}
	EXPECT_EQ(sizeof(opened), opened.size) {
		TH_LOG("expected: the size of the record");
	}
	EXPECT_EQ(ACCEL_NO_QUEUE, opened.queue) {
		TH_LOG("expected: no queue");
	}
	EXPECT_EQ(0, opened.reserved | opened.pasid | opened.address) {
		TH_LOG("expected: zeroes where there is nothing to tell");
	}
	EXPECT_THAT(before * 1e9 <= opened.timestamp_ns + 1000 &&
		    opened.timestamp_ns <= closed.timestamp_ns &&
		    closed.timestamp_ns <= seconds() * 1e9 + 1000,
		    "timestamps are of CLOCK_MONOTONIC, and in order");
	EXPECT_RET(-EAGAIN, event_take(self->fd, &opened), "no more");
}

TEST_F(monitor, mask_leaves_events_out)
{
	struct accel_events wrong = { .size = sizeof(wrong), .flags = 1, .mask = ~0ull };
	struct accel_event event = {};
	__u64 last;

	ASSERT_RET(0, set_mask(self->fd, 1 << ACCEL_EVENT_CONTEXT_CLOSE), "a mask");
	open_and_close(2);
	ASSERT_RET(0, event_take(self->fd, &event), "an event");
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_CLOSE, event.type) {
		TH_LOG("expected: opening is left out");
	}
	last = event.sequence;
	ASSERT_RET(0, event_take(self->fd, &event), "another event");
	EXPECT_EQ(ACCEL_EVENT_CONTEXT_CLOSE, event.type) {
		TH_LOG("expected: opening is left out");
	}
	EXPECT_EQ(last + 2, event.sequence) {
		TH_LOG("expected: the gap shows that something was left out");
	}
	ASSERT_RET(0, set_mask(self->fd, 0), "a mask of nothing");
	open_and_close(1);
	EXPECT_EQ(0, poll_now(self->fd, POLLIN)) {
		TH_LOG("expected: poll knows of nothing");
	}
	EXPECT_RET(-EAGAIN, event_take(self->fd, &event), "nor does read");
	EXPECT_RET(-EINVAL, accel_ioctl(self->fd, ACCEL_EVENTS, &wrong), "unknown flags");
	ASSERT_RET(0, set_mask(self->fd, ~0ull), "a mask of all, and of what may come");
	open_and_close(1);
	EXPECT_RET(0, event_take(self->fd, &event), "an event again");
}

TEST_F(monitor, slow_reader_learns_how_much_it_lost)
{
	struct accel_event event = {};
	__u64 last;
	int i;

	ASSERT_RET(0, set_mask(self->fd, 0), "a mask that leaves out even what is lost");
	ASSERT_RET(0, set_mask(self->fd, ~0ull), "and all again");
	open_and_close(KEPT);
	ASSERT_RET(0, event_take(self->fd, &event), "the first record");
	EXPECT_EQ(ACCEL_EVENT_LOST, event.type) {
		TH_LOG("expected: it says that events were lost");
	}
	EXPECT_EQ(KEPT, event.value) {
		TH_LOG("expected: and how many");
	}
	last = event.sequence + event.value - 1;
	for (i = 0; i < KEPT; i++) {
		ASSERT_RET(0, event_take(self->fd, &event), "a record that was kept");
		ASSERT_EQ(++last, event.sequence) {
			TH_LOG("expected: numbers go on behind what was lost");
		}
	}
	EXPECT_RET(-EAGAIN, event_take(self->fd, &event), "no more");
}

TEST_F(monitor, readers_are_independent)
{
	int other = accel_open_number("accel_monitor", self->number, O_RDONLY | O_NONBLOCK), late;
	struct accel_event mine = {}, theirs = {};

	ASSERT_DEVICE(other);
	open_and_close(1);
	late = accel_open_number("accel_monitor", self->number, O_RDONLY | O_NONBLOCK);
	ASSERT_DEVICE(late);
	ASSERT_RET(0, event_take(self->fd, &mine), "an event");
	ASSERT_RET(0, event_take(self->fd, &mine), "the next event");
	ASSERT_RET(0, event_take(other, &theirs), "another reader's first event");
	EXPECT_EQ(mine.sequence, theirs.sequence + 1) {
		TH_LOG("expected: the other reader is one behind");
	}
	EXPECT_RET(-EAGAIN, event_take(late, &theirs), "what was before the open is not told");
	ASSERT_RET(0, set_mask(other, 0), "a mask");
	open_and_close(1);
	EXPECT_RET(0, event_take(self->fd, &mine), "it is the other's alone");
	close(other);
	close(late);
}

TEST_F(monitor, read_takes_whole_records)
{
	struct accel_event events[4];
	size_t size;

	open_and_close(3);
	for (size = 0; size < sizeof(events[0]); size += 7) {
		EXPECT_EQ(-1, read(self->fd, events, size)) {
			TH_LOG("expected: no record fits into %zu bytes", size);
		}
		EXPECT_EQ(EINVAL, errno) {
			TH_LOG("expected: EINVAL, got %s", strerror(errno));
		}
	}
	EXPECT_EQ(sizeof(events[0]), read(self->fd, events, 2 * sizeof(events[0]) - 1)) {
		TH_LOG("expected: one record into the room of almost two");
	}
	EXPECT_EQ(4 * sizeof(events[0]), read(self->fd, events, sizeof(events))) {
		TH_LOG("expected: four records at once");
	}
	EXPECT_EQ(events[0].sequence + 3, events[3].sequence) {
		TH_LOG("expected: in order");
	}
	EXPECT_EQ(sizeof(events[0]), read(self->fd, events, sizeof(events))) {
		TH_LOG("expected: the last one, without waiting for more");
	}
	EXPECT_EQ(-1, write(self->fd, events, sizeof(events))) {
		TH_LOG("expected: nobody can write events");
	}
}

static int wait_for_event(void *arg)
{
	int fd = accel_open_number("accel_monitor", accel_number(), O_RDONLY);
	struct accel_event event;

	if (fd < 0)
		return fd;
	STORE(*(int *)arg, 1);
	alarm(WAIT_SECONDS);
	return event_take(fd, &event);
}

TEST_F(monitor, waiting_read_wakes_up)
{
	int *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	ASSERT_NE(MAP_FAILED, ready);
	pid = child_start(wait_for_event, ready);
	ASSERT_TRUE(WAIT_FOR(LOAD(*ready), WAIT_SECONDS));
	usleep(50000);
	open_and_close(1);
	EXPECT_RET(0, child_result(pid), "read returns an event");
	munmap(ready, 4096);
}

/* Reads to the end of the stream; what came last. */
static int read_to_the_end(int fd, __u32 *last)
{
	struct accel_event event;
	ssize_t n;

	while ((n = read(fd, &event, sizeof(event))) == sizeof(event))
		*last = event.type;
	return n < 0 ? -errno : (int)n;
}

static int wait_for_the_end(void *arg)
{
	int fd = accel_open_number("accel_monitor", accel_number(), O_RDONLY);
	__u32 last = ~0u;
	int ret;

	if (fd < 0)
		return fd;
	STORE(*(int *)arg, 1);
	alarm(WAIT_SECONDS);
	ret = read_to_the_end(fd, &last);
	return !ret && last != ACCEL_EVENT_REMOVED ? -EBADMSG : ret;
}

TEST_F(monitor, removal_ends_the_stream)
{
	int *ready = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct accel_info_status status;
	__u32 last = ~0u;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, ready);
	pid = child_start(wait_for_the_end, ready);
	ASSERT_TRUE(WAIT_FOR(LOAD(*ready), WAIT_SECONDS));
	ASSERT_RET(0, device_unbind(self->address), "unbind");
	EXPECT_EQ(POLLIN | POLLHUP, poll_now(self->fd, POLLIN)) {
		TH_LOG("expected: hang-up, and something to read");
	}
	EXPECT_RET(0, read_to_the_end(self->fd, &last), "read returns 0 at the end");
	EXPECT_EQ(ACCEL_EVENT_REMOVED, last) {
		TH_LOG("expected: the last event is the removal");
	}
	EXPECT_EQ(POLLHUP, poll_now(self->fd, POLLIN)) {
		TH_LOG("expected: hang-up stays, nothing to read");
	}
	EXPECT_RET(0, read_to_the_end(self->fd, &last), "and 0 for ever");
	EXPECT_RET(0, child_result(pid), "who waits wakes up and reads to the end");
	EXPECT_RET(sizeof(status), accel_info_status(self->fd, &status), "INFO_STATUS");
	ASSERT_RET(0, device_bind(self->address), "bind again");
	EXPECT_EQ(POLLHUP, poll_now(self->fd, POLLIN)) {
		TH_LOG("expected: a new device has a stream of its own");
	}
	munmap(ready, 4096);
}

/* --- Those without the capability --- */

static int become_unprivileged(void)
{
	return drop_capability(CAP_PERFMON) ?: drop_capability(CAP_SYS_ADMIN);
}

static int read_unprivileged(void *arg)
{
	int fd, ret = become_unprivileged();
	struct accel_event event;

	(void)arg;
	fd = ret ?: accel_open_number("accel_monitor", accel_number(), O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	open_and_close(1);
	ret = event_take(fd, &event);
	if (ret)
		return ret;
	if (event.type != ACCEL_EVENT_CONTEXT_OPEN || !event.value)
		return -EBADMSG;
	return event.pid || event.pasid || event.address ? -EPERM : 0;
}

TEST_F(monitor, reader_without_cap_perfmon_is_not_told_who)
{
	EXPECT_RET(0, in_child(read_unprivileged, NULL),
		   "an event comes, without process, PASID and address");
}

/* The right is that of the opener, as it was then. */
static int read_with_privileged_descriptor(void *arg)
{
	int ret = become_unprivileged();
	struct accel_event event;

	if (ret)
		return ret;
	open_and_close(1);
	ret = event_take(*(int *)arg, &event);
	return ret ?: event.pid == getpid() ? 0 : -ESRCH;
}

TEST_F(monitor, right_goes_with_the_descriptor)
{
	EXPECT_RET(0, in_child(read_with_privileged_descriptor, &self->fd),
		   "who opened it with the capability may give it away");
}

/* --- The contexts --- */

#define CONTEXTS_MAX 16

static int contexts_of(int fd, struct accel_info_context *contexts)
{
	int n = accel_info(fd, ACCEL_INFO_CONTEXTS, contexts,
			   CONTEXTS_MAX * sizeof(*contexts));

	return n < 0 ? n : n / (int)sizeof(*contexts);
}

TEST_F(monitor, contexts_tell_who_uses_the_device)
{
	struct accel_info_context c[CONTEXTS_MAX] = {};
	struct accel_context_bind bind = { .size = sizeof(bind), .mode = ACCEL_MODE_SHARED };
	int ctx = accel_open(), queue;
	__u64 id;

	ASSERT_DEVICE(ctx);
	ASSERT_EQ(1, contexts_of(self->fd, c)) {
		TH_LOG("expected: one context");
	}
	id = c[0].id;
	EXPECT_EQ(getpid(), c[0].pid) {
		TH_LOG("expected: of this process");
	}
	EXPECT_EQ(getuid(), c[0].uid) {
		TH_LOG("expected: of this user");
	}
	EXPECT_EQ(ACCEL_MODE_NONE, c[0].mode) {
		TH_LOG("expected: it has no address space");
	}
	EXPECT_EQ(0, c[0].pasid | c[0].queues | c[0].reserved) {
		TH_LOG("expected: no PASID, no queue");
	}
	ASSERT_RET(0, accel_ioctl(ctx, ACCEL_CONTEXT_BIND, &bind), "bind");
	queue = accel_queue_create(ctx, 0);
	ASSERT_WORKS(queue, "a queue");
	ASSERT_EQ(1, contexts_of(self->fd, c));
	EXPECT_EQ(id, c[0].id) {
		TH_LOG("expected: the same context");
	}
	EXPECT_EQ(ACCEL_MODE_SHARED, c[0].mode) {
		TH_LOG("expected: it shares this address space");
	}
	EXPECT_EQ(bind.pasid, c[0].pasid) {
		TH_LOG("expected: the PASID that bind has told");
	}
	EXPECT_EQ(1, c[0].queues) {
		TH_LOG("expected: one queue");
	}
	close(queue);
	close(ctx);
	EXPECT_EQ(0, contexts_of(self->fd, c)) {
		TH_LOG("expected: a closed context is gone");
	}
	ctx = accel_open();
	ASSERT_EQ(1, contexts_of(self->fd, c));
	EXPECT_LT(id, c[0].id) {
		TH_LOG("expected: its number is not used again");
	}
	close(ctx);
}

static struct accel_info_context only_context(int fd)
{
	struct accel_info_context c[CONTEXTS_MAX] = {};

	contexts_of(fd, c);
	return c[0];
}

TEST_F(monitor, jobs_are_counted)
{
	struct accel_info_status before = {}, after = {};
	struct accel_info_context c;
	int ctx = accel_open_shared(), i;
	struct accel_queue q;

	ASSERT_DEVICE(ctx);
	ASSERT_WORKS(accel_info_status(self->fd, &before), "INFO_STATUS");
	/* Deep enough that none is missed between two looks. */
	ASSERT_RET(0, zip_open(&q, ctx, 64, HISI_ZIP_COMPRESS), "a queue");
	for (i = 0; i < 50; i++)
		EXPECT_WORKS(&q, "a job");
	EXPECT_TRUE(WAIT_FOR(only_context(self->fd).jobs == 50, SAMPLE_SECONDS)) {
		TH_LOG("expected: 50 jobs of the context, got %llu", only_context(self->fd).jobs);
	}
	for (i = 0; i < 7; i++)
		EXPECT_WORKS(&q, "a job");
	queue_close(&q);
	c = only_context(self->fd);
	EXPECT_EQ(57, c.jobs) {
		TH_LOG("expected: once the queue is closed, all of its jobs are counted");
	}
	EXPECT_EQ(0, c.queues) {
		TH_LOG("expected: it has no queue any more");
	}
	EXPECT_EQ(0, c.completions) {
		TH_LOG("expected: nobody has armed for events");
	}
	ASSERT_WORKS(accel_info_status(self->fd, &after), "INFO_STATUS");
	EXPECT_EQ(before.jobs + 57, after.jobs) {
		TH_LOG("expected: so many of the device");
	}
	EXPECT_THAT(after.usage_ns && after.usage_ns <= after.timestamp_ns,
		    "the sample has a time, and it is past");
	close(ctx);
}

/* Descriptors of a parent. */
struct two {
	int ours;
	int monitor;
};

/* As another user: told of the own context, not of root's. */
static int look_as_somebody(void *arg)
{
	struct accel_info_context c[CONTEXTS_MAX] = {};
	int number = accel_number(), ctx, monitor;

	(void)arg;
	if (setresuid(SOMEBODY, SOMEBODY, SOMEBODY))
		return -errno;
	monitor = accel_open_number("accel_monitor", number, O_RDONLY);
	if (monitor < 0)
		return monitor;
	if (contexts_of(monitor, c) != 0)
		return -EPERM;
	ctx = accel_open_number("accel", number, O_RDWR);
	if (ctx < 0)
		return ctx;
	if (contexts_of(monitor, c) != 1 || c[0].uid != SOMEBODY || c[0].pid != getpid())
		return -EBADMSG;
	if (contexts_of(ctx, c) != 1)
		return -EBADMSG;
	return accel_reset(ctx) == -EPERM ? 0 : -ENOTSUP;
}

TEST_F(monitor, users_are_told_of_their_own_contexts)
{
	struct accel_info_context c[CONTEXTS_MAX] = {};
	int ctx = accel_open();
	char node[64];
	struct stat st;

	ASSERT_DEVICE(ctx);
	snprintf(node, sizeof(node), "/dev/accel%d", self->number);
	ASSERT_EQ(0, stat(node, &st));
	EXPECT_EQ(0, st.st_mode & 0007) {
		TH_LOG("expected: not all may use the device unless the administrator says so");
	}
	ASSERT_EQ(0, chmod(node, 0666));
	EXPECT_RET(0, in_child(look_as_somebody, NULL), "what another user sees");
	ASSERT_EQ(0, chmod(node, st.st_mode & 0777));
	EXPECT_EQ(1, contexts_of(self->fd, c)) {
		TH_LOG("expected: root sees this context");
	}
	close(ctx);
}

static int look_without_capability(void *arg)
{
	const struct two *two = arg;
	struct accel_info_context c[CONTEXTS_MAX] = {};
	int ret = drop_capability(CAP_PERFMON);

	if (ret || setresuid(-1, SOMEBODY, -1))
		return ret ?: -errno;
	/* The descriptors are root's, the caller is not. */
	if (contexts_of(two->monitor, c) != 0 || contexts_of(two->ours, c) != 0)
		return -EPERM;
	return 0;
}

TEST_F(monitor, who_asks_counts_not_who_opened)
{
	struct two two = { .ours = accel_open(), .monitor = self->fd };

	ASSERT_DEVICE(two.ours);
	EXPECT_RET(0, in_child(look_without_capability, &two),
		   "no context of root's by a descriptor of root's");
	close(two.ours);
}

/* --- Namespaces --- */

static int look_from_the_inside(void *arg)
{
	struct accel_info_context c[CONTEXTS_MAX] = {};
	const struct two *two = arg;
	struct accel_event event;
	int ctx, n, monitor;

	monitor = accel_open_number("accel_monitor", accel_number(), O_RDONLY | O_NONBLOCK);
	if (monitor < 0)
		return monitor;
	ctx = accel_open();
	if (ctx < 0)
		return ctx;
	if (getuid())
		return -ESRCH;
	if (accel_reset(ctx) != -EPERM || accel_reset(two->ours) != -EPERM)
		return -ENOTSUP;
	if (attribute_write("reset", "1") >= 0)
		return -EXDEV;
	/* The same user outside: its contexts are told, but its process has no number in here. */
	n = contexts_of(monitor, c);
	if (n != 2)
		return -ERANGE;
	if (c[0].pid || c[1].pid != getpid() || c[0].uid || c[1].uid)
		return -EBADMSG;
	/* Root in here may not know what all do out there. */
	if (event_take(monitor, &event))
		return -ENODATA;
	return event.pid ? -EPERM : 0;
}

static int enter_namespaces(void *arg)
{
	int ret;

	if (unshare(CLONE_NEWUSER | CLONE_NEWPID))
		return -errno;
	ret = write_file("/proc/self/uid_map", "0 0 1\n");
	return ret ?: in_child(look_from_the_inside, arg);
}

TEST_F(monitor, root_of_a_user_namespace_is_nobody_here)
{
	struct two two = { .ours = accel_open(), .monitor = self->fd };
	int generation = accel_generation(self->fd);

	ASSERT_DEVICE(two.ours);
	EXPECT_RET(0, in_child(enter_namespaces, &two),
		   "no RESET, and processes as the own PID namespace has them");
	EXPECT_EQ(generation, accel_generation(self->fd)) {
		TH_LOG("expected: no reset");
	}
	close(two.ours);
}

/* Opens a context and keeps it until the other end of the socket says so. */
static int hold_a_context(void *arg)
{
	int sock = *(int *)arg, ctx = accel_open();
	char byte;

	if (ctx < 0)
		return ctx;
	if (write(sock, "", 1) != 1)
		return -EPIPE;
	return read(sock, &byte, 1) == 1 ? 0 : -EPIPE;
}

/* The first process of a PID namespace and a child of it, beside one outside. */
static int look_from_a_pid_namespace(int outside)
{
	int ctx = accel_open(), monitor = accel_open_monitor(), sock[2], n;
	struct accel_info_context c[CONTEXTS_MAX] = {};
	pid_t child;
	char byte;

	if (ctx < 0 || monitor < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock))
		return -ENODEV;
	child = child_start(hold_a_context, &sock[1]);
	if (read(sock[0], &byte, 1) != 1)
		return -EPIPE;
	n = contexts_of(monitor, c);
	if (n != 3)
		return -ERANGE;
	if (c[0].pid != 0 || c[1].pid != 1 || c[2].pid != child)
		return -EBADMSG;
	/* Now those outside look. */
	if (write(outside, &child, sizeof(child)) != sizeof(child) ||
	    read(outside, &byte, 1) != 1 || write(sock[0], "", 1) != 1)
		return -EPIPE;
	return child_result(child);
}

/* The number that process @pid of our namespace has in the innermost one of its own. */
static pid_t innermost_pid(pid_t pid)
{
	char path[64], text[4096], *line;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (read_file(path, text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, "NSpid:");
	if (!line)
		return -1;
	*strchrnul(line, '\n') = 0;
	return atoi(strrchr(line, '\t') + 1);
}

TEST_F(monitor, pids_are_those_of_the_readers_pid_namespace)
{
	struct accel_info_context c[CONTEXTS_MAX] = {};
	int ctx = accel_open(), sock[2];
	pid_t first, inside = 0;

	ASSERT_DEVICE(ctx);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	first = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!first)
		_exit(-look_from_a_pid_namespace(sock[1]));
	ASSERT_LT(0, first);
	close(sock[1]);
	EXPECT_EQ(sizeof(inside), read(sock[0], &inside, sizeof(inside))) {
		TH_LOG("expected: inside, 0 for who is outside, and the own numbers for the rest");
	}
	EXPECT_EQ(3, contexts_of(self->fd, c));
	EXPECT_EQ(getpid(), c[0].pid) {
		TH_LOG("expected: this process");
	}
	EXPECT_EQ(first, c[1].pid) {
		TH_LOG("expected: its child, by the number that it has out here");
	}
	EXPECT_EQ(inside, innermost_pid(c[2].pid)) {
		TH_LOG("expected: the child's child, by the number that it has out here");
	}
	EXPECT_NE(inside, c[2].pid) {
		TH_LOG("expected: that number is another than inside");
	}
	EXPECT_EQ(1, write(sock[0], "", 1));
	EXPECT_RET(0, child_result(first), "what is seen from the inside");
	close(sock[0]);
	close(ctx);
}

/* --- Cgroups --- */

static int open_in_cgroup(void *arg)
{
	int number = accel_number(), fd, ret = write_file(arg, "0");

	if (ret)
		return ret;
	fd = accel_open_number("accel_monitor", number, O_RDONLY);
	if (fd < 0)
		return -ENOTSUP;
	return accel_open_number("accel", number, O_RDWR);
}

/* Refuses one device node to those in the cgroup, and nothing else. */
static int refuse(const char *cgroup, const char *node)
{
	char path[PATH_MAX], rule[32];
	struct stat st;

	if (stat(node, &st))
		return -errno;
	snprintf(path, sizeof(path), "%s/devices.deny", cgroup);
	snprintf(rule, sizeof(rule), "c %u:%u rwm", major(st.st_rdev), minor(st.st_rdev));
	return write_file(path, rule);
}

TEST_F(monitor, cgroup_decides_who_may_open)
{
	char root[] = "/tmp/accel-cgroup-XXXXXX", path[PATH_MAX], node[64];
	int ctx;

	snprintf(node, sizeof(node), "/dev/accel%d", self->number);
	ASSERT_NE(NULL, mkdtemp(root));
	ASSERT_EQ(0, mount("none", root, "cgroup", 0, "devices")) {
		TH_LOG("expected: a kernel with CONFIG_CGROUP_DEVICE");
	}
	snprintf(path, sizeof(path), "%s/accel", root);
	ASSERT_EQ(0, mkdir(path, 0755));
	ASSERT_RET(0, refuse(path, node), "refuse the node to the cgroup");
	strcat(path, "/cgroup.procs");
	EXPECT_RET(-EPERM, in_child(open_in_cgroup, path),
		   "the cgroup opens the monitor node, and not the compute node");
	ctx = accel_open();
	EXPECT_LE(0, ctx) {
		TH_LOG("expected: who is not in the cgroup opens it");
	}
	close(ctx);
	*strrchr(path, '/') = 0;
	rmdir(path);
	umount(root);
	rmdir(root);
}

/* --- fdinfo --- */

/* The value of a line of this descriptor's fdinfo, or an empty string. */
static const char *fdinfo_line(int fd, const char *key)
{
	static char text[4096];
	char path[64], *line, *rest = text;
	size_t n = strlen(key);

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_file(path, text, sizeof(text)) < 0)
		return "";
	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, key, n) && line[n] == ':' && line[n + 1] == '\t')
			return line + n + 2;
	}
	return "";
}

#define EXPECT_FDINFO(value, fd, key) \
	do { \
		char __want[32]; \
		snprintf(__want, sizeof(__want), "%llu", (unsigned long long)(value)); \
		EXPECT_STREQ(__want, fdinfo_line(fd, key)) \
		{ \
			TH_LOG("expected: the line of %s", key); \
		} \
	} while (0)

TEST_F(monitor, fdinfo_tells_what_a_descriptor_is)
{
	struct accel_info_context c;
	int ctx = accel_open(), i;
	struct accel_queue q;

	ASSERT_DEVICE(ctx);
	c = only_context(self->fd);
	EXPECT_FDINFO(self->number, ctx, "accel-device");
	EXPECT_FDINFO(c.id, ctx, "accel-context");
	EXPECT_STREQ("", fdinfo_line(ctx, "accel-mode")) {
		TH_LOG("expected: no mode before the bind");
	}
	ASSERT_RET(0, accel_bind_shared(ctx), "bind");
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue");
	c = only_context(self->fd);
	EXPECT_STREQ("shared", fdinfo_line(ctx, "accel-mode")) {
		TH_LOG("expected: the mode");
	}
	EXPECT_FDINFO(c.pasid, ctx, "accel-pasid");
	EXPECT_FDINFO(1, ctx, "accel-queues");
	EXPECT_FDINFO(self->number, q.fd, "accel-device");
	EXPECT_FDINFO(c.id, q.fd, "accel-context");
	EXPECT_FDINFO(q.id, q.fd, "accel-queue");
	for (i = 0; i < 3; i++) {
		struct pollfd p = { .fd = q.fd, .events = POLLIN };
		__u64 count;

		zip_arm(&q);
		EXPECT_WORKS(&q, "a job");
		EXPECT_EQ(1, poll(&p, 1, WAIT_SECONDS * 1000));
		EXPECT_EQ(8, read(q.fd, &count, 8));
	}
	EXPECT_FDINFO(3, q.fd, "accel-completions");
	EXPECT_FDINFO(3, ctx, "accel-completions");
	queue_close(&q);
	c = only_context(self->fd);
	EXPECT_FDINFO(0, ctx, "accel-queues");
	EXPECT_FDINFO(3, ctx, "accel-jobs");
	EXPECT_FDINFO(c.bytes, ctx, "accel-bytes");
	EXPECT_FDINFO(c.busy_ns, ctx, "accel-busy-ns");
	close(ctx);
}

/* --- Attributes --- */

TEST_F(monitor, attributes_have_the_documented_format)
{
	static const char *const numbers[] = {
		"busy_time_us", "queues_total", "queues_used", "contexts", "errors", "faults",
		"timeouts", "generation", "error_threshold",
	};
	struct accel_info_device device = {};
	int ctx = accel_open_shared(), queue;
	char text[4096];
	unsigned int i;

	ASSERT_DEVICE(ctx);
	queue = accel_queue_create(ctx, 0);
	ASSERT_WORKS(queue, "a queue");
	ASSERT_WORKS(accel_info_device(self->fd, &device), "INFO_DEVICE");
	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		EXPECT_LE(0, attribute_number(numbers[i])) {
			TH_LOG("expected: %s is a number in a line", numbers[i]);
		}
	}
	EXPECT_EQ(device.queues_max, attribute_number("queues_total")) {
		TH_LOG("expected: as many queues as INFO_DEVICE says");
	}
	EXPECT_EQ(1, attribute_number("queues_used")) {
		TH_LOG("expected: one queue in use");
	}
	EXPECT_EQ(1, attribute_number("contexts")) {
		TH_LOG("expected: one context");
	}
	EXPECT_LE(0, attribute_read("numa_node", text, sizeof(text))) {
		TH_LOG("expected: numa_node can be read");
	}
	EXPECT_EQ(device.numa_node, atoi(text)) {
		TH_LOG("expected: numa_node as INFO_DEVICE says");
	}
	EXPECT_THAT(attribute_is("status", "operational"), "status: operational");
	EXPECT_THAT(attribute_is("functions", "deflate zlib gzip"), "functions: words with spaces");
	EXPECT_THAT(attribute_is("doorbell", "per-queue"), "doorbell: per-queue");
	ASSERT_LT(0, attribute_read("address_modes", text, sizeof(text)));
	EXPECT_STREQ("shared available\nprivate available\nkernel available\n", text) {
		TH_LOG("expected: one line for each mode");
	}
	close(queue);
	EXPECT_EQ(0, attribute_number("queues_used")) {
		TH_LOG("expected: no queue in use");
	}
	close(ctx);
}

TEST_HARNESS_MAIN
