// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: processes open, map, remap, unmap in part, fork, pass
 * descriptors, submit, wait and close, in any order, while the devices, in
 * hardware and in software, are reset, unbound, told to misbehave, and their
 * modules removed under them. What they get told does not matter here; that the
 * kernel survives it does, and that the devices work afterwards.
 *
 * HAMMER_SECONDS and HAMMER_SEED in the environment say for how long and with
 * what random numbers: `make hammer TIME=600 SEED=1`. A parameter of that name
 * on the kernel's command line becomes part of the environment.
 *
 * accel-bench: limit=2400 memory=1536 modules=accel_hisi_zip,accel_sim
 */
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "device_util.h"

#define WORKERS 8
#define QUEUES 4
#define MAPPINGS 8
#define DEPTH 32
#define BUFFER (64 * 1024)

/* What a worker does in one go; the parent adds up how often. */
enum action {
	OPEN, BIND, CREATE, MAP, REMAP, UNMAP_PART, UNMAP, TOUCH, SUBMIT, WAIT, READ_EVENTS,
	EVENTFD, ASK, FORK, PASS, CLOSE_QUEUE, CLOSE, ACTIONS,
};

/* A device, and what was done to it. */
struct victim {
	const struct accel_kind *kind;
	/* Misbehaves in one of several ways. */
	bool (*trouble)(const struct victim *victim, unsigned int *seed);
	char address[ACCEL_NAME_MAX];
	/* Whoever sees it closes everything. */
	bool pause;
	__u64 resets, unbinds, removals, troubles;
};

struct shared {
	bool stop;
	__u64 done[ACTIONS];
	__u64 faults;
	struct victim victims[2];
};

struct mapping {
	void *at;
	size_t size;
	int queue;
};

struct worker {
	struct shared *shared;
	struct victim *victim;
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
	int ret;

	if (w->queues[n].fd >= 0)
		return;
	ret = tested == &zip_kind ? zip_open(&w->queues[n], w->ctx, DEPTH, pick(w, 2)) :
				    queue_open(&w->queues[n], w->ctx, DEPTH);
	if (ret)
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
	void *in = pick(w, 8) ? w->in : (void *)0xdead000, *out = pick(w, 8) ? w->out : NULL;
	int i, size = 1 + pick(w, BUFFER - 1), count = 1 + pick(w, DEPTH / 2);

	if (q->fd < 0)
		return;
	for (i = 0; i < count; i++)
		tested->put(q, in, out, size, !pick(w, 4));
	tested->start(q);
	if (pick(w, 4) == 0)
		madvise(w->out, 2 * BUFFER, MADV_DONTNEED);
}

static void wait_a_little(struct worker *w, struct accel_queue *q)
{
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	__u64 n;
	int i;

	if (q->fd < 0)
		return;
	poll(&p, 1, pick(w, 5));
	if (p.revents & POLLIN && read(q->fd, &n, sizeof(n)) < 0)
		return;
	/* What is there may be wrong: more was put in than there is room for. */
	for (i = 0; i < DEPTH && tested->done(q); i++)
		tested->end(q, NULL, NULL, 0);
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
	tested = w.victim->kind;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w.in = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	w.out = mmap(NULL, 2 * BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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

		if (LOAD(w.victim->pause)) {
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

/* --- What is done to the devices --- */

/* Workers close everything first, most of the time: an open descriptor holds the module. */
static bool unload(struct victim *victim, unsigned int *seed)
{
	bool gone = false;
	int i;

	STORE(victim->pause, rand_r(seed) % 4);
	for (i = 0; i < 20 && !gone; i++) {
		gone = !syscall(SYS_delete_module, victim->kind->driver, O_NONBLOCK);
		usleep(50000);
	}
	STORE(victim->pause, false);
	return gone;
}

static void load_again(const struct victim *victim)
{
	pid_t pid = fork();

	if (!pid) {
		execlp("modprobe", "modprobe", victim->kind->driver, (char *)NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void bring_back(const struct victim *victim)
{
	if (accel_number() < 0)
		device_bind(victim->address);
}

static bool reset(void)
{
	int ctx = accel_open(), ret = accel_reset(ctx);

	close(ctx);
	return !ret;
}

static bool zip_trouble(const struct victim *victim, unsigned int *seed)
{
	(void)seed;
	return !pci_write(victim->address, "reset", "1");
}

/* A word for debugfs, of which some name a queue. */
static bool sim_trouble(const struct victim *victim, unsigned int *seed)
{
	static const char *const words[][2] = {
		{ "fault", "9" }, { "error", "17" }, { "reset_request", "1" },
		{ "stuck", "2" }, { "fail_reset", "1" }, { "hang", "device" },
		{ "hang", "0" }, { "hang", "3" },
	};
	const char *const *word = words[rand_r(seed) % ARRAY_SIZE(words)];

	(void)victim;
	return !sim_control(accel_number(), word[0], word[1]);
}

/* One thing that takes the device from those who use it. */
static void disturb(struct victim *victim, unsigned int *seed)
{
	tested = victim->kind;
	switch (rand_r(seed) % 8) {
	case 0:
	case 1:
		victim->unbinds += !device_unbind(victim->address);
		if (rand_r(seed) % 2)
			usleep(rand_r(seed) % 50000);
		bring_back(victim);
		break;
	case 2:
		victim->removals += unload(victim, seed);
		load_again(victim);
		bring_back(victim);
		break;
	case 3:
	case 4:
		victim->troubles += victim->trouble(victim, seed);
		break;
	default:
		victim->resets += reset();
	}
}

static bool find(struct victim *victim)
{
	int monitor;
	bool found;

	tested = victim->kind;
	monitor = accel_open_monitor();
	found = monitor >= 0 && !accel_address(monitor, victim->address);
	close(monitor);
	return found;
}

static unsigned int from_environment(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 0) : otherwise;
}

FIXTURE(hammer) {
	struct shared *shared;
	/* Those that are there. */
	struct victim *victims[2];
	int count;
	pid_t workers[WORKERS];
};

FIXTURE_SETUP(hammer)
{
	struct victim *victim;

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	counts = self->shared;
	counts->victims[0] = (struct victim){ .kind = &zip_kind, .trouble = zip_trouble };
	counts->victims[1] = (struct victim){ .kind = &sim_kind, .trouble = sim_trouble };
	for (victim = counts->victims; victim < counts->victims + 2; victim++) {
		if (find(victim))
			self->victims[self->count++] = victim;
	}
	ASSERT_DEVICE(self->count ? 0 : -ENOENT);
	/* Workers that find no page of a dead queue, and jobs that are refused. */
	expect_dmesg("accel_hisi_zip .*: (a queue does not stop|abnormal event)");
	/* Linux's own: a reset of the function detaches a PASID that a dying process gives up. */
	expect_dmesg("WARNING: drivers/iommu/intel/pasid.c:.* at intel_pasid_tear_down_entry");
}

FIXTURE_TEARDOWN(hammer)
{
	munmap(self->shared, sizeof(*self->shared));
}

static void expect_survived(struct __test_metadata *_metadata, struct victim *victim)
{
	TH_LOG("%s: %llu resets, %llu unbinds, %llu removals, %llu troubles", victim->kind->driver,
	       victim->resets, victim->unbinds, victim->removals, victim->troubles);
	EXPECT_LT(0, victim->resets);
	EXPECT_LT(0, victim->unbinds);
	tested = victim->kind;
	bring_back(victim);
	/* One may be under way, and one may have been told to fail. */
	EXPECT_TRUE(WAIT_FOR(reset(), WAIT_SECONDS)) {
		TH_LOG("expected: the device can be reset");
	}
	expect_device_works(_metadata);
}

TEST_F_TIMEOUT(hammer, devices_survive_all_at_once, 2300)
{
	unsigned int time = from_environment("HAMMER_SECONDS", 20);
	unsigned int seed = from_environment("HAMMER_SEED", 1);
	struct worker first = { .shared = self->shared };
	double end = seconds() + time;
	__u64 sum = 0;
	int i;

	for (i = 0; i < WORKERS; i++) {
		first.seed = seed * 1000 + i;
		first.victim = self->victims[i % self->count];
		self->workers[i] = child_start(work, &first);
		ASSERT_LT(0, self->workers[i]);
	}
	for (i = 0; seconds() < end; i++) {
		usleep(rand_r(&seed) % 300000);
		disturb(self->victims[i % self->count], &seed);
	}
	STORE(self->shared->stop, true);
	for (i = 0; i < WORKERS; i++)
		EXPECT_RET(0, child_result(self->workers[i]), "a worker ends by itself");

	for (i = 0; i < ACTIONS; i++)
		sum += self->shared->done[i];
	TH_LOG("%u s, seed %u: %llu actions, %llu faults", time,
	       from_environment("HAMMER_SEED", 1), sum, self->shared->faults);
	for (i = 0; i < self->count; i++)
		expect_survived(_metadata, self->victims[i]);
}

TEST_HARNESS_MAIN
