// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel itself has the device work for it: zswap compresses pages of this process by the
 * crypto API, while processes use the same device, and while it goes.
 *
 * accel-bench: modules=accel_hisi_zip,accel_acomp kernel=check,races limit=600
 */
#include "hisi_zip_util.h"

#define PAGE 4096
/* Few, for each takes the checking kernel some milliseconds each way. */
#define PAGES 192
#define ROUNDS 3
/* One that compresses, one that decompresses. */
#define CLIENTS 2

#define ALGORITHM "deflate-accel"
#define ZSWAP "/sys/module/zswap/parameters/"
#define STORED "/sys/kernel/debug/zswap/stored_pages"
#define MODULE "/sys/module/accel_acomp"

#define CONTEXTS_MAX 32

FIXTURE(acomp) {
	char address[ACCEL_NAME_MAX];
	int monitor;
	char *memory;
};

/* --- What the device does for the kernel --- */

/* What the client of this name has on the device; false if it has nothing. */
static bool client_context(int monitor, const char *name, struct accel_info_context *context)
{
	struct accel_info_context all[CONTEXTS_MAX] = {};
	int i, bytes = accel_info(monitor, ACCEL_INFO_CONTEXTS, all, sizeof(all));

	for (i = 0; i < bytes / (int)sizeof(all[0]) && i < CONTEXTS_MAX; i++) {
		if (strcmp(all[i].client, name))
			continue;
		*context = all[i];
		return all[i].queues != 0;
	}
	return false;
}

static bool is_served(int monitor)
{
	struct accel_info_context context;

	return client_context(monitor, ALGORITHM " compress", &context) &&
	       client_context(monitor, ALGORITHM " decompress", &context);
}

/* A line of what became of the requests of both clients, summed; -1 if it is not told. */
static long long count_of(const char *what)
{
	static const char *const clients[] = { ALGORITHM " compress", ALGORITHM " decompress" };
	char path[PATH_MAX], text[256], *line;
	long long sum = 0;
	int i;

	for (i = 0; i < CLIENTS; i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/accelerator/%s/requests",
			 clients[i]);
		if (read_file(path, text, sizeof(text)) < 0)
			return -1;
		line = strstr(text, what);
		if (!line)
			return -1;
		sum += strtoll(line + strlen(what), NULL, 10);
	}
	return sum;
}

/* --- Pages that zswap has --- */

static long stored_pages(void)
{
	char text[32];

	return read_file(STORED, text, sizeof(text)) < 0 ? -1 : strtol(text, NULL, 10);
}

static int zswap_set(const char *parameter, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), ZSWAP "%s", parameter);
	return write_file(path, value);
}

/* Text that compresses, and is different in each page and each round. */
static void fill_pages(char *memory, __u32 round)
{
	int i;

	for (i = 0; i < PAGES; i++)
		fill_text(memory + i * PAGE, PAGE, round * PAGES + i);
}

/* The first page that is not as fill_pages() has left it, or PAGES. */
static int first_wrong(const char *memory, __u32 round)
{
	static char expected[PAGE];
	int i;

	for (i = 0; i < PAGES; i++) {
		fill_text(expected, PAGE, round * PAGES + i);
		if (memcmp(memory + i * PAGE, expected, PAGE))
			break;
	}
	return i;
}

/* Has zswap take the pages, and brings them back. */
static void swap_round(struct __test_metadata *_metadata, char *memory, __u32 round)
{
	fill_pages(memory, round);
	EXPECT_THAT(put_aside(memory, PAGES * PAGE), "pages are put aside");
	EXPECT_EQ(PAGES, first_wrong(memory, round))
	{
		TH_LOG("expected: each page as it was before it was put aside");
	}
}

/* What parent and child say to each other. */
struct shared {
	int stop;
	int rounds;
};

static int swap_until_stopped(void *arg)
{
	struct shared *shared = arg;
	char *memory = mmap(NULL, PAGES / 4 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u32 round = 0;
	int i;

	while (!LOAD(shared->stop)) {
		STORE(shared->rounds, ++round);
		for (i = 0; i < PAGES / 4; i++)
			fill_text(memory + i * PAGE, PAGE, round + i);
		madvise(memory, PAGES / 4 * PAGE, MADV_PAGEOUT);
		for (i = 0; i < PAGES / 4; i++) {
			static char expected[PAGE];

			fill_text(expected, PAGE, round + i);
			if (memcmp(memory + i * PAGE, expected, PAGE))
				return -EBADMSG;
		}
	}
	return 0;
}

static struct shared *share(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The child has put pages aside, and has them back, since it had done @rounds. */
static bool goes_on(struct shared *shared, int rounds)
{
	return WAIT_FOR(LOAD(shared->rounds) > rounds + 1, WAIT_SECONDS);
}

FIXTURE_SETUP(acomp)
{
	SKIP_WITHOUT("/proc/swaps", "CONFIG_SWAP");
	SKIP_WITHOUT(ZSWAP, "CONFIG_ZSWAP");
	SKIP_WITHOUT(MODULE, "CONFIG_ACCEL_ACOMP, and 'modprobe accel_acomp'");
	self->monitor = accel_open_monitor();
	ASSERT_DEVICE(self->monitor);
	ASSERT_RET(0, accel_address(self->monitor, self->address), "INFO_DEVICE");
	ASSERT_THAT(WAIT_FOR(is_served(self->monitor), WAIT_SECONDS),
		    "the client has its queues");
	ASSERT_RET(0, zswap_set("compressor", ALGORITHM), "zswap takes the algorithm");
	ASSERT_RET(0, zswap_set("enabled", "Y"), "zswap begins");
	ASSERT_RET(0, swap_on(), "swap on a ram disk");
	self->memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->memory);
}

FIXTURE_TEARDOWN(acomp)
{
	munmap(self->memory, PAGES * PAGE);
	swapoff(SWAP_DEVICE);
	zswap_set("enabled", "N");
	zswap_set("compressor", "deflate-generic");
	if (accel_number() < 0)
		device_bind(self->address);
	close(self->monitor);
}

TEST_F(acomp, the_kernels_own_self_test_has_passed)
{
	static char text[1 << 16];
	char *entry;

	ASSERT_WORKS(read_file("/proc/crypto", text, sizeof(text)), "read /proc/crypto");
	entry = strstr(text, "driver       : " ALGORITHM "\n");
	ASSERT_NE(NULL, entry) {
		TH_LOG("expected: an algorithm of the driver " ALGORITHM " in /proc/crypto");
	}
	entry = strstr(entry, "selftest     : ");
	ASSERT_NE(NULL, entry);
	EXPECT_EQ(0, strncmp(entry, "selftest     : passed\n", 22)) {
		TH_LOG("expected: 'passed' for " ALGORITHM);
	}
}

TEST_F(acomp, a_client_is_told_among_the_contexts)
{
	struct accel_info_context context;

	ASSERT_TRUE(client_context(self->monitor, ALGORITHM " compress", &context));
	EXPECT_EQ(0, context.pid);
	EXPECT_EQ(0, context.uid);
	EXPECT_EQ(ACCEL_MODE_KERNEL, context.mode);
	EXPECT_EQ(0, context.pasid);
	EXPECT_EQ(1, context.queues);
}

TEST_F(acomp, pages_go_through_the_device_and_come_back)
{
	long long done = count_of("done "), failed = count_of("failed ");
	int round;

	fill_pages(self->memory, 0);
	ASSERT_THAT(put_aside(self->memory, PAGES * PAGE), "pages are put aside");
	EXPECT_LT(PAGES / 2, stored_pages()) {
		TH_LOG("expected: most pages in zswap, not on the ram disk");
	}
	EXPECT_LE(done + PAGES, count_of("done ")) {
		TH_LOG("expected: a request for each page that was compressed, at least");
	}
	done = count_of("done ");
	EXPECT_EQ(PAGES, first_wrong(self->memory, 0));
	EXPECT_LE(done + PAGES, count_of("done ")) {
		TH_LOG("expected: a request for each page that was decompressed, at least");
	}
	for (round = 1; round < ROUNDS; round++)
		swap_round(_metadata, self->memory, round);
	EXPECT_EQ(failed, count_of("failed ")) {
		TH_LOG("expected: none that the device can't do");
	}
}

TEST_F(acomp, a_process_has_the_device_meanwhile)
{
	struct shared *shared = share();
	struct accel_queue q;
	pid_t child;
	int i;

	ASSERT_NE(NULL, shared);
	child = child_start(swap_until_stopped, shared);
	ASSERT_LT(0, child);
	ASSERT_WORKS(queue_open_alone(&q, 8), "a queue of a process");
	EXPECT_THAT(goes_on(shared, 0), "pages come and go");
	for (i = 0; i < 200; i++)
		EXPECT_WORKS(&q, "a job of a process");
	EXPECT_THAT(goes_on(shared, LOAD(shared->rounds)), "pages come and go meanwhile");
	queue_close(&q);
	STORE(shared->stop, 1);
	EXPECT_RET(0, child_result(child), "pages of another process");
}

TEST_F(acomp, a_reset_amid_pages_loses_none)
{
	struct shared *shared = share();
	int ctx = accel_open(), round;
	pid_t child;

	ASSERT_NE(NULL, shared);
	ASSERT_DEVICE(ctx);
	child = child_start(swap_until_stopped, shared);
	ASSERT_LT(0, child);
	for (round = 0; round < ROUNDS; round++) {
		fill_pages(self->memory, round);
		ASSERT_THAT(put_aside(self->memory, PAGES * PAGE), "pages are put aside");
		EXPECT_THAT(goes_on(shared, LOAD(shared->rounds)), "pages come and go");
		ASSERT_RET(0, accel_reset_at_last(ctx), "a reset");
		EXPECT_EQ(PAGES, first_wrong(self->memory, round));
		EXPECT_THAT(WAIT_FOR(is_served(self->monitor), WAIT_SECONDS),
			    "the client has its queues again");
	}
	STORE(shared->stop, 1);
	EXPECT_RET(0, child_result(child), "pages of another process");
	close(ctx);
}

TEST_F(acomp, a_device_that_goes_takes_no_page_with_it)
{
	struct shared *shared = share();
	long long refused, done;
	int round, monitor;
	pid_t child;

	ASSERT_NE(NULL, shared);
	child = child_start(swap_until_stopped, shared);
	ASSERT_LT(0, child);
	for (round = 0; round < ROUNDS; round++) {
		fill_pages(self->memory, round);
		ASSERT_THAT(put_aside(self->memory, PAGES * PAGE), "pages are put aside");
		EXPECT_THAT(goes_on(shared, LOAD(shared->rounds)), "pages come and go");
		ASSERT_RET(0, device_unbind(self->address),
			   "unbind, though the kernel has a transform");
		refused = count_of("refused ");
		EXPECT_EQ(PAGES, first_wrong(self->memory, round));
		swap_round(_metadata, self->memory, ROUNDS + round);
		EXPECT_LE(refused + PAGES, count_of("refused ")) {
			TH_LOG("expected: each page in software, where there is no device");
		}
		ASSERT_RET(0, device_bind(self->address), "bind it again");
		monitor = accel_open_monitor();
		ASSERT_DEVICE(monitor);
		EXPECT_THAT(WAIT_FOR(is_served(monitor), WAIT_SECONDS),
			    "the client has its queues again");
		close(monitor);
		done = count_of("done ");
		swap_round(_metadata, self->memory, 2 * ROUNDS + round);
		EXPECT_LE(done + PAGES, count_of("done ")) {
			TH_LOG("expected: pages by the device, now that it is back");
		}
	}
	STORE(shared->stop, 1);
	EXPECT_RET(0, child_result(child), "pages of another process");
}

/* Takes queues until there are no more; returns how many. */
static int take_queues(int ctx, int *queues, int room)
{
	int count = 0;

	while (count < room) {
		int fd = zip_queue_create(ctx, 8, HISI_ZIP_COMPRESS);

		if (fd < 0)
			break;
		queues[count++] = fd;
	}
	return count;
}

TEST_F(acomp, queues_are_kept_for_a_client_that_has_none)
{
	struct accel_info_device device = {};
	int ctx = accel_open(), *queues, before, count;

	ASSERT_DEVICE(ctx);
	ASSERT_RET(0, accel_bind(ctx, ACCEL_MODE_KERNEL), "bind");
	ASSERT_WORKS(accel_info_device(ctx, &device), "INFO_DEVICE");
	queues = calloc(2 * device.queues_max, sizeof(*queues));
	ASSERT_NE(NULL, queues);
	before = take_queues(ctx, queues, device.queues_max);
	EXPECT_EQ(device.queues_max - CLIENTS, before) {
		TH_LOG("expected: processes have all queues that clients have not");
	}
	ASSERT_RET(0, accel_reset_at_last(ctx), "a reset, of which all queues die");
	/* Whether or not the clients were the first to come. */
	count = take_queues(ctx, queues + before, device.queues_max);
	/* One that a client has just taken may count as one that it still looks for. */
	EXPECT_GE(device.queues_max - CLIENTS, count);
	EXPECT_LE(device.queues_max - 2 * CLIENTS, count) {
		TH_LOG("expected: what clients leave, for processes that come at once");
	}
	EXPECT_THAT(WAIT_FOR(is_served(self->monitor), WAIT_SECONDS),
		    "the clients have their queues again");
	for (count += before; count; count--)
		close(queues[count - 1]);
	free(queues);
	close(ctx);
}

TEST_HARNESS_MAIN
