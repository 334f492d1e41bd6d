/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User interface of the accel_sim driver, a device in software, beside accel.h.
 *
 * In ACCEL_MODE_SHARED and ACCEL_MODE_PRIVATE a queue has one region besides its
 * status page, of kind ACCEL_REGION_RING. @depth is a power of two. In it lie
 *
 *  - struct accel_sim_control at offset 0,
 *  - @depth jobs at ACCEL_SIM_SQ_OFFSET,
 *  - @depth completions at ACCEL_SIM_CQ_OFFSET(depth).
 *
 * Indices only count up, and wrap at 2^32; entry i lies at place i % depth. To
 * submit: write the job at place @sq_tail, then store @sq_tail + 1. To take
 * completions: read those from @cq_head up to @cq_tail, then store the new
 * @cq_head. After a store of either index, and a full barrier behind it, look
 * at @flags: if ACCEL_SIM_NEEDS_KICK is there, the device sleeps, and ACCEL_SIM_KICK
 * wakes it up. A kick that is missing costs some 10 ms, and nothing else.
 *
 * Jobs of a queue are done one after the other; its completions keep their
 * order. The device takes no job while there are @depth completions unread.
 *
 * In ACCEL_MODE_KERNEL nothing of this can be mapped. The jobs of
 * ACCEL_QUEUE_SUBMIT are struct accel_sim_job, with ACCEL_BUFFER_ADDRESS() for
 * addresses, and the region ACCEL_REGION_RECORDS has struct accel_sim_record.
 *
 * All is in the byte order of the processor.
 */
#ifndef _UAPI_ACCEL_ACCEL_SIM_H
#define _UAPI_ACCEL_ACCEL_SIM_H

#include <linux/types.h>

#include <accel/accel.h>

#define ACCEL_SIM_JOB_SIZE 64
/* What ACCEL_QUEUE_SUBMIT accepts at least: a job up to @value. */
#define ACCEL_SIM_JOB_SIZE_VER0 48
#define ACCEL_SIM_COMPLETION_SIZE 32

/* Offsets in the ring region. */
#define ACCEL_SIM_SQ_OFFSET 4096
#define ACCEL_SIM_CQ_OFFSET(depth) \
	(ACCEL_SIM_SQ_OFFSET + (__u64)(depth) * ACCEL_SIM_JOB_SIZE)

/* Bytes that a job reads or writes at most. */
#define ACCEL_SIM_LENGTH_MAX (16 << 20)

/* Milliseconds that ACCEL_SIM_SLEEP takes at most. */
#define ACCEL_SIM_SLEEP_MAX 60000

/* The device sleeps: it looks at the indices when it is kicked, or some 10 ms later. */
#define ACCEL_SIM_NEEDS_KICK (1 << 0)
/* An index is more than @depth ahead of the other: no job is taken until it is right. */
#define ACCEL_SIM_BAD_INDEX (1 << 1)

/**
 * struct accel_sim_control - the first page of the ring region
 * @sq_tail: jobs that the application has written so far
 * @cq_head: completions that it has read so far
 * @reserved0: 0
 * @sq_head: jobs that the device has taken so far: their places can be reused
 * @cq_tail: completions that it has written so far
 * @flags: ACCEL_SIM_NEEDS_KICK, ACCEL_SIM_BAD_INDEX
 * @reserved1: 0
 *
 * The device writes @sq_head, @cq_tail and @flags, and never reads them back.
 */
struct accel_sim_control {
	__u32 sq_tail;
	__u32 cq_head;
	__u32 reserved0[14];
	__u32 sq_head;
	__u32 cq_tail;
	__u32 flags;
	__u32 reserved1[13];
};

/**
 * enum accel_sim_opcode - what a job does
 * @ACCEL_SIM_NOP: nothing
 * @ACCEL_SIM_COPY: copies @length bytes from @source to @dest, which must not
 *	overlap
 * @ACCEL_SIM_FILL: fills @length bytes at @dest with the 8 bytes of @value
 * @ACCEL_SIM_CHECKSUM: computes the CRC-32 of zlib over @length bytes at @source
 * @ACCEL_SIM_SLEEP: ends @value milliseconds later
 * @ACCEL_SIM_HANG: does not end
 * @ACCEL_SIM_FAIL: ends with ACCEL_SIM_STATUS_FAILED
 */
enum accel_sim_opcode {
	ACCEL_SIM_NOP = 0,
	ACCEL_SIM_COPY = 1,
	ACCEL_SIM_FILL = 2,
	ACCEL_SIM_CHECKSUM = 3,
	ACCEL_SIM_SLEEP = 4,
	ACCEL_SIM_HANG = 5,
	ACCEL_SIM_FAIL = 6,
};

/* Raise a completion event when the job has ended, whatever its status. */
#define ACCEL_SIM_IRQ (1 << 0)

/**
 * struct accel_sim_job - entry of the submission ring
 * @opcode: one of enum accel_sim_opcode
 * @flags: 0 or ACCEL_SIM_IRQ
 * @tag: of the caller's own
 * @source: address to read from
 * @dest: address to write to
 * @length: bytes, 1 to ACCEL_SIM_LENGTH_MAX
 * @value: what the opcode makes of it; ACCEL_SIM_FAIL: the low half is given
 *	back in accel_sim_completion.result
 * @reserved: must be 0
 *
 * Fields that an opcode does not use are ignored.
 */
struct accel_sim_job {
	__u32 opcode;
	__u32 flags;
	__aligned_u64 tag;
	__aligned_u64 source;
	__aligned_u64 dest;
	__aligned_u64 length;
	__aligned_u64 value;
	__aligned_u64 reserved[2];
};

/**
 * enum accel_sim_status - how a job ended
 * @ACCEL_SIM_STATUS_OK: done
 * @ACCEL_SIM_STATUS_FAULT: an access to accel_sim_completion.address was refused
 * @ACCEL_SIM_STATUS_BAD_OPCODE: there is no such opcode
 * @ACCEL_SIM_STATUS_BAD_SIZE: @length or a time is out of range
 * @ACCEL_SIM_STATUS_BAD_FIELD: an unknown flag, or a reserved field is not 0
 * @ACCEL_SIM_STATUS_FAILED: as ACCEL_SIM_FAIL wanted
 *
 * Whatever it is, it is about this job alone: the queue goes on.
 */
enum accel_sim_status {
	ACCEL_SIM_STATUS_OK = 0,
	ACCEL_SIM_STATUS_FAULT = 1,
	ACCEL_SIM_STATUS_BAD_OPCODE = 2,
	ACCEL_SIM_STATUS_BAD_SIZE = 3,
	ACCEL_SIM_STATUS_BAD_FIELD = 4,
	ACCEL_SIM_STATUS_FAILED = 5,
};

/**
 * struct accel_sim_completion - entry of the completion ring
 * @tag: accel_sim_job.tag
 * @status: one of enum accel_sim_status
 * @result: checksum, or the code of ACCEL_SIM_FAIL; else 0
 * @address: ACCEL_SIM_STATUS_FAULT: where; the first byte of the job in the
 *	page that could not be reached
 * @bytes: how many of @length were dealt with
 */
struct accel_sim_completion {
	__aligned_u64 tag;
	__u32 status;
	__u32 result;
	__aligned_u64 address;
	__aligned_u64 bytes;
};

/**
 * struct accel_sim_record - what became of a job of ACCEL_QUEUE_SUBMIT
 * @head: accel_job_record.error is EFAULT, EINVAL or EIO where
 *	accel_sim_completion.status is ACCEL_SIM_STATUS_FAULT, one of
 *	ACCEL_SIM_STATUS_BAD_*, or ACCEL_SIM_STATUS_FAILED
 * @completion: the completion
 */
struct accel_sim_record {
	struct accel_job_record head;
	struct accel_sim_completion completion;
};

/* enum accel_sim_ioctl_nr - the driver's ioctl numbers */
enum accel_sim_ioctl_nr {
	ACCEL_SIM_NR_STATS = 0x40,
	ACCEL_SIM_NR_KICK = 0x41,
};

/**
 * struct accel_sim_stats - ioctl(ACCEL_SIM_STATS), on a bound context
 * @size: sizeof(struct accel_sim_stats)
 * @contexts: out: contexts of the device that have an address space
 * @queues: out: queues of the device
 * @reserved: must be 0
 * @jobs: out: jobs that have ended since the device was made
 * @busy_ns: out: nanoseconds that its queues have worked, those under way
 *	included
 */
struct accel_sim_stats {
	__u32 size;
	__u32 contexts;
	__u32 queues;
	__u32 reserved;
	__aligned_u64 jobs;
	__aligned_u64 busy_ns;
};
#define ACCEL_SIM_STATS_SIZE_VER0 32
#define ACCEL_SIM_STATS _IO(ACCEL_IOC_TYPE, ACCEL_SIM_NR_STATS)

/**
 * struct accel_sim_kick - ioctl(ACCEL_SIM_KICK), on a queue
 * @size: sizeof(struct accel_sim_kick)
 * @flags: must be 0
 *
 * Lets the device look at the indices of the queue now.
 */
struct accel_sim_kick {
	__u32 size;
	__u32 flags;
};
#define ACCEL_SIM_KICK_SIZE_VER0 8
#define ACCEL_SIM_KICK _IO(ACCEL_IOC_TYPE, ACCEL_SIM_NR_KICK)

#endif /* _UAPI_ACCEL_ACCEL_SIM_H */
