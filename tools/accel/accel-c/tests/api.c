// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Every function of the header, and what it says when it is asked for nonsense. */
#include <errno.h>
#include <libaccel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEN 3000000

#define check(what) do {							\
	if (!(what)) {								\
		printf("line %d: %s (%s)\n", __LINE__, #what, libaccel_message());	\
		exit(1);							\
	}									\
} while (0)

/* Sends @len bytes at @from through @stream in small pieces, to @to; the result's length. */
static size_t run(struct libaccel_stream *stream, const char *from, size_t len, char *to,
		  size_t to_len, int *result)
{
	void *at = to;
	size_t room = to_len;

	*result = 0;
	while (!*result) {
		size_t part = len < 70000 ? len : 70000, left = part;
		const void *piece = from;

		do {
			size_t some = room < 5000 ? room : 5000, before = some;

			*result = libaccel_step(stream, &piece, &left, &at, &some,
						len ? LIBACCEL_RUN : LIBACCEL_FINISH);
			room -= before - some;
			if (*result)
				break;
			if (some && !left)
				break;
		} while (room);
		from += part - left;
		len -= part - left;
	}
	return to_len - room;
}

static void stream(struct libaccel_engine *engine, enum libaccel_format format, const char *plain,
		   char *packed, char *back)
{
	struct libaccel_stream *pack = libaccel_compressor(engine, format);
	struct libaccel_stream *unpack = libaccel_decompressor(engine, format);
	size_t len;
	int result;

	check(pack && unpack);
	len = run(pack, plain, LEN, packed, 2 * LEN, &result);
	check(result == 1 && len < LEN);
	check(run(unpack, packed, len, back, LEN + 1, &result) == LEN);
	check(result == 1 && !memcmp(plain, back, LEN));
	libaccel_stream_free(pack);
	libaccel_stream_free(unpack);

	/* What there is of a stream that is cut off. */
	unpack = libaccel_decompressor(engine, format);
	check(run(unpack, packed, len / 2, back, LEN + 1, &result) > LEN / 4);
	check(result == -ENODATA && strstr(libaccel_message(), "cut off"));
	libaccel_stream_free(unpack);
}

/* What was flushed comes out before there is more. */
static void flush(struct libaccel_engine *engine)
{
	struct libaccel_stream *pack = libaccel_compressor(engine, LIBACCEL_ZLIB);
	struct libaccel_stream *unpack = libaccel_decompressor(engine, LIBACCEL_ZLIB);
	char packed[100], back[100];
	const void *from = "hello";
	size_t len = 5, room = sizeof(packed), rest = sizeof(back);
	void *to = packed, *out = back;

	check(!libaccel_step(pack, &from, &len, &to, &room, LIBACCEL_FLUSH) && !len);
	len = sizeof(packed) - room;
	from = packed;
	check(!libaccel_step(unpack, &from, &len, &out, &rest, LIBACCEL_RUN) && !len);
	check(rest == sizeof(back) - 5 && !memcmp(back, "hello", 5));
	/* In the middle. */
	libaccel_stream_free(pack);
	libaccel_stream_free(unpack);
}

static void at_once(struct libaccel_engine *engine, const char *plain, char *packed, char *back)
{
	size_t len = libaccel_compress_bound(LEN), back_len = LEN, few = 10;

	check(len <= 2 * LEN);
	check(!libaccel_compress(engine, LIBACCEL_GZIP, plain, LEN, packed, &len));
	check(!libaccel_decompress(engine, LIBACCEL_GZIP, packed, len, back, &back_len));
	check(back_len == LEN && !memcmp(plain, back, LEN));
	check(libaccel_decompress(engine, LIBACCEL_GZIP, packed, len, back, &few) == -ENOSPC);
	check(few == LEN);
	check(libaccel_decompress(engine, LIBACCEL_GZIP, "none", 4, back, &few) == -EBADMSG);
	check(strstr(libaccel_message(), "gzip"));
	check(libaccel_compress(engine, 7, plain, LEN, packed, &len) == -EINVAL);
	check(!libaccel_compressor(engine, 7) && !libaccel_decompressor(engine, -1));
	len = 100;
	check(!libaccel_compress(engine, LIBACCEL_DEFLATE, NULL, 0, packed, &len) && len == 2);
}

int main(void)
{
	static char plain[LEN], packed[2 * LEN], back[LEN + 1];
	struct libaccel_engine *engine = libaccel_auto(), *software = libaccel_software();
	uint64_t by_device, by_software;
	uint32_t seed = 1;
	size_t i;

	for (i = 0; i < LEN; i++) {
		seed = seed * 1103515245 + 12345;
		plain[i] = 'a' + (seed >> 16) % 7;
	}
	libaccel_work(engine, &by_device, NULL);
	check(!by_device);
	for (i = LIBACCEL_DEFLATE; i <= LIBACCEL_GZIP; i++) {
		stream(engine, i, plain, packed, back);
		stream(software, i, plain, packed, back);
	}
	flush(engine);
	at_once(engine, plain, packed, back);
	libaccel_work(engine, &by_device, &by_software);
	check(by_device > 4 * by_software);
	libaccel_work(software, &by_device, &by_software);
	check(!by_device && by_software > 3 * LEN);
	libaccel_free(engine);
	libaccel_free(software);
	libaccel_free(NULL);
	libaccel_stream_free(NULL);
	puts("all is well");
	return 0;
}
