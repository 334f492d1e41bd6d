// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that were built with earlier and with later headers than this kernel's: every struct and
 * every element of an array, shorter and longer than the kernel knows it.
 */
/* accel-bench: modules=accel_sim */
#include "memory_util.h"

#define BOTH (ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE)
#define SIZE (4 * PAGE)
#define DEPTH 8
/* What is where the kernel must not write. */
#define UNTOUCHED 0xa5

FIXTURE(growth)
{
	int descriptors;
	int monitor;
	/* Contexts in two modes, queues of theirs, a buffer. */
	int kernel;
	int private;
	int jobs;
	int rings;
	int buffer;
	unsigned char *memory;
};

FIXTURE_SETUP(growth)
{
	ASSERT_SIM(sim_number());
	self->descriptors = descriptors();
	self->monitor = accel_open_number("accel_monitor", sim_number(), O_RDONLY | O_NONBLOCK);
	ASSERT_WORKS(self->monitor, "the monitor node");
	self->kernel = sim_open_mode(ACCEL_MODE_KERNEL);
	ASSERT_WORKS(self->kernel, "a context in kernel mode");
	self->private = sim_open_mode(ACCEL_MODE_PRIVATE);
	ASSERT_WORKS(self->private, "a private context");
	self->jobs = accel_queue_create(self->kernel, DEPTH);
	ASSERT_WORKS(self->jobs, "a queue in kernel mode");
	self->rings = accel_queue_create(self->private, DEPTH);
	ASSERT_WORKS(self->rings, "a queue with rings");
	self->buffer = buffer_alloc(self->kernel, SIZE);
	ASSERT_WORKS(self->buffer, "a buffer");
	self->memory = buffer_mmap(self->buffer, SIZE);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(growth)
{
	munmap(self->memory, SIZE);
	close(self->buffer);
	close(self->rings);
	close(self->jobs);
	close(self->private);
	close(self->kernel);
	close(self->monitor);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* The bytes of an argument: more than any kernel takes. */
union argument {
	__u32 size;
	struct accel_info info;
	struct accel_context_bind bind;
	struct accel_queue_create create;
	struct accel_reset reset;
	struct accel_events events;
	struct accel_buffer_alloc alloc;
	struct accel_buffer_wrap wrap;
	struct accel_buffer_map map;
	struct accel_buffer_unmap unmap;
	struct accel_queue_info queue_info;
	struct accel_queue_eventfd eventfd;
	struct accel_queue_submit submit;
	struct accel_sim_stats stats;
	struct accel_sim_kick kick;
	unsigned char bytes[2 * 4096];
};

/* --- What each ioctl is called with, and what is done after that --- */

static int on_monitor(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	(void)arg;
	return d->monitor;
}

static int on_rings(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	(void)arg;
	return d->rings;
}

static int on_private(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	(void)arg;
	return d->private;
}

static int with_query(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	arg->info.query = ACCEL_INFO_STATUS;
	return d->monitor;
}

static int with_mode(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	(void)d;
	arg->bind.mode = ACCEL_MODE_PRIVATE;
	return sim_open();
}

static void close_context(const FIXTURE_DATA(growth) * d, int fd, const union argument *arg)
{
	(void)d;
	(void)arg;
	close(fd);
}

static int with_depth(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	arg->create.depth = DEPTH;
	return d->private;
}

static void close_created(const FIXTURE_DATA(growth) * d, int fd, const union argument *arg)
{
	(void)d;
	(void)fd;
	close(arg->create.fd);
}

static int with_mask(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	arg->events.mask = ~0ull;
	return d->monitor;
}

static int with_length(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	arg->alloc.length = SIZE;
	return d->kernel;
}

static void close_allocated(const FIXTURE_DATA(growth) * d, int fd, const union argument *arg)
{
	(void)d;
	(void)fd;
	close(arg->alloc.fd);
}

static int with_memory(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	static _Alignas(4096) unsigned char own[2 * PAGE];

	arg->wrap.address = (uintptr_t)own;
	arg->wrap.length = sizeof(own);
	return d->kernel;
}

static void close_wrapped(const FIXTURE_DATA(growth) * d, int fd, const union argument *arg)
{
	(void)d;
	(void)fd;
	close(arg->wrap.fd);
}

static int with_buffer(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	arg->map.flags = BOTH;
	arg->map.fd = d->buffer;
	return d->private;
}

static void unmap_mapped(const FIXTURE_DATA(growth) * d, int fd, const union argument *arg)
{
	(void)d;
	buffer_unmap(fd, arg->map.address, SIZE);
}

/* What is refused must not have unmapped it. */
static int with_mapping(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	arg->unmap.address = 64 * PAGE;
	arg->unmap.length = SIZE;
	map_at(d->private, d->buffer, 64 * PAGE, 0, SIZE, BOTH);
	return d->private;
}

static int without_eventfd(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	arg->eventfd.fd = -1;
	return d->rings;
}

static int with_job(const FIXTURE_DATA(growth) * d, union argument *arg)
{
	static struct accel_sim_job nop = { .opcode = ACCEL_SIM_NOP };

	arg->submit.flags = ACCEL_SUBMIT_OUT_FENCE;
	arg->submit.jobs = (uintptr_t)&nop;
	arg->submit.job_count = 1;
	arg->submit.job_size = sizeof(nop);
	return d->jobs;
}

static void wait_for_job(const FIXTURE_DATA(growth) * d, int fd, const union argument *arg)
{
	(void)d;
	(void)fd;
	fence_wait(arg->submit.out_fence, WAIT_SECONDS);
	close(arg->submit.out_fence);
}

struct call {
	const char *name;
	unsigned long cmd;
	/* Bytes in the first version, and now. */
	__u32 first;
	__u32 now;
	/* Fills in the rest; returns where to call it. */
	int (*prepare)(const FIXTURE_DATA(growth) * d, union argument *arg);
	void (*undo)(const FIXTURE_DATA(growth) * d, int fd, const union argument *arg);
	/* It is undone whatever comes of it. */
	bool always;
};

#define CALL(name, NAME, prepare, undo, always) \
	{ #NAME, ACCEL_##NAME, ACCEL_##NAME##_SIZE_VER0, sizeof(struct accel_##name), \
	  prepare, undo, always }

static const struct call calls[] = {
	CALL(info, INFO, with_query, NULL, false),
	CALL(context_bind, CONTEXT_BIND, with_mode, close_context, true),
	CALL(queue_create, QUEUE_CREATE, with_depth, close_created, false),
	CALL(events, EVENTS, with_mask, NULL, false),
	CALL(buffer_alloc, BUFFER_ALLOC, with_length, close_allocated, false),
	CALL(buffer_wrap, BUFFER_WRAP, with_memory, close_wrapped, false),
	CALL(buffer_map, BUFFER_MAP, with_buffer, unmap_mapped, false),
	CALL(buffer_unmap, BUFFER_UNMAP, with_mapping, NULL, false),
	CALL(queue_info, QUEUE_INFO, on_rings, NULL, false),
	CALL(queue_eventfd, QUEUE_EVENTFD, without_eventfd, NULL, false),
	CALL(queue_submit, QUEUE_SUBMIT, with_job, wait_for_job, false),
	CALL(sim_stats, SIM_STATS, on_private, NULL, false),
	CALL(sim_kick, SIM_KICK, on_rings, NULL, false),
	/* Last: it is the end of the queues. */
	CALL(reset, RESET, on_private, NULL, false),
};

/*
 * Calls with a struct of which the program knows @size bytes; the byte at @dirt, unless that is 0,
 * is not zero. What is behind it is something else's.
 */
static int call_with(const FIXTURE_DATA(growth) * d, const struct call *c, __u32 size, __u32 dirt)
{
	static union argument arg;
	__u32 end = size < sizeof(arg.size) ? sizeof(arg.size) : size, i;
	int fd, ret;

	memset(&arg, 0, sizeof(arg));
	fd = c->prepare(d, &arg);
	memset(arg.bytes + end, UNTOUCHED, sizeof(arg) - end);
	arg.size = size;
	if (dirt)
		arg.bytes[dirt] = 1;
	ret = accel_ioctl(fd, c->cmd, &arg);
	if (c->undo && (!ret || c->always))
		c->undo(d, fd, &arg);
	for (i = end; i < sizeof(arg); i++) {
		if (arg.bytes[i] != UNTOUCHED)
			return -EOVERFLOW;
	}
	return ret;
}

TEST_F(growth, structs_may_be_shorter_and_longer)
{
	const struct call *c;
	__u32 size;

	for (c = calls; c < calls + ARRAY_SIZE(calls); c++) {
		TH_LOG("%s: %u bytes, %u at first", c->name, c->now, c->first);
		ASSERT_LE(c->first, c->now);
		for (size = 0; size < c->first; size++)
			EXPECT_RET(-EINVAL, call_with(self, c, size, 0), "less than ever");
		for (size = c->first; size <= c->now; size += 4)
			EXPECT_RET(0, call_with(self, c, size, 0), "an earlier version");
		for (size = c->now + 1; size <= c->now + 72; size += 7) {
			EXPECT_RET(0, call_with(self, c, size, 0), "a later one, not used");
			EXPECT_RET(-E2BIG, call_with(self, c, size, c->now), "one that is used");
			EXPECT_RET(-E2BIG, call_with(self, c, size, size - 1), "its end is used");
		}
		EXPECT_RET(0, call_with(self, c, PAGE, 0), "a page");
		EXPECT_RET(-E2BIG, call_with(self, c, PAGE, PAGE - 1), "a page, its end used");
		EXPECT_RET(-E2BIG, call_with(self, c, PAGE + 1, 0), "more than a page");
	}
}

static int create_with_data(const FIXTURE_DATA(growth) * d, const void *driver_data, __u32 size)
{
	struct accel_queue_create create = {
		.size = sizeof(create),
		.driver_data = (uintptr_t)driver_data,
		.driver_data_size = size,
	};
	int ret = accel_ioctl(d->private, ACCEL_QUEUE_CREATE, &create);

	if (!ret)
		close(create.fd);
	return ret;
}

TEST_F(growth, the_drivers_struct_may_be_longer)
{
	__u32 known[16] = { 4 }, first;

	/* The one of this driver has nothing but its size. */
	EXPECT_RET(0, create_with_data(self, known, 4), "as it is");
	for (first = 8; first <= sizeof(known); first += 4) {
		known[0] = first;
		EXPECT_RET(0, create_with_data(self, known, first), "a later one, not used");
		known[first / 4 - 1] = 1;
		EXPECT_RET(-E2BIG, create_with_data(self, known, first), "one that is used");
		known[first / 4 - 1] = 0;
	}
	known[0] = 3;
	EXPECT_RET(-EINVAL, create_with_data(self, known, 3), "less than ever");
}

/* --- Elements that the kernel writes --- */

#define ROOM 16

/* An array in which each element has a gap of what must stay behind it. */
static unsigned char room[ROOM * 4096 + 64];

static bool is_untouched(size_t from)
{
	for (; from < sizeof(room); from++) {
		if (room[from] != UNTOUCHED)
			return false;
	}
	return true;
}

/* Whether @count elements of @size bytes are those of @all, which have @known, cut or filled up. */
static bool are_same(const void *all, __u32 known, __u32 count, __u32 size)
{
	const unsigned char *is = room, *wanted = all;
	__u32 i, k;

	for (i = 0; i < count; i++, is += size, wanted += known) {
		for (k = 0; k < size; k++) {
			if (is[k] != (k < known ? wanted[k] : 0))
				return false;
		}
	}
	return is_untouched((size_t)count * size);
}

static int ask(int fd, __u32 query, __u32 *count, __u32 *size)
{
	struct accel_info info = {
		.size = sizeof(info),
		.query = query,
		.count = *count,
		.element_size = *size,
		.data = (uintptr_t)room,
	};
	int ret;

	memset(room, UNTOUCHED, sizeof(room));
	ret = accel_ioctl(fd, ACCEL_INFO, &info);
	*count = info.count;
	*size = info.element_size;
	return ret;
}

static int ask_regions(int queue, __u32 unused, __u32 *count, __u32 *size)
{
	struct accel_queue_info info = {
		.size = sizeof(info),
		.region_count = *count,
		.region_size = *size,
		.regions = (uintptr_t)room,
	};
	int ret;

	(void)unused;
	memset(room, UNTOUCHED, sizeof(room));
	ret = accel_ioctl(queue, ACCEL_QUEUE_INFO, &info);
	*count = info.region_count;
	*size = info.region_size;
	return ret;
}

/* Whatever size of element a program knows, and for however many it has room. */
static void expect_elements(struct __test_metadata *_metadata, int fd, __u32 query, __u32 known,
			    int (*get)(int fd, __u32 query, __u32 *count, __u32 *size))
{
	static const int more[] = { -4, 0, 4, 8, 100 };
	__u32 all, count, size, fit, i;
	static unsigned char copy[ROOM * 512];

	all = 0;
	size = 0;
	ASSERT_RET(0, get(fd, query, &all, &size), "how much there is");
	EXPECT_EQ(known, size);
	ASSERT_LE(all, ROOM);
	ASSERT_LT(0, all);
	EXPECT_TRUE(is_untouched(0));
	count = all;
	ASSERT_RET(0, get(fd, query, &count, &size), "all of it");
	memcpy(copy, room, all * known);
	for (i = 0; i < ARRAY_SIZE(more); i++) {
		for (fit = 0; fit <= all + 2; fit++) {
			count = fit;
			size = known + more[i];
			if (!size)
				continue;
			ASSERT_RET(0, get(fd, query, &count, &size), "another version");
			EXPECT_EQ(all, count);
			EXPECT_EQ(known, size);
			EXPECT_TRUE(are_same(copy, known, fit < all ? fit : all,
					     known + more[i])) {
				TH_LOG("query %u, room for %u of %u bytes", query, fit,
				       known + more[i]);
			}
		}
	}
	count = 1;
	size = 1;
	EXPECT_RET(0, get(fd, query, &count, &size), "one byte of each");
	EXPECT_TRUE(are_same(copy, known, 1, 1));
	count = 1;
	size = PAGE;
	EXPECT_RET(0, get(fd, query, &count, &size), "a page for each");
	EXPECT_TRUE(are_same(copy, known, 1, PAGE));
	count = 1;
	size = PAGE + 1;
	EXPECT_RET(-E2BIG, get(fd, query, &count, &size), "more than a page for each");
	count = 1;
	size = 0;
	EXPECT_RET(-EINVAL, get(fd, query, &count, &size), "nothing of each");
	EXPECT_TRUE(is_untouched(0));
}

TEST_F(growth, answers_have_the_size_that_a_program_knows)
{
	/* Times pass, and what was measured changes: not STATUS, not SENSORS. */
	const struct { __u32 query, size; } answers[] = {
		{ ACCEL_INFO_QUERIES, sizeof(__u32) },
		{ ACCEL_INFO_DEVICE, sizeof(struct accel_info_device) },
		{ ACCEL_INFO_ADDRESS_MODES, sizeof(struct accel_info_address_mode) },
		{ ACCEL_INFO_CONTEXTS, sizeof(struct accel_info_context) },
		{ ACCEL_INFO_ERRORS, sizeof(struct accel_info_errors) },
		{ ACCEL_INFO_MEMORY, sizeof(struct accel_info_memory) },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(answers); i++)
		expect_elements(_metadata, self->monitor, answers[i].query, answers[i].size, ask);
}

static int sensors_now(const FIXTURE_DATA(growth) * d)
{
	__u32 count = 0, size = 0;
	int ret = ask(d->monitor, ACCEL_INFO_SENSORS, &count, &size);

	return ret ?: (int)count;
}

TEST_F(growth, what_changes_has_the_size_that_a_program_knows)
{
	struct accel_info_sensor *sensors = (void *)room;
	__u32 count = 0, size = 0;

	ASSERT_RET(0, ask(self->monitor, ACCEL_INFO_STATUS, &count, &size), "the status");
	EXPECT_EQ(1, count);
	EXPECT_EQ(sizeof(struct accel_info_status), size);
	/* To ask is to have them measured. */
	EXPECT_TRUE(WAIT_FOR(sensors_now(self) > 1, WAIT_SECONDS));
	ASSERT_RET(0, ask(self->monitor, ACCEL_INFO_SENSORS, &count, &size), "the sensors");
	EXPECT_EQ(sizeof(*sensors), size);
	count = 2;
	size = sizeof(*sensors) + 8;
	ASSERT_RET(0, ask(self->monitor, ACCEL_INFO_SENSORS, &count, &size), "two sensors");
	sensors = (void *)(room + sizeof(*sensors) + 8);
	EXPECT_TRUE(!all_bytes(room + sizeof(*sensors), 8)) {
		TH_LOG("expected: zeroes behind the first");
	}
	EXPECT_NE(0, sensors->label[0]) {
		TH_LOG("expected: the second where this program looks for it");
	}
}

TEST_F(growth, regions_have_the_size_that_a_program_knows)
{
	expect_elements(_metadata, self->rings, 0, sizeof(struct accel_region), ask_regions);
	expect_elements(_metadata, self->jobs, 0, sizeof(struct accel_region), ask_regions);
}

TEST_F(growth, a_queue_tells_the_sizes_of_its_jobs_and_records)
{
	struct accel_region regions[ACCEL_REGIONS_MAX], *records = &regions[1];
	struct accel_queue_info info;
	int i, count = accel_queue_info(self->jobs, &info, regions);

	ASSERT_EQ(2, count);
	EXPECT_EQ(sizeof(struct accel_sim_job), info.job_size);
	EXPECT_EQ(0, regions[0].element_size);
	ASSERT_EQ(ACCEL_REGION_RECORDS, records->kind);
	EXPECT_EQ(sizeof(struct accel_sim_record), records->element_size);
	EXPECT_LE(info.depth * (__u64)records->element_size, records->size);
	count = accel_queue_info(self->rings, &info, regions);
	EXPECT_EQ(0, info.job_size) {
		TH_LOG("expected: no jobs are handed over where there is a ring");
	}
	for (i = 0; i < count; i++)
		EXPECT_EQ(0, regions[i].element_size);
}

/* --- Elements that the kernel reads --- */

static int submit_args(const FIXTURE_DATA(growth) * d, struct accel_queue_submit *args)
{
	int ret;

	args->size = sizeof(*args);
	args->flags = ACCEL_SUBMIT_OUT_FENCE;
	ret = accel_ioctl(d->jobs, ACCEL_QUEUE_SUBMIT, args);
	if (ret)
		return ret;
	ret = fence_wait(args->out_fence, WAIT_SECONDS);
	close(args->out_fence);
	return ret;
}

/* Two elements of @size bytes, of which @known are those of @from; a byte of the second is dirt. */
static void *spread(const void *from, __u32 known, __u32 size, __u32 dirt)
{
	static unsigned char two[3 * 4096];
	int i;

	memset(two, UNTOUCHED, sizeof(two));
	memset(two, 0, 2 * size);
	for (i = 0; i < 2; i++)
		memcpy(two + i * size, from + i * known, size < known ? size : known);
	if (dirt)
		two[size + dirt] = 1;
	return two;
}

static int submit_jobs_of(const FIXTURE_DATA(growth) * d, __u32 size, __u32 dirt)
{
	struct accel_sim_job jobs[] = {
		fill(0, 0, 0x1111111111111111, PAGE),
		fill(0, PAGE, 0x2222222222222222, PAGE),
	};
	struct accel_submit_buffer buffer = use(d->buffer, ACCEL_ACCESS_WRITE);
	struct accel_queue_submit args = {
		.jobs = (uintptr_t)spread(jobs, sizeof(jobs[0]), size, dirt),
		.job_count = 2,
		.job_size = size,
		.buffers = (uintptr_t)&buffer,
		.buffer_count = 1,
		.buffer_size = sizeof(buffer),
	};
	int ret;

	memset(d->memory, 0, SIZE);
	ret = submit_args(d, &args);
	if (ret)
		return all_bytes(d->memory, SIZE) ? -EBADMSG : ret;
	if (all_bytes(d->memory, PAGE) != 0x11 || all_bytes(d->memory + PAGE, PAGE) != 0x22)
		return -EBADMSG;
	return 0;
}

TEST_F(growth, jobs_may_be_shorter_and_longer)
{
	const __u32 now = sizeof(struct accel_sim_job);
	__u32 size;

	ASSERT_LT(ACCEL_SIM_JOB_SIZE_VER0, now) {
		TH_LOG("expected: a driver whose job has grown");
	}
	EXPECT_RET(-EINVAL, submit_jobs_of(self, 0, 0), "no size");
	EXPECT_RET(-EINVAL, submit_jobs_of(self, ACCEL_SIM_JOB_SIZE_VER0 - 1, 0), "less than ever");
	for (size = ACCEL_SIM_JOB_SIZE_VER0; size <= now; size++)
		EXPECT_RET(0, submit_jobs_of(self, size, 0), "an earlier version");
	for (size = now + 1; size < now + 40; size += 3) {
		EXPECT_RET(0, submit_jobs_of(self, size, 0), "a later one, not used");
		EXPECT_RET(-E2BIG, submit_jobs_of(self, size, now), "one that is used");
		EXPECT_RET(-E2BIG, submit_jobs_of(self, size, size - 1), "its end is used");
	}
	EXPECT_RET(0, submit_jobs_of(self, PAGE, 0), "a page");
	EXPECT_RET(-E2BIG, submit_jobs_of(self, PAGE + 1, 0), "more than a page");
}

static int submit_buffers_of(const FIXTURE_DATA(growth) * d, __u32 size, __u32 dirt)
{
	struct accel_submit_buffer buffers[] = {
		use(d->buffer, ACCEL_ACCESS_READ), use(d->buffer, ACCEL_ACCESS_WRITE),
	};
	struct accel_sim_job job = fill(1, 0, 0x3333333333333333, PAGE);
	struct accel_queue_submit args = {
		.jobs = (uintptr_t)&job,
		.job_count = 1,
		.job_size = sizeof(job),
		.buffers = (uintptr_t)spread(buffers, sizeof(buffers[0]), size, dirt),
		.buffer_count = 2,
		.buffer_size = size,
	};
	int ret;

	memset(d->memory, 0, PAGE);
	ret = submit_args(d, &args);
	return ret ?: all_bytes(d->memory, PAGE) == 0x33 ? 0 : -EBADMSG;
}

static int submit_fences_of(const FIXTURE_DATA(growth) * d, __u32 size, __u32 dirt)
{
	struct accel_sim_job nop = { .opcode = ACCEL_SIM_NOP };
	struct accel_queue_submit args = {
		.size = sizeof(args),
		.flags = ACCEL_SUBMIT_OUT_FENCE,
		.jobs = (uintptr_t)&nop,
		.job_count = 1,
		.job_size = sizeof(nop),
	};
	struct accel_submit_fence fences[2];
	int ret = accel_ioctl(d->jobs, ACCEL_QUEUE_SUBMIT, &args), before = args.out_fence;

	if (ret)
		return ret;
	fences[0] = (struct accel_submit_fence){ .fd = before };
	fences[1] = fences[0];
	args.in_fences = (uintptr_t)spread(fences, sizeof(fences[0]), size, dirt);
	args.in_fence_count = 2;
	args.in_fence_size = size;
	ret = submit_args(d, &args);
	/* So that the queue has room again, whatever became of what comes behind. */
	fence_wait(before, WAIT_SECONDS);
	close(before);
	return ret;
}

TEST_F(growth, buffers_and_fences_may_be_longer)
{
	int (*const submits[])(const FIXTURE_DATA(growth) * d, __u32 size, __u32 dirt) = {
		submit_buffers_of, submit_fences_of,
	};
	const __u32 now = sizeof(struct accel_submit_buffer);
	unsigned int i;
	__u32 size;

	ASSERT_EQ(now, sizeof(struct accel_submit_fence));
	for (i = 0; i < ARRAY_SIZE(submits); i++) {
		for (size = 0; size < ACCEL_SUBMIT_BUFFER_SIZE_VER0; size++)
			EXPECT_RET(-EINVAL, submits[i](self, size, 0), "less than ever");
		for (size = now; size < now + 40; size += 4)
			EXPECT_RET(0, submits[i](self, size, 0), "a later one, not used");
		for (size = now + 4; size < now + 40; size += 4) {
			EXPECT_RET(-E2BIG, submits[i](self, size, now), "one that is used");
			EXPECT_RET(-E2BIG, submits[i](self, size, size - 1), "its end is used");
		}
		EXPECT_RET(0, submits[i](self, PAGE, 0), "a page");
		EXPECT_RET(-E2BIG, submits[i](self, PAGE + 1, 0), "more than a page");
	}
	EXPECT_RET(-EINVAL, submit_fences_of(self, now, 4), "a flag of a fence");
}

/* --- Records that are read --- */

static int choose_event_size(const FIXTURE_DATA(growth) * d, __u32 *size)
{
	struct accel_events events = { .size = sizeof(events), .mask = ~0ull, .event_size = *size };
	int ret = accel_ioctl(d->monitor, ACCEL_EVENTS, &events);

	*size = events.event_size;
	return ret;
}

/* Reads two events, of a context that is opened and closed. */
static int read_two(const FIXTURE_DATA(growth) * d, __u32 size)
{
	const __u32 known = sizeof(struct accel_event);
	static const __u32 types[] = { ACCEL_EVENT_CONTEXT_OPEN, ACCEL_EVENT_CONTEXT_CLOSE };
	const struct accel_event *event;
	__u32 i, k;

	close(sim_open());
	memset(room, UNTOUCHED, sizeof(room));
	if (read(d->monitor, room, 2 * size + 1) != 2 * size)
		return -EBADMSG;
	for (i = 0; i < 2; i++) {
		event = (void *)(room + i * size);
		if (event->size != size || event->type != types[i])
			return -EBADMSG;
		for (k = known; k < size; k++) {
			if (room[i * size + k])
				return -EOVERFLOW;
		}
	}
	return is_untouched(2 * size) ? 0 : -EOVERFLOW;
}

TEST_F(growth, events_have_the_size_that_a_program_wants)
{
	const __u32 first = ACCEL_EVENT_SIZE_VER0;
	__u32 size, asked;

	/* Of the contexts of this test. */
	while (read(self->monitor, room, sizeof(room)) > 0)
		;
	EXPECT_RET(0, read_two(self, first), "as first, unless a program says more");
	for (size = first; size <= PAGE; size += size < 128 ? 8 : 1984) {
		asked = size;
		ASSERT_RET(0, choose_event_size(self, &asked), "another size");
		EXPECT_EQ(sizeof(struct accel_event), asked);
		EXPECT_RET(0, read_two(self, size), "events of that size");
		asked = 0;
		ASSERT_RET(0, choose_event_size(self, &asked), "no other size");
		EXPECT_RET(0, read_two(self, size), "events of the size before");
		EXPECT_EQ(-1, read(self->monitor, room, size - 1)) {
			TH_LOG("expected: one that does not fit is not read");
		}
		EXPECT_EQ(EINVAL, errno);
	}
	for (asked = 1; asked < first; asked++) {
		size = asked;
		EXPECT_RET(-EINVAL, choose_event_size(self, &size), "less than ever");
	}
	size = first + 4;
	EXPECT_RET(-EINVAL, choose_event_size(self, &size), "no multiple of 8");
	size = PAGE + 8;
	EXPECT_RET(-E2BIG, choose_event_size(self, &size), "more than a page");
	size = -8;
	EXPECT_RET(-E2BIG, choose_event_size(self, &size), "4 GiB");
}

TEST_HARNESS_MAIN
