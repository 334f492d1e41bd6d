// SPDX-License-Identifier: GPL-2.0
/* ACCEL_QUEUE_SUBMIT: jobs in kernel mode, their buffers, records and fences. */
/* accel-bench: modules=accel_sim */
#include "memory_util.h"

#define DEPTH 8
#define WAIT 30

FIXTURE(submit)
{
	int ctx;
	int queue;
	int buffer;
	unsigned char *memory;
	const struct accel_sim_record *records;
};

FIXTURE_SETUP(submit)
{
	ASSERT_SIM(sim_number());
	self->ctx = sim_open_mode(ACCEL_MODE_KERNEL);
	ASSERT_WORKS(self->ctx, "a context in kernel mode");
	self->queue = accel_queue_create(self->ctx, DEPTH);
	ASSERT_WORKS(self->queue, "a queue");
	self->records = records_map(self->queue);
	ASSERT_NE(MAP_FAILED, self->records);
	self->buffer = buffer_alloc(self->ctx, 4 * PAGE);
	ASSERT_WORKS(self->buffer, "a buffer");
	self->memory = buffer_mmap(self->buffer, 4 * PAGE);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(submit)
{
	close(self->buffer);
	close(self->queue);
	close(self->ctx);
}

static struct accel_sim_job fill(__u32 index, __u64 offset, __u64 value, __u64 length)
{
	return (struct accel_sim_job){
		.opcode = ACCEL_SIM_FILL,
		.dest = ACCEL_BUFFER_ADDRESS(index, offset),
		.length = length,
		.value = value,
	};
}

TEST_F(submit, jobs_reach_the_buffer_and_tell_their_end)
{
	struct submission s = {
		.jobs = { fill(0, PAGE - 3, 0x4141414141414141, PAGE + 6) },
		.job_count = 1,
		.buffers = { use(self->buffer, ACCEL_BUFFER_WRITE) },
		.buffer_count = 1,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	__u64 count;
	size_t i;

	s.jobs[0].tag = 77;
	ASSERT_RET(0, submit(self->queue, &s), "a job");
	ASSERT_RET(0, fence_wait(s.out_fence, WAIT), "its fence");
	EXPECT_EQ(1, LOAD(self->records[0].head.number));
	EXPECT_EQ(0, self->records[0].head.error);
	EXPECT_EQ(77, self->records[0].completion.tag);
	EXPECT_EQ(PAGE + 6, self->records[0].completion.bytes);
	EXPECT_EQ(8, read(self->queue, &count, 8));
	EXPECT_EQ(1, count);
	for (i = 0; i < 4 * PAGE; i++)
		ASSERT_EQ(i >= PAGE - 3 && i < 2 * PAGE + 3 ? 0x41 : 0, self->memory[i]);
	close(s.out_fence);
}

TEST_HARNESS_MAIN
