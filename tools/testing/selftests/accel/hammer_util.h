/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a worker of the hammer has, and what it does with buffers, fences, and jobs in kernel mode.
 * Each action returns whether it came about.
 */
#ifndef HAMMER_UTIL_H
#define HAMMER_UTIL_H

#include "device_util.h"
#include "memory_util.h"

#define QUEUES 4
#define MAPPINGS 8
#define PIECES 6
#define SPACES 4
#define FENCES 8
#define DEPTH 32
#define BUFFER (64 * 1024)

/* For a fence, after the end: longer than a row of jobs that hang one after the other. */
#define FENCE_SECONDS (3 * WAIT_SECONDS)

/* Pairs of sockets that all workers have, and through which they hand each other descriptors. */
struct market {
	int pieces[2];
	int fences[2];
};

struct mapping {
	void *at;
	size_t size;
	int queue;
};

/* A buffer; its descriptor and its mapping go in any order. */
struct piece {
	int fd;
	char *at;
	size_t size;
	bool writable;
};

/* A mapping into a private address space. */
struct space {
	__u64 address;
	__u64 length;
};

struct worker {
	struct shared *shared;
	struct victim *victim;
	const struct market *market;
	unsigned int seed;
	int ctx, monitor, event, sock[2];
	__u32 mode;
	struct accel_queue queues[QUEUES];
	struct mapping mappings[MAPPINGS];
	struct piece pieces[PIECES];
	struct space spaces[SPACES];
	/* Closed when they are signalled, and not before. */
	int fences[FENCES];
	unsigned char *in, *out;
};

static inline unsigned int pick(struct worker *w, unsigned int below)
{
	return rand_r(&w->seed) % below;
}

/* --- Buffers --- */

static inline struct piece *pick_piece(struct worker *w)
{
	return &w->pieces[pick(w, PIECES)];
}

/* A new piece, if there is room for it. */
static inline bool keep_piece(struct worker *w, int fd, size_t size)
{
	int i;

	for (i = 0; i < PIECES && fd >= 0; i++) {
		if (w->pieces[i].fd >= 0 || w->pieces[i].at)
			continue;
		w->pieces[i] = (struct piece){ .fd = fd, .size = size };
		return true;
	}
	if (fd >= 0)
		close(fd);
	return false;
}

static inline bool allocate(struct worker *w)
{
	static const __u32 flags[] = { 0, 0, ACCEL_ALLOC_CONTIGUOUS, ACCEL_ALLOC_WRITE_COMBINE };
	size_t size = PAGE * (1 + pick(w, 16));

	return keep_piece(w, buffer_alloc_from(w->ctx, ACCEL_MEMORY_SYSTEM, size,
					       flags[pick(w, ARRAY_SIZE(flags))]), size);
}

static inline bool allocate_local(struct worker *w)
{
	size_t size = PAGE * (1 + pick(w, 16));

	return keep_piece(w, buffer_alloc_local(w->ctx, size), size);
}

/* Memory that jobs in other modes use at the same time. */
static inline bool wrap(struct worker *w)
{
	unsigned int pages = BUFFER / PAGE, first = pick(w, pages);
	size_t size = PAGE * (1 + pick(w, pages - first));

	return keep_piece(w, buffer_wrap(w->ctx, (pick(w, 2) ? w->in : w->out) + PAGE * first, size,
					 pick(w, 4) ? 0 : ACCEL_WRAP_READ_ONLY), size);
}

static inline bool map_piece(struct worker *w)
{
	struct piece *p = pick_piece(w);
	bool writable = pick(w, 4);
	int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
	void *at;

	if (p->fd < 0 || p->at)
		return false;
	at = mmap(NULL, p->size, prot, MAP_SHARED, p->fd, 0);
	if (at == MAP_FAILED)
		return false;
	p->at = at;
	p->writable = writable;
	return true;
}

static inline bool touch_piece(struct worker *w)
{
	struct piece *p = pick_piece(w);
	size_t offset = PAGE * pick(w, 16) % (p->size ?: 1);

	if (!p->at)
		return false;
	if (p->writable && pick(w, 2))
		STORE(p->at[offset], pick(w, 256));
	else
		asm volatile("" : : "r"(LOAD(p->at[offset])));
	return true;
}

static inline bool unmap_one(struct piece *p)
{
	char *at = p->at;

	p->at = NULL;
	return at && !munmap(at, p->size);
}

static inline bool unmap_piece(struct worker *w)
{
	return unmap_one(pick_piece(w));
}

static inline bool close_one(struct piece *p)
{
	int fd = p->fd;

	p->fd = -1;
	return fd >= 0 && !close(fd);
}

static inline bool close_piece(struct worker *w)
{
	return close_one(pick_piece(w));
}

/* Waits a little for the jobs that use it. */
static inline bool poll_piece(struct worker *w)
{
	struct pollfd p = { .fd = pick_piece(w)->fd, .events = pick(w, 2) ? POLLIN : POLLOUT };

	return p.fd >= 0 && poll(&p, 1, pick(w, 5)) == 1;
}

static inline bool give_piece(struct worker *w)
{
	struct piece *p = pick_piece(w);

	if (p->fd < 0 || send_fd(w->market->pieces[0], p->fd))
		return false;
	if (pick(w, 2))
		close_one(p);
	return true;
}

static inline bool take_piece(struct worker *w)
{
	int fd = recv_fd(w->market->pieces[1]);

	return keep_piece(w, fd, fd < 0 ? 0 : lseek(fd, 0, SEEK_END));
}

/* --- Private address spaces --- */

static inline bool map_for_device(struct worker *w)
{
	struct space *space = &w->spaces[pick(w, SPACES)];
	struct piece *p = pick_piece(w);
	struct accel_buffer_map map = { .fd = p->fd, .flags = 1 + pick(w, 3) };

	if (p->fd < 0 || space->length)
		return false;
	if (pick(w, 2)) {
		/* Where at times there is something else. */
		map.flags |= ACCEL_MAP_FIXED;
		map.address = PAGE * 8 * (1 + pick(w, 8));
	}
	if (pick(w, 2))
		map.offset = PAGE * pick(w, p->size / PAGE);
	if (buffer_map_at(w->ctx, &map))
		return false;
	*space = (struct space){ .address = map.address, .length = p->size - map.offset };
	return true;
}

static inline bool unmap_for_device(struct worker *w)
{
	struct space *at = &w->spaces[pick(w, SPACES)], space = *at;

	*at = (struct space){};
	return space.length && !buffer_unmap(w->ctx, space.address, space.length);
}

/* Where a job that is not in kernel mode finds memory, for example @own. */
static inline void *place(struct worker *w, void *own)
{
	const struct space *space = &w->spaces[pick(w, SPACES)];

	return w->mode == ACCEL_MODE_PRIVATE && space->length ? (void *)space->address : own;
}

/* --- Fences --- */

/* Room for one, or NULL. */
static inline int *fence_room(struct worker *w)
{
	int i;

	for (i = 0; i < FENCES; i++) {
		if (w->fences[i] < 0)
			return &w->fences[i];
	}
	return NULL;
}

static inline bool keep_fence(struct worker *w, int fd)
{
	int *room = fence_room(w);

	if (room && fd >= 0)
		*room = fd;
	return room && fd >= 0;
}

static inline bool poll_fence(struct worker *w)
{
	int *fence = &w->fences[pick(w, FENCES)];
	struct sync_fence_info names[4] = {};
	struct sync_file_info info = {
		.num_fences = ARRAY_SIZE(names),
		.sync_fence_info = (uintptr_t)names,
	};
	struct pollfd p = { .fd = *fence, .events = POLLIN };

	if (*fence < 0)
		return false;
	ioctl(*fence, SYNC_IOC_FILE_INFO, &info);
	if (poll(&p, 1, pick(w, 5)) != 1)
		return false;
	close(*fence);
	*fence = -1;
	return true;
}

/* What is under way with a buffer, whosever jobs it is. */
static inline bool export_fence(struct worker *w)
{
	const struct piece *p = pick_piece(w);

	if (p->fd < 0 || !fence_room(w))
		return false;
	return keep_fence(w, buffer_export_fence(p->fd, 1 + pick(w, 3)));
}

static inline bool give_fence(struct worker *w)
{
	int *fence = &w->fences[pick(w, FENCES)];

	if (*fence < 0 || send_fd(w->market->fences[0], *fence))
		return false;
	close(*fence);
	*fence = -1;
	return true;
}

static inline bool take_fence(struct worker *w)
{
	return fence_room(w) && keep_fence(w, recv_fd(w->market->fences[1]));
}

/* Whether it is signalled, by now or soon, in whatever way. */
static inline bool fence_ends(int fence)
{
	bool ends = fence_wait(fence, FENCE_SECONDS) != -ETIME;

	close(fence);
	return ends;
}

/* --- Jobs in kernel mode, from buffer 0 to buffer 1 --- */

static inline struct accel_sim_job random_sim_job(struct worker *w)
{
	__u64 from = pick(w, PAGE / 2), to = pick(w, PAGE / 2), length = 1 + pick(w, PAGE / 2);

	switch (pick(w, 8)) {
	case 0:
		return sim_nop(0);
	case 1:
	case 2:
		return fill(1, to, ~0ull, length);
	case 3:
		return checksum(0, from, length);
	case 4:
		return (struct accel_sim_job){ .opcode = ACCEL_SIM_SLEEP, .value = pick(w, 20) };
	case 5:
		/* Seldom: it takes the queue's life, two seconds later. */
		if (pick(w, 512) == 0)
			return sim_hang();
		return (struct accel_sim_job){ .opcode = ACCEL_SIM_FAIL };
	default:
		return sim_copy((void *)ACCEL_BUFFER_ADDRESS(1, to),
				(void *)ACCEL_BUFFER_ADDRESS(0, from), length);
	}
}

static inline int submit_random(struct worker *w, int queue, struct submission *s)
{
	struct hisi_zip_sqe jobs[ARRAY_SIZE(s->jobs)];
	unsigned int i;

	for (i = 0; i < s->job_count; i++) {
		s->jobs[i] = random_sim_job(w);
		jobs[i] = submit_job(HISI_ZIP_DEFLATE, pick(w, PAGE / 2), pick(w, PAGE / 2),
				     pick(w, PAGE / 2), PAGE / 2);
	}
	return tested == &zip_kind ? submit_jobs(queue, jobs, sizeof(jobs[0]), s) :
				     submit(queue, s);
}

/* @fence is where the out-fence goes, or NULL; @behind is an in-fence, or negative. */
static inline bool hand_over_with(struct worker *w, int *fence, int behind)
{
	struct submission s = {
		.job_count = 1 + pick(w, ARRAY_SIZE(s.jobs)),
		.buffers = { use(pick_piece(w)->fd, ACCEL_ACCESS_READ),
			     use(pick_piece(w)->fd, ACCEL_ACCESS_WRITE) },
		.buffer_count = 2,
		.flags = fence ? ACCEL_SUBMIT_OUT_FENCE : 0,
	};
	if (behind >= 0)
		s.in_fences[s.in_fence_count++] = behind;
	if (submit_random(w, w->queues[pick(w, QUEUES)].fd, &s))
		return false;
	if (fence)
		*fence = s.out_fence;
	return true;
}

static inline bool hand_over(struct worker *w)
{
	return hand_over_with(w, NULL, -1);
}

static inline bool hand_over_fenced(struct worker *w)
{
	int *room = fence_room(w);

	return room && hand_over_with(w, room, -1);
}

/* Its own or, once taken, another's. */
static inline bool hand_over_behind(struct worker *w)
{
	int *room = fence_room(w);
	int behind = w->fences[pick(w, FENCES)];

	return room && behind >= 0 && hand_over_with(w, room, behind);
}

#endif /* HAMMER_UTIL_H */
