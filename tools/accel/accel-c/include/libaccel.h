/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * libaccel: compression and decompression by the best accelerator that there
 * is, or by software where there is none, or where it fails. libaccel(3) says
 * more.
 */
#ifndef LIBACCEL_H
#define LIBACCEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What does the work. Any number of threads may use one at once. */
struct libaccel_engine;

/* Compression or decompression under way, for one thread at a time. */
struct libaccel_stream;

enum libaccel_format {
	LIBACCEL_DEFLATE = 0,	/* RFC 1951: no header, no checksum */
	LIBACCEL_ZLIB = 1,	/* RFC 1950 */
	LIBACCEL_GZIP = 2,	/* RFC 1952, any number of members */
};

/* What to do with what was taken, but did not come out yet. */
enum libaccel_flush {
	LIBACCEL_RUN = 0,	/* more input comes */
	LIBACCEL_FLUSH = 1,	/* have it come out */
	LIBACCEL_FINISH = 2,	/* the same, and the end: there is no more input */
};

/* Functions that return int return a negative errno where they fail. */

/* The best device at the time, software where there is none. Opens nothing yet. */
struct libaccel_engine *libaccel_auto(void);

/* Software alone. */
struct libaccel_engine *libaccel_software(void);

/* Its streams go on. @engine may be NULL. */
void libaccel_free(struct libaccel_engine *engine);

/* Bytes of plain data so far, by devices and by software. Each may be NULL. */
void libaccel_work(const struct libaccel_engine *engine, uint64_t *device, uint64_t *software);

/* What went wrong last in this thread, as a sentence. */
const char *libaccel_message(void);

/* Room that is enough for @len bytes, whatever they are, compressed. */
size_t libaccel_compress_bound(size_t len);

/*
 * All at once, to @to. *@to_len is the room there, and then what was made. If
 * that is more, nothing is stored: ENOSPC.
 */
int libaccel_compress(const struct libaccel_engine *engine, enum libaccel_format format,
		      const void *from, size_t from_len, void *to, size_t *to_len);
int libaccel_decompress(const struct libaccel_engine *engine, enum libaccel_format format,
			const void *from, size_t from_len, void *to, size_t *to_len);

/* A stream that begins. NULL if there is no such format. */
struct libaccel_stream *libaccel_compressor(const struct libaccel_engine *engine,
					    enum libaccel_format format);
struct libaccel_stream *libaccel_decompressor(const struct libaccel_engine *engine,
					      enum libaccel_format format);

/*
 * Takes input at *@from and gives output at *@to, and moves both behind what
 * it took and gave. Returns 0 if room or input is used up, and 1 at the end,
 * after LIBACCEL_FINISH. There may be more output if no room is left.
 */
int libaccel_step(struct libaccel_stream *stream, const void **from, size_t *from_len,
		  void **to, size_t *to_len, enum libaccel_flush flush);

/* Before the end, too. @stream may be NULL. */
void libaccel_stream_free(struct libaccel_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
