// SPDX-License-Identifier: GPL-2.0
/*
 * What a device may touch: memory that the process itself may not, or not now, or that is no
 * memory. What it may is a row of the table in Documentation/accel/user-api.rst.
 *
 * accel-bench: modules=accel_hisi_zip,accel_sim
 */
#include "memory_kinds_util.h"

#define NO_KEYS \
	"no protection keys, which needs CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS and a processor"

FIXTURE(memory_kinds)
{
	struct reach r;
	int descriptors;
};

FIXTURE_SETUP(memory_kinds)
{
	ASSERT_DEVICE(accel_number());
	self->descriptors = descriptors();
	ASSERT_RET(0, reach_open(&self->r), "a queue of each mode");
}

FIXTURE_TEARDOWN(memory_kinds)
{
	EXPECT_WORKS(&self->r.shared, "an ordinary job afterwards");
	reach_close(&self->r);
	EXPECT_EQ(self->descriptors, descriptors()) {
		TH_LOG("expected: no descriptor is left");
	}
}

TEST_F(memory_kinds, ordinary_memory_is_reached)
{
	void *p = text_pages(1);

	EXPECT_KIND("ordinary memory", p, p, 0, 0, 0, 0);
	mprotect(p, PAGE, PROT_READ);
	EXPECT_KIND("memory that is read", p, p, 0, REFUSED, 0, READS);
}

/* --- Files --- */

TEST_F(memory_kinds, pages_beyond_the_end_of_a_file)
{
	int fd = text_file(1, 0);
	char *shared = map_shared(fd, 2);
	char *private = map_file(fd, 2, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EXPECT_KIND("a page of a file", shared, shared, 0, 0, 0, 0);
	EXPECT_KIND("the page behind its end", shared + PAGE, NULL,
		    REFUSED, REFUSED, -EFAULT, -EFAULT);
	EXPECT_KIND("the same, mapped private", private + PAGE, NULL,
		    REFUSED, REFUSED, -EFAULT, -EFAULT);
	close(fd);
}

/* Jobs over a file that is cut off meanwhile end well or refused. */
TEST_F(memory_kinds, a_file_that_is_truncated_amid_jobs)
{
	enum { PAGES = 64 };
	int fd = text_file(PAGES, 0), i, done[2] = {};
	char *p = map_shared(fd, PAGES);
	char *out = anonymous(2 * PAGES * PAGE, PROT_READ | PROT_WRITE);

	for (i = 0; i < 20; i++) {
		struct zip_job job = {
			HISI_ZIP_DEFLATE, 0, p, out, PAGES * PAGE, 2 * PAGES * PAGE,
		};
		struct zip_result result;

		ASSERT_EQ(0, ftruncate(fd, PAGES * PAGE));
		zip_submit(&self->r.shared, &job);
		usleep(i * 100);
		ASSERT_EQ(0, ftruncate(fd, PAGE));
		result = zip_wait(&self->r.shared);
		EXPECT_THAT(zip_good(&result) || zip_refused(&result), "it ends, well or refused");
		done[zip_good(&result)]++;
		EXPECT_RET(REFUSED, shared_reads(&self->r, p + PAGE, NULL), "what is cut off");
		EXPECT_RET(0, shared_reads(&self->r, p, p), "what is left");
	}
	TH_LOG("%d were faster, %d were refused", done[1], done[0]);
	munmap(out, 2 * PAGES * PAGE);
	munmap(p, PAGES * PAGE);
	close(fd);
}

TEST_F(memory_kinds, a_file_that_is_truncated_while_it_is_wrapped)
{
	int fd = text_file(1, 0), wrapped;
	unsigned char *p = map_shared(fd, 1), *seen;
	void *before = malloc(PAGE);

	memcpy(before, p, PAGE);
	wrapped = buffer_wrap(self->r.kernel_ctx, p, PAGE, 0);
	ASSERT_WORKS(wrapped, "wrap");
	seen = buffer_mmap(wrapped, PAGE);
	ASSERT_NE(MAP_FAILED, seen);
	ASSERT_EQ(0, ftruncate(fd, 0));
	EXPECT_RET(REFUSED, shared_reads(&self->r, p, NULL), "the mapping");
	EXPECT_RET(0, private_reads(&self->r, wrapped, before), "the buffer, in PRIVATE mode");
	EXPECT_RET(0, kernel_reads(&self->r, wrapped, before), "the buffer, in KERNEL mode");
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	EXPECT_RET(0, kernel_writes(&self->r, wrapped, seen), "the buffer is written");
	EXPECT_EQ(0, all_bytes(p, PAGE)) {
		TH_LOG("expected: what the file has got since is not in the buffer");
	}
	munmap(seen, PAGE);
	munmap(p, PAGE);
	close(wrapped);
	close(fd);
	free(before);
}

/* A buffer of the pages of a file, made by udmabuf; its descriptor or a negative errno. */
static int as_udmabuf(int file)
{
	struct udmabuf_create create = { .memfd = file, .size = PAGE };
	int maker = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), fd;

	if (maker < 0)
		return -errno;
	fd = ioctl(maker, UDMABUF_CREATE, &create);
	fd = fd < 0 ? -errno : fd;
	close(maker);
	return fd;
}

TEST_F(memory_kinds, sealed_files)
{
	int fd = text_file(1, MFD_ALLOW_SEALING), wrapped;
	void *old = map_shared(fd, 1), *new, *private;

	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW));
	new = map_file(fd, 1, PROT_READ, MAP_SHARED);
	ASSERT_NE(MAP_FAILED, new);
	EXPECT_KIND("a mapping from before F_SEAL_FUTURE_WRITE", old, old, 0, 0, 0, 0);
	EXPECT_RET(-EINVAL, as_udmabuf(fd), "a buffer of udmabuf of it");
	EXPECT_KIND("one from afterwards", new, new, 0, REFUSED, 0, READS);
	munmap(new, PAGE);
	wrapped = buffer_wrap(self->r.kernel_ctx, old, PAGE, 0);
	ASSERT_WORKS(wrapped, "wrap");
	munmap(old, PAGE);
	EXPECT_RET(-EBUSY, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) ? -errno : 0,
		   "F_SEAL_WRITE of what is wrapped");
	close(wrapped);
	ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	new = map_file(fd, 1, PROT_READ, MAP_SHARED);
	private = map_file(fd, 1, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	ASSERT_NE(MAP_FAILED, new);
	ASSERT_NE(MAP_FAILED, private);
	EXPECT_KIND("a file with F_SEAL_WRITE", new, new, 0, REFUSED, 0, READS);
	old = malloc(PAGE);
	memcpy(old, new, PAGE);
	EXPECT_KIND("a private mapping of it", private, private, 0, 0, 0, 0);
	EXPECT_THAT(!memcmp(new, old, PAGE), "the sealed file is as it was");
	munmap(new, PAGE);
	munmap(private, PAGE);
	free(old);
	close(fd);
}

/* --- Memory that not everybody may see --- */

TEST_F(memory_kinds, secret_memory)
{
	unsigned char *p;
	int fd;

	SKIP_WITHOUT("/sys/module/secretmem", "CONFIG_SECRETMEM");
	fd = syscall(SYS_memfd_secret, O_CLOEXEC);
	ASSERT_WORKS(fd, "a secret file");
	ASSERT_EQ(0, ftruncate(fd, PAGE));
	p = map_shared(fd, 1);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_RET(0, shared_writes(&self->r, p, p), "written before the process has touched it");
	fill_text(p, PAGE, 3);
	EXPECT_KIND("secret memory", p, p, 0, 0, -EFAULT, -EFAULT);
	EXPECT_RET(-EBADFD, as_udmabuf(fd), "a buffer of udmabuf of it");
	munmap(p, PAGE);
	close(fd);
}

/* What a thread has taken from itself is its own affair: the device has the mapping's rights. */
TEST_F(memory_kinds, protection_keys)
{
	int key = pkey_alloc(0, 0), fd, wrapped;
	void *p, *seen;

	if (key < 0)
		SKIP(return, NO_KEYS);
	fd = text_file(1, 0);
	p = map_shared(fd, 1);
	seen = map_shared(fd, 1);
	ASSERT_EQ(0, pkey_mprotect(p, PAGE, PROT_READ | PROT_WRITE, key));
	EXPECT_KIND("a key that allows all", p, seen, 0, 0, 0, 0);
	wrapped = buffer_wrap(self->r.kernel_ctx, p, PAGE, 0);
	ASSERT_WORKS(wrapped, "wrap");
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_WRITE));
	EXPECT_TOUCH(SIGSEGV, touch_write(p, 1), "the process writes");
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_WRITE));
	EXPECT_KIND("a key that allows to read", p, seen, 0, 0, 0, READS);
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_ACCESS));
	EXPECT_TOUCH(SIGSEGV, touch_read(p), "the process reads");
	ASSERT_EQ(0, pkey_set(key, PKEY_DISABLE_ACCESS));
	EXPECT_KIND("a key that allows nothing", p, seen, 0, 0, -EFAULT, -EFAULT);
	expect_buffer(_metadata, &self->r, wrapped, seen, 0, "what was wrapped before");
	close(wrapped);
	munmap(p, PAGE);
	munmap(seen, PAGE);
	close(fd);
	pkey_free(key);
}

TEST_F(memory_kinds, guard_regions)
{
	unsigned char *p = text_pages(3);

	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_GUARD_INSTALL)) {
		TH_LOG("expected: MADV_GUARD_INSTALL, of Linux 6.13");
	}
	EXPECT_KIND("a guard region", p + PAGE, NULL, REFUSED, REFUSED, -EFAULT, -EFAULT);
	EXPECT_KIND("the page before it", p, p, 0, 0, 0, 0);
	EXPECT_RET(-EFAULT, buffer_wrap(self->r.kernel_ctx, p, 3 * PAGE, 0), "all of them");
	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_GUARD_REMOVE));
	EXPECT_KIND("what was a guard region", p + PAGE, p + PAGE, 0, 0, 0, 0);
	munmap(p, 3 * PAGE);
}

/* A job of a buffer's goes on where the process has taken its own access. */
TEST_F(memory_kinds, no_access)
{
	int fd = text_file(1, 0), wrapped;
	void *p = map_shared(fd, 1), *seen = map_shared(fd, 1);

	EXPECT_KIND("what is there", p, seen, 0, 0, 0, 0);
	wrapped = buffer_wrap(self->r.kernel_ctx, p, PAGE, 0);
	ASSERT_WORKS(wrapped, "wrap");
	ASSERT_EQ(0, mprotect(p, PAGE, PROT_NONE));
	EXPECT_KIND("PROT_NONE", p, seen, REFUSED, REFUSED, -EFAULT, -EFAULT);
	expect_buffer(_metadata, &self->r, wrapped, seen, 0, "what was wrapped before");
	close(wrapped);
	munmap(p, PAGE);
	munmap(seen, PAGE);
	close(fd);
}

static bool has_protection_keys(void)
{
	int key = pkey_alloc(0, 0);

	if (key >= 0)
		pkey_free(key);
	return key >= 0;
}

/* No page table of x86 has a right to execute alone; keys are what makes it one. */
TEST_F(memory_kinds, execute_alone)
{
	int fd = text_file(2, 0), wrapped = has_protection_keys() ? -EFAULT : 0;
	char *p = map_shared(fd, 2), *seen = map_shared(fd, 2), *own = text_pages(1);

	EXPECT_TOUCH(0, touch_read(p), "a page that is there");
	ASSERT_EQ(0, madvise(p + PAGE, PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, mprotect(p, 2 * PAGE, PROT_EXEC));
	ASSERT_EQ(0, mprotect(own, PAGE, PROT_EXEC));
	EXPECT_KIND("PROT_EXEC, of a page that is not there", p + PAGE, seen + PAGE,
		    REFUSED, REFUSED, -EFAULT, -EFAULT);
	EXPECT_KIND("PROT_EXEC, of a file's page that is there", p, seen,
		    0, REFUSED, -EFAULT, -EFAULT);
	EXPECT_KIND("PROT_EXEC, of memory that is there", own, NULL,
		    0, REFUSED, wrapped, wrapped ?: READS);
	munmap(p, 2 * PAGE);
	munmap(seen, 2 * PAGE);
	munmap(own, PAGE);
	close(fd);
}

/* --- What is not the process's own --- */

/* It grows where the processor faults, and nowhere else. */
TEST_F(memory_kinds, stack)
{
	char *begin = mapping_begin("[stack]");

	expect_dmesg("GUP no longer grows the stack|Call Trace:");
	ASSERT_NE(NULL, begin);
	EXPECT_KIND("the stack, far below the pointer", begin, begin, 0, 0, 0, 0);
	EXPECT_KIND("below the stack", begin - PAGE, NULL, REFUSED, REFUSED, -EFAULT, -EFAULT);
	EXPECT_EQ(begin, mapping_begin("[stack]")) {
		TH_LOG("expected: the device does not make the stack grow");
	}
	EXPECT_TOUCH(0, touch_write(begin - PAGE, 1), "the processor does");
	EXPECT_KIND("where it has grown", begin - PAGE, begin - PAGE, 0, 0, 0, 0);
}

TEST_F(memory_kinds, clock_page)
{
	char *vvar = mapping_begin("[vvar]");

	ASSERT_NE(NULL, vvar);
	seconds();
	EXPECT_TOUCH(0, touch_read(vvar), "the page with the clock");
	/* For random numbers, which this program does not ask for. */
	EXPECT_KIND("vvar, not yet read", vvar + 2 * PAGE, NULL, REFUSED, REFUSED, 0, READS);
	EXPECT_KIND("vvar, once read", vvar, NULL, 0, REFUSED, 0, READS);
}

TEST_F(memory_kinds, what_a_queue_maps)
{
	struct accel_queue *q = &self->r.shared;

	queue_works(q);
	EXPECT_KIND("the own ring", q->ring, NULL, 0, UNTRIED, -EFAULT, -EFAULT);
	EXPECT_KIND("the own doorbell", q->doorbell, NULL, REFUSED, REFUSED, -EFAULT, -EFAULT);
	EXPECT_KIND("the own status page", (void *)q->status, NULL, 0, REFUSED, 0, READS);
}

/* One that a processor maps is reached by its address, one that is a descriptor in each mode. */
TEST_F(memory_kinds, buffers_of_another_accelerator)
{
	static const char *const names[] = { "a buffer of another", "device memory of another" };
	int other = sim_open(), fd;
	unsigned int memory;
	unsigned char *p;

	ASSERT_SIM(other);
	for (memory = 0; memory < 2; memory++) {
		fd = buffer_alloc_from(other, memory, PAGE, 0);
		ASSERT_WORKS(fd, "a buffer");
		p = buffer_mmap(fd, PAGE);
		ASSERT_NE(MAP_FAILED, p);
		EXPECT_RET(0, shared_writes(&self->r, p, p), "one that nobody has touched");
		fill_text(p, PAGE, memory);
		EXPECT_KIND(names[memory], p, p, 0, 0, -EFAULT, -EFAULT);
		fill_text(p, PAGE, memory);
		expect_buffer(_metadata, &self->r, fd, p, 0, names[memory]);
		munmap(p, PAGE);
		EXPECT_RET(REFUSED, shared_reads(&self->r, p, NULL), "what is unmapped");
		close(fd);
	}
	close(other);
}

/* --- A device in software, whose jobs are done by a thread of the kernel --- */

static int software_copies(struct accel_queue *q, void *to, const void *from)
{
	struct accel_sim_job job = sim_copy(to, from, PAGE);
	struct sim_result r = sim_run(q, &job);

	if (r.error)
		return r.error;
	return r.completion.status == ACCEL_SIM_STATUS_OK ? 0 :
	       r.completion.status == ACCEL_SIM_STATUS_FAULT ? REFUSED : -EBADMSG;
}

TEST_F(memory_kinds, software_has_the_rights_of_a_thread_of_the_kernel)
{
	char *text = text_pages(2), *room = text_pages(1), *behind;
	int ctx, file, key = pkey_alloc(0, 0), secret;
	void *keyed, *executed, *hidden;
	struct accel_queue q;
	unsigned int i;

	SKIP_WITHOUT("/sys/module/secretmem", "CONFIG_SECRETMEM");
	if (key < 0)
		SKIP(return, NO_KEYS);
	ctx = sim_open_shared();
	file = text_file(1, 0);
	behind = map_shared(file, 2);
	keyed = map_shared(file, 1);
	executed = map_shared(file, 1);
	ASSERT_SIM(ctx);
	ASSERT_RET(0, sim_queue_open(&q, ctx, 4), "a queue");
	secret = syscall(SYS_memfd_secret, O_CLOEXEC);
	ASSERT_WORKS(secret, "a secret file");
	ASSERT_EQ(0, ftruncate(secret, PAGE));
	hidden = map_shared(secret, 1);
	ASSERT_EQ(0, pkey_mprotect(keyed, PAGE, PROT_READ | PROT_WRITE, key));
	EXPECT_TOUCH(0, touch_read(executed), "a page");
	ASSERT_EQ(0, mprotect(executed, PAGE, PROT_EXEC));
	ASSERT_EQ(0, madvise(text + PAGE, PAGE, MADV_GUARD_INSTALL));
	const struct {
		const char *what;
		void *at;
		int reads, writes;
	} kinds[] = {
		{ "ordinary memory", text, 0, 0 },
		{ "the page behind the end of a file", behind + PAGE, REFUSED, REFUSED },
		{ "a guard region", text + PAGE, REFUSED, REFUSED },
		{ "secret memory", hidden, 0, 0 },
		{ "a key that allows the process all", keyed, REFUSED, REFUSED },
		{ "PROT_EXEC alone", executed, REFUSED, REFUSED },
		{ "vvar", mapping_begin("[vvar]"), 0, REFUSED },
		{ "the own ring", q.ring, 0, UNTRIED },
		{ "the own status page", (void *)q.status, 0, REFUSED },
		{ "a ring of hardware", self->r.shared.ring, 0, UNTRIED },
	};

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		expect_one(_metadata, kinds[i].reads, software_copies(&q, room, kinds[i].at),
			   kinds[i].what, "read by software");
		if (kinds[i].writes != UNTRIED)
			expect_one(_metadata, kinds[i].writes,
				   software_copies(&q, kinds[i].at, room), kinds[i].what,
				   "written by software");
	}
	queue_close(&q);
	close(ctx);
	close(secret);
	close(file);
	pkey_free(key);
}

TEST_HARNESS_MAIN
