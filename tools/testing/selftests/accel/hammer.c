// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: processes open, map, remap, unmap in part, fork, pass
 * descriptors, submit, wait and close, in any order, while the device is reset,
 * unbound and its module removed under them. What they get told does not
 * matter here; that the kernel survives it does, and that the device works
 * afterwards.
 *
 * HAMMER_SECONDS and HAMMER_SEED in the environment say for how long and with
 * what random numbers: `make hammer TIME=600 SEED=1`. A parameter of that name
 * on the kernel's command line becomes part of the environment.
 *
 * accel-bench: limit=2400 memory=1536
 */
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "hisi_zip_util.h"

#define WORKERS 6
#define QUEUES 4
#define MAPPINGS 8
#define DEPTH 32
#define BUFFER (64 * 1024)

/* What a worker does in one go; the parent adds up how often. */
enum action {
	OPEN, BIND, CREATE, MAP, REMAP, UNMAP_PART, UNMAP, TOUCH, SUBMIT, WAIT, READ_EVENTS,
	EVENTFD, ASK, FORK, PASS, CLOSE_QUEUE, CLOSE, ACTIONS,
};

struct shared {
	bool stop;
	/* Whoever sees it closes everything. */
	bool pause;
	__u64 done[ACTIONS];
	__u64 faults, resets, unbinds, removals;
};

struct mapping {
	void *at;
	size_t size;
	int queue;
};

struct worker {
	struct shared *shared;
	unsigned int seed;
	int ctx, monitor, event, sock[2];
	struct accel_queue queues[QUEUES];
	struct mapping mappings[MAPPINGS];
	unsigned char *in, *out;
};

static sigjmp_buf out_of_here;
static struct shared *counts;

static void caught(int sig)
{
	(void)sig;
	__atomic_fetch_add(&counts->faults, 1, __ATOMIC_RELAXED);
	siglongjmp(out_of_here, 1);
}

static unsigned int pick(struct worker *w, unsigned int below)
{
	return rand_r(&w->seed) % below;
}

static void forget_mappings(struct worker *w, int queue)
{
	int i;

	for (i = 0; i < MAPPINGS; i++) {
		if (!w->mappings[i].at || (queue >= 0 && w->mappings[i].queue != queue))
			continue;
		munmap(w->mappings[i].at, w->mappings[i].size);
		w->mappings[i].at = NULL;
	}
}

static void close_queue(struct worker *w, int n)
{
	if (w->queues[n].fd < 0)
		return;
	/* At times the mappings outlive the descriptor. */
	if (pick(w, 2))
		forget_mappings(w, n);
	queue_close(&w->queues[n]);
	w->queues[n].fd = -1;
}

static void close_all(struct worker *w)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		close_queue(w, i);
	forget_mappings(w, -1);
	close(w->ctx);
	w->ctx = -1;
}

static void open_nodes(struct worker *w)
{
	if (w->ctx < 0)
		w->ctx = accel_open();
	close(w->monitor);
	w->monitor = accel_open_monitor();
	if (w->monitor >= 0)
		fcntl(w->monitor, F_SETFL, O_NONBLOCK);
}

static void create(struct worker *w, int n)
{
	if (w->queues[n].fd < 0 && zip_open(&w->queues[n], w->ctx, DEPTH, pick(w, 2)))
		w->queues[n].fd = -1;
}

static void map(struct worker *w, int n)
{
	struct mapping *m = &w->mappings[pick(w, MAPPINGS)];
	struct accel_region region;

	if (m->at || w->queues[n].fd < 0 ||
	    accel_region(w->queues[n].fd, pick(w, 3), &region))
		return;
	m->size = region.size;
	m->queue = n;
	m->at = accel_map_region(w->queues[n].fd, &region);
	if (map_error(m->at))
		m->at = NULL;
}

static void remap(struct mapping *m)
{
	void *moved, *room;

	if (!m->at)
		return;
	room = mmap(NULL, m->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = mremap(m->at, m->size, m->size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	if (moved != MAP_FAILED)
		m->at = moved;
	else
		munmap(room, m->size);
}

static void touch(struct mapping *m)
{
	if (m->at)
		asm volatile("" : : "r"(LOAD(*(__u32 *)m->at)));
}

static void submit(struct worker *w, struct accel_queue *q)
{
	struct zip_job job = {
		.algorithm = HISI_ZIP_DEFLATE,
		.in = pick(w, 8) ? w->in : (void *)0xdead000,
		.in_size = 1 + pick(w, BUFFER - 1),
		.out = pick(w, 8) ? w->out : NULL,
		.out_size = BUFFER,
	};
	int i, count = 1 + pick(w, DEPTH / 2);

	if (q->fd < 0)
		return;
	for (i = 0; i < count; i++)
		zip_put(q, &job);
	zip_ring(q, HISI_ZIP_DB_SQ, q->tail, 0);
	if (pick(w, 4) == 0)
		madvise(w->out, BUFFER, MADV_DONTNEED);
}

static void wait_a_little(struct worker *w, struct accel_queue *q)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	__u64 n;

	if (q->fd < 0)
		return;
	zip_arm(q);
	poll(&p, 1, pick(w, 5));
	if (p.revents & POLLIN && read(q->fd, &n, sizeof(n)) < 0)
		return;
	while (zip_done(q))
		zip_take(q);
	zip_ring(q, HISI_ZIP_DB_CQ, q->head, 0);
}

static void set_eventfd(struct worker *w, int n)
{
	struct accel_queue_eventfd args = {
		.size = sizeof(args),
		.fd = pick(w, 4) ? w->event : (int)pick(w, 20) - 1,
	};

	accel_ioctl(w->queues[n].fd, ACCEL_QUEUE_EVENTFD, &args);
}

static void ask(struct worker *w)
{
	char path[64], text[4096];
	int fd;

	accel_info(pick(w, 2) ? w->ctx : w->monitor, pick(w, 8), text, sizeof(text));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
		 pick(w, 2) ? w->ctx : w->queues[pick(w, QUEUES)].fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text)) < 0)
		errno = 0;
	close(fd);
}

/* A child has the descriptors, and not the mappings. */
static void fork_one(struct worker *w)
{
	struct accel_queue_info info;
	pid_t pid = fork();
	int i;

	if (pid > 0) {
		waitpid(pid, NULL, 0);
		return;
	}
	if (pid < 0)
		return;
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	for (i = 0; i < QUEUES; i++)
		accel_queue_info(w->queues[i].fd, &info, NULL);
	if (pick(w, 2))
		touch(&w->mappings[pick(w, MAPPINGS)]);
	_exit(0);
}

static void pass(struct worker *w, int n)
{
	int fd;

	if (w->queues[n].fd < 0 || send_fd(w->sock[0], w->queues[n].fd))
		return;
	fd = recv_fd(w->sock[1]);
	if (fd >= 0)
		close(fd);
}

static void act(struct worker *w, enum action action)
{
	int n = pick(w, QUEUES);
	struct mapping *m = &w->mappings[pick(w, MAPPINGS)];
	char text[512];

	switch (action) {
	case OPEN:
		return open_nodes(w);
	case BIND:
		accel_bind(w->ctx, pick(w, 4) ? ACCEL_MODE_SHARED : 1 + pick(w, 3));
		return;
	case CREATE:
		return create(w, n);
	case MAP:
		return map(w, n);
	case REMAP:
		return remap(m);
	case UNMAP_PART:
		if (m->at && m->size > 4096)
			munmap((char *)m->at + 4096 * (1 + pick(w, m->size / 4096 - 1)), 4096);
		return;
	case UNMAP:
		return forget_mappings(w, n);
	case TOUCH:
		return touch(m);
	case SUBMIT:
		return submit(w, &w->queues[n]);
	case WAIT:
		return wait_a_little(w, &w->queues[n]);
	case READ_EVENTS:
		if (w->monitor >= 0 && read(w->monitor, text, sizeof(text)) < 0)
			errno = 0;
		return;
	case EVENTFD:
		return set_eventfd(w, n);
	case ASK:
		return ask(w);
	case FORK:
		/* Seldom: it takes a hundred times as long as the rest. */
		if (pick(w, 20) == 0)
			fork_one(w);
		return;
	case PASS:
		return pass(w, n);
	case CLOSE_QUEUE:
		return close_queue(w, n);
	case CLOSE:
		if (pick(w, 4) == 0)
			close_all(w);
		return;
	case ACTIONS:
		return;
	}
}

/* Not on the stack, where what changed since sigsetjmp() would be lost. */
static struct worker w;

static int work(void *arg)
{
	int i;

	w = *(struct worker *)arg;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w.in = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w.out = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w.event = eventfd(0, EFD_NONBLOCK);
	w.ctx = w.monitor = -1;
	for (i = 0; i < QUEUES; i++)
		w.queues[i].fd = -1;
	if (w.in == MAP_FAILED || w.out == MAP_FAILED || w.event < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, w.sock))
		return -ENOMEM;
	fill_text(w.in, BUFFER, w.seed);
	touch_catch(caught);
	/* After a fault everything is closed: what the worker knows may be half done. */
	if (sigsetjmp(out_of_here, 1)) {
		/* A mapping holds the module as a descriptor does. */
		for (i = 0; i < QUEUES; i++)
			if (w.queues[i].fd >= 0)
				queue_unmap(&w.queues[i]);
		for (i = 3; i < 256; i++)
			if (i != w.event && i != w.sock[0] && i != w.sock[1])
				close(i);
		for (i = 0; i < QUEUES; i++)
			w.queues[i].fd = -1;
		w.ctx = w.monitor = -1;
		forget_mappings(&w, -1);
	}
	while (!LOAD(w.shared->stop)) {
		enum action action = pick(&w, ACTIONS);

		if (LOAD(w.shared->pause)) {
			close_all(&w);
			close(w.monitor);
			w.monitor = -1;
			usleep(1000);
			continue;
		}
		act(&w, action);
		__atomic_fetch_add(&w.shared->done[action], 1, __ATOMIC_RELAXED);
	}
	close_all(&w);
	return 0;
}

/* Workers close everything first, most of the time: an open descriptor holds the module. */
static bool unload(struct shared *shared, unsigned int *seed)
{
	bool gone = false;
	int i;

	STORE(shared->pause, rand_r(seed) % 4);
	for (i = 0; i < 20 && !gone; i++) {
		gone = !syscall(SYS_delete_module, ACCEL_DRIVER, O_NONBLOCK);
		usleep(50000);
	}
	STORE(shared->pause, false);
	return gone;
}

static void load_again(void)
{
	pid_t pid = fork();

	if (!pid) {
		execlp("modprobe", "modprobe", ACCEL_DRIVER, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

/* One thing that takes the device from those who use it. */
static void disturb(struct shared *shared, const char *address, unsigned int *seed)
{
	struct accel_reset reset = { .size = sizeof(reset) };
	char path[PATH_MAX];
	int fd;

	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
		shared->unbinds += !device_unbind(address);
		if (rand_r(seed) % 2)
			usleep(rand_r(seed) % 50000);
		device_bind(address);
		break;
	case 2:
		shared->removals += unload(shared, seed);
		load_again();
		device_bind(address);
		break;
	case 3:
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/reset", address);
		shared->resets += !write_file(path, "1");
		break;
	default:
		fd = accel_open();
		shared->resets += !accel_ioctl(fd, ACCEL_RESET, &reset);
		close(fd);
	}
}

static bool find_address(char *address)
{
	int ctx = accel_open();
	struct accel_info_device device;
	bool found = accel_info_device(ctx, &device) >= 0;

	close(ctx);
	if (found)
		strcpy(address, device.address);
	return found;
}

static unsigned int from_environment(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

FIXTURE(hammer) {
	struct shared *shared;
	char address[ACCEL_NAME_MAX];
	pid_t workers[WORKERS];
};

FIXTURE_SETUP(hammer)
{
	int ctx = accel_open();

	ASSERT_DEVICE(ctx);
	close(ctx);
	ASSERT_TRUE(find_address(self->address));
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	counts = self->shared;
	/* Workers that find no page of a dead queue, and jobs that are refused. */
	expect_dmesg("accel_hisi_zip .*: (a queue does not stop|abnormal event)");
	/* Linux's own: a reset of the function detaches a PASID that a dying process gives up. */
	expect_dmesg("WARNING: drivers/iommu/intel/pasid.c:.* at intel_pasid_tear_down_entry");
}

FIXTURE_TEARDOWN(hammer)
{
	munmap(self->shared, sizeof(*self->shared));
}

TEST_F_TIMEOUT(hammer, device_survives_all_at_once, 2300)
{
	unsigned int time = from_environment("HAMMER_SECONDS", 20);
	unsigned int seed = from_environment("HAMMER_SEED", 1);
	struct worker first = { .shared = self->shared };
	double end = seconds() + time;
	struct accel_queue queue;
	__u64 sum = 0;
	int i, ctx;

	for (i = 0; i < WORKERS; i++) {
		first.seed = seed * 1000 + i;
		self->workers[i] = child_start(work, &first);
		ASSERT_LT(0, self->workers[i]);
	}
	while (seconds() < end) {
		usleep(rand_r(&seed) % 300000);
		disturb(self->shared, self->address, &seed);
	}
	STORE(self->shared->stop, true);
	for (i = 0; i < WORKERS; i++)
		EXPECT_RET(0, child_result(self->workers[i]), "a worker ends by itself");

	for (i = 0; i < ACTIONS; i++)
		sum += self->shared->done[i];
	TH_LOG("%u s, seed %u: %llu actions, %llu faults, %llu resets, %llu unbinds, %llu removals",
	       time, from_environment("HAMMER_SEED", 1), sum, self->shared->faults,
	       self->shared->resets, self->shared->unbinds, self->shared->removals);
	EXPECT_LT(0, self->shared->resets);
	EXPECT_LT(0, self->shared->unbinds);

	device_bind(self->address);
	ctx = accel_open_shared();
	ASSERT_WORKS(ctx, "open the device after all that");
	ASSERT_RET(0, zip_open(&queue, ctx, DEPTH, HISI_ZIP_COMPRESS), "a queue after all that");
	EXPECT_WORKS(&queue, "the device works after all that");
	queue_close(&queue);
	close(ctx);
}

TEST_HARNESS_MAIN
