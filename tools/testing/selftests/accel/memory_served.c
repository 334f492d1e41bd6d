// SPDX-License-Identifier: GPL-2.0
/*
 * What a device may touch: memory that a process serves, by userfaultfd or as a file system, or
 * does not. Whoever waits for such a page, others go on.
 */
#include <pthread.h>

#include "fuse_util.h"
#include "memory_kinds_util.h"

/* What processes of a test tell each other. */
struct told {
	/* Jobs that the neighbour has done. */
	int jobs;
	int stop;
	struct file_system file_system;
	/* That a process is about to do what may take long, and that it has done so. */
	int begun;
	int gone;
};

FIXTURE(memory_served)
{
	struct reach r;
	struct told *told;
	pid_t neighbour;
	int generation;
	int descriptors;
};

/* Does jobs until it is told to stop. */
static int neighbour(void *arg)
{
	struct told *told = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, DEPTH);

	if (ctx < 0)
		return ctx;
	while (!LOAD(told->stop)) {
		if (!queue_works(&q))
			return -EIO;
		STORE(told->jobs, told->jobs + 1);
	}
	return 0;
}

static bool neighbour_goes_on(struct told *told)
{
	int jobs = LOAD(told->jobs);

	return WAIT_FOR(LOAD(told->jobs) > jobs + 5, WAIT_SECONDS);
}

FIXTURE_SETUP(memory_served)
{
	ASSERT_DEVICE(accel_number());
	self->descriptors = descriptors();
	self->told = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->told);
	self->neighbour = child_start(neighbour, self->told);
	ASSERT_RET(0, reach_open(&self->r), "a queue of each mode");
	ASSERT_TRUE(neighbour_goes_on(self->told));
	self->generation = accel_generation(self->r.shared_ctx);
}

FIXTURE_TEARDOWN(memory_served)
{
	STORE(self->told->stop, 1);
	EXPECT_RET(0, child_result(self->neighbour), "the jobs of a neighbour");
	EXPECT_EQ(self->generation, accel_generation(self->r.shared_ctx)) {
		TH_LOG("expected: the device is not reset for it");
	}
	EXPECT_WORKS(&self->r.shared, "an ordinary job afterwards");
	reach_close(&self->r);
	munmap(self->told, PAGE);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* --- userfaultfd --- */

/* Pages at which somebody is told of faults; another thread serves them. */
struct faults {
	int fd;
	__u64 mode;
	struct uffdio_range range;
	pthread_t thread;
	int served;
};

/* Linux tells in its log of who can't wait for such a page, if it is to tell of what is unusual. */
static int faults_open(struct faults *f, void *at, __u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register all = {
		.range = { .start = (uintptr_t)at, .len = PAGE },
		.mode = mode,
	};

	*f = (struct faults){
		.fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK),
		.mode = mode,
		.range = all.range,
	};
	expect_dmesg("FAULT_FLAG_ALLOW_RETRY missing|Call Trace:");
	if (f->fd < 0 || ioctl(f->fd, UFFDIO_API, &api) || ioctl(f->fd, UFFDIO_REGISTER, &all))
		return -errno;
	return 0;
}

static int faults_protect(struct faults *f, bool protect)
{
	struct uffdio_writeprotect change = {
		.range = f->range,
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(f->fd, UFFDIO_WRITEPROTECT, &change) ? -errno : 0;
}

/* Lets whoever waits for the page go on. */
static int faults_serve(struct faults *f)
{
	struct uffdio_zeropage zero = { .range = f->range };
	struct uffdio_continue mapped = { .range = f->range };

	switch (f->mode) {
	case UFFDIO_REGISTER_MODE_WP:
		return faults_protect(f, false);
	case UFFDIO_REGISTER_MODE_MINOR:
		return ioctl(f->fd, UFFDIO_CONTINUE, &mapped) ? -errno : 0;
	default:
		return ioctl(f->fd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
	}
}

static void *faults_thread(void *arg)
{
	struct faults *f = arg;
	struct pollfd p = { .fd = f->fd, .events = POLLIN };
	struct uffd_msg message;

	if (poll(&p, 1, WAIT_SECONDS * 1000) == 1 &&
	    read(f->fd, &message, sizeof(message)) == sizeof(message) && !faults_serve(f))
		STORE(f->served, 1);
	return NULL;
}

/* BUFFER_WRAP waits for who serves the page, as the process itself does. */
static void expect_wrap_is_served(struct __test_metadata *_metadata, struct reach *r,
				  struct faults *f, void *p, void *seen)
{
	int fd;

	ASSERT_EQ(0, pthread_create(&f->thread, NULL, faults_thread, f));
	fd = buffer_wrap(r->kernel_ctx, p, PAGE, 0);
	pthread_join(f->thread, NULL);
	EXPECT_THAT(LOAD(f->served), "BUFFER_WRAP asks who serves the page");
	ASSERT_WORKS(fd, "wrap what is served");
	expect_buffer(_metadata, r, fd, seen, 0, "what was served");
	close(fd);
}

static void expect_nobody_waits(struct __test_metadata *_metadata,
				FIXTURE_DATA(memory_served) * self, struct faults *f)
{
	EXPECT_EQ(0, poll_now(f->fd, POLLIN)) {
		TH_LOG("expected: who serves the page is not asked by the device");
	}
	EXPECT_THAT(neighbour_goes_on(self->told), "a neighbour's jobs go on");
}

TEST_F(memory_served, missing_pages)
{
	void *p = anonymous(PAGE, PROT_READ | PROT_WRITE);
	struct faults f;

	SKIP_WITHOUT("/proc/sys/vm/unprivileged_userfaultfd", "CONFIG_USERFAULTFD");
	ASSERT_RET(0, faults_open(&f, p, UFFDIO_REGISTER_MODE_MISSING), "userfaultfd");
	EXPECT_KIND("a missing page", p, p, REFUSED, REFUSED, UNTRIED, UNTRIED);
	expect_nobody_waits(_metadata, self, &f);
	expect_wrap_is_served(_metadata, &self->r, &f, p, p);
	EXPECT_KIND("a page that was served", p, p, 0, 0, 0, 0);
	close(f.fd);
	munmap(p, PAGE);
}

TEST_F(memory_served, write_protected_pages)
{
	void *p = text_pages(1);
	struct faults f;

	SKIP_WITHOUT("/proc/sys/vm/unprivileged_userfaultfd", "CONFIG_USERFAULTFD");
	ASSERT_RET(0, faults_open(&f, p, UFFDIO_REGISTER_MODE_WP), "userfaultfd");
	ASSERT_RET(0, faults_protect(&f, true), "UFFDIO_WRITEPROTECT");
	EXPECT_KIND("a protected page", p, p, 0, REFUSED, 0, UNTRIED);
	expect_nobody_waits(_metadata, self, &f);
	expect_wrap_is_served(_metadata, &self->r, &f, p, p);
	EXPECT_KIND("a page that is not protected any more", p, p, 0, 0, 0, 0);
	close(f.fd);
	munmap(p, PAGE);
}

TEST_F(memory_served, pages_that_are_there_and_not_mapped)
{
	int file = text_file(1, 0);
	void *p = map_shared(file, 1), *seen = map_shared(file, 1);
	struct faults f;

	SKIP_WITHOUT("/proc/sys/vm/unprivileged_userfaultfd", "CONFIG_USERFAULTFD");
	ASSERT_RET(0, faults_open(&f, p, UFFDIO_REGISTER_MODE_MINOR), "userfaultfd");
	EXPECT_KIND("a page that is not mapped", p, seen, REFUSED, REFUSED, UNTRIED, UNTRIED);
	expect_nobody_waits(_metadata, self, &f);
	expect_wrap_is_served(_metadata, &self->r, &f, p, seen);
	EXPECT_KIND("a page that was mapped", p, seen, 0, 0, 0, 0);
	close(f.fd);
	close(file);
	munmap(p, PAGE);
	munmap(seen, PAGE);
}

/* --- A file system that does not answer --- */

struct victim {
	struct told *told;
	int file;
};

/* Lets the device read a page of the file, in an address space of its own. */
static int read_by_device(void *arg)
{
	static unsigned char room[PAGE], content[FILE_SIZE];
	struct victim *victim = arg;
	void *p = map_file(victim->file, 1, PROT_READ, MAP_PRIVATE);
	struct accel_queue q;
	int ctx = queue_open_alone(&q, DEPTH), ret;
	__u32 produced;

	if (ctx < 0)
		return ctx;
	file_content(content);
	memset(room, 0, sizeof(room));
	STORE(victim->told->begun, 1);
	ret = ring_job(&q, (uintptr_t)p, (uintptr_t)room, &produced);
	return ret ?: judge(room, produced, content);
}

static int wrap_in_child(void *arg)
{
	struct victim *victim = arg;
	void *p = map_file(victim->file, 1, PROT_READ, MAP_PRIVATE);
	int ctx = open_mode(ACCEL_MODE_KERNEL), fd;

	if (ctx < 0)
		return ctx;
	STORE(victim->told->begun, 1);
	fd = buffer_wrap(ctx, p, PAGE, ACCEL_WRAP_READ_ONLY);
	return fd < 0 ? fd : 0;
}

static void expect_jobs_go_on(struct __test_metadata *_metadata,
			      FIXTURE_DATA(memory_served) * self)
{
	EXPECT_THAT(neighbour_goes_on(self->told), "a neighbour's jobs go on");
	EXPECT_RET(0, shared_reads(&self->r, self->r.text, self->r.text), "so do ours");
	EXPECT_RET(0, private_reads(&self->r, self->r.text_fd, self->r.text), "in PRIVATE mode");
	EXPECT_RET(0, kernel_reads(&self->r, self->r.text_fd, self->r.text), "in KERNEL mode");
}

/* Contexts and queues that others have are used meanwhile, and have new queues. */
static void expect_others_go_on(struct __test_metadata *_metadata,
				FIXTURE_DATA(memory_served) * self)
{
	struct accel_queue q;

	expect_jobs_go_on(_metadata, self);
	ASSERT_RET(0, zip_open(&q, self->r.shared_ctx, DEPTH, HISI_ZIP_COMPRESS), "a new queue");
	EXPECT_WORKS(&q, "its jobs");
	queue_close(&q);
}

static pid_t start_and_wait(struct __test_metadata *_metadata, int (*fn)(void *arg),
			    struct victim *victim)
{
	pid_t pid;

	STORE(victim->told->begun, 0);
	pid = child_start(fn, victim);
	EXPECT_THAT(WAIT_FOR(LOAD(victim->told->begun), WAIT_SECONDS), "it begins");
	EXPECT_THAT(WAIT_FOR(LOAD(victim->told->file_system.waiting), WAIT_SECONDS),
		    "the file system is asked for a page");
	return pid;
}

TEST_F(memory_served, a_file_system_that_answers)
{
	unsigned char content[FILE_SIZE], *p;
	pid_t server;
	int fd;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	STORE(self->told->file_system.answers, 1);
	fd = file_system_begin(&self->told->file_system, &server);
	ASSERT_WORKS(fd, "a file system");
	file_content(content);
	p = map_file(fd, FILE_PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_RET(0, shared_reads(&self->r, p, content), "read in SHARED mode");
	EXPECT_RET(0, shared_writes(&self->r, p + PAGE, p + PAGE), "written in SHARED mode");
	EXPECT_KIND("a page of a file", p + 2 * PAGE, p + 2 * PAGE, 0, 0, 0, 0);
	munmap(p, FILE_SIZE);
	close(fd);
	file_system_end(_metadata, server);
}

TEST_F(memory_served, a_file_system_that_answers_late)
{
	struct victim victim = { .told = self->told };
	pid_t server, pid;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	victim.file = file_system_begin(&self->told->file_system, &server);
	ASSERT_WORKS(victim.file, "a file system");
	pid = start_and_wait(_metadata, read_by_device, &victim);
	expect_others_go_on(_metadata, self);
	STORE(self->told->file_system.answers, 1);
	EXPECT_RET(0, child_result(pid), "the job, when the page has come");
	close(victim.file);
	file_system_end(_metadata, server);
}

TEST_F(memory_served, a_file_system_that_never_answers)
{
	struct victim victim = { .told = self->told };
	pid_t server, pid;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	victim.file = file_system_begin(&self->told->file_system, &server);
	ASSERT_WORKS(victim.file, "a file system");
	pid = start_and_wait(_metadata, read_by_device, &victim);
	expect_others_go_on(_metadata, self);
	close(victim.file);
	file_system_end(_metadata, server);
	EXPECT_RET(REFUSED, child_result(pid), "the job, when the file system has ended");
}

static int come_and_go(void *arg)
{
	struct told *told = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, DEPTH), ret;

	if (ctx < 0)
		return ctx;
	ret = queue_works(&q) ? 0 : -EIO;
	queue_close(&q);
	close(ctx);
	STORE(told->gone, 1);
	return ret;
}

/*
 * Its queue does not stop before its page request has ended, and Linux lets go of an address space
 * when all page faults that are under way have, whosesoever they are. So others may have to wait
 * with what they make or close meanwhile; what they have goes on.
 */
TEST_F(memory_served, who_waits_for_a_file_system_is_killed)
{
	struct victim victim = { .told = self->told };
	pid_t server, pid, newcomer;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	victim.file = file_system_begin(&self->told->file_system, &server);
	ASSERT_WORKS(victim.file, "a file system");
	pid = start_and_wait(_metadata, read_by_device, &victim);
	kill(pid, SIGKILL);
	expect_jobs_go_on(_metadata, self);
	newcomer = child_start(come_and_go, self->told);
	expect_jobs_go_on(_metadata, self);
	TH_LOG("a new context %s", LOAD(self->told->gone) ? "comes and goes" : "waits");
	close(victim.file);
	file_system_end(_metadata, server);
	EXPECT_RET(CHILD_KILLED - SIGKILL, child_result(pid), "it ends with the file system");
	EXPECT_RET(0, child_result(newcomer), "a new context");
}

/* It is the process that waits, in its own system call: the device has no part in it. */
TEST_F(memory_served, wrapping_what_is_never_answered)
{
	struct victim victim = { .told = self->told };
	pid_t server, pid;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	victim.file = file_system_begin(&self->told->file_system, &server);
	ASSERT_WORKS(victim.file, "a file system");
	pid = start_and_wait(_metadata, wrap_in_child, &victim);
	expect_others_go_on(_metadata, self);
	kill(pid, SIGKILL);
	EXPECT_RET(CHILD_KILLED - SIGKILL, child_result(pid), "who waits can be killed");
	STORE(self->told->file_system.answers, 1);
	EXPECT_RET(0, in_child(wrap_in_child, &victim), "wrap, when the page has come");
	close(victim.file);
	file_system_end(_metadata, server);
}

/* Closes a context, and then its queue, when another process waits for a page. */
static int go_meanwhile(void *arg)
{
	struct told *told = arg;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, DEPTH);

	if (ctx < 0)
		return ctx;
	if (!queue_works(&q))
		return -EIO;
	STORE(told->begun, 1);
	if (!WAIT_FOR(LOAD(told->file_system.waiting), WAIT_SECONDS))
		return -ETIMEDOUT;
	close(ctx);
	queue_close(&q);
	STORE(told->gone, 1);
	return 0;
}

/* With the queue its address space goes, for which Linux waits, and which is left to a worker. */
TEST_F(memory_served, a_queue_that_outlives_its_context_goes)
{
	struct victim victim = { .told = self->told };
	pid_t server, pid, goes;

	SKIP_WITHOUT("/dev/fuse", "CONFIG_FUSE_FS");
	victim.file = file_system_begin(&self->told->file_system, &server);
	ASSERT_WORKS(victim.file, "a file system");
	goes = child_start(go_meanwhile, self->told);
	EXPECT_THAT(WAIT_FOR(LOAD(self->told->begun), WAIT_SECONDS), "it has a queue");
	pid = start_and_wait(_metadata, read_by_device, &victim);
	EXPECT_THAT(WAIT_FOR(LOAD(self->told->gone), WAIT_SECONDS), "its queue goes");
	EXPECT_THAT(LOAD(self->told->file_system.waiting), "the page is still waited for");
	expect_jobs_go_on(_metadata, self);
	close(victim.file);
	file_system_end(_metadata, server);
	EXPECT_RET(0, child_result(goes), "who goes");
	EXPECT_RET(REFUSED, child_result(pid), "the job, when the file system has ended");
}

TEST_HARNESS_MAIN
