// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: processes open, map, remap, unmap in part, fork, pass
 * descriptors, submit, wait and close, in any order and in all address modes,
 * share buffers and wait for each other's fences, while the devices, in
 * hardware and in software, are reset, unbound, told to misbehave, and their
 * modules removed under them. What they get told does not matter here; that the
 * kernel survives it does, that all fences are signalled in the end, and that the
 * devices work afterwards.
 *
 * HAMMER_SECONDS and HAMMER_SEED in the environment say for how long and with
 * what random numbers: `make hammer TIME=600 SEED=1`. A parameter of that name
 * on the kernel's command line becomes part of the environment.
 *
 * accel-bench: kernel=plain,check,races limit=2400 memory=1536 modules=accel_hisi_zip,accel_sim
 */
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "hammer_util.h"

#define WORKERS 8
#define ACTIONS_MAX 64
/* Seconds beyond its time that it waits for an action that did not come about yet. */
#define PATIENCE 600

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
	/* How often each action came about. */
	__u64 done[ACTIONS_MAX];
	__u64 faults;
	/* Fences that were not signalled in time. */
	__u64 late;
	struct market market;
	struct victim victims[2];
};

static sigjmp_buf out_of_here;
static struct shared *counts;

static void caught(int sig)
{
	(void)sig;
	__atomic_fetch_add(&counts->faults, 1, __ATOMIC_RELAXED);
	siglongjmp(out_of_here, 1);
}

static struct accel_queue *pick_queue(struct worker *w)
{
	return &w->queues[pick(w, QUEUES)];
}

static struct mapping *pick_mapping(struct worker *w)
{
	return &w->mappings[pick(w, MAPPINGS)];
}

/* Those of one queue, or all if @queue is negative. */
static bool forget_mappings(struct worker *w, int queue)
{
	bool any = false;
	int i;

	for (i = 0; i < MAPPINGS; i++) {
		if (!w->mappings[i].at || (queue >= 0 && w->mappings[i].queue != queue))
			continue;
		munmap(w->mappings[i].at, w->mappings[i].size);
		w->mappings[i].at = NULL;
		any = true;
	}
	return any;
}

static bool close_one_queue(struct worker *w, int n)
{
	if (w->queues[n].fd < 0)
		return false;
	/* At times the mappings outlive the descriptor. */
	if (pick(w, 2))
		forget_mappings(w, n);
	queue_close(&w->queues[n]);
	w->queues[n].fd = -1;
	return true;
}

static bool close_queue(struct worker *w)
{
	return close_one_queue(w, pick(w, QUEUES));
}

/* Its queues stay. */
static bool close_context(struct worker *w)
{
	int ctx = w->ctx;

	w->ctx = -1;
	w->mode = ACCEL_MODE_NONE;
	return ctx >= 0 && !close(ctx);
}

/* But for buffers and fences, which hold no device and no module. */
static void close_all(struct worker *w)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		close_one_queue(w, i);
	forget_mappings(w, -1);
	close_context(w);
}

/* These two seldom: they take what the others work with. */
static bool close_alone(struct worker *w)
{
	return !pick(w, 4) && close_context(w);
}

static bool close_at_once(struct worker *w)
{
	if (pick(w, 8))
		return false;
	close_all(w);
	return true;
}

static bool open_nodes(struct worker *w)
{
	if (w->ctx < 0)
		w->ctx = accel_open();
	close(w->monitor);
	w->monitor = accel_open_monitor();
	if (w->monitor >= 0)
		fcntl(w->monitor, F_SETFL, O_NONBLOCK);
	return w->ctx >= 0;
}

static bool bind_to(struct worker *w, __u32 mode)
{
	if (w->ctx < 0 || accel_bind(w->ctx, mode))
		return false;
	w->mode = mode;
	return true;
}

static bool bind_shared(struct worker *w)
{
	return bind_to(w, ACCEL_MODE_SHARED);
}

static bool bind_private(struct worker *w)
{
	return bind_to(w, ACCEL_MODE_PRIVATE);
}

static bool bind_kernel(struct worker *w)
{
	return bind_to(w, ACCEL_MODE_KERNEL);
}

/* In kernel mode there is nothing to map that jobs need. */
static int create_in_kernel_mode(struct worker *w, struct accel_queue *q)
{
	*q = (struct accel_queue){
		.fd = tested == &zip_kind ? zip_queue_create(w->ctx, DEPTH, pick(w, 2)) :
					    accel_queue_create(w->ctx, DEPTH),
	};
	return q->fd < 0 ? q->fd : 0;
}

static bool create(struct worker *w)
{
	struct accel_queue *q = pick_queue(w);
	int ret;

	if (q->fd >= 0)
		return false;
	if (w->mode == ACCEL_MODE_KERNEL)
		ret = create_in_kernel_mode(w, q);
	else if (tested == &zip_kind)
		ret = zip_open(q, w->ctx, DEPTH, pick(w, 2));
	else
		ret = queue_open(q, w->ctx, DEPTH);
	if (ret)
		q->fd = -1;
	return !ret;
}

static bool map(struct worker *w)
{
	struct mapping *m = pick_mapping(w);
	int n = pick(w, QUEUES);
	struct accel_region region;

	if (m->at || w->queues[n].fd < 0 ||
	    accel_region(w->queues[n].fd, pick(w, 4), &region))
		return false;
	m->size = region.size;
	m->queue = n;
	m->at = accel_map_region(w->queues[n].fd, &region);
	if (map_error(m->at))
		m->at = NULL;
	return m->at;
}

static bool remap(struct worker *w)
{
	struct mapping *m = pick_mapping(w);
	void *moved, *room;

	if (!m->at)
		return false;
	room = mmap(NULL, m->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	moved = mremap(m->at, m->size, m->size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	if (moved != MAP_FAILED)
		m->at = moved;
	else
		munmap(room, m->size);
	return moved != MAP_FAILED;
}

static bool unmap_part(struct worker *w)
{
	struct mapping *m = pick_mapping(w);

	return m->at && m->size > PAGE &&
	       !munmap((char *)m->at + PAGE * (1 + pick(w, m->size / PAGE - 1)), PAGE);
}

static bool unmap(struct worker *w)
{
	return forget_mappings(w, pick(w, QUEUES));
}

static bool touch(struct worker *w)
{
	struct mapping *m = pick_mapping(w);

	if (m->at)
		asm volatile("" : : "r"(LOAD(*(__u32 *)m->at)));
	return m->at;
}

static bool submit_from_ring(struct worker *w)
{
	struct accel_queue *q = pick_queue(w);
	void *in = place(w, pick(w, 8) ? w->in : (void *)0xdead000);
	void *out = place(w, pick(w, 8) ? w->out : NULL);
	int i, size = 1 + pick(w, BUFFER - 1), count = 1 + pick(w, DEPTH / 2);

	if (q->fd < 0 || !q->ring)
		return false;
	for (i = 0; i < count; i++)
		tested->put(q, in, out, size, !pick(w, 4));
	tested->start(q);
	if (pick(w, 4) == 0)
		madvise(w->out, 2 * BUFFER, MADV_DONTNEED);
	return true;
}

static bool wait_a_little(struct worker *w)
{
	struct accel_queue *q = pick_queue(w);
	struct pollfd p = { .fd = q->fd, .events = POLLIN };
	__u64 n;
	int i;

	if (q->fd < 0)
		return false;
	poll(&p, 1, pick(w, 5));
	if (p.revents & POLLIN && read(q->fd, &n, sizeof(n)) < 0)
		return false;
	/* What is there may be wrong: more was put in than there is room for. */
	for (i = 0; i < DEPTH && q->ring && tested->done(q); i++)
		tested->end(q, NULL, NULL, 0);
	return p.revents & POLLIN;
}

static bool read_events(struct worker *w)
{
	char text[512];

	return w->monitor >= 0 && read(w->monitor, text, sizeof(text)) > 0;
}

static bool set_eventfd(struct worker *w)
{
	struct accel_queue_eventfd args = {
		.size = sizeof(args),
		.fd = pick(w, 4) ? w->event : (int)pick(w, 20) - 1,
	};

	return !accel_ioctl(pick_queue(w)->fd, ACCEL_QUEUE_EVENTFD, &args);
}

static bool ask(struct worker *w)
{
	char path[64], text[4096];
	int fd, ret = accel_info(pick(w, 2) ? w->ctx : w->monitor, pick(w, 8), text, sizeof(text));

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d",
		 pick(w, 2) ? w->ctx : pick_queue(w)->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, text, sizeof(text)) < 0)
		errno = 0;
	close(fd);
	return ret >= 0;
}

/* A child has the descriptors, the mappings of buffers, and not those of queues. */
static bool fork_one(struct worker *w)
{
	struct accel_queue_info info;
	pid_t pid;
	int i;

	/* Seldom: it takes a hundred times as long as the rest. */
	if (pick(w, 20))
		return false;
	pid = fork();
	if (pid)
		return pid > 0 && waitpid(pid, NULL, 0) == pid;
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	for (i = 0; i < QUEUES; i++)
		accel_queue_info(w->queues[i].fd, &info, NULL);
	for (i = 0; i < PIECES; i++) {
		hand_over(w);
		map_piece(w);
		touch_piece(w);
	}
	if (pick(w, 2))
		touch(w);
	_exit(0);
}

static bool pass_queue(struct worker *w)
{
	struct accel_queue *q = pick_queue(w);
	int fd;

	if (q->fd < 0 || send_fd(w->sock[0], q->fd))
		return false;
	fd = recv_fd(w->sock[1]);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* What a worker does in one go; tells whether it came about. */
static const struct {
	const char *name;
	bool (*act)(struct worker *w);
} actions[] = {
	{ "open", open_nodes },
	{ "bind, shared", bind_shared },
	{ "bind, private", bind_private },
	{ "bind, kernel", bind_kernel },
	{ "create a queue", create },
	{ "map a region", map },
	{ "remap a region", remap },
	{ "unmap a part", unmap_part },
	{ "unmap", unmap },
	{ "touch a region", touch },
	{ "submit from a ring", submit_from_ring },
	{ "wait", wait_a_little },
	{ "read events", read_events },
	{ "set an eventfd", set_eventfd },
	{ "ask", ask },
	{ "fork", fork_one },
	{ "pass a queue", pass_queue },
	{ "allocate", allocate },
	{ "allocate device memory", allocate_local },
	{ "wrap", wrap },
	{ "map a buffer", map_piece },
	{ "touch a buffer", touch_piece },
	{ "unmap a buffer", unmap_piece },
	{ "close a buffer", close_piece },
	{ "poll a buffer", poll_piece },
	{ "give a buffer", give_piece },
	{ "take a buffer", take_piece },
	{ "map for the device", map_for_device },
	{ "unmap for the device", unmap_for_device },
	{ "submit", hand_over },
	{ "submit with an out-fence", hand_over_fenced },
	{ "submit behind a fence", hand_over_behind },
	{ "poll a fence", poll_fence },
	{ "take a buffer's fence", export_fence },
	{ "give a fence", give_fence },
	{ "take a fence", take_fence },
	{ "close a queue", close_queue },
	{ "close a context", close_alone },
	{ "close all", close_at_once },
};

_Static_assert(ARRAY_SIZE(actions) <= ACTIONS_MAX, "room to count them");

/* Of any two the one that came about less often: few moments allow some of them. */
static unsigned int pick_action(struct worker *w)
{
	unsigned int one = pick(w, ARRAY_SIZE(actions)), other = pick(w, ARRAY_SIZE(actions));

	return LOAD(w->shared->done[one]) < LOAD(w->shared->done[other]) ? one : other;
}

/* Not on the stack, where what changed since sigsetjmp() would be lost. */
static struct worker w;

static bool is_kept(int fd)
{
	const struct market *market = w.market;
	int i;

	for (i = 0; i < FENCES; i++) {
		if (fd == w.fences[i])
			return true;
	}
	for (i = 0; i < 2; i++) {
		if (fd == w.sock[i] || fd == market->pieces[i] || fd == market->fences[i])
			return true;
	}
	return fd == w.event;
}

/* After a fault: what the worker knows may be half done, but for the fences. */
static void start_again(void)
{
	int i;

	/* A mapping holds the module as a descriptor does. */
	for (i = 0; i < QUEUES; i++) {
		if (w.queues[i].fd >= 0)
			queue_unmap(&w.queues[i]);
	}
	for (i = 3; i < 256; i++) {
		if (!is_kept(i))
			close(i);
	}
	for (i = 0; i < QUEUES; i++)
		w.queues[i].fd = -1;
	for (i = 0; i < PIECES; i++) {
		unmap_one(&w.pieces[i]);
		w.pieces[i].fd = -1;
	}
	w.ctx = w.monitor = -1;
	w.mode = ACCEL_MODE_NONE;
	forget_mappings(&w, -1);
}

static int equip(void)
{
	int i;

	w.in = anonymous(BUFFER, PROT_READ | PROT_WRITE);
	w.out = anonymous(2 * BUFFER, PROT_READ | PROT_WRITE);
	w.event = eventfd(0, EFD_NONBLOCK);
	w.market = &w.shared->market;
	w.ctx = w.monitor = -1;
	for (i = 0; i < QUEUES; i++)
		w.queues[i].fd = -1;
	for (i = 0; i < PIECES; i++)
		w.pieces[i].fd = -1;
	for (i = 0; i < FENCES; i++)
		w.fences[i] = -1;
	if (w.in == MAP_FAILED || w.out == MAP_FAILED || w.event < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, w.sock))
		return -ENOMEM;
	fill_text(w.in, BUFFER, w.seed);
	return 0;
}

static int work(void *arg)
{
	unsigned int action;
	int i, ret;

	w = *(struct worker *)arg;
	tested = w.victim->kind;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ret = equip();
	if (ret)
		return ret;
	touch_catch(caught);
	if (sigsetjmp(out_of_here, 1))
		start_again();
	while (!LOAD(w.shared->stop)) {
		if (LOAD(w.victim->pause)) {
			close_all(&w);
			close(w.monitor);
			w.monitor = -1;
			usleep(1000);
			continue;
		}
		action = pick_action(&w);
		if (actions[action].act(&w))
			__atomic_fetch_add(&w.shared->done[action], 1, __ATOMIC_RELAXED);
	}
	/* Before its queues are closed: that would end all jobs. */
	for (i = 0; i < FENCES; i++) {
		if (w.fences[i] >= 0 && !fence_ends(w.fences[i]))
			__atomic_fetch_add(&w.shared->late, 1, __ATOMIC_RELAXED);
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

/* Few of them can be in there at once. */
static int open_market(int pair[2])
{
	int size = 0;

	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) ||
	       setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) ? -errno : 0;
}

FIXTURE_SETUP(hammer)
{
	struct victim *victim;

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	counts = self->shared;
	ASSERT_RET(0, open_market(counts->market.pieces), "sockets for buffers");
	ASSERT_RET(0, open_market(counts->market.fences), "sockets for fences");
	counts->victims[0] = (struct victim){ .kind = &zip_kind, .trouble = zip_trouble };
	counts->victims[1] = (struct victim){ .kind = &sim_kind, .trouble = sim_trouble };
	for (victim = counts->victims; victim < counts->victims + 2; victim++) {
		if (find(victim))
			self->victims[self->count++] = victim;
	}
	ASSERT_DEVICE(self->count ? 0 : -ENOENT);
	/* Workers that find no page of a dead queue, and jobs that are refused. */
	expect_dmesg("accel_hisi_zip .*: (a queue does not stop|abnormal event)");
}

FIXTURE_TEARDOWN(hammer)
{
	munmap(self->shared, sizeof(*self->shared));
}

/* Each thing that has to come about did. */
static bool all_came_about(struct victim *const victims[], int count)
{
	unsigned int i;
	int n;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		if (!LOAD(counts->done[i]))
			return false;
	}
	for (n = 0; n < count; n++) {
		if (!victims[n]->resets || !victims[n]->unbinds)
			return false;
	}
	return true;
}

/* What nobody has taken. */
static void close_market(struct __test_metadata *_metadata)
{
	struct market *market = &counts->market;
	int fd;

	while ((fd = recv_fd(market->fences[1])) >= 0)
		counts->late += !fence_ends(fd);
	while ((fd = recv_fd(market->pieces[1])) >= 0)
		close(fd);
	EXPECT_EQ(0, counts->late) {
		TH_LOG("expected: every fence is signalled");
	}
}

static void expect_actions(struct __test_metadata *_metadata)
{
	__u64 sum = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(actions); i++) {
		sum += counts->done[i];
		TH_LOG("%7llu %s", counts->done[i], actions[i].name);
		EXPECT_LT(0, counts->done[i]) {
			TH_LOG("expected: %s, at least once", actions[i].name);
		}
	}
	TH_LOG("%llu actions, %llu faults", sum, counts->faults);
}

static void expect_survived(struct __test_metadata *_metadata, struct victim *victim)
{
	int monitor;

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
	monitor = accel_open_monitor();
	EXPECT_THAT(WAIT_FOR(!memory_info(monitor).used, WAIT_SECONDS), "no device memory is lost");
	close(monitor);
}

TEST_F_TIMEOUT(hammer, devices_survive_all_at_once, 2300)
{
	unsigned int time = from_environment("HAMMER_SECONDS", 20);
	unsigned int seed = from_environment("HAMMER_SEED", 1);
	struct worker first = { .shared = self->shared };
	double end = seconds() + time, latest = end + PATIENCE;
	int i;

	TH_LOG("%u s, seed %u", time, seed);

	for (i = 0; i < WORKERS; i++) {
		first.seed = seed * 1000 + i;
		first.victim = self->victims[i % self->count];
		self->workers[i] = child_start(work, &first);
		ASSERT_LT(0, self->workers[i]);
	}
	/* A slow machine takes longer to come to what is seldom. */
	for (i = 0; seconds() < (all_came_about(self->victims, self->count) ? end : latest); i++) {
		usleep(rand_r(&seed) % 300000);
		disturb(self->victims[i % self->count], &seed);
	}
	STORE(self->shared->stop, true);
	for (i = 0; i < WORKERS; i++)
		EXPECT_RET(0, child_result(self->workers[i]), "a worker ends by itself");
	close_market(_metadata);
	expect_actions(_metadata);
	for (i = 0; i < self->count; i++)
		expect_survived(_metadata, self->victims[i]);
}

TEST_HARNESS_MAIN
