// SPDX-License-Identifier: GPL-2.0
/*
 * A context with an address space of its own, which is empty: its jobs reach
 * nothing, whatever addresses they give.
 */
#include "hisi_zip_util.h"

#define PAGE 4096
#define CANARY 0xa5

static __u8 room[5 * PAGE];

/* In the data of the program. */
static __u8 *data_pages(void)
{
	return (void *)(((uintptr_t)room + PAGE - 1) & ~(PAGE - 1ul));
}

FIXTURE(private) {
	int ctx;
	__u32 pasid;
	struct accel_queue q;
};

static int open_private(__u32 *pasid)
{
	struct accel_context_bind bind = { .size = sizeof(bind), .mode = ACCEL_MODE_PRIVATE };
	int ctx = accel_open(), ret;

	if (ctx < 0)
		return ctx;
	ret = accel_ioctl(ctx, ACCEL_CONTEXT_BIND, &bind);
	*pasid = bind.pasid;
	return ret ?: ctx;
}

FIXTURE_SETUP(private)
{
	/* The IOMMU tells of attempts to write to where interrupts are raised. */
	expect_dmesg("DMAR: (DRHD: handling fault status|\\[DMA .* fault addr 0xfee00000)");
	self->ctx = open_private(&self->pasid);
	ASSERT_WORKS(self->ctx, "bind in the mode PRIVATE");
	ASSERT_RET(0, zip_open(&self->q, self->ctx, 8, HISI_ZIP_COMPRESS), "a queue");
}

FIXTURE_TEARDOWN(private)
{
	queue_close(&self->q);
	close(self->ctx);
}

static bool is_canary(const __u8 *p, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		if (p[i] != CANARY)
			return false;
	}
	return true;
}

/* --- The context --- */

TEST_F(private, has_a_pasid_of_its_own)
{
	struct accel_context_bind bind = { .size = sizeof(bind), .mode = ACCEL_MODE_SHARED };
	int other, shared = accel_open();
	__u32 pasid = 0;

	EXPECT_NE(0, self->pasid) {
		TH_LOG("expected: a PASID is told");
	}
	other = open_private(&pasid);
	ASSERT_WORKS(other, "a second private context of this process");
	EXPECT_NE(self->pasid, pasid) {
		TH_LOG("expected: another PASID");
	}
	ASSERT_RET(0, accel_ioctl(shared, ACCEL_CONTEXT_BIND, &bind), "a shared context");
	EXPECT_THAT(bind.pasid != pasid && bind.pasid != self->pasid,
		    "the PASID of the process is a third one");
	EXPECT_RET(-EBUSY, accel_bind(self->ctx, ACCEL_MODE_PRIVATE), "it binds once");
	EXPECT_RET(-EBUSY, accel_bind_shared(self->ctx), "in whatever mode");
	close(other);
	close(shared);
}

TEST_F(private, many_come_and_go)
{
	__u32 pasid;
	int i, ctx;

	for (i = 0; i < 300; i++) {
		ctx = open_private(&pasid);
		ASSERT_WORKS(ctx, "a private context");
		close(ctx);
	}
	EXPECT_EQ(1, accel_contexts(self->ctx)) {
		TH_LOG("expected: none is left");
	}
}

/* --- Attacks --- */

struct target {
	const char *what;
	__u64 address;
	/* Where this process can see what is there, NULL if it can't. */
	__u8 *canary;
};

static int attack(struct accel_queue *q, __u64 in, __u64 out, struct zip_result *r)
{
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, (void *)in, (void *)out, PAGE, 2 * PAGE };

	*r = zip_run(q, &job);
	return r->error;
}

static void expect_reaches_nothing(struct __test_metadata *_metadata, struct accel_queue *q,
				   const struct target *targets, unsigned int n)
{
	struct zip_result r;
	unsigned int i, j;

	for (i = 0; i < n; i++) {
		for (j = 0; j < n; j++) {
			attack(q, targets[i].address, targets[j].address, &r);
			EXPECT_REFUSED(r, "a job on memory that was not mapped for it");
			EXPECT_EQ(0, r.produced | r.consumed) {
				TH_LOG("from %s to %s: expected: nothing is read, nothing written",
				       targets[i].what, targets[j].what);
			}
			if (targets[j].canary) {
				EXPECT_TRUE(is_canary(targets[j].canary, 2 * PAGE)) {
					TH_LOG("expected: %s is as it was", targets[j].what);
				}
			}
		}
	}
}

static __u8 *canaries(int flags)
{
	__u8 *p = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	memset(p, CANARY, 4 * PAGE);
	return p;
}

TEST_F(private, amdkfd_jobs_reach_nothing_of_the_own_process)
{
	__u8 stack_room[5 * PAGE];
	__u8 *stack = (void *)(((uintptr_t)stack_room + PAGE) & ~(PAGE - 1ul));
	__u8 *heap = aligned_alloc(PAGE, 4 * PAGE), *mapped = canaries(MAP_PRIVATE);
	__u8 *locked = canaries(MAP_PRIVATE | MAP_LOCKED | MAP_POPULATE);
	__u8 *shared = canaries(MAP_SHARED);
	const struct target targets[] = {
		{ "the stack", (uintptr_t)stack, stack },
		{ "the heap", (uintptr_t)heap, heap },
		{ "a mapping", (uintptr_t)mapped, mapped },
		{ "a locked mapping", (uintptr_t)locked, locked },
		{ "a shared mapping", (uintptr_t)shared, shared },
		{ "data", (uintptr_t)data_pages(), data_pages() },
		{ "code", (uintptr_t)zip_run & ~(PAGE - 1ul), NULL },
		{ "the own ring", (uintptr_t)self->q.ring + self->q.ring_region.size - PAGE, NULL },
		{ "the own doorbell", (uintptr_t)self->q.doorbell, NULL },
		{ "the own status page", (uintptr_t)self->q.status, NULL },
	};

	memset(stack, CANARY, 4 * PAGE);
	memset(heap, CANARY, 4 * PAGE);
	memset(data_pages(), CANARY, 4 * PAGE);
	expect_reaches_nothing(_metadata, &self->q, targets, ARRAY_SIZE(targets));
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(self->q.status->state)) {
		TH_LOG("expected: such jobs fail alone, the queue goes on");
	}
	expect_device_works(_metadata);
	free(heap);
	munmap(mapped, 4 * PAGE);
	munmap(locked, 4 * PAGE);
	munmap(shared, 4 * PAGE);
}

TEST_F(private, jobs_reach_nothing_elsewhere)
{
	static const struct {
		const char *what;
		__u64 address;
	} places[] = {
		{ "address 0", 0 },
		{ "the first page", PAGE },
		{ "low memory", 1 << 20 },
		{ "interrupts", 0xfee00000 },
		{ "memory above 4 GiB", 1ull << 32 },
		{ "the device's registers", 0xfe000000 },
		{ "where rings of the kernel's DMA lie", 0xffffe000 },
		{ "the end of user space", 0x00007fffffffd000 },
		{ "behind user space", 0x0000800000000000 },
		{ "the kernel's map of memory", 0xffff888000000000 },
		{ "the kernel's code", 0xffffffff81000000 },
		{ "the last pages", 0xffffffffffffd000 },
		{ "the very end", 0xfffffffffffff000 },
	};
	struct target targets[ARRAY_SIZE(places)] = {};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(places); i++) {
		targets[i].what = places[i].what;
		targets[i].address = places[i].address;
	}
	expect_reaches_nothing(_metadata, &self->q, targets, ARRAY_SIZE(targets));
	expect_device_works(_metadata);
}

struct victim {
	int ready;
	int stop;
	__u64 address;
	int intact;
	int worked;
};

/* A process with a shared context, whose device works all the time. */
static int be_a_victim(void *arg)
{
	struct victim *victim = arg;
	__u8 *p = canaries(MAP_PRIVATE);
	struct accel_queue q;
	int ctx = accel_open_shared(), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	STORE(victim->address, (uintptr_t)p);
	STORE(victim->ready, 1);
	while (!LOAD(victim->stop)) {
		if (!queue_works(&q))
			return -EIO;
		STORE(victim->worked, victim->worked + 1);
	}
	return is_canary(p, 4 * PAGE) ? 0 : -EFAULT;
}

TEST_F(private, jobs_reach_nothing_of_other_processes)
{
	struct victim *victim = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct target target = { .what = "another process" };
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, victim);
	pid = child_start(be_a_victim, victim);
	ASSERT_TRUE(WAIT_FOR(LOAD(victim->ready), WAIT_SECONDS));
	target.address = victim->address;
	for (i = 0; i < 20; i++)
		expect_reaches_nothing(_metadata, &self->q, &target, 1);
	STORE(victim->stop, 1);
	EXPECT_RET(0, child_result(pid), "the other's memory is intact, its jobs are right");
	munmap(victim, PAGE);
}

/* The address space of the process is bound at the same time, by another context. */
TEST_F(private, shared_context_beside_it_works_and_gives_nothing)
{
	__u8 *p = canaries(MAP_PRIVATE);
	struct target target = { "memory that a shared context has used", (uintptr_t)p, p };
	int ctx = accel_open_shared(), i;
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, p, p + 2 * PAGE, PAGE, 2 * PAGE };
	struct zip_result r;
	struct accel_queue q;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS), "a queue of a shared context");
	for (i = 0; i < 10; i++) {
		r = zip_run(&q, &job);
		EXPECT_GOOD(r, "a job of the shared context");
		expect_reaches_nothing(_metadata, &self->q, &target, 1);
	}
	queue_close(&q);
	close(ctx);
}

/* --- Descriptors that others have --- */

static int use_queue(void *arg)
{
	struct accel_queue *q = arg, mine;
	struct accel_queue_info info;
	struct zip_result r;
	int ret = accel_queue_info(q->fd, &info, NULL);

	if (ret < 0)
		return ret;
	ret = queue_adopt(&mine, dup(q->fd));
	if (ret)
		return ret;
	attack(&mine, (uintptr_t)data_pages(), (uintptr_t)data_pages() + 2 * PAGE, &r);
	return zip_refused(&r) ? 0 : -EBADMSG;
}

TEST_F(private, forked_child_may_use_the_queue)
{
	EXPECT_RET(0, in_child(use_queue, &self->q), "maps it, submits, is told of the refusal");
}

static int create_queue(void *arg)
{
	int queue = accel_queue_create(*(int *)arg, 0);

	return queue < 0 ? queue : 0;
}

static int create_passed(void *arg)
{
	int ctx = recv_fd(*(int *)arg);

	return ctx < 0 ? ctx : create_queue(&ctx);
}

TEST_F(private, another_process_may_create_queues)
{
	int sock[2];
	pid_t pid;

	EXPECT_RET(0, in_child(create_queue, &self->ctx), "a forked child makes a queue");
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sock));
	pid = child_start(create_passed, &sock[1]);
	ASSERT_RET(0, send_fd(sock[0], self->ctx), "pass the context");
	EXPECT_RET(0, child_result(pid), "who was passed the context makes a queue");
	EXPECT_EQ(1, accel_queues(self->ctx)) {
		TH_LOG("expected: those queues are gone with the processes");
	}
	close(sock[0]);
	close(sock[1]);
}

/* --- The end --- */

static int die_amid_attacks(void *arg)
{
	struct accel_queue q;
	struct zip_result r;
	__u32 pasid;
	int ctx = open_private(&pasid), ret;

	ret = ctx < 0 ? ctx : zip_open(&q, ctx, 8, HISI_ZIP_COMPRESS);
	if (ret)
		return ret;
	for (;;) {
		attack(&q, (uintptr_t)data_pages(), (uintptr_t)data_pages() + 2 * PAGE, &r);
		STORE(*(int *)arg, 1);
	}
}

TEST_F(private, processes_die_amid_attacks)
{
	int *ready = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int i;

	ASSERT_NE(MAP_FAILED, ready);
	for (i = 0; i < 20; i++) {
		STORE(*ready, 0);
		pid = child_start(die_amid_attacks, ready);
		EXPECT_TRUE(WAIT_FOR(LOAD(*ready), WAIT_SECONDS)) {
			TH_LOG("expected: the attacker attacks");
		}
		kill(pid, SIGKILL);
		EXPECT_RET(CHILD_KILLED - SIGKILL, child_result(pid), "the child's end");
	}
	expect_device_works(_metadata);
	munmap(ready, PAGE);
}

TEST_F(private, reset_leaves_it_bound_and_empty)
{
	struct target target = { "data", (uintptr_t)data_pages(), data_pages() };
	struct accel_queue q;

	memset(data_pages(), CANARY, 4 * PAGE);
	ASSERT_RET(0, accel_reset(self->ctx), "a reset");
	expect_dead(_metadata, &self->q, ACCEL_QUEUE_DEAD_RESET);
	ASSERT_RET(0, zip_open(&q, self->ctx, 8, HISI_ZIP_COMPRESS), "a new queue");
	expect_reaches_nothing(_metadata, &q, &target, 1);
	queue_close(&q);
}

TEST_HARNESS_MAIN
