// SPDX-License-Identifier: GPL-2.0
/* A context: one open of the compute node, bound once, to the opener's memory. */
/* accel-bench: modules=accel_hisi_zip,accel_sim */
#include <sched.h>

#include "device_util.h"

#define QUEUES_LIMIT 4096

FIXTURE(context) {
	int ctx;
	int sock[2];
};

ON_EACH_DEVICE(context);

FIXTURE_SETUP(context)
{
	SETUP_DEVICE(variant->kind);
	self->ctx = accel_open();
	ASSERT_DEVICE(self->ctx);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET, 0, self->sock));
}

FIXTURE_TEARDOWN(context)
{
	close(self->ctx);
	close(self->sock[0]);
	close(self->sock[1]);
}

/* --- Binding --- */

TEST_F(context, binds_once)
{
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_SHARED,
	};

	ASSERT_RET(0, accel_ioctl(self->ctx, ACCEL_CONTEXT_BIND, &bind),
		   "the first bind");
	EXPECT_EQ(tested->has_pasids, !!bind.pasid) {
		TH_LOG("expected: the PASID, if there is one, and not the function's own");
	}
	EXPECT_RET(-EBUSY, accel_bind_shared(self->ctx), "the second bind");
}

TEST_F(context, unknown_mode_is_einval)
{
	EXPECT_RET(-EINVAL, accel_bind(self->ctx, ACCEL_MODE_NONE), "no mode at all");
	EXPECT_RET(-EINVAL, accel_bind(self->ctx, 4), "the first unknown mode");
	EXPECT_RET(-EINVAL, accel_bind(self->ctx, 31), "an unknown mode");
	EXPECT_RET(-EINVAL, accel_bind(self->ctx, 33), "a mode that a shift would wrap");
	EXPECT_RET(-EINVAL, accel_bind(self->ctx, ~0u), "the last unknown mode");
	EXPECT_RET(0, accel_bind_shared(self->ctx), "a refused mode binds nothing");
}

TEST_F(context, mode_without_support_is_eopnotsupp_with_a_reason)
{
	struct accel_info_address_mode modes[16] = {};
	int i, n = accel_info(self->ctx, ACCEL_INFO_ADDRESS_MODES, modes, sizeof(modes));

	ASSERT_LE((int)(3 * sizeof(modes[0])), n) {
		TH_LOG("expected: INFO_ADDRESS_MODES tells of three modes at least");
	}
	for (i = 0; i < n / (int)sizeof(modes[0]); i++) {
		if (modes[i].reason == ACCEL_REASON_AVAILABLE)
			continue;
		EXPECT_RET(-EOPNOTSUPP, accel_bind(self->ctx, modes[i].mode),
			   "a mode that has a reason not to be offered");
	}
	EXPECT_RET(0, accel_bind_shared(self->ctx), "a refused mode binds nothing");
}

TEST_F(context, queue_needs_an_address_space)
{
	EXPECT_RET(-ENOTCONN, accel_queue_create(self->ctx, 0),
		   "a queue of a context that is not bound");
}

TEST_F(context, two_contexts_of_a_process_work_side_by_side)
{
	int other = accel_open_shared(), a, b;

	ASSERT_WORKS(other, "open and bind a second context");
	ASSERT_RET(0, accel_bind_shared(self->ctx), "bind the first context");
	a = accel_queue_create(self->ctx, 0);
	b = accel_queue_create(other, 0);
	EXPECT_LE(0, a) {
		TH_LOG("expected: the first context takes a queue");
	}
	EXPECT_LE(0, b) {
		TH_LOG("expected: the second context takes a queue");
	}
	close(other);
	close(a);
	close(b);
}

static int bound_pasid(void *arg)
{
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_SHARED,
	};
	int sock = *(int *)arg, ctx = accel_open(), ret;
	__u32 done;

	ret = accel_ioctl(ctx, ACCEL_CONTEXT_BIND, &bind);
	if (ret)
		return ret;
	if (write(sock, &bind.pasid, sizeof(bind.pasid)) != sizeof(bind.pasid))
		return -EPIPE;
	/* The PASID stays in use until the other has its own. */
	return read(sock, &done, sizeof(done)) == sizeof(done) ? 0 : -EPIPE;
}

TEST_F(context, processes_get_pasids_of_their_own)
{
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_SHARED,
	};
	pid_t pid = child_start(bound_pasid, &self->sock[1]);
	__u32 theirs = 0;

	ASSERT_EQ(sizeof(theirs), read(self->sock[0], &theirs, sizeof(theirs)));
	EXPECT_RET(0, accel_ioctl(self->ctx, ACCEL_CONTEXT_BIND, &bind),
		   "bind while another process is bound");
	EXPECT_EQ(tested->has_pasids, theirs != bind.pasid) {
		TH_LOG("expected: two address spaces have two PASIDs, if they need any");
	}
	ASSERT_EQ(sizeof(theirs), write(self->sock[0], &theirs, sizeof(theirs)));
	EXPECT_RET(0, child_result(pid), "bind in the other process");
}

/* --- Whose memory it is --- */

static int create_on(void *arg)
{
	int queue = accel_queue_create(*(int *)arg, 0);

	return queue < 0 ? queue : 0;
}

static int bind_on(void *arg)
{
	return accel_bind_shared(*(int *)arg);
}

static int info_on(void *arg)
{
	struct accel_info_device device;
	int ret = accel_info_device(*(int *)arg, &device);

	return ret < 0 ? ret : 0;
}

TEST_F(context, uacce_forked_child_cannot_use_the_parents_memory)
{
	ASSERT_RET(0, accel_bind_shared(self->ctx), "bind in the parent");
	EXPECT_RET(-EPERM, in_child(create_on, &self->ctx),
		   "a child's queue on the parent's memory");
	EXPECT_RET(0, in_child(info_on, &self->ctx), "INFO in a child");
	EXPECT_RET(0, create_on(&self->ctx), "the parent's own queue afterwards");
}

TEST_F(context, forked_child_cannot_bind_the_parents_memory)
{
	EXPECT_RET(-EPERM, in_child(bind_on, &self->ctx),
		   "a child's bind of the context that the parent opened");
	EXPECT_RET(0, accel_bind_shared(self->ctx), "the parent's own bind afterwards");
}

static int open_and_pass(void *arg)
{
	int sock = *(int *)arg, ctx = accel_open_shared(), ret;
	char done;

	if (ctx < 0)
		return ctx;
	ret = send_fd(sock, ctx);
	if (ret)
		return ret;
	/* This memory lives until the receiver has tried to use it. */
	return read(sock, &done, 1) == 1 ? 0 : -EPIPE;
}

TEST_F(context, uacce_passed_descriptor_does_not_give_the_openers_memory)
{
	pid_t pid = child_start(open_and_pass, &self->sock[1]);
	int ctx = recv_fd(self->sock[0]);

	ASSERT_WORKS(ctx, "receive the other process's context");
	EXPECT_RET(-EPERM, create_on(&ctx), "a queue on another process's memory");
	EXPECT_RET(0, info_on(&ctx), "INFO on a passed descriptor");
	ASSERT_EQ(1, write(self->sock[0], "", 1));
	EXPECT_RET(0, child_result(pid), "the other process");
	EXPECT_GT(0, create_on(&ctx)) {
		TH_LOG("expected: no queue on the memory of a process that is gone");
	}
	close(ctx);
}

static int create_in_clone(void *arg)
{
	return -create_on(arg);
}

/* Another process, the same address space: what counts is the memory. */
TEST_F(context, process_that_shares_the_memory_may_create)
{
	static char stack[65536];
	pid_t pid;

	ASSERT_RET(0, accel_bind_shared(self->ctx), "bind");
	pid = clone(create_in_clone, stack + sizeof(stack), CLONE_VM | SIGCHLD, &self->ctx);
	ASSERT_LT(0, pid);
	EXPECT_RET(0, child_result(pid), "a queue made by a CLONE_VM child");
}

/* --- Running out --- */

static int create_until_refused(int ctx, int *queues, int room, int *error)
{
	int n = 0, fd;

	while (n < room && (fd = accel_queue_create(ctx, 0)) >= 0)
		queues[n++] = fd;
	*error = n < room ? fd : 0;
	return n;
}

static void close_all(const int *fds, int n)
{
	while (n--)
		close(fds[n]);
}

TEST_F(context, queue_exhaustion_is_ebusy_and_passes)
{
	static int queues[QUEUES_LIMIT];
	struct accel_info_device device = {};
	int n, round, error;

	ASSERT_RET(0, accel_bind_shared(self->ctx), "bind");
	ASSERT_WORKS(accel_info_device(self->ctx, &device), "INFO_DEVICE");
	ASSERT_LT(device.queues_max, QUEUES_LIMIT);
	for (round = 0; round < 2; round++) {
		n = create_until_refused(self->ctx, queues, QUEUES_LIMIT, &error);
		EXPECT_RET(-EBUSY, error, "one queue more than there are");
		EXPECT_EQ(device.queues_max, n) {
			TH_LOG("expected: as many queues as queues_max says, in round %d", round);
		}
		EXPECT_EQ(n, accel_queues(self->ctx)) {
			TH_LOG("expected: INFO_STATUS counts them all");
		}
		ASSERT_LT(0, n);
		close(queues[n / 2]);
		queues[n / 2] = accel_queue_create(self->ctx, 0);
		EXPECT_LE(0, queues[n / 2]) {
			TH_LOG("expected: a closed queue's place can be had again, got %s",
			       ret_name(queues[n / 2]));
		}
		close_all(queues, n);
		EXPECT_EQ(0, accel_queues(self->ctx)) {
			TH_LOG("expected: no queue is left after closing all");
		}
	}
}

TEST_F(context, many_contexts_come_and_go)
{
	int contexts[64], i, before = accel_contexts(self->ctx);

	for (i = 0; i < (int)ARRAY_SIZE(contexts); i++) {
		contexts[i] = accel_open_shared();
		EXPECT_LE(0, contexts[i]) {
			TH_LOG("expected: context %d opens and binds, got %s", i,
			       ret_name(contexts[i]));
		}
	}
	EXPECT_EQ(before + 64, accel_contexts(self->ctx)) {
		TH_LOG("expected: INFO_STATUS counts the open contexts");
	}
	close_all(contexts, ARRAY_SIZE(contexts));
	EXPECT_EQ(before, accel_contexts(self->ctx)) {
		TH_LOG("expected: closed contexts are not counted");
	}
}

TEST_HARNESS_MAIN
