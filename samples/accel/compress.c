// SPDX-License-Identifier: GPL-2.0
/*
 * Compresses standard input to a gzip file on standard output by libaccel: on
 * the best accelerator that there is, or in software.
 *
 *   cc -O2 -o compress compress.c $(pkg-config --cflags --libs libaccel)
 *   ./compress < file > file.gz
 */
#include <err.h>
#include <libaccel.h>
#include <stdio.h>

int main(void)
{
	static char in[1 << 20], out[1 << 20];
	struct libaccel_engine *engine = libaccel_auto();
	struct libaccel_stream *gzip = libaccel_compressor(engine, LIBACCEL_GZIP);
	enum libaccel_flush flush = LIBACCEL_RUN;
	uint64_t device, software;
	int ended = 0;

	while (!ended) {
		size_t len = fread(in, 1, sizeof(in), stdin), room;
		const void *from = in;

		if (ferror(stdin))
			err(1, "standard input");
		if (!len)
			flush = LIBACCEL_FINISH;
		do {
			void *to = out;

			room = sizeof(out);
			ended = libaccel_step(gzip, &from, &len, &to, &room, flush);
			if (ended < 0)
				errx(1, "%s", libaccel_message());
			fwrite(out, 1, sizeof(out) - room, stdout);
		} while (!room || len);
	}
	if (fflush(stdout) || ferror(stdout))
		err(1, "standard output");
	libaccel_work(engine, &device, &software);
	fprintf(stderr, "%llu bytes by devices, %llu by software\n",
		(unsigned long long)device, (unsigned long long)software);
	libaccel_stream_free(gzip);
	libaccel_free(engine);
	return 0;
}
