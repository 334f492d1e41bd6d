/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of the accelerator subsystem.
 *
 * A device is the N of /dev/accelN; contexts and queues have ids of their own on each device.
 */

#undef TRACE_SYSTEM
#define TRACE_SYSTEM accel

#if !defined(_TRACE_ACCEL_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_ACCEL_H

#include <linux/tracepoint.h>

TRACE_EVENT(accel_open,
	TP_PROTO(u32 device, u64 context, s32 pid),
	TP_ARGS(device, context, pid),
	TP_STRUCT__entry(
		__field(u64, context)
		__field(u32, device)
		__field(s32, pid)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->device = device;
		__entry->pid = pid;
	),
	TP_printk("accel%u context=%llu pid=%d",
		  __entry->device, __entry->context, __entry->pid)
);

TRACE_EVENT(accel_close,
	TP_PROTO(u32 device, u64 context),
	TP_ARGS(device, context),
	TP_STRUCT__entry(
		__field(u64, context)
		__field(u32, device)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->device = device;
	),
	TP_printk("accel%u context=%llu", __entry->device, __entry->context)
);

TRACE_EVENT(accel_queue_create,
	TP_PROTO(u32 device, u32 queue, u64 context, u32 pasid, u32 depth),
	TP_ARGS(device, queue, context, pasid, depth),
	TP_STRUCT__entry(
		__field(u64, context)
		__field(u32, device)
		__field(u32, queue)
		__field(u32, pasid)
		__field(u32, depth)
	),
	TP_fast_assign(
		__entry->context = context;
		__entry->device = device;
		__entry->queue = queue;
		__entry->pasid = pasid;
		__entry->depth = depth;
	),
	TP_printk("accel%u queue=%u context=%llu pasid=%u depth=%u",
		  __entry->device, __entry->queue, __entry->context, __entry->pasid,
		  __entry->depth)
);

/* The state is one of enum accel_queue_state. */
TRACE_EVENT(accel_queue_destroy,
	TP_PROTO(u32 device, u32 queue, u32 state),
	TP_ARGS(device, queue, state),
	TP_STRUCT__entry(
		__field(u32, device)
		__field(u32, queue)
		__field(u32, state)
	),
	TP_fast_assign(
		__entry->device = device;
		__entry->queue = queue;
		__entry->state = state;
	),
	TP_printk("accel%u queue=%u state=%u",
		  __entry->device, __entry->queue, __entry->state)
);

/* The offset is that in the file of the queue, in bytes. */
TRACE_EVENT(accel_doorbell_map,
	TP_PROTO(u32 device, u32 queue, u64 offset),
	TP_ARGS(device, queue, offset),
	TP_STRUCT__entry(
		__field(u64, offset)
		__field(u32, device)
		__field(u32, queue)
	),
	TP_fast_assign(
		__entry->offset = offset;
		__entry->device = device;
		__entry->queue = queue;
	),
	TP_printk("accel%u queue=%u offset=0x%llx",
		  __entry->device, __entry->queue, __entry->offset)
);

TRACE_EVENT(accel_fault,
	TP_PROTO(u32 device, u32 queue, u32 pasid, u64 address),
	TP_ARGS(device, queue, pasid, address),
	TP_STRUCT__entry(
		__field(u64, address)
		__field(u32, device)
		__field(u32, queue)
		__field(u32, pasid)
	),
	TP_fast_assign(
		__entry->address = address;
		__entry->device = device;
		__entry->queue = queue;
		__entry->pasid = pasid;
	),
	TP_printk("accel%u queue=%u pasid=%u address=0x%llx",
		  __entry->device, __entry->queue, __entry->pasid, __entry->address)
);

/* The generation is the one that the reset ends. */
TRACE_EVENT(accel_reset_begin,
	TP_PROTO(u32 device, u32 generation),
	TP_ARGS(device, generation),
	TP_STRUCT__entry(
		__field(u32, device)
		__field(u32, generation)
	),
	TP_fast_assign(
		__entry->device = device;
		__entry->generation = generation;
	),
	TP_printk("accel%u generation=%u", __entry->device, __entry->generation)
);

/* The error is 0 or a negative error number. */
TRACE_EVENT(accel_reset_end,
	TP_PROTO(u32 device, u32 generation, s32 error),
	TP_ARGS(device, generation, error),
	TP_STRUCT__entry(
		__field(u32, device)
		__field(u32, generation)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->device = device;
		__entry->generation = generation;
		__entry->error = error;
	),
	TP_printk("accel%u generation=%u error=%d",
		  __entry->device, __entry->generation, __entry->error)
);

#endif /* _TRACE_ACCEL_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
