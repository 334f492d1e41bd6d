// SPDX-License-Identifier: GPL-2.0
/*
 * Measures what it costs to use a ZIP engine, by accel_hisi_zip or by uacce and
 * hisi_zip: `benchmark accel`, `benchmark uacce`. Each row is measured by the
 * same code; struct stack has the steps that differ.
 *
 * Prints a line of JSON for each row, with all samples. Instructions are those of
 * the processor as the emulated device reports them, where QEMU counts them
 * (-icount), else nanoseconds stand in their place. Takes the device from the
 * driver that has it, and gives it to the one that is measured.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stack.h"

#define KIB 1024UL
#define MIB (1024 * KIB)
#define SAMPLES_MAX 64
#define QUEUES_MAX 256
#define WAIT_SECONDS 60

/* The test port of the emulated device. */
#define PORT 0x3ff000
#define PORT_MAGIC 0x53544c46
#define PORT_INSTRUCTIONS 0x28

static const struct stack *stack;
static char address[32];
static volatile uint64_t *instructions;
/* How often a row is measured; the first time, when caches are cold, is not told. */
static int samples = 15;

int must(int ret, const char *what)
{
	if (ret < 0) {
		fprintf(stderr, "benchmark %s: %s: %s\n", stack->name, what, strerror(errno));
		exit(1);
	}
	return ret;
}

void *map(int fd, size_t size, off_t offset)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	must(at == MAP_FAILED ? -1 : 0, "mmap");
	return at;
}

/* --- Counting --- */

static uint64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static bool counts_instructions(void)
{
	return *instructions != 0;
}

static uint64_t now(void)
{
	return counts_instructions() ? *instructions : nanoseconds();
}

static const char *unit(void)
{
	return counts_instructions() ? "instructions" : "nanoseconds";
}

/* The samples of one row. */
struct row {
	const char *name;
	const char *unit;
	int count;
	int64_t value[SAMPLES_MAX];
};

static void row_add(struct row *row, int64_t value)
{
	if (row->count < SAMPLES_MAX)
		row->value[row->count++] = value;
}

/* @skip samples at the beginning are those of a cold start. */
static void row_print(const struct row *row, int skip)
{
	printf("{\"stack\": \"%s\", \"row\": \"%s\", \"unit\": \"%s\", \"samples\": [", stack->name,
	       row->name, row->unit);
	for (int i = skip; i < row->count; i++)
		printf("%s%lld", i > skip ? ", " : "", (long long)row->value[i]);
	printf("]}\n");
	fflush(stdout);
}

/* --- The device --- */

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = fd < 0 ? -1 : (int)write(fd, text, strlen(text));

	close(fd);
	return ret;
}

static void find_device(void)
{
	glob_t found;

	must(glob("/sys/bus/pci/devices/*/vendor", 0, NULL, &found) ? -1 : 0, "PCI devices");
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char *path = found.gl_pathv[i], text[16] = "";
		int fd = must(open(path, O_RDONLY), path);

		must(read(fd, text, sizeof(text) - 1), path);
		close(fd);
		*strrchr(path, '/') = 0;
		if (!strcmp(text, "0x19e5\n"))
			snprintf(address, sizeof(address), "%s", strrchr(path, '/') + 1);
	}
	globfree(&found);
	must(address[0] ? 0 : -1, "a device of vendor 0x19e5");
}

static void map_counter(void)
{
	char path[PATH_MAX], *port;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", address);
	fd = must(open(path, O_RDWR | O_CLOEXEC), path);
	port = map(fd, HISI_ZIP_PAGE_SIZE, PORT);
	close(fd);
	must(*(volatile uint32_t *)port == PORT_MAGIC ? 0 : -1, "the emulated device, faults=on");
	instructions = (volatile uint64_t *)(port + PORT_INSTRUCTIONS);
}

static void unbind_driver(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver/unbind", address);
	write_file(path, address);
}

/* Gives the device to the driver, and waits until that has done all that comes with it. */
static void bind_driver(void)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver_override", address);
	must(write_file(path, stack->driver), path);
	must(write_file("/sys/bus/pci/drivers_probe", address), "binding the driver");
	for (int i = 0; !stack->find(); i++) {
		must(i < 10 * WAIT_SECONDS ? 0 : -1, "a node of the device");
		usleep(100000);
	}
	sleep(1);
}

/* --- Jobs --- */

static void ring_doorbell(struct queue *q, unsigned int command, unsigned int index, bool arm)
{
	__sync_synchronize();
	*(volatile uint64_t *)(q->doorbell + HISI_ZIP_DOORBELL_OFFSET) =
		htole64(HISI_ZIP_DB(q->id, command, index, arm));
}

static void put(struct queue *q, const void *in, uint32_t size, void *out)
{
	q->sq[q->tail] = (struct hisi_zip_sqe){
		.input_data_length = htole32(size),
		.type = htole32(HISI_ZIP_LAYOUT_V3),
		.algorithm = htole32(HISI_ZIP_DEFLATE),
		.dest_avail_out = htole32(2 * size),
		.source_l = htole32((uintptr_t)in),
		.source_h = htole32((uintptr_t)in >> 32),
		.dest_l = htole32((uintptr_t)out),
		.dest_h = htole32((uintptr_t)out >> 32),
	};
	q->tail = (q->tail + 1) % DEPTH;
}

static bool is_done(const struct queue *q)
{
	return (le16toh(q->cq[q->head].w7) & 1) == q->phase;
}

/* The next completion, seen in memory. */
static void take(struct queue *q)
{
	const volatile struct hisi_zip_sqe *sqe = &q->sq[q->head];

	while (!is_done(q))
		;
	__sync_synchronize();
	must((le32toh(sqe->status) & 0xff) == HISI_ZIP_OK ? 0 : -1, "a job");
	if (++q->head == DEPTH) {
		q->head = 0;
		q->phase = !q->phase;
	}
}

static void run(struct queue *q, const void *in, uint32_t size, void *out, int batch)
{
	for (int i = 0; i < batch; i++)
		put(q, in, size, out);
	ring_doorbell(q, HISI_ZIP_DB_SQ, q->tail, false);
	for (int i = 0; i < batch; i++)
		take(q);
	ring_doorbell(q, HISI_ZIP_DB_CQ, q->head, false);
}

static void run_by_poll(struct queue *q, const void *in, uint32_t size, void *out)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };

	ring_doorbell(q, HISI_ZIP_DB_CQ, q->head, true);
	put(q, in, size, out);
	ring_doorbell(q, HISI_ZIP_DB_SQ, q->tail, false);
	must(poll(&p, 1, WAIT_SECONDS * 1000) == 1 ? 0 : -1, "poll");
	stack->acknowledge(q);
	take(q);
}

static unsigned char *memory(size_t size)
{
	unsigned char *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	must(at == MAP_FAILED ? -1 : 0, "memory");
	return at;
}

static unsigned char *text(size_t size)
{
	unsigned char *at = memory(size);
	uint32_t noise = 1;

	for (size_t i = 0; i < size; i++) {
		noise = noise * 1664525 + 1013904223;
		at[i] = i % 7 ? "accelerator"[i % 11] : noise >> 28;
	}
	return at;
}

/* --- The rows --- */

/* First use of all that is mapped: some give the pages when they are touched. */
static void touch(struct queue *q)
{
	char *page = (char *)q->sq;

	ring_doorbell(q, HISI_ZIP_DB_CQ, 0, false);
	for (size_t i = 0; i < q->ring_size; i += HISI_ZIP_PAGE_SIZE)
		(void)*(volatile char *)(page + i);
}

static void open_queue(struct queue *q, int context)
{
	stack->queue_open(q, context);
	touch(q);
}

static void measure_call(const char *name, long (*call)(const struct queue *),
			 const struct queue *q)
{
	struct row row = { .name = name, .unit = unit() };

	for (int i = 0; i <= samples; i++) {
		uint64_t before = now();

		call(q);
		row_add(&row, now() - before);
	}
	row_print(&row, 1);
}

static long call_nothing(const struct queue *q)
{
	return q->fd;
}

static long call_getpid(const struct queue *q)
{
	(void)q;
	return syscall(SYS_getpid);
}

static long call_doorbell(const struct queue *q)
{
	*(volatile uint64_t *)(q->doorbell + HISI_ZIP_DOORBELL_OFFSET) =
		htole64(HISI_ZIP_DB(q->id, HISI_ZIP_DB_CQ, q->head, 0));
	return 0;
}

static long call_unknown(const struct queue *q)
{
	return ioctl(q->fd, _IO('~', 0));
}

static long call_control(const struct queue *q)
{
	return stack->control(q);
}

/* What any program pays, whatever the subsystem. */
static void measure_floor(void)
{
	int context = stack->open();
	struct queue q, null = { .fd = must(open("/dev/null", O_RDWR), "/dev/null") };

	open_queue(&q, context);
	measure_call("floor: nothing", call_nothing, &q);
	measure_call("floor: getpid()", call_getpid, &q);
	measure_call("floor: unknown ioctl of /dev/null", call_unknown, &null);
	measure_call("floor: store to a doorbell", call_doorbell, &q);
	measure_call("unknown ioctl of a queue", call_unknown, &q);
	measure_call("small control ioctl", call_control, &q);
	stack->queue_close(&q);
	stack->close(context);
	close(null.fd);
}

static void measure_life(void)
{
	struct row opens = { .name = "open, bind, first queue, both mappings, start", .unit = unit() };
	struct row closes = { .name = "stop and close", .unit = unit() };
	struct queue q;

	for (int i = 0; i <= samples; i++) {
		uint64_t before = now();
		int context = stack->open();

		open_queue(&q, context);
		row_add(&opens, now() - before);
		before = now();
		stack->queue_close(&q);
		stack->close(context);
		row_add(&closes, now() - before);
	}
	row_print(&opens, 1);
	row_print(&closes, 1);
}

/* Queues of a process that has one: closed before the next is opened. */
static void measure_further(void)
{
	struct row opens = { .name = "a further queue, another was closed", .unit = unit() };
	struct row closes = { .name = "stop and close of a further queue", .unit = unit() };
	int context = stack->open();
	struct queue first, q;

	open_queue(&first, context);
	for (int i = 0; i <= samples; i++) {
		uint64_t before = now();

		open_queue(&q, context);
		row_add(&opens, now() - before);
		before = now();
		stack->queue_close(&q);
		row_add(&closes, now() - before);
	}
	stack->queue_close(&first);
	stack->close(context);
	row_print(&opens, 1);
	row_print(&closes, 1);
}

/* The same, and they stay open. */
static void measure_each_further(void)
{
	struct row opens = { .name = "each further queue", .unit = unit() };
	struct row closes = { .name = "stop and close of each further queue", .unit = unit() };
	int context = stack->open();
	struct queue q[SAMPLES_MAX];

	open_queue(&q[0], context);
	for (int i = 1; i < SAMPLES_MAX; i++) {
		uint64_t before = now();

		open_queue(&q[i], context);
		row_add(&opens, now() - before);
	}
	for (int i = 1; i < SAMPLES_MAX; i++) {
		uint64_t before = now();

		stack->queue_close(&q[i]);
		row_add(&closes, now() - before);
	}
	stack->queue_close(&q[0]);
	stack->close(context);
	row_print(&opens, 1);
	row_print(&closes, 1);
}

/* Many lives, and the work that the kernel put off meanwhile. */
static void measure_all_work(void)
{
	struct row row = { .name = "from open to close, with all work put off", .unit = unit() };
	const int lives = 20;
	struct queue q;

	for (int i = 0; i < 4; i++) {
		uint64_t before = now();

		for (int j = 0; j < lives; j++) {
			int context = stack->open();

			open_queue(&q, context);
			stack->queue_close(&q);
			stack->close(context);
		}
		usleep(200000);
		row_add(&row, (now() - before) / lives);
	}
	row_print(&row, 1);
}

static void measure_jobs(void)
{
	struct row by_memory = { .name = "doorbell to completion seen in memory", .unit = unit() };
	struct row by_poll = { .name = "doorbell to completion by poll()", .unit = unit() };
	unsigned char *in = text(4 * KIB), *out = memory(8 * KIB);
	int context = stack->open();
	struct queue q;

	open_queue(&q, context);
	for (int i = 0; i <= samples; i++) {
		uint64_t before = now();

		run(&q, in, 4 * KIB, out, 1);
		row_add(&by_memory, now() - before);
	}
	for (int i = 0; i <= samples; i++) {
		uint64_t before = now();

		run_by_poll(&q, in, 4 * KIB, out);
		row_add(&by_poll, now() - before);
	}
	stack->queue_close(&q);
	stack->close(context);
	munmap(in, 4 * KIB);
	munmap(out, 8 * KIB);
	row_print(&by_memory, 1);
	row_print(&by_poll, 1);
}

static void measure_throughput(void)
{
	static const struct {
		const char *name;
		size_t size;
		int batch;
	} loads[] = {
		{ "4 KiB, 1 at a time", 4 * KIB, 1 },
		{ "4 KiB, 10 at a time", 4 * KIB, 10 },
		{ "4 KiB, 60 at a time", 4 * KIB, 60 },
		{ "64 KiB, 1 at a time", 64 * KIB, 1 },
		{ "64 KiB, 10 at a time", 64 * KIB, 10 },
		{ "64 KiB, 60 at a time", 64 * KIB, 60 },
		{ "1 MiB, 1 at a time", MIB, 1 },
		{ "1 MiB, 10 at a time", MIB, 10 },
		{ "1 MiB, 60 at a time", MIB, 60 },
	};
	unsigned char *in = text(MIB), *out = memory(2 * MIB);
	int context = stack->open();
	struct queue q;

	open_queue(&q, context);
	for (size_t i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
		char name[64];
		struct row row = { .name = name, .unit = unit() };

		snprintf(name, sizeof(name), "compression of %s, per job", loads[i].name);
		for (int j = 0; j < 3; j++) {
			uint64_t before = now();

			run(&q, in, loads[i].size, out, loads[i].batch);
			row_add(&row, (now() - before) / loads[i].batch);
		}
		row_print(&row, 1);
	}
	stack->queue_close(&q);
	stack->close(context);
	munmap(in, MIB);
	munmap(out, 2 * MIB);
}

/* --- Rows that take a process to hold queues --- */

struct holder {
	pid_t pid;
	int ready;
};

/* A process with that many queues, which waits to be killed. */
static struct holder hold(int queues)
{
	struct holder holder;
	int ends[2];
	char byte;

	must(pipe(ends), "pipe");
	holder.pid = must(fork(), "fork");
	if (!holder.pid) {
		static struct queue q[QUEUES_MAX];
		int context = stack->open();

		for (int i = 0; i < queues; i++)
			open_queue(&q[i], context);
		must(write(ends[1], "", 1), "pipe");
		for (;;)
			pause();
	}
	close(ends[1]);
	must(read(ends[0], &byte, 1) == 1 ? 0 : -1, "a process that holds queues");
	close(ends[0]);
	return holder;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	must(waitpid(pid, NULL, 0), "waitpid");
}

static void measure_kill(void)
{
	struct row row = { .name = "kill of a process with a queue", .unit = unit() };

	for (int i = 0; i <= samples; i++) {
		struct holder holder = hold(1);
		uint64_t before = now();

		end(holder.pid);
		row_add(&row, now() - before);
	}
	row_print(&row, 1);
}

/* A process that unbinds the driver once it reads from @start. */
static pid_t remover(int start)
{
	pid_t pid = must(fork(), "fork");
	char byte;

	if (pid)
		return pid;
	must(read(start, &byte, 1), "pipe");
	unbind_driver();
	_exit(0);
}

/*
 * Removal, and the end of those who had queues. A driver may take the queues from
 * them, or wait for them: after a while they are killed, which is counted in both
 * cases. *returned: whether it did not have to wait for that.
 */
static uint64_t remove_once(int queues, bool *returned)
{
	struct holder holder = hold(queues);
	uint64_t before, took;
	pid_t pid;
	int start[2];

	must(pipe(start), "pipe");
	pid = remover(start[0]);
	usleep(100000);
	before = now();
	must(write(start[1], "", 1), "pipe");
	usleep(500000);
	*returned = waitpid(pid, NULL, WNOHANG) == pid;
	end(holder.pid);
	if (!*returned)
		must(waitpid(pid, NULL, 0), "waitpid");
	took = now() - before;
	close(start[0]);
	close(start[1]);
	bind_driver();
	return took;
}

static void measure_removal(void)
{
	static const int numbers[] = { 1, 16, 256 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		char name[64], waits[64];
		struct row row = { .name = name, .unit = unit() };
		struct row returns = { .name = waits, .unit = "of 1" };
		bool returned;

		snprintf(name, sizeof(name), "removal with %d queues open", numbers[i]);
		snprintf(waits, sizeof(waits), "removal with %d queues open waits for them", numbers[i]);
		for (int j = 0; j < 3; j++) {
			row_add(&row, remove_once(numbers[i], &returned));
			row_add(&returns, !returned);
		}
		row_print(&row, 1);
		row_print(&returns, 1);
	}
}

/* The sum of what follows @key in lines of @path. */
static long sum_of(const char *path, const char *key)
{
	FILE *f = fopen(path, "r");
	char line[128];
	long sum = 0, value;

	must(f ? 0 : -1, path);
	while (fgets(line, sizeof(line), f)) {
		const char *at = line + strspn(line, " ");

		if (!strncmp(at, key, strlen(key)) && sscanf(at + strlen(key), "%ld", &value) == 1)
			sum += value;
	}
	fclose(f);
	return sum;
}

/* Bytes of free memory, those included that processors keep at hand. */
static long free_memory(void)
{
	write_file("/proc/sys/vm/drop_caches", "3");
	usleep(500000);
	return sum_of("/proc/meminfo", "MemFree:") * KIB +
	       sum_of("/proc/zoneinfo", "count:") * HISI_ZIP_PAGE_SIZE;
}

static void measure_memory(void)
{
	struct row bound = { .name = "memory, driver bound, no queue", .unit = "bytes" };
	struct row idle = { .name = "memory for each of 256 idle queues", .unit = "bytes" };

	for (int i = 0; i < 3; i++) {
		static struct queue q[QUEUES_MAX];
		long without, with;
		int context;

		unbind_driver();
		without = free_memory();
		bind_driver();
		with = free_memory();
		row_add(&bound, without - with);
		context = stack->open();
		for (int j = 0; j < QUEUES_MAX; j++)
			open_queue(&q[j], context);
		with = free_memory();
		row_add(&idle, (without - with) / QUEUES_MAX);
		for (int j = 0; j < QUEUES_MAX; j++)
			stack->queue_close(&q[j]);
		stack->close(context);
	}
	row_print(&bound, 1);
	row_print(&idle, 1);
}

/* --- Two threads, in time --- */

#define CALLS 100000

struct caller {
	pthread_t thread;
	pthread_barrier_t *start;
	struct queue queue;
	int cpu;
	uint64_t took;
};

static void *call_often(void *arg)
{
	struct caller *caller = arg;
	cpu_set_t cpu;
	uint64_t before;

	CPU_ZERO(&cpu);
	CPU_SET(caller->cpu, &cpu);
	must(sched_setaffinity(0, sizeof(cpu), &cpu), "a processor for each thread");
	pthread_barrier_wait(caller->start);
	before = nanoseconds();
	for (int i = 0; i < CALLS; i++)
		stack->control(&caller->queue);
	caller->took = nanoseconds() - before;
	return NULL;
}

/* Calls per second of that many threads, each with a queue of its own. */
static double call_rate(int threads)
{
	struct caller callers[2];
	pthread_barrier_t start;
	int context = stack->open();
	double rate = 0;

	pthread_barrier_init(&start, NULL, threads);
	for (int i = 0; i < threads; i++) {
		callers[i].start = &start;
		callers[i].cpu = i;
		open_queue(&callers[i].queue, context);
	}
	for (int i = 0; i < threads; i++)
		pthread_create(&callers[i].thread, NULL, call_often, &callers[i]);
	for (int i = 0; i < threads; i++) {
		pthread_join(callers[i].thread, NULL);
		rate += CALLS * 1e9 / callers[i].took;
	}
	for (int i = 0; i < threads; i++)
		stack->queue_close(&callers[i].queue);
	stack->close(context);
	return rate;
}

static void measure_scaling(void)
{
	struct row row = { .name = "control calls of two threads, of one", .unit = "percent" };

	for (int i = 0; i <= samples; i++) {
		double one = call_rate(1);

		row_add(&row, call_rate(2) * 100 / one);
	}
	row_print(&row, 1);
}

static void refuse_arguments(void)
{
	fprintf(stderr, "usage: benchmark accel|uacce [all|scaling] [SAMPLES]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	bool scaling = argc > 2 && !strcmp(argv[2], "scaling");

	stack = argc > 1 && !strcmp(argv[1], "uacce") ? &uacce : &accel;
	if (argc < 2 || argc > 4 || strcmp(argv[1], stack->name))
		refuse_arguments();
	if (argc > 3)
		samples = atoi(argv[3]);
	if (samples < 1 || samples >= SAMPLES_MAX)
		refuse_arguments();

	find_device();
	map_counter();
	unbind_driver();
	bind_driver();
	if (scaling) {
		measure_scaling();
	} else {
		measure_floor();
		measure_life();
		measure_each_further();
		measure_further();
		measure_all_work();
		measure_jobs();
		measure_throughput();
		measure_kill();
		measure_removal();
		measure_memory();
	}
	unbind_driver();
	return 0;
}
