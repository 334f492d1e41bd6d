/* SPDX-License-Identifier: GPL-2.0 */
/* A file system with one file, whose pages come when a test wants them to, or never. */
#ifndef FUSE_UTIL_H
#define FUSE_UTIL_H

#include <linux/fuse.h>
#include <sys/mount.h>
#include <sys/uio.h>

#include "memory_util.h"

#define FILE_SYSTEM "/tmp/accel_test"
#define FILE_PAGES 4
#define FILE_SIZE (FILE_PAGES * PAGE)

/* What the test and the server tell each other. */
struct file_system {
	/* Whether reads are answered. */
	int answers;
	/* How many are not. */
	int waiting;
};

#define FILE_NODE 2

static inline struct fuse_attr file_attr(__u64 node)
{
	return (struct fuse_attr){
		.ino = node,
		.size = node == FILE_NODE ? FILE_SIZE : 0,
		.blocks = FILE_SIZE / 512,
		.mode = node == FILE_NODE ? S_IFREG | 0600 : S_IFDIR | 0700,
		.nlink = 1,
		.blksize = PAGE,
	};
}

static inline void answer(int dev, __u64 unique, int error, const void *data, size_t size)
{
	struct fuse_out_header head = {
		.len = sizeof(head) + size,
		.error = error,
		.unique = unique,
	};
	struct iovec parts[] = { { &head, sizeof(head) }, { (void *)data, size } };

	/* It fails for what nobody waits for any more. */
	if (writev(dev, parts, 2) < 0)
		return;
}

struct waiting_read {
	__u64 unique;
	struct fuse_read_in in;
};

/* Answers a request, unless it is a read, which is kept. */
static inline void take_request(int dev, const char *request, struct waiting_read *reads,
				int *count)
{
	const struct fuse_in_header *head = (const void *)request;
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = PAGE,
		.flags = FUSE_ASYNC_READ,
		.max_write = PAGE,
	};
	struct fuse_entry_out entry = {
		.nodeid = FILE_NODE,
		.entry_valid = 1000,
		.attr_valid = 1000,
		.attr = file_attr(FILE_NODE),
	};
	struct fuse_attr_out attr = { .attr_valid = 1000, .attr = file_attr(head->nodeid) };
	struct fuse_open_out open = {};

	switch (head->opcode) {
	case FUSE_INIT:
		return answer(dev, head->unique, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		return answer(dev, head->unique, 0, &entry, sizeof(entry));
	case FUSE_GETATTR:
		return answer(dev, head->unique, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
		return answer(dev, head->unique, 0, &open, sizeof(open));
	case FUSE_READ:
		reads[*count].unique = head->unique;
		memcpy(&reads[*count].in, head + 1, sizeof(reads[0].in));
		*count += 1;
		return;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return answer(dev, head->unique, 0, NULL, 0);
	default:
		return answer(dev, head->unique, -EOPNOTSUPP, NULL, 0);
	}
}

static inline void file_content(void *content)
{
	fill_text(content, FILE_SIZE, 42);
}

struct server {
	int dev;
	struct file_system *file_system;
};

/* Serves one file; reads are answered when that is asked for. Ends when there is no file system. */
static inline int serve(void *arg)
{
	static char request[FUSE_MIN_READ_BUFFER + PAGE], content[FILE_SIZE];
	struct waiting_read reads[2 * FILE_PAGES];
	struct server *server = arg;
	struct pollfd p = { .fd = server->dev, .events = POLLIN };
	int count = 0, i;

	file_content(content);
	for (;;) {
		poll(&p, 1, 10);
		if (p.revents & POLLERR)
			return 0;
		if (p.revents & POLLIN) {
			if (read(server->dev, request, sizeof(request)) < 0)
				return errno == ENODEV ? 0 : -errno;
			take_request(server->dev, request, reads, &count);
		}
		STORE(server->file_system->waiting, count);
		for (i = 0; i < count && LOAD(server->file_system->answers); i++)
			answer(server->dev, reads[i].unique, 0, content + reads[i].in.offset,
			       reads[i].in.size);
		count = i < count ? count : 0;
	}
}

/* The file, open; @file_system is in memory that processes share. */
static inline int file_system_begin(struct file_system *file_system, pid_t *pid)
{
	struct server server = {
		.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC),
		.file_system = file_system,
	};
	char options[96];
	int fd;

	if (server.dev < 0)
		return -errno;
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", server.dev);
	mkdir("/tmp", 0700);
	mkdir(FILE_SYSTEM, 0700);
	if (mount("accel_test", FILE_SYSTEM, "fuse", MS_NOSUID | MS_NODEV, options))
		return -errno;
	*pid = child_start(serve, &server);
	/* With the server the file system ends, too. */
	close(server.dev);
	fd = open(FILE_SYSTEM "/file", O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static inline void file_system_end(struct __test_metadata *_metadata, pid_t server)
{
	EXPECT_EQ(0, umount2(FILE_SYSTEM, MNT_DETACH));
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
	rmdir(FILE_SYSTEM);
}

#endif /* FUSE_UTIL_H */
