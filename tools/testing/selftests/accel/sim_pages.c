// SPDX-License-Identifier: GPL-2.0
/* Pages that nobody provides, or late: the device in software waits for them, and nobody else. */
/* accel-bench: modules=accel_sim */
#include <fcntl.h>
#include <sys/syscall.h>

#include "fuse_util.h"

#define PAGES 4
#define MODULE "/sys/module/" SIM_DRIVER

/* A job of @q writes to @page, which is one of @fd's. */
FIXTURE(pages) {
	int number;
	int ctx;
	int fd;
	void *page;
	struct accel_queue q;
	struct accel_info_errors before;
};

/* Whether somebody waits for a page, or begins to in time; it is the next in @fd then. */
static bool is_awaited(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, WAIT_SECONDS * 1000) == 1;
}

/* Whether somebody waits for just this page, or begins to in time. Others were told of before. */
static bool is_awaited_at(int fd, void *page)
{
	struct uffd_msg seen;

	/* Who is on the way to go on may still be seen, but not read. */
	return WAIT_FOR(read(fd, &seen, sizeof(seen)) == sizeof(seen) &&
			seen.arg.pagefault.address == (uintptr_t)page, WAIT_SECONDS);
}

/* Opens a queue whose job waits for a page, which is to be told by @fd. */
static int keep_waiting(struct accel_queue *q, int ctx, int fd, void *page)
{
	struct accel_sim_job job = sim_fill(page, ~0ull, PAGE);
	int ret = sim_queue_open(q, ctx, 4) ?: sim_submit(q, &job);

	return ret ?: is_awaited(fd) ? 0 : -ETIMEDOUT;
}

FIXTURE_SETUP(pages)
{
	self->page = anonymous(PAGES * PAGE, PROT_READ | PROT_WRITE);
	self->fd = userfault_open(self->page, PAGES * PAGE);
	ASSERT_WORKS(self->fd, "a userfaultfd");
	self->number = sim_number();
	self->ctx = sim_open_shared();
	ASSERT_SIM(self->ctx);
	self->before = sim_errors(self->ctx);
	ASSERT_RET(0, keep_waiting(&self->q, self->ctx, self->fd, self->page), "a job that waits");
}

FIXTURE_TEARDOWN(pages)
{
	close(self->fd);
	queue_close(&self->q);
	close(self->ctx);
	munmap(self->page, PAGES * PAGE);
}

/* The page is still waited for; when it comes, the device does not touch it any more. */
static void expect_page_untouched(struct __test_metadata *_metadata, int fd, void *page)
{
	EXPECT_THAT(poll_now(fd, POLLIN) & POLLIN, "the page is still waited for");
	ASSERT_RET(0, userfault_provide(fd, page, PAGE), "the page comes");
	EXPECT_THAT(WAIT_FOR(!(poll_now(fd, POLLIN) & POLLIN), WAIT_SECONDS),
		    "nobody waits for it");
	EXPECT_EQ(0, all_bytes(page, PAGE)) {
		TH_LOG("expected: the device does not write to it");
	}
}

/* --- Pages that come --- */

TEST_F(pages, a_job_goes_on_when_its_page_comes)
{
	struct sim_result r;

	EXPECT_EQ(0, sim_done(&self->q));
	ASSERT_RET(0, userfault_provide(self->fd, self->page, PAGE), "the page comes");
	r = sim_wait(&self->q);
	EXPECT_DONE(r, "the job that waited");
	EXPECT_EQ(0xff, all_bytes(self->page, PAGE));
}

/* What wakes the queue up for another reason is no answer. */
TEST_F(pages, kicks_bring_no_page)
{
	struct sim_result r;
	int i;

	for (i = 0; i < 100; i++)
		ASSERT_RET(0, sim_kick(&self->q), "a kick");
	EXPECT_EQ(0, sim_done(&self->q));
	ASSERT_RET(0, userfault_provide(self->fd, self->page, PAGE), "the page comes");
	r = sim_wait(&self->q);
	EXPECT_DONE(r, "the job that waited");
}

/* Source and destination are asked for one after the other; what was done is not done again. */
TEST_F(pages, a_job_may_wait_for_page_after_page)
{
	struct accel_sim_job job = sim_copy(self->page + 2 * PAGE + 8, self->page, PAGE);
	int order[] = { 0, 2, 3 }, i;
	struct sim_result r;

	ASSERT_RET(0, sim_submit(&self->q, &job), "a job behind the first");
	for (i = 0; i < 3; i++) {
		void *page = self->page + order[i] * PAGE;

		ASSERT_TRUE(is_awaited_at(self->fd, page));
		ASSERT_RET(0, userfault_provide(self->fd, page, PAGE), "a page comes");
	}
	r = sim_wait(&self->q);
	EXPECT_DONE(r, "the job that was first");
	r = sim_wait(&self->q);
	EXPECT_DONE(r, "the job that waited thrice");
	EXPECT_EQ(PAGE, r.completion.bytes);
	EXPECT_EQ(0xff, all_bytes(self->page + 2 * PAGE + 8, PAGE));
}

TEST_F(pages, a_page_that_goes_meanwhile_is_a_fault)
{
	struct sim_result r;

	ASSERT_EQ(0, munmap(self->page, PAGE));
	/* Nobody who waits is told but by this. */
	close(self->fd);
	self->fd = -1;
	r = sim_wait(&self->q);
	EXPECT_STATUS(ACCEL_SIM_STATUS_FAULT, r, "a fault");
	EXPECT_EQ((uintptr_t)self->page, r.completion.address);
	EXPECT_EQ(0, r.completion.bytes);
}

/* --- Pages that don't --- */

TEST_F(pages, others_go_on)
{
	struct accel_info_device device;

	sim_expect_works(_metadata, self->ctx);
	EXPECT_THAT(accel_info_device(self->ctx, &device) >= 0, "INFO");
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(self->q.status->state));
	EXPECT_EQ(self->before.resets, sim_errors(self->ctx).resets);
}

TEST_F(pages, close_does_not_wait)
{
	queue_close(&self->q);
	EXPECT_THAT(WAIT_FOR(!accel_queues(self->ctx), WAIT_SECONDS), "the queue is gone");
	EXPECT_EQ(self->before.resets, sim_errors(self->ctx).resets);
	sim_expect_works(_metadata, self->ctx);
	expect_page_untouched(_metadata, self->fd, self->page);
}

/* It waits for longer than a job may take. */
TEST_F(pages, the_watchdog_stops_the_queue_alone)
{
	EXPECT_EQ(ACCEL_QUEUE_DEAD_TIMEOUT, sim_wait_dead(&self->q));
	EXPECT_THAT(WAIT_FOR(!accel_queues(self->ctx), WAIT_SECONDS), "the queue is gone");
	EXPECT_EQ(self->before.resets, sim_errors(self->ctx).resets);
	sim_expect_works(_metadata, self->ctx);
	expect_page_untouched(_metadata, self->fd, self->page);
}

TEST_F(pages, reset_does_not_wait)
{
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	EXPECT_EQ(ACCEL_QUEUE_DEAD_RESET, sim_wait_dead(&self->q));
	EXPECT_EQ(0, accel_queues(self->ctx));
	sim_expect_works(_metadata, self->ctx);
	expect_page_untouched(_metadata, self->fd, self->page);
}

TEST_F(pages, isolation_does_not_wait)
{
	char path[96];

	snprintf(path, sizeof(path), ACCEL_CLASS "/accel%d/error_threshold", self->number);
	ASSERT_RET(0, write_file(path, "1"), "a threshold");
	ASSERT_RET(0, sim_control(self->number, "error", "3"), "an error");
	EXPECT_THAT(WAIT_FOR(accel_state(self->ctx) == ACCEL_STATUS_ISOLATED, WAIT_SECONDS),
		    "the device is isolated");
	ASSERT_RET(0, write_file(path, "0"), "no threshold");
	EXPECT_EQ(ACCEL_QUEUE_DEAD_ISOLATED, sim_wait_dead(&self->q));
	expect_page_untouched(_metadata, self->fd, self->page);
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	sim_expect_works(_metadata, self->ctx);
}

TEST_F(pages, removal_does_not_wait)
{
	void *page = self->page + PAGE;
	struct accel_queue q;
	int number, ctx = sim_add(&number);

	/* So that the next is the other's. */
	ASSERT_TRUE(is_awaited_at(self->fd, self->page));
	ASSERT_WORKS(ctx, "a device more");
	ASSERT_RET(0, accel_bind_shared(ctx), "bind");
	ASSERT_RET(0, keep_waiting(&q, ctx, self->fd, page), "a job that waits");
	ASSERT_TRUE(sim_remove(ctx, number)) {
		TH_LOG("expected: it is gone, all of it");
	}
	EXPECT_EQ(ACCEL_QUEUE_DEAD_REMOVED, sim_wait_dead(&q));
	expect_page_untouched(_metadata, self->fd, page);
	queue_close(&q);
	close(ctx);
}

static bool module_goes(void)
{
	return WAIT_FOR(!syscall(SYS_delete_module, SIM_DRIVER, O_NONBLOCK), WAIT_SECONDS) &&
	       access(MODULE, F_OK);
}

/* It has the number that it had, once nothing of the last one is left. */
static bool module_comes(int number)
{
	double end = seconds() + WAIT_SECONDS;

	while (!system("modprobe " SIM_DRIVER)) {
		if (sim_number() == number)
			return true;
		if (seconds() > end || !module_goes())
			break;
		usleep(100000);
	}
	return false;
}

/* Nobody has a descriptor of its device now, but somebody may wait for its page. */
static void expect_module_goes_and_comes(struct __test_metadata *_metadata,
					 FIXTURE_DATA(pages) * self)
{
	EXPECT_THAT(module_goes(), "the module can be removed");
	expect_page_untouched(_metadata, self->fd, self->page);
	ASSERT_TRUE(module_comes(self->number));
	self->ctx = sim_open_shared();
	ASSERT_SIM(self->ctx);
	sim_expect_works(_metadata, self->ctx);
}

TEST_F(pages, the_module_goes)
{
	SKIP_WITHOUT(MODULE "/refcnt", "CONFIG_MODULE_UNLOAD");
	queue_close(&self->q);
	close(self->ctx);
	expect_module_goes_and_comes(_metadata, self);
}

/* Descriptors are open, and mappings there; so the module is used until they are gone. */
TEST_F(pages, removal_with_descriptors_lets_the_module_go_after_them)
{
	SKIP_WITHOUT(MODULE "/refcnt", "CONFIG_MODULE_UNLOAD");
	ASSERT_TRUE(sim_remove(self->ctx, self->number)) {
		TH_LOG("expected: it is gone, all of it");
	}
	EXPECT_EQ(ACCEL_QUEUE_DEAD_REMOVED, sim_wait_dead(&self->q));
	queue_close(&self->q);
	close(self->ctx);
	expect_module_goes_and_comes(_metadata, self);
}

/* Of a file system the page does not come even to who is killed. */
TEST_F(pages, a_file_system_may_never_answer)
{
	struct file_system *told;
	struct accel_sim_job job;
	struct accel_queue q;
	pid_t server;
	void *page;
	int file;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	told = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, told);
	file = file_system_begin(told, &server);
	ASSERT_WORKS(file, "a file system");
	page = mmap(NULL, FILE_SIZE, PROT_READ, MAP_PRIVATE, file, 0);
	ASSERT_NE(MAP_FAILED, page);
	job = sim_checksum(page, FILE_SIZE);
	ASSERT_RET(0, sim_queue_open(&q, self->ctx, 4), "a queue");
	ASSERT_RET(0, sim_submit(&q, &job), "a job");
	EXPECT_THAT(WAIT_FOR(LOAD(told->waiting), WAIT_SECONDS), "the file system is asked");
	queue_close(&q);
	EXPECT_THAT(WAIT_FOR(accel_queues(self->ctx) == 1, WAIT_SECONDS), "the queue is gone");
	ASSERT_RET(0, sim_queue_open(&q, self->ctx, 4), "one more queue");
	ASSERT_RET(0, sim_submit(&q, &job), "a job");
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	sim_expect_works(_metadata, self->ctx);
	queue_close(&q);
	close(file);
	file_system_end(_metadata, server);
	munmap(page, FILE_SIZE);
	munmap(told, PAGE);
}

static int wait_and_die(void *arg)
{
	void *page = anonymous(PAGE, PROT_READ | PROT_WRITE);
	int ctx = sim_open_shared(), fd = userfault_open(page, PAGE);
	struct accel_queue q;

	(void)arg;
	/* All is left to the kernel. */
	return ctx < 0 ? ctx : fd < 0 ? fd : keep_waiting(&q, ctx, fd, page);
}

TEST_F(pages, a_process_ends_that_provides_nothing)
{
	int i;

	for (i = 0; i < 8; i++)
		EXPECT_RET(0, in_child(wait_and_die, NULL), "a process");
	EXPECT_THAT(WAIT_FOR(accel_queues(self->ctx) == 1, WAIT_SECONDS), "their queues are gone");
	EXPECT_THAT(WAIT_FOR(accel_contexts(self->ctx) == 1, WAIT_SECONDS), "and their contexts");
	EXPECT_EQ(self->before.resets, sim_errors(self->ctx).resets);
}

#define HELD 8

struct holder {
	struct file_system *told;
	int file;
};

/* Has queues and a job that waits for the file system, and is killed so. */
static int hold_queues(void *arg)
{
	struct holder *holder = arg;
	void *page = mmap(NULL, FILE_SIZE, PROT_READ, MAP_PRIVATE, holder->file, 0);
	struct accel_sim_job job = sim_checksum(page, FILE_SIZE);
	struct accel_queue q[HELD];
	int ctx = sim_open_shared(), i, ret = ctx < 0 ? ctx : 0;

	for (i = 0; i < HELD && !ret; i++)
		ret = sim_queue_open(&q[i], ctx, 4);
	ret = ret ?: sim_submit(&q[0], &job);
	while (!ret)
		pause();
	return ret;
}

/* The kernel thread that waits keeps its memory, and so the files that are mapped there. */
TEST_F(pages, a_process_that_is_killed_keeps_no_queue)
{
	struct holder holder = {
		.told = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
	};
	pid_t server, process;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	SKIP_WITHOUT("/proc/cgroups", "CONFIG_CGROUPS");
	ASSERT_NE(MAP_FAILED, holder.told);
	holder.file = file_system_begin(holder.told, &server);
	ASSERT_WORKS(holder.file, "a file system");
	process = child_start(hold_queues, &holder);
	ASSERT_WORKS(process, "a process");
	EXPECT_THAT(WAIT_FOR(LOAD(holder.told->waiting), WAIT_SECONDS), "the file system is asked");
	EXPECT_EQ(1 + HELD, accel_queues(self->ctx));
	ASSERT_EQ(0, kill(process, SIGKILL));
	ASSERT_EQ(process, waitpid(process, NULL, 0));
	EXPECT_THAT(WAIT_FOR(accel_queues(self->ctx) == 1, WAIT_SECONDS), "its queues are gone");
	EXPECT_THAT(LOAD(holder.told->waiting), "the file system is still asked");
	EXPECT_EQ(self->before.resets, sim_errors(self->ctx).resets);
	sim_expect_works(_metadata, self->ctx);
	close(holder.file);
	file_system_end(_metadata, server);
	munmap(holder.told, PAGE);
}

/* How many queues a user gets one after the other whose pages nobody provides. */
static int wait_as_user(void *arg)
{
	const int most = 200;
	void *many = anonymous(most * PAGE, PROT_READ | PROT_WRITE);
	int ctx = sim_open_shared(), fd = userfault_open(many, most * PAGE), made, ret = 0;
	struct accel_queue q;

	(void)arg;
	if (ctx < 0 || fd < 0)
		return ctx < 0 ? ctx : fd;
	if (seteuid(1000))
		return -errno;
	for (made = 0; made < most && !ret; made++) {
		ret = keep_waiting(&q, ctx, fd, many + made * PAGE);
		if (!ret && !is_awaited_at(fd, many + made * PAGE))
			ret = -ETIMEDOUT;
		if (!ret)
			queue_close(&q);
	}
	/* The last was refused. */
	return ret != -EBUSY ? ret : made != 64 + 1 ? -ERANGE : 0;
}

TEST_F(pages, who_waits_leaves_something_for_others)
{
	EXPECT_RET(0, in_child(wait_as_user, NULL), "a user has a quarter of all");
	EXPECT_EQ(self->before.resets, sim_errors(self->ctx).resets);
	sim_expect_works(_metadata, self->ctx);
}

/* Each may keep a thread of the kernel: they can't be as many as a process likes. */
TEST_F(pages, who_waits_is_counted)
{
	const int most = 1024;
	void *many = anonymous(most * PAGE, PROT_READ | PROT_WRITE);
	int fd = userfault_open(many, most * PAGE), made, ret;
	struct accel_queue q;

	ASSERT_WORKS(fd, "a userfaultfd");
	for (made = 0; made < most; made++) {
		ret = keep_waiting(&q, self->ctx, fd, many + made * PAGE);
		if (ret)
			break;
		ASSERT_TRUE(is_awaited_at(fd, many + made * PAGE));
		queue_close(&q);
	}
	EXPECT_RET(-EBUSY, ret, "there is a limit");
	EXPECT_LE(64, made) {
		TH_LOG("expected: there are more of them than a device has queues");
	}
	EXPECT_EQ(self->before.resets, sim_errors(self->ctx).resets);
	ASSERT_EQ(0, munmap(many, most * PAGE));
	close(fd);
	EXPECT_THAT(WAIT_FOR((ret = sim_queue_open(&q, self->ctx, 4)) != -EBUSY, WAIT_SECONDS),
		    "when nobody waits any more, a queue can be had");
	ASSERT_RET(0, ret, "a queue");
	queue_close(&q);
}

TEST_HARNESS_MAIN
