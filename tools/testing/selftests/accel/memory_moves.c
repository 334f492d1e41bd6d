// SPDX-License-Identifier: GPL-2.0
/*
 * What a device may touch: memory that the kernel splits, merges, moves and puts aside while the
 * device works, and huge pages that it does not have.
 */
#include <pthread.h>

#include "memory_kinds_util.h"

#define HUGE (2ul << 20)
#define SIZE (64 * PAGE)
#define KSM "/sys/kernel/mm/ksm/"
#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"

FIXTURE(memory_moves)
{
	struct reach r;
	int descriptors;
};

FIXTURE_SETUP(memory_moves)
{
	ASSERT_DEVICE(accel_number());
	self->descriptors = descriptors();
	ASSERT_RET(0, reach_open(&self->r), "a queue of each mode");
}

FIXTURE_TEARDOWN(memory_moves)
{
	EXPECT_WORKS(&self->r.shared, "an ordinary job afterwards");
	reach_close(&self->r);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

/* --- Pages that the kernel handles while the device uses them --- */

/* A job of SIZE bytes, judged. */
static int long_job(struct accel_queue *q, __u64 in, const void *plain, __u64 out,
		    const void *packed)
{
	struct zip_job job = { HISI_ZIP_DEFLATE, 0, (void *)in, (void *)out, SIZE, SIZE };
	struct zip_result result = zip_run(q, &job);

	if (result.error || !zip_good(&result))
		return result.error ?: REFUSED;
	return zip_matches(packed, result.produced, plain, SIZE) ? 0 : -EBADMSG;
}

/* A thread that does something to memory, again and again, and counts. */
struct unrest {
	pthread_t thread;
	unsigned char *memory;
	void (*once)(struct unrest *unrest);
	int stop;
	int done;
};

static void *unrest_thread(void *arg)
{
	struct unrest *unrest = arg;

	while (!LOAD(unrest->stop))
		unrest->once(unrest);
	return NULL;
}

static int unrest_begin(struct unrest *unrest)
{
	return -pthread_create(&unrest->thread, NULL, unrest_thread, unrest);
}

static void unrest_end(struct unrest *unrest)
{
	STORE(unrest->stop, 1);
	pthread_join(unrest->thread, NULL);
}

/* Its last page goes, and comes back: the rest is no huge page then, until it is made one. */
static void split_and_collapse(struct unrest *unrest)
{
	unsigned char *last = unrest->memory + HUGE - PAGE;

	if (madvise(unrest->memory, HUGE, MADV_COLLAPSE))
		return;
	usleep(1000);
	if (madvise(last, PAGE, MADV_DONTNEED))
		return;
	*last = 1;
	STORE(unrest->done, unrest->done + 1);
}

TEST_F(memory_moves, huge_pages_are_split_amid_jobs)
{
	char *room = anonymous(2 * HUGE, PROT_READ | PROT_WRITE);
	struct unrest unrest = {
		.memory = (void *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1)),
		.once = split_and_collapse,
	};
	unsigned char *in = unrest.memory + 3 * PAGE, *out = unrest.memory + HUGE / 2;
	double end = seconds() + WAIT_SECONDS;
	int jobs;

	SKIP_WITHOUT("/sys/kernel/mm/transparent_hugepage", "CONFIG_TRANSPARENT_HUGEPAGE");
	fill_text(unrest.memory, HUGE, 9);
	ASSERT_RET(0, unrest_begin(&unrest), "a thread");
	for (jobs = 0; (jobs < 20 || LOAD(unrest.done) < 20) && seconds() < end; jobs++)
		EXPECT_RET(0, long_job(&self->r.shared, (uintptr_t)in, in, (uintptr_t)out, out),
			   "a job in SHARED mode");
	unrest_end(&unrest);
	EXPECT_LE(20, unrest.done) {
		TH_LOG("expected: the page is split and made whole; %d times in %d jobs",
		       unrest.done, jobs);
	}
	munmap(room, 2 * HUGE);
}

TEST_F(memory_moves, a_part_of_a_huge_page_stays_when_the_rest_is_split)
{
	char *room = anonymous(2 * HUGE, PROT_READ | PROT_WRITE);
	unsigned char *huge = (void *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1));
	unsigned char *in = huge + 3 * PAGE, *last = huge + HUGE - PAGE;
	int fd, i;
	__s64 at;

	SKIP_WITHOUT("/sys/kernel/mm/transparent_hugepage", "CONFIG_TRANSPARENT_HUGEPAGE");
	fill_text(huge, HUGE, 9);
	ASSERT_EQ(0, madvise(huge, HUGE, MADV_COLLAPSE));
	fd = buffer_wrap(self->r.kernel_ctx, in, 2 * SIZE, 0);
	ASSERT_WORKS(fd, "wrap a part");
	at = buffer_map(self->r.private_ctx, fd, ACCEL_ACCESS_READ | ACCEL_ACCESS_WRITE);
	ASSERT_WORKS(at, "map it");
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, madvise(last, PAGE, MADV_DONTNEED));
		*last = i;
		EXPECT_RET(0, long_job(&self->r.private, at, in, at + SIZE, in + SIZE),
			   "a job in PRIVATE mode");
		EXPECT_EQ(-1, madvise(huge, HUGE, MADV_COLLAPSE)) {
			TH_LOG("expected: pages that a device has are not moved into a huge one");
		}
	}
	EXPECT_RET(0, buffer_unmap(self->r.private_ctx, at, 2 * SIZE), "unmap");
	close(fd);
	munmap(room, 2 * HUGE);
}

static void compact(struct unrest *unrest)
{
	if (!write_file("/proc/sys/vm/compact_memory", "1"))
		STORE(unrest->done, unrest->done + 1);
}

/* What the page tables have for @count pages: see pagemap.rst. */
static void page_entries(const unsigned char *p, __u64 *entries, unsigned int count)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	memset(entries, 0, count * 8);
	if (pread(fd, entries, count * 8, (uintptr_t)p / PAGE * 8) != count * 8)
		entries[0] = ~0ull;
	close(fd);
}

/* Pages that are elsewhere than @before says. */
static int pages_moved(const unsigned char *p, const __u64 *before, unsigned int count)
{
	__u64 now[count];
	unsigned int i;
	int moved = 0;

	page_entries(p, now, count);
	for (i = 0; i < count; i++)
		moved += now[i] != before[i];
	return moved;
}

/* Text of which hardly two pages are neighbours in memory. */
static unsigned char *scattered_text(unsigned int pages)
{
	unsigned char *p = anonymous(pages * PAGE, PROT_READ | PROT_WRITE);
	unsigned char *between = anonymous(pages * PAGE, PROT_READ | PROT_WRITE);
	unsigned int i;

	for (i = 0; i < pages; i++) {
		p[i * PAGE] = 1;
		between[i * PAGE] = 1;
	}
	munmap(between, pages * PAGE);
	fill_text(p, pages * PAGE, pages);
	return p;
}

TEST_F(memory_moves, pages_are_moved_amid_jobs)
{
	enum { PAGES = 2 * SIZE / PAGE, WRAPPED = 16 };
	double end = seconds() + WAIT_SECONDS;
	unsigned char *own = text_pages(WRAPPED);
	struct unrest unrest = { .once = compact };
	int fd = buffer_wrap(self->r.kernel_ctx, own, WRAPPED * PAGE, 0), rounds = 0, moved;
	__u64 before[PAGES], pinned[WRAPPED];

	ASSERT_WORKS(fd, "wrap");
	page_entries(own, pinned, WRAPPED);
	ASSERT_RET(0, unrest_begin(&unrest), "a thread");
	while (rounds < 5 && seconds() < end) {
		unsigned char *in = scattered_text(PAGES), *out = in + SIZE;
		double round_end = seconds() + 5;

		page_entries(in, before, PAGES);
		do {
			EXPECT_RET(0, long_job(&self->r.shared, (uintptr_t)in, in,
					       (uintptr_t)out, out), "a job in SHARED mode");
			moved = pages_moved(in, before, PAGES);
		} while (!moved && seconds() < round_end);
		rounds += moved > 0;
		munmap(in, 2 * SIZE);
	}
	unrest_end(&unrest);
	/* Whether compaction finds something to move is its own affair. */
	TH_LOG("pages were moved in %d rounds", rounds);
	EXPECT_LT(0, LOAD(unrest.done)) {
		TH_LOG("expected: memory is compacted meanwhile");
	}
	EXPECT_EQ(0, pages_moved(own, pinned, WRAPPED)) {
		TH_LOG("expected: what is wrapped is where it was");
	}
	EXPECT_RET(0, kernel_reads(&self->r, fd, own), "and is reached");
	close(fd);
	munmap(own, WRAPPED * PAGE);
}

TEST_F(memory_moves, pages_that_are_put_aside)
{
	unsigned char *p = text_pages(2);
	__u64 entry;
	int fd;

	SKIP_WITHOUT("/proc/swaps", "CONFIG_SWAP");
	ASSERT_RET(0, swap_on(), "swap on a ram disk");
	EXPECT_THAT(put_aside(p, PAGE), "it is put aside");
	EXPECT_RET(0, shared_reads(&self->r, p, p), "read in SHARED mode");
	EXPECT_THAT(put_aside(p, PAGE), "it is put aside");
	EXPECT_RET(0, shared_writes(&self->r, p, p), "written in SHARED mode");
	fill_text(p, PAGE, 2);
	EXPECT_THAT(put_aside(p, PAGE), "it is put aside");
	fd = buffer_wrap(self->r.kernel_ctx, p, PAGE, 0);
	ASSERT_WORKS(fd, "wrap");
	entry = page_entry(p);
	EXPECT_EQ(0, entry & 1ull << 62) {
		TH_LOG("expected: wrapped memory is there");
	}
	madvise(p, PAGE, MADV_PAGEOUT);
	EXPECT_EQ(entry, page_entry(p)) {
		TH_LOG("expected: and stays");
	}
	expect_buffer(_metadata, &self->r, fd, p, 0, "what was put aside");
	close(fd);
	munmap(p, 2 * PAGE);
	EXPECT_EQ(0, swapoff(SWAP_DEVICE));
}

/* --- Pages that are merged --- */

static bool is_one_page(const void *a, const void *b)
{
	const __u64 present = 1ull << 63, frame = (1ull << 55) - 1;
	__u64 one = page_entry(a), other = page_entry(b);

	return one & other & present && (one & frame) == (other & frame);
}

static long ksm_scans(void)
{
	char text[32];

	return read_file(KSM "full_scans", text, sizeof(text)) < 0 ? -1 : atol(text);
}

TEST_F(memory_moves, merged_pages)
{
	unsigned char *a, *b, *page, *same;
	long scans;
	int i, fd;

	SKIP_WITHOUT(KSM "run", "CONFIG_KSM");
	a = anonymous(4 * PAGE, PROT_READ | PROT_WRITE);
	b = anonymous(4 * PAGE, PROT_READ | PROT_WRITE);
	fill_text(a, 4 * PAGE, 5);
	memcpy(b, a, 4 * PAGE);
	same = malloc(4 * PAGE);
	memcpy(same, a, 4 * PAGE);
	ASSERT_EQ(0, madvise(a, 4 * PAGE, MADV_MERGEABLE));
	ASSERT_EQ(0, madvise(b, 4 * PAGE, MADV_MERGEABLE));
	ASSERT_RET(0, write_file(KSM "sleep_millisecs", "1"), "scan often");
	ASSERT_RET(0, write_file(KSM "run", "1"), "scan");
	for (i = 0; i < 4; i++)
		EXPECT_THAT(WAIT_FOR(is_one_page(a + i * PAGE, b + i * PAGE), WAIT_SECONDS),
			    "pages of the same content are merged");

	EXPECT_RET(0, shared_reads(&self->r, a, same), "read in SHARED mode");
	EXPECT_THAT(is_one_page(a, b), "it is merged still");
	EXPECT_RET(0, shared_writes(&self->r, a, a), "written in SHARED mode");
	EXPECT_THAT(!is_one_page(a, b) && !memcmp(b, same, PAGE), "the other is as it was");

	page = a + PAGE;
	fd = buffer_wrap(self->r.kernel_ctx, page, PAGE, ACCEL_WRAP_READ_ONLY);
	ASSERT_WORKS(fd, "wrap to be read");
	EXPECT_THAT(!is_one_page(page, b + PAGE), "a page that is wrapped is the process's own");
	expect_buffer(_metadata, &self->r, fd, page, READS, "one that was merged");
	scans = ksm_scans();
	EXPECT_THAT(WAIT_FOR(ksm_scans() > scans + 3, WAIT_SECONDS), "scans go on");
	EXPECT_THAT(!is_one_page(page, b + PAGE), "what is wrapped is not merged");
	page[0] ^= 1;
	EXPECT_RET(0, kernel_reads(&self->r, fd, page), "what the process writes is in the buffer");
	close(fd);

	page = a + 2 * PAGE;
	fd = buffer_wrap(self->r.kernel_ctx, page, PAGE, 0);
	ASSERT_WORKS(fd, "wrap");
	expect_buffer(_metadata, &self->r, fd, page, 0, "one that was merged");
	EXPECT_THAT(!memcmp(b + 2 * PAGE, same + 2 * PAGE, PAGE), "the other is as it was");
	close(fd);
	EXPECT_RET(0, write_file(KSM "run", "2"), "no merged pages");
	EXPECT_RET(0, write_file(KSM "run", "0"), "as it was");
	EXPECT_RET(0, write_file(KSM "sleep_millisecs", "20"), "as it was");
	free(same);
	munmap(a, 4 * PAGE);
	munmap(b, 4 * PAGE);
}

/* --- Huge pages that nobody has kept for us --- */

static int write_without_a_reserve(void *arg)
{
	static unsigned char room[2 * PAGE];
	__u32 produced;
	struct accel_queue q;
	int ctx = queue_open_alone(&q, DEPTH), ret;

	if (ctx < 0)
		return ctx;
	ret = ring_job(&q, (uintptr_t)arg, (uintptr_t)room, &produced) ?:
	      judge(room, produced, arg);
	if (ret)
		return -EBADMSG;
	fill_text(room, PAGE, 1);
	return ring_job(&q, (uintptr_t)room, (uintptr_t)arg, &produced);
}

TEST_F(memory_moves, huge_pages_that_are_gone)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	char *p;

	SKIP_WITHOUT(HUGE_PAGES, "CONFIG_HUGETLBFS");
	ASSERT_RET(0, write_file(HUGE_PAGES, "1"), "one huge page");
	p = mmap(NULL, 2 * HUGE, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	fill_text(p, PAGE, 1);
	EXPECT_KIND("the only huge page", p, p, 0, 0, 0, 0);
	EXPECT_KIND("another", p + HUGE, NULL, REFUSED, REFUSED, -EFAULT, -EFAULT);
	munmap(p, 2 * HUGE);

	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, flags, -1, 0);
	ASSERT_NE(MAP_FAILED, p);
	fill_text(p, PAGE, 1);
	EXPECT_RET(REFUSED, in_child(write_without_a_reserve, p), "the copy of a child");
	EXPECT_KIND("the parent's page", p, p, 0, 0, 0, 0);
	munmap(p, HUGE);
	EXPECT_RET(0, write_file(HUGE_PAGES, "0"), "no huge page");
}

TEST_HARNESS_MAIN
