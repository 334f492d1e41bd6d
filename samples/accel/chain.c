// SPDX-License-Identifier: GPL-2.0
/*
 * Two accelerators on one buffer: one decompresses the gzip file on standard
 * input, of up to 8 MiB, the other computes the checksum of the result, and
 * that is compared with what the file says.
 *
 * Both jobs are handed over at once. The kernel orders them, by the fence that
 * the first leaves in the buffer; nobody copies the data, and nobody waits but
 * for the last result.
 *
 *   cc -O2 -I ../../include/uapi -o chain chain.c
 *   ./chain ZIP SIM < file.gz
 *
 * ZIP is the /dev/accelN of an accel_hisi_zip, SIM that of an accel_sim.
 * Documentation/accel/user-api.rst explains the steps.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <accel/accel.h>
#include <accel/accel_sim.h>
#include <accel/hisi_zip.h>

#define ROOM (8 << 20)
#define GZIP_NAME 8
#define GZIP_HEAD 10
#define GZIP_TAIL 8

struct device {
	int context;
	int queue;
	const void *records;
};

/* A device in kernel mode, with a queue. */
static struct device open_device(const char *path, const void *args, uint32_t size)
{
	struct accel_context_bind bind = {
		.size = sizeof(bind),
		.mode = ACCEL_MODE_KERNEL,
	};
	struct accel_queue_create create = {
		.size = sizeof(create),
		.depth = 2,
		.driver_data = (uintptr_t)args,
		.driver_data_size = size,
	};
	struct accel_region regions[2];
	struct accel_queue_info info = {
		.size = sizeof(info),
		.region_count = 2,
		.region_size = sizeof(regions[0]),
		.regions = (uintptr_t)regions,
	};
	struct device device = { .context = open(path, O_RDWR | O_CLOEXEC) };

	if (device.context < 0)
		err(1, "%s", path);
	if (ioctl(device.context, ACCEL_CONTEXT_BIND, &bind))
		err(1, "%s: kernel mode", path);
	if (ioctl(device.context, ACCEL_QUEUE_CREATE, &create))
		err(1, "%s: making a queue", path);
	device.queue = create.fd;
	if (ioctl(device.queue, ACCEL_QUEUE_INFO, &info))
		err(1, "%s: asking about the queue", path);
	device.records = mmap(NULL, regions[1].size, PROT_READ, MAP_SHARED, device.queue,
			      regions[1].offset);
	if (device.records == MAP_FAILED)
		err(1, "%s: mapping the records", path);
	return device;
}

static int alloc_buffer(const struct device *device)
{
	struct accel_buffer_alloc alloc = {
		.size = sizeof(alloc),
		.memory = ACCEL_MEMORY_SYSTEM,
		.length = ROOM,
	};

	if (ioctl(device->context, ACCEL_BUFFER_ALLOC, &alloc))
		err(1, "allocating a buffer");
	return alloc.fd;
}

/* Hands over one job, and returns the fence of its end. */
static int submit(const struct device *device, const void *job, uint32_t size,
		  const struct accel_submit_buffer *buffers, uint32_t count)
{
	struct accel_queue_submit submit = {
		.size = sizeof(submit),
		.flags = ACCEL_SUBMIT_OUT_FENCE,
		.jobs = (uintptr_t)job,
		.job_count = 1,
		.job_size = size,
		.buffers = (uintptr_t)buffers,
		.buffer_count = count,
		.buffer_size = sizeof(*buffers),
	};

	if (ioctl(device->queue, ACCEL_QUEUE_SUBMIT, &submit))
		err(1, "handing over a job");
	return submit.out_fence;
}

/* Where the deflate stream begins in a gzip file of @size bytes. */
static uint32_t skip_header(const unsigned char *file, uint32_t size)
{
	uint32_t at = GZIP_HEAD;

	if (size < GZIP_HEAD + GZIP_TAIL || file[0] != 0x1f || file[1] != 0x8b ||
	    file[3] & ~GZIP_NAME)
		errx(1, "this is no gzip file, or not one of the simple kind");
	if (file[3] & GZIP_NAME)
		at += strnlen((const char *)file + at, size - at) + 1;
	if (at > size - GZIP_TAIL)
		errx(1, "the file ends too early");
	return at;
}

static uint32_t number(const unsigned char *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

int main(int argc, char **argv)
{
	struct hisi_zip_queue direction = {
		.size = sizeof(direction),
		.direction = HISI_ZIP_DECOMPRESS,
	};
	struct accel_submit_buffer between[] = {
		{ .flags = ACCEL_ACCESS_READ },
		{ .flags = ACCEL_ACCESS_WRITE },
	};
	struct accel_submit_buffer behind = { .flags = ACCEL_ACCESS_READ };
	const uint64_t to = ACCEL_BUFFER_ADDRESS(1, 0);
	/* Revision 0x21 has no deflate without a container: it refuses this. */
	struct hisi_zip_sqe inflate = {
		.type = htole32(HISI_ZIP_LAYOUT_V3),
		.algorithm = htole32(HISI_ZIP_DEFLATE),
	};
	struct accel_sim_job checksum = {
		.opcode = ACCEL_SIM_CHECKSUM,
		.source = ACCEL_BUFFER_ADDRESS(0, 0),
	};
	const struct hisi_zip_record *inflated;
	const struct accel_sim_record *summed;
	struct device zip, sim;
	unsigned char *file;
	struct pollfd end = { .events = POLLIN };
	uint32_t size, head, plain, crc;

	if (argc != 3)
		errx(2, "usage: %s ZIP SIM < file.gz", argv[0]);
	zip = open_device(argv[1], &direction, sizeof(direction));
	sim = open_device(argv[2], NULL, 0);
	inflated = zip.records;
	summed = sim.records;

	between[0].fd = alloc_buffer(&zip);
	between[1].fd = alloc_buffer(&zip);
	behind.fd = between[1].fd;
	file = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED, between[0].fd, 0);
	if (file == MAP_FAILED)
		err(1, "mapping a buffer");
	size = fread(file, 1, ROOM, stdin);
	head = skip_header(file, size);
	crc = number(file + size - 8);
	plain = number(file + size - 4);
	if (!plain || plain > ROOM)
		errx(1, "the file says that it has %u bytes; 1 to %u are possible", plain, ROOM);

	inflate.source_l = htole32(head);
	inflate.input_data_length = htole32(size - GZIP_TAIL - head);
	inflate.dest_l = htole32((uint32_t)to);
	inflate.dest_h = htole32(to >> 32);
	/* The engine takes no notice of jobs with hardly any room. */
	inflate.dest_avail_out =
		htole32(plain > HISI_ZIP_ROOM_MIN ? plain : HISI_ZIP_ROOM_MIN);
	checksum.length = plain;

	submit(&zip, &inflate, sizeof(inflate), between, 2);
	end.fd = submit(&sim, &checksum, sizeof(checksum), &behind, 1);
	if (poll(&end, 1, -1) != 1)
		err(1, "waiting");

	if (inflated->head.error || le32toh(inflated->sqe.produced) != plain)
		errx(1, "decompression: error %d, status 0x%02x, %u bytes of %u",
		     inflated->head.error, le32toh(inflated->sqe.status) & 0xff,
		     le32toh(inflated->sqe.produced), plain);
	if (summed->head.error)
		errx(1, "checksum: %s", strerror(summed->head.error));
	printf("%u bytes, CRC-32 %08x\n", plain, summed->completion.result);
	if (summed->completion.result != crc)
		errx(1, "the file says %08x", crc);
	return 0;
}
