/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User interface of the accelerator subsystem.
 *
 * /dev/accelN is the compute node of device N, /dev/accel_monitorN its monitor
 * node. Documentation/accel/user-api.rst is the guide to this file.
 */
#ifndef _UAPI_ACCEL_ACCEL_H
#define _UAPI_ACCEL_ACCEL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: General ioctl format
 *
 * Each ioctl takes a pointer to a struct whose first member is its size as the
 * caller knows it. A kernel that knows a shorter struct accepts a longer one
 * whose unknown trailing bytes are zero; a kernel that knows a longer struct
 * takes the missing bytes as zero. ACCEL_*_SIZE_VER0 is what a struct had in
 * its first version, and the least that is accepted. Layouts are the same for
 * 32-bit and 64-bit processes. Reserved fields and unknown flags must be zero.
 *
 * Arrays are an address, a count, and the size of an element as the caller
 * knows it. An element that the kernel reads is treated like such a struct. One
 * that it writes is cut to the caller's size, or filled with zeroes up to it;
 * the count and the size that the kernel knows are told. With a count of 0 both
 * the address and the size are ignored.
 *
 * Meaning of the common errors:
 *
 *  - ENOTTY: the number is not known on this descriptor.
 *  - E2BIG: the struct or an element is longer than the kernel's and not zero
 *    there, or longer than a page.
 *  - EINVAL: the struct or an element is shorter than its first version, or a
 *    field has a wrong value.
 *  - EOPNOTSUPP: a value is known, but not offered by this device.
 *  - EFAULT: a pointer is bad.
 *  - EAGAIN: the device is being reset; try again.
 *  - EIO: the device is isolated after too many errors.
 *  - ENODEV: the device is gone; on a queue: it is dead. A reset and isolation
 *    are the end of a queue, so it answers neither EAGAIN nor EIO for them.
 *
 * Numbers 0x00 to 0x3f belong to the core, 0x40 to 0x9f to the driver, on
 * device and on queue descriptors.
 */
#define ACCEL_IOC_TYPE 0xBC

/* enum accel_ioctl_nr - the core's ioctl numbers */
enum accel_ioctl_nr {
	ACCEL_NR_INFO = 0x00,
	ACCEL_NR_CONTEXT_BIND = 0x01,
	ACCEL_NR_QUEUE_CREATE = 0x02,
	ACCEL_NR_RESET = 0x03,
	ACCEL_NR_EVENTS = 0x04,
	ACCEL_NR_BUFFER_ALLOC = 0x05,
	ACCEL_NR_BUFFER_WRAP = 0x06,
	ACCEL_NR_BUFFER_MAP = 0x07,
	ACCEL_NR_BUFFER_UNMAP = 0x08,
	ACCEL_NR_QUEUE_INFO = 0x10,
	ACCEL_NR_QUEUE_EVENTFD = 0x11,
	ACCEL_NR_QUEUE_SUBMIT = 0x12,
	ACCEL_NR_DRIVER_BASE = 0x40,
	ACCEL_NR_DRIVER_END = 0xa0,
};

/**
 * enum accel_info_query - what ACCEL_INFO can tell
 * @ACCEL_INFO_QUERIES: __u32 each, the queries this device answers
 * @ACCEL_INFO_DEVICE: one struct accel_info_device, facts that do not change
 * @ACCEL_INFO_STATUS: one struct accel_info_status, the state at this moment
 * @ACCEL_INFO_ADDRESS_MODES: struct accel_info_address_mode, one for each mode
 *	that exists, with the reason where it is not offered
 * @ACCEL_INFO_CONTEXTS: struct accel_info_context, the use that each open of
 *	the compute node makes of the device. A caller without CAP_PERFMON is
 *	told of those of its own user only
 * @ACCEL_INFO_SENSORS: struct accel_info_sensor, one for each sensor that has a
 *	value. A caller without CAP_PERFMON is not told of those of
 *	ACCEL_SENSOR_POWER
 * @ACCEL_INFO_ERRORS: one struct accel_info_errors, what went wrong so far
 * @ACCEL_INFO_MEMORY: one struct accel_info_memory, the device's own memory
 */
enum accel_info_query {
	ACCEL_INFO_QUERIES = 0,
	ACCEL_INFO_DEVICE = 1,
	ACCEL_INFO_STATUS = 2,
	ACCEL_INFO_ADDRESS_MODES = 3,
	ACCEL_INFO_CONTEXTS = 4,
	ACCEL_INFO_SENSORS = 5,
	ACCEL_INFO_ERRORS = 6,
	ACCEL_INFO_MEMORY = 7,
};

/**
 * struct accel_info - ioctl(ACCEL_INFO)
 * @size: sizeof(struct accel_info)
 * @query: one of enum accel_info_query
 * @flags: must be 0
 * @count: in: room at @data in elements, may be 0; out: elements that there are
 *	to tell, which may be more or fewer
 * @element_size: in: bytes of an element as the caller knows it; out: as the
 *	kernel knows it
 * @reserved: must be 0
 * @data: pointer to the answer, an array; what has one struct is one of one
 *	element. Nothing is written behind the elements that there are
 *
 * Answered on the compute and on the monitor node. It never touches the
 * hardware, and so never waits for it. EOPNOTSUPP: unknown query.
 */
struct accel_info {
	__u32 size;
	__u32 query;
	__u32 flags;
	__u32 count;
	__u32 element_size;
	__u32 reserved;
	__aligned_u64 data;
};
#define ACCEL_INFO_SIZE_VER0 32
#define ACCEL_INFO _IO(ACCEL_IOC_TYPE, ACCEL_NR_INFO)

/**
 * enum accel_function - what a device computes, bit numbers
 * @ACCEL_FUNCTION_COPY: copy memory
 * @ACCEL_FUNCTION_FILL: fill memory with a pattern
 * @ACCEL_FUNCTION_CHECKSUM: checksum of memory
 * @ACCEL_FUNCTION_DEFLATE: raw deflate (RFC 1951), both directions
 * @ACCEL_FUNCTION_ZLIB: deflate with the checksum of RFC 1950, both directions
 * @ACCEL_FUNCTION_GZIP: deflate with the checksum of RFC 1952, both directions
 */
enum accel_function {
	ACCEL_FUNCTION_COPY = 0,
	ACCEL_FUNCTION_FILL = 1,
	ACCEL_FUNCTION_CHECKSUM = 2,
	ACCEL_FUNCTION_DEFLATE = 3,
	ACCEL_FUNCTION_ZLIB = 4,
	ACCEL_FUNCTION_GZIP = 5,
};

/**
 * enum accel_address_mode - how a device sees the memory of a context
 * @ACCEL_MODE_NONE: not chosen yet
 * @ACCEL_MODE_SHARED: the process's own address space, under its PASID
 * @ACCEL_MODE_PRIVATE: an address space of the context's own, under a PASID
 * @ACCEL_MODE_KERNEL: the kernel's; user space hands no commands to the device
 */
enum accel_address_mode {
	ACCEL_MODE_NONE = 0,
	ACCEL_MODE_SHARED = 1,
	ACCEL_MODE_PRIVATE = 2,
	ACCEL_MODE_KERNEL = 3,
};

/**
 * enum accel_mode_reason - why an address mode is not offered
 * @ACCEL_REASON_AVAILABLE: it is offered
 * @ACCEL_REASON_DRIVER: the driver does not support it
 * @ACCEL_REASON_NO_IOMMU: no IOMMU translates for the device
 * @ACCEL_REASON_NO_PASID: the device, its bus or its IOMMU has no PASIDs
 * @ACCEL_REASON_NO_PRI: device page requests are missing (PCI ATS or PRI), and
 *	the IOMMU does not stall instead
 * @ACCEL_REASON_NO_SVA: the kernel or the IOMMU can't share page tables
 * @ACCEL_REASON_NO_DOMAIN: the IOMMU can't give a PASID page tables of its own
 * @ACCEL_REASON_NOT_COHERENT: the device does not see what processors cache
 */
enum accel_mode_reason {
	ACCEL_REASON_AVAILABLE = 0,
	ACCEL_REASON_DRIVER = 1,
	ACCEL_REASON_NO_IOMMU = 2,
	ACCEL_REASON_NO_PASID = 3,
	ACCEL_REASON_NO_PRI = 4,
	ACCEL_REASON_NO_SVA = 5,
	ACCEL_REASON_NO_DOMAIN = 6,
	ACCEL_REASON_NOT_COHERENT = 7,
};

/**
 * struct accel_info_address_mode - element of ACCEL_INFO_ADDRESS_MODES
 * @mode: one of enum accel_address_mode
 * @reason: one of enum accel_mode_reason, 0 where the mode is offered
 */
struct accel_info_address_mode {
	__u32 mode;
	__u32 reason;
};

/**
 * enum accel_doorbell - how well the doorbells of queues are kept apart
 * @ACCEL_DOORBELL_NONE: queues have no doorbells to map
 * @ACCEL_DOORBELL_PER_QUEUE: each queue has pages of its own
 * @ACCEL_DOORBELL_SHARED: queues share a page: whoever maps it can ring any
 */
enum accel_doorbell {
	ACCEL_DOORBELL_NONE = 0,
	ACCEL_DOORBELL_PER_QUEUE = 1,
	ACCEL_DOORBELL_SHARED = 2,
};

#define ACCEL_NAME_MAX 32

/* The device can be reset. */
#define ACCEL_DEVICE_RESET (1 << 0)
/* The core resets it when a queue hangs and can't be stopped alone. */
#define ACCEL_DEVICE_AUTO_RECOVERY (1 << 1)
/* What is known of the jobs of a queue; what is not stays 0. */
#define ACCEL_DEVICE_COUNTS_JOBS (1 << 2)
#define ACCEL_DEVICE_COUNTS_BYTES (1 << 3)
#define ACCEL_DEVICE_COUNTS_BUSY (1 << 4)
/*
 * Of a ring of the process's own, that is what was seen of it now and then: there
 * may have been more, where much is done in little time.
 */
#define ACCEL_DEVICE_COUNTS_AT_LEAST (1 << 5)

/**
 * struct accel_info_device - answer to ACCEL_INFO_DEVICE
 * @functions: bit mask of 1 << enum accel_function
 * @address_modes: bit mask of 1 << enum accel_address_mode that work here
 * @numa_node: node the device is near, -1 if not known
 * @queues_max: queues that can exist at once
 * @depth_max: entries of the deepest queue
 * @doorbell: one of enum accel_doorbell
 * @id: N in /dev/accelN
 * @request_max: bytes a job reads or writes at most, 0 if there is no limit
 * @contexts_max: opens of the compute node that can exist at once, 0 if there
 *	is no limit
 * @priorities: priorities that queues can have: 0 to @priorities - 1
 * @job_limit_ms: milliseconds after which a job that does not end has its queue
 *	stopped, 0 if it may take for ever
 * @flags: ACCEL_DEVICE_*
 * @name: name of the kind of device
 * @driver: name of the driver
 * @version: version of the hardware as the driver names it
 * @bus: name of the bus the device is on
 * @address: address of the device on that bus
 *
 * All strings end in a zero byte.
 */
struct accel_info_device {
	__aligned_u64 functions;
	__u32 address_modes;
	__s32 numa_node;
	__u32 queues_max;
	__u32 depth_max;
	__u32 doorbell;
	__u32 id;
	__aligned_u64 request_max;
	__u32 contexts_max;
	__u32 priorities;
	__u32 job_limit_ms;
	__u32 flags;
	char name[ACCEL_NAME_MAX];
	char driver[ACCEL_NAME_MAX];
	char version[ACCEL_NAME_MAX];
	char bus[ACCEL_NAME_MAX];
	char address[ACCEL_NAME_MAX];
};

/**
 * enum accel_status - operational state of a device
 * @ACCEL_STATUS_OPERATIONAL: jobs are taken
 * @ACCEL_STATUS_IN_RESET: being reset; new queues are refused with EAGAIN
 * @ACCEL_STATUS_ISOLATED: out of service after too many errors, or a reset that
 *	failed; new queues are refused with EIO
 * @ACCEL_STATUS_REMOVED: gone; open descriptors only tell this. No process
 *	reaches registers, rings or memory of the device any more
 */
enum accel_status {
	ACCEL_STATUS_OPERATIONAL = 0,
	ACCEL_STATUS_IN_RESET = 1,
	ACCEL_STATUS_ISOLATED = 2,
	ACCEL_STATUS_REMOVED = 3,
};

/**
 * struct accel_info_status - answer to ACCEL_INFO_STATUS
 * @status: one of enum accel_status
 * @generation: resets that the device has gone through
 * @contexts: contexts that exist
 * @queues: queues that exist
 * @queues_created: queues created since the device was registered
 * @completions: completion events signalled since then
 * @errors: hardware errors reported by the driver since then
 * @timestamp_ns: CLOCK_MONOTONIC when these values were collected
 * @jobs: jobs done since then
 * @busy_ns: nanoseconds that the device has worked since then, the sum of its
 *	queues
 * @usage_ns: CLOCK_MONOTONIC of the sample from which @jobs and @busy_ns are,
 *	0 if there was none yet
 *
 * Answered on a descriptor of a removed device too, where ACCEL_INFO_DEVICE is
 * ENODEV.
 */
struct accel_info_status {
	__u32 status;
	__u32 generation;
	__u32 contexts;
	__u32 queues;
	__aligned_u64 queues_created;
	__aligned_u64 completions;
	__aligned_u64 errors;
	__aligned_u64 timestamp_ns;
	__aligned_u64 jobs;
	__aligned_u64 busy_ns;
	__aligned_u64 usage_ns;
};

/**
 * struct accel_info_context - element of ACCEL_INFO_CONTEXTS
 * @id: number of the context on its device, never used again
 * @pid: process that opened it, as the caller's PID namespace has it; 0 if it
 *	is not in there, or if it is the kernel's own
 * @uid: user that opened it, as the caller's user namespace has it; 0 if it is
 *	the kernel's own
 * @mode: one of enum accel_address_mode
 * @pasid: PASID under which the device works for it, 0 if it needs none
 * @queues: queues that it has now
 * @reserved: 0
 * @completions: completion events signalled on its queues so far
 * @jobs: jobs done on its queues so far
 * @bytes: bytes read and written by them
 * @busy_ns: nanoseconds that its queues were worked on
 * @device_memory: bytes of device memory in buffers that it allocated and that
 *	still exist
 * @mapped: bytes of buffers mapped into its address space
 * @client: what in the kernel it is of, ends with a zero byte; empty if it is a
 *	process's
 */
struct accel_info_context {
	__aligned_u64 id;
	__s32 pid;
	__u32 uid;
	__u32 mode;
	__u32 pasid;
	__u32 queues;
	__u32 reserved;
	__aligned_u64 completions;
	__aligned_u64 jobs;
	__aligned_u64 bytes;
	__aligned_u64 busy_ns;
	__aligned_u64 device_memory;
	__aligned_u64 mapped;
	char client[ACCEL_NAME_MAX];
};

/**
 * enum accel_sensor_kind - what a sensor measures
 * @ACCEL_SENSOR_TEMPERATURE: thousandths of a degree Celsius
 * @ACCEL_SENSOR_POWER: microwatts
 * @ACCEL_SENSOR_FREQUENCY: hertz
 */
enum accel_sensor_kind {
	ACCEL_SENSOR_TEMPERATURE = 0,
	ACCEL_SENSOR_POWER = 1,
	ACCEL_SENSOR_FREQUENCY = 2,
};

/**
 * struct accel_info_sensor - element of ACCEL_INFO_SENSORS
 * @kind: one of enum accel_sensor_kind
 * @reserved: 0
 * @value: what was measured, in the unit of @kind
 * @timestamp_ns: CLOCK_MONOTONIC when it was measured. The query itself never
 *	waits for the device, and may start a measurement for the next one
 * @label: what of the device it measures
 */
struct accel_info_sensor {
	__u32 kind;
	__u32 reserved;
	__s64 value;
	__aligned_u64 timestamp_ns;
	char label[ACCEL_NAME_MAX];
};

/**
 * struct accel_info_errors - answer to ACCEL_INFO_ERRORS
 * @hardware: hardware errors reported by the driver
 * @faults: accesses to memory that a queue was refused
 * @timeouts: queues stopped because of a job that did not end
 * @resets: resets that ended well
 * @resets_failed: resets that did not
 * @threshold: hardware errors within an hour that isolate the device, 0 if no
 *	number of them does
 * @recent: hardware errors within this hour that count for @threshold: not those
 *	from which nobody suffers but who has made them. 0 again after a reset that
 *	was asked for, or that has brought back an isolated device
 */
struct accel_info_errors {
	__aligned_u64 hardware;
	__aligned_u64 faults;
	__aligned_u64 timeouts;
	__aligned_u64 resets;
	__aligned_u64 resets_failed;
	__u32 threshold;
	__u32 recent;
};

/**
 * struct accel_info_memory - answer to ACCEL_INFO_MEMORY
 * @size: bytes of memory that the device has for buffers, 0 if it has none
 * @used: bytes of it in buffers that exist
 * @buffers: number of these buffers
 */
struct accel_info_memory {
	__aligned_u64 size;
	__aligned_u64 used;
	__aligned_u64 buffers;
};

/**
 * struct accel_context_bind - ioctl(ACCEL_CONTEXT_BIND)
 * @size: sizeof(struct accel_context_bind)
 * @flags: must be 0
 * @mode: one of enum accel_address_mode, not ACCEL_MODE_NONE
 * @pasid: out: the PASID under which the device works for this context, 0 if
 *	it needs none
 *
 * Gives the context, that is this open of the compute node, its address space.
 * Once per context. ACCEL_MODE_SHARED takes the address space of the process
 * that opened the node. ACCEL_MODE_PRIVATE is empty at first: the device
 * reaches nothing that was not mapped for this context by ACCEL_BUFFER_MAP. In
 * ACCEL_MODE_KERNEL queues have neither doorbell nor ring to map, and jobs are
 * handed over by ACCEL_QUEUE_SUBMIT.
 *
 * EBUSY: has one already. EPERM: the caller's address space is not the
 * opener's. EOPNOTSUPP: not offered, ACCEL_INFO_ADDRESS_MODES tells why.
 * ENOSPC: no PASID is free.
 */
struct accel_context_bind {
	__u32 size;
	__u32 flags;
	__u32 mode;
	__u32 pasid;
};
#define ACCEL_CONTEXT_BIND_SIZE_VER0 16
#define ACCEL_CONTEXT_BIND _IO(ACCEL_IOC_TYPE, ACCEL_NR_CONTEXT_BIND)

/**
 * struct accel_queue_create - ioctl(ACCEL_QUEUE_CREATE)
 * @size: sizeof(struct accel_queue_create)
 * @flags: must be 0
 * @depth: in: entries wanted, at most accel_info_device.depth_max, 0 for the
 *	driver's default; out: entries made
 * @priority: 0, or up to accel_info_device.priorities - 1, more urgent. Needs
 *	CAP_SYS_NICE above 0
 * @driver_data: pointer to the driver's own struct, or 0
 * @driver_data_size: its size in bytes, the driver's first member says the same
 * @fd: out: the queue's descriptor, close-on-exec
 *
 * The queue takes jobs as soon as this returns; what to map is told by
 * ACCEL_QUEUE_INFO.
 *
 * poll() reports EPOLLIN while completion events are unread, and EPOLLERR and
 * EPOLLHUP for ever once the queue is dead. read() of 8 bytes takes the count
 * of unread completion events as a __u64, and waits for one where there is
 * none, or answers EAGAIN under O_NONBLOCK; on a dead queue, ENODEV. When the
 * device raises an event is the driver's to say.
 *
 * EINVAL: @depth or @priority is beyond its limit. ENOTCONN: the context has no
 * address space. EBUSY: all queues are in use.
 * EPERM: the caller's address space is not the opener's, or doorbells are
 * shared and the administrator has not allowed that. EACCES: @priority needs
 * CAP_SYS_NICE.
 */
struct accel_queue_create {
	__u32 size;
	__u32 flags;
	__u32 depth;
	__u32 priority;
	__aligned_u64 driver_data;
	__u32 driver_data_size;
	__s32 fd;
};
#define ACCEL_QUEUE_CREATE_SIZE_VER0 32
#define ACCEL_QUEUE_CREATE _IO(ACCEL_IOC_TYPE, ACCEL_NR_QUEUE_CREATE)

/**
 * struct accel_reset - ioctl(ACCEL_RESET), on the compute node
 * @size: sizeof(struct accel_reset)
 * @flags: must be 0
 *
 * Resets the device: all its queues die (ACCEL_QUEUE_DEAD_RESET), contexts
 * stay and can have new ones. Returns when that is done. An isolated device
 * is in service again after it.
 *
 * EPERM: without CAP_SYS_ADMIN. EOPNOTSUPP: the driver can't. EIO: it failed,
 * and the device is isolated now. EAGAIN: another reset is under way, or this one
 * waits for a page that a process has been asked for; it is done once that comes.
 */
struct accel_reset {
	__u32 size;
	__u32 flags;
};
#define ACCEL_RESET_SIZE_VER0 8
#define ACCEL_RESET _IO(ACCEL_IOC_TYPE, ACCEL_NR_RESET)

/**
 * enum accel_memory - where the memory of a buffer is
 * @ACCEL_MEMORY_SYSTEM: pages of the system
 * @ACCEL_MEMORY_DEVICE: memory of the device
 */
enum accel_memory {
	ACCEL_MEMORY_SYSTEM = 0,
	ACCEL_MEMORY_DEVICE = 1,
};

/* The memory is one piece, physically. */
#define ACCEL_ALLOC_CONTIGUOUS (1 << 0)
/*
 * The CPU's writes are combined, its reads not cached, on x86; a hint that others
 * do not take. System memory only.
 */
#define ACCEL_ALLOC_WRITE_COMBINE (1 << 1)

/**
 * struct accel_buffer_alloc - ioctl(ACCEL_BUFFER_ALLOC), on the compute node
 * @size: sizeof(struct accel_buffer_alloc)
 * @flags: ACCEL_ALLOC_CONTIGUOUS, ACCEL_ALLOC_WRITE_COMBINE
 * @memory: one of enum accel_memory
 * @fd: out: a dma-buf, close-on-exec
 * @length: in: bytes wanted; out: bytes that the buffer has, whole pages
 * @alignment: of the piece's address, a power of two; 0 for a page. More than a
 *	page needs device memory or ACCEL_ALLOC_CONTIGUOUS
 *
 * The memory is zero. It lives as long as anybody has the dma-buf open, mapped
 * or attached, also when the device is gone: then device memory can't be mapped
 * any more, and a touch of it by a process is SIGBUS.
 *
 * EINVAL: @length is 0 or more than 2^63, @alignment no power of two.
 * EOPNOTSUPP: the device has no memory of its own; or a flag does not go with
 * it. ENOMEM: there is not enough system memory, or not in one piece. ENOSPC:
 * there is not enough device memory, or not in one piece. EDQUOT: the limit of
 * the cgroup on device memory.
 */
struct accel_buffer_alloc {
	__u32 size;
	__u32 flags;
	__u32 memory;
	__s32 fd;
	__aligned_u64 length;
	__aligned_u64 alignment;
};
#define ACCEL_BUFFER_ALLOC_SIZE_VER0 32
#define ACCEL_BUFFER_ALLOC _IO(ACCEL_IOC_TYPE, ACCEL_NR_BUFFER_ALLOC)

/* The memory is only read, by whomever. */
#define ACCEL_WRAP_READ_ONLY (1 << 0)

/**
 * struct accel_buffer_wrap - ioctl(ACCEL_BUFFER_WRAP), on the compute node
 * @size: sizeof(struct accel_buffer_wrap)
 * @flags: in: 0 or ACCEL_WRAP_READ_ONLY; out: ACCEL_WRAP_READ_ONLY where
 *	the memory can't be written by the caller
 * @address: of the caller's memory, whole pages
 * @length: bytes, whole pages
 * @fd: out: a dma-buf, close-on-exec
 * @reserved: must be 0
 *
 * Makes a dma-buf of memory that the caller has. Its pages are pinned, and count
 * against RLIMIT_MEMLOCK, with what else the user has pinned so, until nobody has
 * the dma-buf open, mapped or attached, even if the process ends before.
 *
 * EINVAL: no whole pages, or no address range. ENOMEM: over RLIMIT_MEMLOCK.
 * EFAULT: there is no memory, or such that can't be pinned: registers, memory
 * of a device, files whose pages are written back.
 */
struct accel_buffer_wrap {
	__u32 size;
	__u32 flags;
	__aligned_u64 address;
	__aligned_u64 length;
	__s32 fd;
	__u32 reserved;
};
#define ACCEL_BUFFER_WRAP_SIZE_VER0 32
#define ACCEL_BUFFER_WRAP _IO(ACCEL_IOC_TYPE, ACCEL_NR_BUFFER_WRAP)

/* What the device, a job or a process may do with memory. */
#define ACCEL_ACCESS_READ (1 << 0)
#define ACCEL_ACCESS_WRITE (1 << 1)

/* Map at accel_buffer_map.address, and nowhere else. */
#define ACCEL_MAP_FIXED (1 << 2)

/**
 * struct accel_buffer_map - ioctl(ACCEL_BUFFER_MAP), on the compute node
 * @size: sizeof(struct accel_buffer_map)
 * @flags: ACCEL_ACCESS_READ, ACCEL_ACCESS_WRITE, at least one;
 *	ACCEL_MAP_FIXED
 * @fd: a dma-buf, whoever made it
 * @reserved: must be 0
 * @offset: of the first byte to map, whole pages
 * @length: bytes, whole pages; 0: from @offset to the end
 * @address: where the device finds it: in with ACCEL_MAP_FIXED, else out.
 *	Address 0 is never chosen
 *
 * Maps a buffer into the address space of a context of ACCEL_MODE_PRIVATE. The
 * mapping holds the buffer; it goes by ACCEL_BUFFER_UNMAP or with the context.
 *
 * ENOTCONN: the context has no address space. EOPNOTSUPP: its address space is
 * not private; or the memory is such that this device can't be given it. EBADF,
 * EINVAL: @fd is no dma-buf; no whole pages, or not inside the buffer. EACCES:
 * ACCEL_ACCESS_WRITE on a buffer that is read-only. EEXIST: something is mapped
 * there. ERANGE: the device or the IOMMU has no such addresses. ENOSPC: no room.
 */
struct accel_buffer_map {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 address;
};
#define ACCEL_BUFFER_MAP_SIZE_VER0 40
#define ACCEL_BUFFER_MAP _IO(ACCEL_IOC_TYPE, ACCEL_NR_BUFFER_MAP)

/**
 * struct accel_buffer_unmap - ioctl(ACCEL_BUFFER_UNMAP), on the compute node
 * @size: sizeof(struct accel_buffer_unmap)
 * @flags: must be 0
 * @address: where ACCEL_BUFFER_MAP put it
 * @length: bytes that were mapped there
 *
 * When it returns, the device can't reach the memory any more: a job that tries
 * faults. Mappings go as wholes.
 *
 * ENOENT: no mapping begins there. EINVAL: it has another length.
 */
struct accel_buffer_unmap {
	__u32 size;
	__u32 flags;
	__aligned_u64 address;
	__aligned_u64 length;
};
#define ACCEL_BUFFER_UNMAP_SIZE_VER0 24
#define ACCEL_BUFFER_UNMAP _IO(ACCEL_IOC_TYPE, ACCEL_NR_BUFFER_UNMAP)

/**
 * enum accel_event_type - what an event on the monitor node is about
 * @ACCEL_EVENT_LOST: accel_event.value events were overwritten unread
 * @ACCEL_EVENT_RESET_BEGIN: the device is being reset
 * @ACCEL_EVENT_RESET_END: it was; accel_event.value is 0 or the errno of the
 *	failure
 * @ACCEL_EVENT_FAULT: a queue was refused an access to accel_event.address
 * @ACCEL_EVENT_TIMEOUT: a queue was stopped because of a job that did not end
 * @ACCEL_EVENT_ERROR: the driver reported a hardware error, accel_event.value
 *	is the driver's number for it
 * @ACCEL_EVENT_ISOLATED: the device was taken out of service
 * @ACCEL_EVENT_CONTEXT_OPEN: context accel_event.value was opened
 * @ACCEL_EVENT_CONTEXT_CLOSE: context accel_event.value was closed
 * @ACCEL_EVENT_REMOVED: the device is gone, the last event
 */
enum accel_event_type {
	ACCEL_EVENT_LOST = 0,
	ACCEL_EVENT_RESET_BEGIN = 1,
	ACCEL_EVENT_RESET_END = 2,
	ACCEL_EVENT_FAULT = 3,
	ACCEL_EVENT_TIMEOUT = 4,
	ACCEL_EVENT_ERROR = 5,
	ACCEL_EVENT_ISOLATED = 6,
	ACCEL_EVENT_CONTEXT_OPEN = 7,
	ACCEL_EVENT_CONTEXT_CLOSE = 8,
	ACCEL_EVENT_REMOVED = 9,
};

#define ACCEL_NO_QUEUE 0xffffffff

/**
 * struct accel_event - what read() of the monitor node returns
 * @size: bytes of this record, accel_events.event_size
 * @type: one of enum accel_event_type
 * @sequence: number of the event on its device, from 0. Gaps are events that
 *	the mask leaves out, or that were lost, in which case a record of
 *	ACCEL_EVENT_LOST stands in their place
 * @timestamp_ns: CLOCK_MONOTONIC when it happened
 * @address: address, where @type has one
 * @value: number, where @type has one
 * @queue: number of the queue, ACCEL_NO_QUEUE if it is about none
 * @pasid: PASID of its context, 0 if there is none
 * @pid: process that opened the context, in the initial PID namespace, 0 if
 *	there is none
 * @reserved: 0
 *
 * @address, @pasid and @pid are 0 for a reader without CAP_PERFMON.
 *
 * A reader is told of what happens after its open. read() takes as many whole
 * records as fit, waits for one where there is none, or answers EAGAIN under
 * O_NONBLOCK; EINVAL if not one fits; after ACCEL_EVENT_REMOVED, 0. A record
 * that can't be written to the caller's memory is the next one to be read: it is
 * EFAULT if it was the first. poll() reports EPOLLIN while there is one, and
 * EPOLLHUP once the device is gone. What happens never waits for a reader.
 */
struct accel_event {
	__u32 size;
	__u32 type;
	__aligned_u64 sequence;
	__aligned_u64 timestamp_ns;
	__aligned_u64 address;
	__aligned_u64 value;
	__u32 queue;
	__u32 pasid;
	__s32 pid;
	__u32 reserved;
};
#define ACCEL_EVENT_SIZE_VER0 56

/**
 * struct accel_events - ioctl(ACCEL_EVENTS), on the monitor node
 * @size: sizeof(struct accel_events)
 * @flags: must be 0
 * @mask: bit mask of 1 << enum accel_event_type that this descriptor wants; at
 *	open it is all. ACCEL_EVENT_LOST can't be left out
 * @event_size: in: bytes that each record is to have from now on, a multiple of
 *	8, 0 for no change; at open they are ACCEL_EVENT_SIZE_VER0. Longer ones
 *	than the kernel's end in zeroes. out: bytes of a record that the kernel
 *	knows
 * @reserved: must be 0
 */
struct accel_events {
	__u32 size;
	__u32 flags;
	__aligned_u64 mask;
	__u32 event_size;
	__u32 reserved;
};
#define ACCEL_EVENTS_SIZE_VER0 24
#define ACCEL_EVENTS _IO(ACCEL_IOC_TYPE, ACCEL_NR_EVENTS)

/**
 * enum accel_region_kind - what a region of a queue is
 * @ACCEL_REGION_STATUS: struct accel_queue_status, read-only, lives on after
 *	the device
 * @ACCEL_REGION_DOORBELL: registers of the device, uncached
 * @ACCEL_REGION_RING: memory that the device reads and writes
 * @ACCEL_REGION_RECORDS: struct accel_job_record of the last jobs of a queue in
 *	ACCEL_MODE_KERNEL, read-only
 */
enum accel_region_kind {
	ACCEL_REGION_STATUS = 0,
	ACCEL_REGION_DOORBELL = 1,
	ACCEL_REGION_RING = 2,
	ACCEL_REGION_RECORDS = 3,
};

/**
 * struct accel_region - one thing of a queue that can be mapped
 * @kind: one of enum accel_region_kind
 * @flags: ACCEL_ACCESS_READ and ACCEL_ACCESS_WRITE, the protections allowed
 * @offset: offset for mmap() of the queue's descriptor
 * @size: bytes, whole pages
 * @element_size: ACCEL_REGION_RECORDS: bytes from one record to the next, which
 *	are more in later kernels; else 0
 * @reserved: 0
 *
 * Mappings must be shared (MAP_SHARED) and lie inside one region; a part of a
 * region may be mapped. They are not inherited by fork() and can't be grown by
 * mremap(). A touch after the queue died is SIGBUS, but for the status page and
 * the records. A mapping keeps the queue open.
 */
struct accel_region {
	__u32 kind;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 size;
	__u32 element_size;
	__u32 reserved;
};

/**
 * struct accel_queue_info - ioctl(ACCEL_QUEUE_INFO), on a queue's descriptor
 * @size: sizeof(struct accel_queue_info)
 * @flags: must be 0
 * @id: out: number of the queue on its device
 * @depth: out: entries
 * @job_size: out: bytes of a job for ACCEL_QUEUE_SUBMIT as the kernel knows it,
 *	0 if the queue takes none
 * @region_count: in: room at @regions, in elements, may be 0; out: regions
 *	that the queue has
 * @region_size: in: sizeof(struct accel_region); out: as the kernel knows it
 * @reserved: must be 0
 * @regions: pointer to an array of struct accel_region
 *
 * ENODEV: the queue is dead; its status page says why.
 */
struct accel_queue_info {
	__u32 size;
	__u32 flags;
	__u32 id;
	__u32 depth;
	__u32 job_size;
	__u32 region_count;
	__u32 region_size;
	__u32 reserved;
	__aligned_u64 regions;
};
#define ACCEL_QUEUE_INFO_SIZE_VER0 40
#define ACCEL_QUEUE_INFO _IO(ACCEL_IOC_TYPE, ACCEL_NR_QUEUE_INFO)

/**
 * struct accel_queue_eventfd - ioctl(ACCEL_QUEUE_EVENTFD), on a queue
 * @size: sizeof(struct accel_queue_eventfd)
 * @flags: must be 0
 * @fd: an eventfd that counts up by 1 with each completion event, and when the
 *	queue dies; -1 for none
 * @reserved: must be 0
 *
 * Takes the place of the one before. If completion events are unread when it is
 * set, it counts up by 1 at once. EBADF, EINVAL: @fd is no eventfd. ENODEV: the
 * queue is dead.
 */
struct accel_queue_eventfd {
	__u32 size;
	__u32 flags;
	__s32 fd;
	__u32 reserved;
};
#define ACCEL_QUEUE_EVENTFD_SIZE_VER0 16
#define ACCEL_QUEUE_EVENTFD _IO(ACCEL_IOC_TYPE, ACCEL_NR_QUEUE_EVENTFD)

/**
 * struct accel_submit_buffer - a buffer that jobs use
 * @fd: a dma-buf, whoever made it
 * @flags: ACCEL_ACCESS_READ, ACCEL_ACCESS_WRITE, at least one
 */
struct accel_submit_buffer {
	__s32 fd;
	__u32 flags;
};
#define ACCEL_SUBMIT_BUFFER_SIZE_VER0 8

/**
 * struct accel_submit_fence - a fence that jobs wait for
 * @fd: a sync file
 * @flags: must be 0
 */
struct accel_submit_fence {
	__s32 fd;
	__u32 flags;
};
#define ACCEL_SUBMIT_FENCE_SIZE_VER0 8

#define ACCEL_SUBMIT_BUFFERS_MAX 64
#define ACCEL_SUBMIT_FENCES_MAX 64

/*
 * In a job of ACCEL_QUEUE_SUBMIT stands for an address: an offset in bytes into
 * one of the buffers, by its place in the array.
 */
#define ACCEL_BUFFER_ADDRESS(index, offset) \
	((__u64)(index) << 48 | (__u64)(offset))

/* Make a fence of the end of the jobs, accel_queue_submit.out_fence. */
#define ACCEL_SUBMIT_OUT_FENCE (1 << 0)

/**
 * struct accel_queue_submit - ioctl(ACCEL_QUEUE_SUBMIT), on a queue
 * @size: sizeof(struct accel_queue_submit)
 * @flags: 0 or ACCEL_SUBMIT_OUT_FENCE
 * @jobs: pointer to an array of the driver's job struct
 * @buffers: pointer to an array of struct accel_submit_buffer: all that the jobs
 *	use. One that is there several times is one buffer, and counts as what
 *	all of its places say together; a job may do with it what the place says
 *	by which it addresses it
 * @in_fences: pointer to an array of struct accel_submit_fence
 * @job_count: jobs, at least 1 and at most the queue's depth
 * @job_size: sizeof() of the driver's struct
 * @buffer_count: at most ACCEL_SUBMIT_BUFFERS_MAX
 * @buffer_size: sizeof(struct accel_submit_buffer)
 * @in_fence_count: at most ACCEL_SUBMIT_FENCES_MAX
 * @in_fence_size: sizeof(struct accel_submit_fence)
 * @out_fence: out: a sync file, close-on-exec, that is signalled when all of the
 *	jobs have ended, with the error of the first that failed
 * @reserved: must be 0
 *
 * Hands over jobs in ACCEL_MODE_KERNEL. The driver checks each against the
 * buffers. The jobs of a queue begin and end in the order of their numbers,
 * which count from 0 as they are handed over.
 *
 * They wait for the in-fences, and for what others still do with the buffers,
 * as the fences in these say: for all that writes a buffer that the jobs read,
 * for all that uses one that they write. Others wait for them in the same way.
 * If an in-fence has failed, the jobs end with ECANCELED, and never begin.
 *
 * The end of the jobs is one completion event of the queue. What became of each
 * is in the records (ACCEL_REGION_RECORDS). If the queue dies, jobs end with
 * ETIMEDOUT, ENODEV, EIO, or ECANCELED, as enum accel_queue_state has
 * DEAD_TIMEOUT, DEAD_REMOVED, DEAD_ISOLATED or DEAD_ERROR, and all else,
 * close() too.
 *
 * EOPNOTSUPP: the context is not in ACCEL_MODE_KERNEL. EAGAIN: more than the
 * queue's depth of jobs would be under way. EINVAL: a job, a buffer or a fence is
 * wrong. EACCES: a job writes what is not named for that, or a buffer that is
 * read-only. ENODEV: the queue is dead. Nothing is handed over then.
 */
struct accel_queue_submit {
	__u32 size;
	__u32 flags;
	__aligned_u64 jobs;
	__aligned_u64 buffers;
	__aligned_u64 in_fences;
	__u32 job_count;
	__u32 job_size;
	__u32 buffer_count;
	__u32 buffer_size;
	__u32 in_fence_count;
	__u32 in_fence_size;
	__s32 out_fence;
	__u32 reserved;
};
#define ACCEL_QUEUE_SUBMIT_SIZE_VER0 64
#define ACCEL_QUEUE_SUBMIT _IO(ACCEL_IOC_TYPE, ACCEL_NR_QUEUE_SUBMIT)

/**
 * struct accel_job_record - what became of a job of ACCEL_QUEUE_SUBMIT
 * @number: number of the job plus 1, written last
 * @error: 0, or the errno with which it ended
 * @reserved: 0
 *
 * Behind it comes what the driver tells, in a struct of its own; together they
 * are one element of the region. Elements are accel_region.element_size apart, a
 * multiple of 16; this struct does not grow, the driver's may. The record of a
 * job lies at its number modulo the queue's depth, until a later job takes the
 * place.
 */
struct accel_job_record {
	__aligned_u64 number;
	__s32 error;
	__u32 reserved;
};

/**
 * enum accel_queue_state - state of a queue
 * @ACCEL_QUEUE_LIVE: takes jobs
 * @ACCEL_QUEUE_DEAD_RESET: the device was reset
 * @ACCEL_QUEUE_DEAD_REMOVED: the device is gone
 * @ACCEL_QUEUE_DEAD_TIMEOUT: a job of it did not end in time
 * @ACCEL_QUEUE_DEAD_ISOLATED: the device was taken out of service
 * @ACCEL_QUEUE_CLOSED: nobody has it open any more; only traces tell this
 * @ACCEL_QUEUE_DEAD_ERROR: the device can't go on with it: its process did not
 *	keep to the rules of the rings, or the hardware failed there
 */
enum accel_queue_state {
	ACCEL_QUEUE_LIVE = 1,
	ACCEL_QUEUE_DEAD_RESET = 2,
	ACCEL_QUEUE_DEAD_REMOVED = 3,
	ACCEL_QUEUE_DEAD_TIMEOUT = 4,
	ACCEL_QUEUE_DEAD_ISOLATED = 5,
	ACCEL_QUEUE_CLOSED = 6,
	ACCEL_QUEUE_DEAD_ERROR = 7,
};

/**
 * struct accel_queue_status - content of the region ACCEL_REGION_STATUS
 * @state: one of enum accel_queue_state
 * @generation: resets that its device had gone through when it was made
 * @completions: completion events signalled on this queue so far
 *
 * Written by the kernel alone. The rest of the page is zero.
 */
struct accel_queue_status {
	__u32 state;
	__u32 generation;
	__aligned_u64 completions;
};

#endif /* _UAPI_ACCEL_ACCEL_H */
