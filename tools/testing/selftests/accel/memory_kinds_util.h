/* SPDX-License-Identifier: GPL-2.0 */
/* What the zip device reaches of memory of some kind, in each address mode. */
#ifndef MEMORY_KINDS_UTIL_H
#define MEMORY_KINDS_UTIL_H

#include <linux/mman.h>
#include <sys/mman.h>

#include "hisi_zip_util.h"
#include "memory_util.h"

/* What becomes of a job that the device has refused, in a mode of whatever kind. */
#define REFUSED (-EIO)
/* What is wrapped can be read, by whoever has the buffer, and not written. */
#define READS (-EACCES)
/* In place of what is expected. */
#define UNTRIED 1

#define DEPTH 8

/* A context of each mode with a queue, and ordinary memory for the other end of its jobs. */
struct reach {
	int shared_ctx;
	int private_ctx;
	int kernel_ctx;
	struct accel_queue shared;
	struct accel_queue private;
	int kernel;
	const struct hisi_zip_record *records;
	__u64 submitted;
	__u32 texts;
	/* Text, and room for what becomes of it. */
	unsigned char *text;
	unsigned char *room;
	int text_fd;
	int room_fd;
	__s64 text_at;
	__s64 room_at;
};

static inline int open_mode(__u32 mode)
{
	int ctx = accel_open();
	int ret = ctx < 0 ? ctx : accel_bind(ctx, mode);

	return ret ?: ctx;
}

static inline int reach_open_kernel(struct reach *r)
{
	r->kernel = zip_queue_create(r->kernel_ctx, DEPTH, HISI_ZIP_COMPRESS);
	if (r->kernel < 0)
		return r->kernel;
	r->records = (const void *)records_map(r->kernel);
	return r->records == MAP_FAILED ? -errno : 0;
}

/* What is written is never what is there already. */
static inline const void *new_text(struct reach *r)
{
	fill_text(r->text, PAGE, r->texts++);
	return r->text;
}

static inline int reach_open(struct reach *r)
{
	int ret;

	*r = (struct reach){
		.shared_ctx = open_mode(ACCEL_MODE_SHARED),
		.private_ctx = open_mode(ACCEL_MODE_PRIVATE),
		.kernel_ctx = open_mode(ACCEL_MODE_KERNEL),
		.text = anonymous(PAGE, PROT_READ | PROT_WRITE),
		.room = anonymous(2 * PAGE, PROT_READ | PROT_WRITE),
	};
	if (r->shared_ctx < 0 || r->private_ctx < 0 || r->kernel_ctx < 0)
		return -ENODEV;
	ret = zip_open(&r->shared, r->shared_ctx, DEPTH, HISI_ZIP_COMPRESS) ?:
	      zip_open(&r->private, r->private_ctx, DEPTH, HISI_ZIP_COMPRESS) ?:
	      reach_open_kernel(r);
	if (ret)
		return ret;
	new_text(r);
	r->text_fd = buffer_wrap(r->kernel_ctx, r->text, PAGE, 0);
	r->room_fd = buffer_wrap(r->kernel_ctx, r->room, 2 * PAGE, 0);
	r->text_at = buffer_map(r->private_ctx, r->text_fd, ACCEL_ACCESS_READ);
	r->room_at = buffer_map(r->private_ctx, r->room_fd, ACCEL_ACCESS_WRITE);
	return r->text_at < 0 ? r->text_at : r->room_at < 0 ? r->room_at : 0;
}

static inline void reach_close(struct reach *r)
{
	queue_close(&r->shared);
	queue_close(&r->private);
	munmap((void *)r->records, PAGE);
	close(r->kernel);
	close(r->text_fd);
	close(r->room_fd);
	munmap(r->text, PAGE);
	munmap(r->room, 2 * PAGE);
	close(r->shared_ctx);
	close(r->private_ctx);
	close(r->kernel_ctx);
}

/* --- One job, of a page; 0, REFUSED, or what else went wrong --- */

/* -EBADMSG where what is packed is not @plain, unless that is NULL. */
static inline int judge(const void *packed, __u32 produced, const void *plain)
{
	return !plain || zip_matches(packed, produced, plain, PAGE) ? 0 : -EBADMSG;
}

/* On a queue that is mapped, from and to addresses as the device has them. */
static inline int ring_job(struct accel_queue *q, __u64 in, __u64 out, __u32 *produced)
{
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, (void *)in, (void *)out, PAGE, PAGE };
	struct zip_result result = zip_run(q, &job);

	*produced = result.produced;
	return result.error ?: zip_good(&result) ? 0 : REFUSED;
}

/* By the kernel, from and to buffers. */
static inline int submitted_job(struct reach *r, int in, int out, __u32 *produced)
{
	struct hisi_zip_sqe sqe = submit_job(HISI_ZIP_DEFLATE, 0, PAGE, 0, PAGE);
	struct submission s = {
		.job_count = 1,
		.buffers = { use(in, ACCEL_ACCESS_READ), use(out, ACCEL_ACCESS_WRITE) },
		.buffer_count = 2,
		.flags = ACCEL_SUBMIT_OUT_FENCE,
	};
	int ret = submit_jobs(r->kernel, &sqe, sizeof(sqe), &s);

	if (ret)
		return ret;
	ret = fence_wait(s.out_fence, WAIT_SECONDS);
	close(s.out_fence);
	*produced = le32toh(r->records[r->submitted++ % DEPTH].sqe.produced);
	return ret;
}

/* In SHARED mode: reads a page at @p, in which @seen is to be found if it is not NULL. */
static inline int shared_reads(struct reach *r, const void *p, const void *seen)
{
	__u32 produced;
	int ret = ring_job(&r->shared, (uintptr_t)p, (uintptr_t)r->room, &produced);

	return ret ?: judge(r->room, produced, seen);
}

/* In SHARED mode: writes a page at @p, which is seen at @seen. */
static inline int shared_writes(struct reach *r, void *p, const void *seen)
{
	__u32 produced;
	int ret = ring_job(&r->shared, (uintptr_t)new_text(r), (uintptr_t)p, &produced);

	return ret ?: judge(seen, produced, r->text);
}

/* The same of a buffer in PRIVATE mode. */
static inline int private_reads(struct reach *r, int fd, const void *seen)
{
	__s64 at = buffer_map(r->private_ctx, fd, ACCEL_ACCESS_READ);
	__u32 produced;
	int ret;

	if (at < 0)
		return at;
	ret = ring_job(&r->private, at, r->room_at, &produced) ?: judge(r->room, produced, seen);
	return buffer_unmap(r->private_ctx, at, PAGE) ?: ret;
}

static inline int private_writes(struct reach *r, int fd, const void *seen)
{
	__s64 at = buffer_map(r->private_ctx, fd, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE);
	__u32 produced;
	int ret;

	if (at < 0)
		return at;
	new_text(r);
	ret = ring_job(&r->private, r->text_at, at, &produced) ?: judge(seen, produced, r->text);
	return buffer_unmap(r->private_ctx, at, PAGE) ?: ret;
}

/* The same of a buffer in KERNEL mode. */
static inline int kernel_reads(struct reach *r, int fd, const void *seen)
{
	__u32 produced;
	int ret = submitted_job(r, fd, r->room_fd, &produced);

	return ret ?: judge(r->room, produced, seen);
}

static inline int kernel_writes(struct reach *r, int fd, const void *seen)
{
	__u32 produced;
	int ret;

	new_text(r);
	ret = submitted_job(r, r->text_fd, fd, &produced);
	return ret ?: judge(seen, produced, r->text);
}

/* --- One kind of memory --- */

struct kind {
	const char *what;
	/* A page. */
	void *at;
	/* Where the process sees the same; NULL where it does not matter what is read. */
	void *seen;
	/* What becomes of jobs in SHARED mode: 0 or REFUSED. */
	int reads;
	int writes;
	/* What ACCEL_BUFFER_WRAP says, or READS. If it works, jobs do so in both other modes. */
	int wrapped_to_read;
	int wrapped;
};

static inline void expect_one(struct __test_metadata *_metadata, int want, int got,
			      const char *what, const char *how)
{
	EXPECT_EQ(want, got) {
		TH_LOG("%s, %s: expected %s, got %s", what, how, ret_name(want), ret_name(got));
	}
}

/* A buffer of any maker is reached in both modes that take buffers; @writes is 0 or READS. */
static inline void expect_buffer(struct __test_metadata *_metadata, struct reach *r, int fd,
				 void *seen, int writes, const char *what)
{
	expect_one(_metadata, 0, private_reads(r, fd, seen), what, "read in PRIVATE mode");
	expect_one(_metadata, 0, kernel_reads(r, fd, seen), what, "read in KERNEL mode");
	expect_one(_metadata, writes, private_writes(r, fd, seen), what, "written in PRIVATE mode");
	expect_one(_metadata, writes, kernel_writes(r, fd, seen), what, "written in KERNEL mode");
}

static inline void expect_wrapped(struct __test_metadata *_metadata, struct reach *r,
				  const struct kind *kind, __u32 flags, int want)
{
	int fd = buffer_wrap(r->kernel_ctx, kind->at, PAGE, flags);

	expect_one(_metadata, want == READS ? 0 : want, fd < 0 ? fd : 0, kind->what,
		   flags ? "wrapped to be read" : "wrapped");
	if (fd < 0)
		return;
	expect_buffer(_metadata, r, fd, kind->seen, flags ? READS : want, kind->what);
	close(fd);
}

/* What is read is tried before what is written. */
static inline void expect_kind(struct __test_metadata *_metadata, struct reach *r,
			       const struct kind *kind)
{
	expect_one(_metadata, kind->reads, shared_reads(r, kind->at, kind->seen), kind->what,
		   "read in SHARED mode");
	if (kind->writes != UNTRIED)
		expect_one(_metadata, kind->writes, shared_writes(r, kind->at, kind->seen),
			   kind->what, "written in SHARED mode");
	if (kind->wrapped_to_read != UNTRIED)
		expect_wrapped(_metadata, r, kind, ACCEL_WRAP_READ_ONLY, kind->wrapped_to_read);
	if (kind->wrapped != UNTRIED)
		expect_wrapped(_metadata, r, kind, 0, kind->wrapped);
	EXPECT_EQ(ACCEL_QUEUE_LIVE, LOAD(r->shared.status->state)) {
		TH_LOG("%s: expected that the queue goes on", kind->what);
	}
}

#define EXPECT_KIND(...) \
	do { \
		struct kind __kind = { __VA_ARGS__ }; \
		expect_kind(_metadata, &self->r, &__kind); \
	} while (0)

/* --- Files and mappings --- */

/* A file in memory with @pages of text, or a negative errno. */
static inline int text_file(unsigned int pages, unsigned int flags)
{
	int fd = memfd_create("kind", MFD_CLOEXEC | flags);
	void *p;

	if (fd < 0 || ftruncate(fd, pages * PAGE))
		return -errno;
	p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	fill_text(p, pages * PAGE, fd);
	munmap(p, pages * PAGE);
	return fd;
}

static inline void *map_file(int fd, unsigned int pages, int prot, int flags)
{
	return mmap(NULL, pages * PAGE, prot, flags, fd, 0);
}

static inline void *map_shared(int fd, unsigned int pages)
{
	return map_file(fd, pages, PROT_READ | PROT_WRITE, MAP_SHARED);
}

/* Text in anonymous memory. */
static inline void *text_pages(unsigned int pages)
{
	void *p = anonymous(pages * PAGE, PROT_READ | PROT_WRITE);

	if (p != MAP_FAILED)
		fill_text(p, pages * PAGE, pages);
	return p;
}

/* Where the mapping of this name begins; NULL if there is none. */
static inline char *mapping_begin(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long begin, found = 0;
	char line[512];

	while (maps && !found && fgets(line, sizeof(line), maps)) {
		if (strstr(line, name) && sscanf(line, "%lx-", &begin) == 1)
			found = begin;
	}
	if (maps)
		fclose(maps);
	return (char *)found;
}

#endif /* MEMORY_KINDS_UTIL_H */
