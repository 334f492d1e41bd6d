// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest program that uses an accelerator: compresses what it reads
 * from standard input, up to 1 MiB, into a raw deflate stream on standard
 * output, by the accel_hisi_zip driver.
 *
 *   cc -O2 -I ../../include/uapi -o deflate deflate.c
 *   ./deflate [/dev/accelN] < file > file.deflate
 *
 * Documentation/accel/user-api.rst explains the steps.
 */
#include <endian.h>
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <accel/accel.h>
#include <accel/hisi_zip.h>

#define ROOM (1 << 20)

/*
 * Order between memory and the device. Where machines are weakly ordered the
 * language's fences, which are about processors, do not suffice.
 */
static void before_doorbell(void)
{
#if defined(__aarch64__)
	asm volatile("dmb oshst" : : : "memory");
#elif defined(__riscv)
	asm volatile("fence w,o" : : : "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static void after_device_word(void)
{
#if defined(__aarch64__)
	asm volatile("dmb oshld" : : : "memory");
#elif defined(__riscv)
	asm volatile("fence r,r" : : : "memory");
#else
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

static int open_queue(const char *device)
{
	struct hisi_zip_queue zip = {
		.size = sizeof(zip),
		.direction = HISI_ZIP_COMPRESS,
	};
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_SHARED,
	};
	struct accel_queue_create create = {
		.size = sizeof(create),
		.depth = 2,
		.driver_data = (uintptr_t)&zip,
		.driver_data_size = sizeof(zip),
	};
	int context = open(device, O_RDWR | O_CLOEXEC);

	if (context < 0)
		err(1, "%s", device);
	if (ioctl(context, ACCEL_CONTEXT_BIND, &bind))
		err(1, "sharing the address space");
	if (ioctl(context, ACCEL_QUEUE_CREATE, &create))
		err(1, "making a queue");
	return create.fd;
}

static void *map(int queue, const struct accel_region *region)
{
	int prot = PROT_READ;
	void *at;

	if (region->flags & ACCEL_ACCESS_WRITE)
		prot |= PROT_WRITE;
	at = mmap(NULL, region->size, prot, MAP_SHARED, queue, region->offset);
	if (at == MAP_FAILED)
		err(1, "mapping region %u", region->kind);
	return at;
}

/* Compresses @size bytes at @from to @to and returns how many bytes that makes. */
static uint32_t compress(int queue, const void *from, uint32_t size, void *to)
{
	struct accel_region regions[3];
	struct accel_queue_info info = {
		.size = sizeof(info),
		.region_count = 3,
		.region_size = sizeof(regions[0]),
		.regions = (uintptr_t)regions,
	};
	volatile struct accel_queue_status *status;
	volatile struct hisi_zip_cqe *done;
	struct hisi_zip_sqe *job;
	char *doorbell;

	if (ioctl(queue, ACCEL_QUEUE_INFO, &info))
		err(1, "asking about the queue");
	status = map(queue, &regions[0]);
	doorbell = map(queue, &regions[1]);
	/* One page of doorbells. */
	if (regions[1].size <= HISI_ZIP_DOORBELL_OFFSET)
		errx(1, "revision 0x21 has no deflate without a container");
	job = map(queue, &regions[2]);
	done = (void *)((char *)job + HISI_ZIP_CQ_OFFSET(info.depth));

	job->input_data_length = htole32(size);
	job->type = htole32(HISI_ZIP_LAYOUT_V3);
	job->dest_avail_out = htole32(ROOM);
	job->algorithm = htole32(HISI_ZIP_DEFLATE);
	job->source_l = htole32((uintptr_t)from);
	job->source_h = htole32((uintptr_t)from >> 32);
	job->dest_l = htole32((uintptr_t)to);
	job->dest_h = htole32((uintptr_t)to >> 32);

	/* The job is in memory before the device is told. */
	before_doorbell();
	*(volatile uint64_t *)(doorbell + HISI_ZIP_DOORBELL_OFFSET) =
		htole64(HISI_ZIP_DB(info.id, HISI_ZIP_DB_SQ, 1, 0));

	/* No system call: the phase says when the job is done. */
	while (!(le16toh(done->w7) & 1))
		if (status->state != ACCEL_QUEUE_LIVE)
			errx(1, "the device is gone");
	after_device_word();

	if ((le32toh(job->status) & 0xff) == HISI_ZIP_OK ||
	    (le32toh(job->status) & 0xff) == HISI_ZIP_NEGATIVE)
		return le32toh(job->produced);
	errx(1, "the device says 0x%02x", le32toh(job->status) & 0xff);
}

int main(int argc, char **argv)
{
	/* Plain memory. The output's pages do not even exist yet. */
	char *from = malloc(ROOM), *to = malloc(ROOM);
	uint32_t size, made;

	if (!from || !to)
		err(1, "memory");
	size = fread(from, 1, ROOM, stdin);
	if (!size)
		errx(1, "there is nothing to compress");
	if (size == ROOM && getchar() != EOF)
		errx(1, "there is more than 1 MiB");
	made = compress(open_queue(argc > 1 ? argv[1] : "/dev/accel0"), from, size, to);
	if (fwrite(to, 1, made, stdout) != made)
		err(1, "writing the result");
	return 0;
}
