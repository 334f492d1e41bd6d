// SPDX-License-Identifier: GPL-2.0
/* What a device may touch: what becomes of memory by fork() and execve(). */
#include "memory_kinds_util.h"

#define SIZE (64 * PAGE)

FIXTURE(memory_heirs)
{
	struct reach r;
	int descriptors;
};

FIXTURE_SETUP(memory_heirs)
{
	ASSERT_DEVICE(accel_number());
	self->descriptors = descriptors();
	ASSERT_RET(0, reach_open(&self->r), "a queue of each mode");
}

FIXTURE_TEARDOWN(memory_heirs)
{
	EXPECT_WORKS(&self->r.shared, "an ordinary job afterwards");
	reach_close(&self->r);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* --- fork() --- */

struct after_fork {
	struct reach *r;
	/* What the parent has wrapped, and what is in it. */
	int wrapped;
	const void *seen;
	/* What is at the old address, for the child; NULL if nothing is. */
	void *at;
	const void *expected;
};

/* What a process needs that has the descriptors of another: mappings of its own. */
static int map_again(struct reach *r)
{
	r->records = (const void *)records_map(r->kernel);
	r->room = buffer_mmap(r->room_fd, 2 * PAGE);
	return r->records == MAP_FAILED || r->room == MAP_FAILED ? -errno : 0;
}

/* What the child finds there, it can wrap. */
static int wrap_after_fork(struct reach *r, struct after_fork *a)
{
	int fd = buffer_wrap(r->kernel_ctx, a->at, PAGE, 0);

	if (fd < 0)
		return a->expected ? fd : 0;
	return a->expected ? kernel_reads(r, fd, a->expected) : -EEXIST;
}

static int read_after_fork(void *arg)
{
	static unsigned char room[2 * PAGE];
	struct after_fork *a = arg;
	struct reach r = *a->r;
	struct accel_queue q;
	__u32 produced;
	int ctx, ret;

	if (map_again(&r) || kernel_reads(&r, a->wrapped, a->seen))
		return -EBADF;
	ret = wrap_after_fork(&r, a);
	if (ret)
		return ret;
	ctx = queue_open_alone(&q, DEPTH);
	if (ctx < 0)
		return ctx;
	ret = ring_job(&q, (uintptr_t)a->at, (uintptr_t)room, &produced);
	return ret ?: judge(room, produced, a->expected);
}

static int read_in_child(struct after_fork *after)
{
	int ret = in_child(read_after_fork, after);

	/* The child has handed over as many jobs. */
	after->r->submitted += after->expected ? 2 : 1;
	return ret;
}

TEST_F(memory_heirs, what_fork_leaves_out)
{
	static const unsigned char zeroes[PAGE];
	unsigned char *same = text_pages(3), *p = text_pages(3);
	int kept = buffer_wrap(self->r.kernel_ctx, p, PAGE, 0);
	int wiped = buffer_wrap(self->r.kernel_ctx, p + PAGE, PAGE, 0);
	struct after_fork after = { .r = &self->r, .wrapped = kept, .seen = same };

	ASSERT_WORKS(kept, "wrap");
	ASSERT_WORKS(wiped, "wrap");
	ASSERT_EQ(0, madvise(p, PAGE, MADV_DONTFORK));
	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_WIPEONFORK));
	after.at = p;
	EXPECT_RET(REFUSED, read_in_child(&after), "MADV_DONTFORK, in the child");
	after.wrapped = wiped;
	after.seen = same + PAGE;
	after.at = p + PAGE;
	after.expected = zeroes;
	EXPECT_RET(0, read_in_child(&after), "MADV_WIPEONFORK, in the child");
	after.at = p + 2 * PAGE;
	after.expected = same + 2 * PAGE;
	EXPECT_RET(0, read_in_child(&after), "neither, in the child");
	EXPECT_KIND("MADV_DONTFORK, in the parent", p, p, 0, 0, 0, 0);
	EXPECT_KIND("MADV_WIPEONFORK, in the parent", p + PAGE, p + PAGE, 0, 0, 0, 0);
	close(kept);
	close(wiped);
	munmap(p, 3 * PAGE);
	munmap(same, 3 * PAGE);
}

/* --- execve() --- */

#define EXEC_VARIABLE "MEMORY_HEIRS"

/* What a new program is told of the descriptors that it has from the old one. */
struct heritage {
	int shared_ctx;
	int shared_queue;
	int private_queue;
	int kernel_queue;
	int text_fd;
	int room_fd;
	long long text_at;
	long long room_at;
};

#define HERITAGE "%d %d %d %d %d %d %lld %lld"

static int expect_of_program(const char *what, int want, int got)
{
	if (want == got)
		return 0;
	printf("# after execve(), %s: expected %s, got %s\n", what, ret_name(want), ret_name(got));
	fflush(stdout);
	return -EBADMSG;
}

/* In a program that has begun, with descriptors of the one before it. */
static int use_heritage(const struct heritage *h)
{
	const unsigned char *text = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, h->text_fd, 0);
	struct reach r = { .kernel = h->kernel_queue, .room_fd = h->room_fd };
	struct accel_queue q;
	__u32 produced = 0;
	int ret = map_again(&r);

	if (ret || text == MAP_FAILED)
		return ret ?: -errno;
	ret = expect_of_program("a queue of the SHARED context", -EPERM,
				zip_queue_create(h->shared_ctx, DEPTH, HISI_ZIP_COMPRESS)) ?:
	      expect_of_program("mapping the SHARED queue", -EPERM,
				queue_adopt(&q, h->shared_queue)) ?:
	      expect_of_program("mapping the PRIVATE queue", 0,
				queue_adopt(&q, h->private_queue)) ?:
	      expect_of_program("a job in PRIVATE mode", 0,
				ring_job(&q, h->text_at, h->room_at, &produced) ?:
				judge(r.room, produced, text));
	if (ret)
		return ret;
	memset(r.room, 0, PAGE);
	return expect_of_program("a job in KERNEL mode", 0, kernel_reads(&r, h->text_fd, text));
}

__attribute__((constructor)) static void after_exec(void)
{
	const char *text = getenv(EXEC_VARIABLE);
	struct heritage h;

	if (!text)
		return;
	if (sscanf(text, HERITAGE, &h.shared_ctx, &h.shared_queue, &h.private_queue,
		   &h.kernel_queue, &h.text_fd, &h.room_fd, &h.text_at, &h.room_at) != 8)
		_exit(EINVAL);
	_exit(-use_heritage(&h));
}

/* Becomes another program with jobs under way, and with all descriptors. */
static int exec_amid_jobs(void *arg)
{
	static struct reach r;
	char text[256], *const argv[] = { "after_exec", NULL }, *const env[] = { text, NULL };
	char *in = anonymous(SIZE, PROT_READ | PROT_WRITE), *out = anonymous(SIZE, PROT_WRITE);
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, in, out, SIZE, SIZE };
	int ret = reach_open(&r), i;

	if (ret)
		return ret;
	fill_text(in, SIZE, 1);
	for (i = 0; i < DEPTH - 1; i++)
		zip_put(&r.shared, &job);
	snprintf(text, sizeof(text), EXEC_VARIABLE "=" HERITAGE, r.shared_ctx, r.shared.fd,
		 r.private.fd, r.kernel, r.text_fd, r.room_fd, (long long)r.text_at,
		 (long long)r.room_at);
	for (i = 3; i < 64; i++)
		fcntl(i, F_SETFD, 0);
	zip_ring(&r.shared, HISI_ZIP_DB_SQ, r.shared.tail, 0);
	usleep(*(int *)arg);
	execve("/proc/self/exe", argv, env);
	return -errno;
}

TEST_F(memory_heirs, execve_amid_jobs)
{
	int wait, contexts = accel_contexts(self->r.shared_ctx);

	for (wait = 0; wait <= 20000; wait += 5000) {
		EXPECT_RET(0, in_child(exec_amid_jobs, &wait), "a new program");
		EXPECT_WORKS(&self->r.shared, "a neighbour");
	}
	EXPECT_THAT(WAIT_FOR(accel_contexts(self->r.shared_ctx) == contexts, WAIT_SECONDS),
		    "nothing is left of it");
}

TEST_HARNESS_MAIN
