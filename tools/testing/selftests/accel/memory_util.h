/* SPDX-License-Identifier: GPL-2.0 */
/* Buffers, fences, and jobs in kernel mode. */
#ifndef MEMORY_UTIL_H
#define MEMORY_UTIL_H

#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>

#include "sim_util.h"

#define PAGE 4096ul
/* No index of a buffer: an address that leads nowhere. */
#define NO_BUFFER 60

/* --- Buffers --- */

static inline int buffer_alloc_from(int ctx, __u32 memory, __u64 length, __u32 flags)
{
	struct accel_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.flags = flags,
		.memory = memory,
		.length = length,
	};
	int ret = accel_ioctl(ctx, ACCEL_BUFFER_ALLOC, &alloc);

	return ret < 0 ? ret : alloc.fd;
}

/* Memory of the device. */
static inline int buffer_alloc_local(int ctx, __u64 length)
{
	return buffer_alloc_from(ctx, ACCEL_MEMORY_DEVICE, length, 0);
}

static inline int buffer_alloc(int ctx, __u64 length)
{
	return buffer_alloc_from(ctx, ACCEL_MEMORY_SYSTEM, length, 0);
}

static inline int buffer_wrap(int ctx, const void *address, __u64 length, __u32 flags)
{
	struct accel_buffer_wrap wrap = {
		.size = sizeof(wrap),
		.flags = flags,
		.address = (unsigned long)address,
		.length = length,
	};
	int ret = accel_ioctl(ctx, ACCEL_BUFFER_WRAP, &wrap);

	return ret < 0 ? ret : wrap.fd;
}

/* Maps a dma-buf for the CPU; MAP_FAILED with errno set. */
static inline void *buffer_mmap(int fd, size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static inline int buffer_map_at(int ctx, struct accel_buffer_map *map)
{
	map->size = sizeof(*map);
	return accel_ioctl(ctx, ACCEL_BUFFER_MAP, map);
}

/* Maps a part of a buffer at @address, and nowhere else. */
static inline int map_at(int ctx, int fd, __u64 address, __u64 offset, __u64 length,
			 __u32 flags)
{
	struct accel_buffer_map map = {
		.flags = flags | ACCEL_MAP_FIXED,
		.fd = fd,
		.offset = offset,
		.length = length,
		.address = address,
	};

	return buffer_map_at(ctx, &map);
}

/* Maps all of a buffer for the device, where it likes; the address, or a negative errno. */
static inline __s64 buffer_map(int ctx, int fd, __u32 flags)
{
	struct accel_buffer_map map = { .flags = flags, .fd = fd };
	int ret = buffer_map_at(ctx, &map);

	return ret ? ret : (__s64)map.address;
}

static inline int buffer_unmap(int ctx, __u64 address, __u64 length)
{
	struct accel_buffer_unmap unmap = {
		.size = sizeof(unmap),
		.address = address,
		.length = length,
	};

	return accel_ioctl(ctx, ACCEL_BUFFER_UNMAP, &unmap);
}

/* A buffer of the system's dma-heap. */
static inline int heap_alloc(__u64 length)
{
	struct dma_heap_allocation_data data = { .len = length, .fd_flags = O_RDWR | O_CLOEXEC };
	int heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC), ret;

	if (heap < 0)
		return -errno;
	ret = ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data) ? -errno : (int)data.fd;
	close(heap);
	return ret;
}

/* A buffer of the pages of a memory file, which is mapped at @memory, too. */
static inline int udmabuf_alloc(size_t length, void **memory)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = length };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd = -ENOMEM;
	int file = memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (dev < 0 || file < 0)
		return -errno;
	if (!ftruncate(file, length) && !fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK)) {
		create.memfd = file;
		*memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
		fd = ioctl(dev, UDMABUF_CREATE, &create);
		if (fd < 0)
			fd = -errno;
	}
	close(file);
	close(dev);
	return fd;
}

/* --- What is used --- */

static inline struct accel_info_memory memory_info(int fd)
{
	struct accel_info_memory memory = { .size = ~0ull };

	accel_info(fd, ACCEL_INFO_MEMORY, &memory, sizeof(memory));
	return memory;
}

/* A number of the descriptor's lines in /proc; -1 if it is not there. */
static inline long long fdinfo_number(int fd, const char *key)
{
	char path[64], text[1024], *line;
	long long value = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_file(path, text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, key);
	if (line)
		sscanf(line + strlen(key), ":%lld", &value);
	return value;
}

/* What the device tells of the context behind @ctx. */
static inline struct accel_info_context context_info(int ctx)
{
	struct accel_info_context all[64] = {};
	long long id = fdinfo_number(ctx, "accel-context");
	int i, bytes = accel_info(ctx, ACCEL_INFO_CONTEXTS, all, sizeof(all));

	for (i = 0; i < 64 && i < bytes / (int)sizeof(all[0]); i++) {
		if ((long long)all[i].id == id)
			return all[i];
	}
	return (struct accel_info_context){ .device_memory = ~0ull, .mapped = ~0ull };
}

/* --- Memory --- */

static inline void *anonymous(size_t length, int prot)
{
	return mmap(NULL, length, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* What all bytes are, or -1 if they differ. */
static inline int all_bytes(const void *p, size_t length)
{
	const unsigned char *byte = p;

	return length && memcmp(byte, byte + 1, length - 1) ? -1 : *byte;
}

/* A page of which only reading is allowed, with @size bytes of @args in it. */
static inline void *in_read_only_page(const void *args, size_t size)
{
	void *page = anonymous(PAGE, PROT_READ | PROT_WRITE);

	memcpy(page, args, size);
	mprotect(page, PAGE, PROT_READ);
	return page;
}

/* Makes a device, and opens it; @number is told. */
static inline int sim_add(int *number)
{
	int last = sim_number(), ret;

	while (sim_number_from(last + 1) >= 0)
		last = sim_number_from(last + 1);
	ret = write_file("/sys/kernel/debug/accel_sim/add", "1");
	if (ret)
		return ret;
	*number = sim_number_from(last + 1);
	return accel_open_number("accel", *number, O_RDWR);
}

/* Pulls out the device of @ctx, and waits until it is gone for good. */
static inline bool sim_remove(int ctx, int number)
{
	char address[ACCEL_NAME_MAX], path[128];

	if (accel_address(ctx, address))
		return false;
	snprintf(path, sizeof(path), "/sys/devices/faux/%s", address);
	return !access(path, F_OK) && !sim_control(number, "remove", "1") &&
	       WAIT_FOR(accel_state(ctx) == ACCEL_STATUS_REMOVED, WAIT_SECONDS) &&
	       WAIT_FOR(access(path, F_OK), WAIT_SECONDS);
}

/* --- Jobs --- */

static inline struct accel_submit_buffer use(int fd, __u32 flags)
{
	return (struct accel_submit_buffer){ .fd = fd, .flags = flags };
}

/* Jobs for the sim, their buffers and fences. */
struct submission {
	struct accel_sim_job jobs[8];
	__u32 job_count;
	struct accel_submit_buffer buffers[8];
	__u32 buffer_count;
	__s32 in_fences[8];
	__u32 in_fence_count;
	__u32 flags;
	/* What it has returned. */
	int out_fence;
};

/* Submits @s, but with @jobs, of whatever device, in place of its own. */
static inline int submit_jobs(int queue, const void *jobs, __u32 job_size, struct submission *s)
{
	struct accel_submit_fence fences[ARRAY_SIZE(s->in_fences)] = {};
	struct accel_queue_submit args = {
		.size = sizeof(args),
		.flags = s->flags,
		.jobs = (unsigned long)jobs,
		.job_count = s->job_count,
		.job_size = job_size,
		.buffers = (unsigned long)s->buffers,
		.buffer_count = s->buffer_count,
		.buffer_size = sizeof(s->buffers[0]),
		.in_fences = (unsigned long)fences,
		.in_fence_count = s->in_fence_count,
		.in_fence_size = sizeof(fences[0]),
	};
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(fences); i++)
		fences[i].fd = s->in_fences[i];
	ret = accel_ioctl(queue, ACCEL_QUEUE_SUBMIT, &args);
	s->out_fence = ret < 0 ? -1 : args.out_fence;
	return ret;
}

static inline int submit(int queue, struct submission *s)
{
	return submit_jobs(queue, s->jobs, sizeof(s->jobs[0]), s);
}

/* One job with one buffer, without fences. */
static inline int submit_one(int queue, const struct accel_sim_job *job, int fd, __u32 flags)
{
	struct submission s = {
		.jobs = { *job },
		.job_count = 1,
		.buffers = { use(fd, flags) },
		.buffer_count = fd >= 0,
	};

	return submit(queue, &s);
}

static inline struct accel_sim_job fill(__u32 index, __u64 offset, __u64 value, __u64 length)
{
	return (struct accel_sim_job){
		.opcode = ACCEL_SIM_FILL,
		.dest = ACCEL_BUFFER_ADDRESS(index, offset),
		.length = length,
		.value = value,
	};
}

static inline struct accel_sim_job checksum(__u32 index, __u64 offset, __u64 length)
{
	return (struct accel_sim_job){
		.opcode = ACCEL_SIM_CHECKSUM,
		.source = ACCEL_BUFFER_ADDRESS(index, offset),
		.length = length,
	};
}

/* The records of a queue, mapped; MAP_FAILED with errno set. */
static inline const struct accel_sim_record *records_map(int queue)
{
	struct accel_region region;
	int ret = accel_region(queue, ACCEL_REGION_RECORDS, &region);

	if (ret) {
		errno = -ret;
		return MAP_FAILED;
	}
	return mmap(NULL, region.size, PROT_READ, MAP_SHARED, queue, region.offset);
}

/* --- Fences --- */

/* 1 once the fence is signalled, 0 before; a negative errno if it was with an error. */
static inline int fence_status(int fence)
{
	struct sync_file_info info = {};

	if (ioctl(fence, SYNC_IOC_FILE_INFO, &info))
		return -errno;
	return info.status;
}

/* Waits up to @seconds; 0, -ETIME, what poll() said, or the error with which it was signalled. */
static inline int fence_wait(int fence, int seconds)
{
	struct pollfd pfd = { .fd = fence, .events = POLLIN };
	int status = poll(&pfd, 1, seconds * 1000);

	if (status != 1)
		return status < 0 ? -errno : -ETIME;
	status = fence_status(fence);
	return status == 1 ? 0 : status;
}

/* A timeline that this process moves on, or a negative errno. */
static inline int timeline_open(void)
{
	int fd = open("/sys/kernel/debug/sync/sw_sync", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

struct timeline_fence {
	__u32 value;
	char name[32];
	__s32 fence;
};

/* A fence that is signalled when the timeline comes to @value. */
static inline int timeline_fence(int timeline, __u32 value)
{
	struct timeline_fence data = { .value = value, .name = "test" };

	return ioctl(timeline, _IOWR('W', 0, struct timeline_fence), &data) ? -errno : data.fence;
}

static inline int timeline_advance(int timeline, __u32 by)
{
	return ioctl(timeline, _IOW('W', 1, __u32), &by) ? -errno : 0;
}

/* What is to be waited for before reading (or writing) the buffer, as a sync file. */
static inline int buffer_export_fence(int fd, __u32 flags)
{
	struct dma_buf_export_sync_file data = { .flags = flags, .fd = -1 };

	return ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data) ? -errno : data.fd;
}

static inline int buffer_import_fence(int fd, int fence, __u32 flags)
{
	struct dma_buf_import_sync_file data = { .flags = flags, .fd = fence };

	return ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data) ? -errno : 0;
}

#endif /* MEMORY_UTIL_H */
