/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User interface of the accel_hisi_zip driver, beside accel.h.
 *
 * A queue has the regions
 *
 *  - doorbell: 64 KiB, the 64-bit doorbell register lies at
 *    HISI_ZIP_DOORBELL_OFFSET; on revision 0x21 one page of 4 KiB, and the
 *    register lies at 0;
 *  - ring: @depth submission entries of HISI_ZIP_SQE_SIZE bytes, then, at
 *    HISI_ZIP_CQ_OFFSET(depth), @depth completion entries of
 *    HISI_ZIP_CQE_SIZE bytes.
 *
 * In ACCEL_MODE_KERNEL neither can be mapped. The jobs of ACCEL_QUEUE_SUBMIT are
 * struct hisi_zip_sqe, with ACCEL_BUFFER_ADDRESS() for addresses, and the region
 * ACCEL_REGION_RECORDS has struct hisi_zip_record.
 *
 * A completion event is raised after a completion was written while the
 * completion queue's interrupt is armed (HISI_ZIP_DB_CQ with priority 1).
 *
 * A queue is stopped, with ACCEL_QUEUE_DEAD_ERROR, if a completion has no room
 * because @depth - 1 are unread (HISI_ZIP_DB_CQ tells what was read), and may be
 * if its doorbell is armed so often that events get lost.
 */
#ifndef _UAPI_ACCEL_HISI_ZIP_H
#define _UAPI_ACCEL_HISI_ZIP_H

#include <linux/types.h>

#include <accel/accel.h>

#define HISI_ZIP_SQE_SIZE 128
#define HISI_ZIP_CQE_SIZE 16
#define HISI_ZIP_PAGE_SIZE 4096
#define HISI_ZIP_DOORBELL_OFFSET 0x1000

/*
 * Bytes of room for output that a job has to have. With less the engine may
 * take no notice of it, and say that it is done.
 */
#define HISI_ZIP_ROOM_MIN 256

/*
 * Layouts of an entry, in hisi_zip_sqe.type: of revision 0x21, and of 0x30.
 * accel_info_device.version tells them as "V2" and "V3".
 */
#define HISI_ZIP_LAYOUT_V2 0
#define HISI_ZIP_LAYOUT_V3 (3u << 28)

/* Offset of the completion queue in the ring region: the page behind the SQ. */
#define HISI_ZIP_CQ_OFFSET(depth)                                   \
	(((__u64)(depth) * HISI_ZIP_SQE_SIZE + HISI_ZIP_PAGE_SIZE - 1) & \
	 ~((__u64)HISI_ZIP_PAGE_SIZE - 1))

/* Commands of the doorbell. */
#define HISI_ZIP_DB_SQ 0
#define HISI_ZIP_DB_CQ 1

/* Value of the doorbell register: queue id, command, new index, priority. */
#define HISI_ZIP_DB(qid, cmd, index, priority)                 \
	((__u64)(qid) | (__u64)(cmd) << 12 | (__u64)(index) << 32 | \
	 (__u64)(priority) << 48)

/**
 * enum hisi_zip_direction - which way a queue works
 * @HISI_ZIP_COMPRESS: it compresses
 * @HISI_ZIP_DECOMPRESS: it decompresses
 */
enum hisi_zip_direction {
	HISI_ZIP_COMPRESS = 0,
	HISI_ZIP_DECOMPRESS = 1,
};

/**
 * struct hisi_zip_queue - accel_queue_create.driver_data
 * @size: sizeof(struct hisi_zip_queue)
 * @direction: one of enum hisi_zip_direction
 *
 * Without it a queue compresses.
 */
struct hisi_zip_queue {
	__u32 size;
	__u32 direction;
};
#define HISI_ZIP_QUEUE_SIZE_VER0 8

/**
 * struct hisi_zip_cqe - entry of the completion queue, little-endian
 * @rsvd0: reserved
 * @cmd_id: reserved
 * @rsvd1: reserved
 * @sq_head: index of the submission entry that is done
 * @sq_num: number of the queue
 * @rsvd2: reserved
 * @w7: bit 0 is the phase: 1 in the first pass over the ring, then inverted in
 *	each; nothing is known of bits 15 to 1
 */
struct hisi_zip_cqe {
	__le32 rsvd0;
	__le16 cmd_id;
	__le16 rsvd1;
	__le16 sq_head;
	__le16 sq_num;
	__le16 rsvd2;
	__le16 w7;
};

/**
 * struct hisi_zip_sqe - submission entry, by 32-bit little-endian word
 * @consumed: out: input bytes taken
 * @produced: out: output bytes written
 * @comp_data_length: out: compressed length in a stream
 * @status: out: bits 7 to 0, one of enum hisi_zip_status; bit 8, at the end of
 *	a stream that was decompressed
 * @input_data_length: bytes of input, at most 8 MiB
 * @lba_l: not used
 * @lba_h: not used
 * @type: [25] flush, [26] stateful, [27] new stream, [31:28] layout: that of
 *	the revision, HISI_ZIP_LAYOUT_V3 or HISI_ZIP_LAYOUT_V2
 * @dest_offset: not used with flat buffers
 * @algorithm: [7:0] one of enum hisi_zip_algorithm, one that
 *	accel_info_device.functions has, [11:8] kind of buffer: 0 flat, [15:12]
 *	one of enum hisi_zip_window, in a queue that decompresses 0 will do
 * @rsvd0: reserved
 * @tag0: tag of the caller's own in layout 0
 * @dest_avail_out: bytes of room for output, HISI_ZIP_ROOM_MIN to 8 MiB
 * @stream_state: in and out, streams: see below. Bits 3 to 0 are 1 or 2 if there
 *	is more output than room, 4 if the trailer is to come
 * @rsvd1: reserved
 * @source_l: address of the input, low half
 * @source_h: high half
 * @dest_l: address of the output, low half
 * @dest_h: high half
 * @ctx_l: address of the stream's context buffer, low half
 * @ctx_h: high half
 * @rsvd2: reserved
 * @tag3: tag of the caller's own in layout 3
 * @rsvd3: reserved
 * @ctx_dw1: in and out, streams: see below
 * @ctx_dw2: in and out, streams: see below
 * @plain_length: out, in streams also in: length of the plain data modulo 2^32
 * @checksum: in and out, streams: the checksum's register. For zlib, Adler-32 of the
 *	plain data; for gzip, CRC-32 with all bits inverted and then in the opposite
 *	order; for deflate nothing that means something. Without a stream it may be
 *	0: the checksum is in the trailer
 *
 * For zlib and gzip the program writes, and skips, the header; the engine
 * appends, and checks, the trailer, which @produced and @consumed count.
 *
 * A stream is made of several requests, one after the other, with one context
 * of 64 KiB. What a request leaves in @stream_state, @ctx_dw1, @ctx_dw2,
 * @plain_length and @checksum is to stand there in the next one; in the first,
 * which has bit 27 of @type, they have no meaning.
 *
 * A stream that is compressed: each request has input, and room for 9/8 of it.
 * One that ends without input is ended by the program, which appends an empty
 * last block of deflate, and the trailer.
 *
 * A stream that is decompressed: the engine may take input before there is room
 * for what comes of it. If all is taken, the next request may be one without
 * input, whose @source is still valid, where bits 3 to 0 of @stream_state are
 *
 * - 1, or 4, though that is no help for the trailer;
 * - 2, if bit 7 is set and bits 18 to 0 of @ctx_dw1 are not 0;
 * - 3, for deflate, if bits 15 to 10 are not 0, and as many bits of the context,
 *   from byte 0xc00 plus bits 15 to 0 of @ctx_dw2 rounded up to 16, are whole
 *   blocks of deflate that end the stream. It has to be one then: nothing else
 *   says that the stream ends.
 *
 * All others have input; where there is none left, the stream was cut off.
 * The stream ends with HISI_ZIP_STREAM_END and bit 8 of @status; without that
 * bit it goes on.
 */
struct hisi_zip_sqe {
	__le32 consumed;
	__le32 produced;
	__le32 comp_data_length;
	__le32 status;
	__le32 input_data_length;
	__le32 lba_l;
	__le32 lba_h;
	__le32 type;
	__le32 dest_offset;
	__le32 algorithm;
	__le32 rsvd0[3];
	__le32 tag0;
	__le32 dest_avail_out;
	__le32 stream_state;
	__le32 rsvd1[2];
	__le32 source_l;
	__le32 source_h;
	__le32 dest_l;
	__le32 dest_h;
	__le32 ctx_l;
	__le32 ctx_h;
	__le32 rsvd2[2];
	__le32 tag3;
	__le32 rsvd3;
	__le32 ctx_dw1;
	__le32 ctx_dw2;
	__le32 plain_length;
	__le32 checksum;
};

/**
 * struct hisi_zip_record - what became of a job of ACCEL_QUEUE_SUBMIT
 * @head: accel_job_record.error is EIO where the low byte of
 *	hisi_zip_sqe.status is none of enum hisi_zip_status
 * @sqe: the entry as the device has left it, with the addresses that the job had
 */
struct hisi_zip_record {
	struct accel_job_record head;
	struct hisi_zip_sqe sqe;
};

/* enum hisi_zip_algorithm - what a submission asks for; revision 0x21 has no deflate */
enum hisi_zip_algorithm {
	HISI_ZIP_DEFLATE = 1,
	HISI_ZIP_ZLIB = 2,
	HISI_ZIP_GZIP = 3,
};

/**
 * enum hisi_zip_window - how far back a compression looks for repetitions
 * @HISI_ZIP_WINDOW_4K: 4 KiB; the only value on revision 0x21, where it says
 *	nothing
 * @HISI_ZIP_WINDOW_8K: 8 KiB
 * @HISI_ZIP_WINDOW_16K: 16 KiB
 * @HISI_ZIP_WINDOW_24K: 24 KiB
 * @HISI_ZIP_WINDOW_32K: 32 KiB, the most that deflate has
 */
enum hisi_zip_window {
	HISI_ZIP_WINDOW_4K = 0,
	HISI_ZIP_WINDOW_8K = 1,
	HISI_ZIP_WINDOW_16K = 2,
	HISI_ZIP_WINDOW_24K = 3,
	HISI_ZIP_WINDOW_32K = 4,
};

/* A window's place in hisi_zip_sqe.algorithm. */
#define HISI_ZIP_WINDOW_SHIFT 12

/**
 * enum hisi_zip_status - how a job ended
 * @HISI_ZIP_OK: done
 * @HISI_ZIP_NEGATIVE: done, but the output is larger than the input
 * @HISI_ZIP_NO_ROOM: the output did not fit
 * @HISI_ZIP_BAD_CHECKSUM: the checksum does not match
 * @HISI_ZIP_STREAM_END: done, and, with bit 8, the stream ends here
 *
 * Any other is an error of this job alone: a bad address, bad input, a wrong
 * algorithm. Which number means which depends on the hardware.
 */
enum hisi_zip_status {
	HISI_ZIP_OK = 0x00,
	HISI_ZIP_NEGATIVE = 0x0d,
	HISI_ZIP_NO_ROOM = 0x0e,
	HISI_ZIP_BAD_CHECKSUM = 0x10,
	HISI_ZIP_STREAM_END = 0x13,
};

#endif /* _UAPI_ACCEL_HISI_ZIP_H */
