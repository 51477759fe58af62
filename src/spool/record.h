/* One record of the log, as bytes: a header of fixed size, then meta, prefix and body, padded to
 * RECORD_ALIGN. Pure; knows no file.
 *
 * The header's checksum is seeded with a salt that each life of a segment draws anew and that
 * nobody outside can know: bytes of an earlier life, or bytes that a sender put into a body to
 * look like a record, never pass for one. Meta with prefix and the body have checksums of their
 * own, so that a body is hashed once, however often its record is copied forward.
 *
 * Fields are in the byte order of the machine; a spool does not travel to another kind. */
#pragma once

#include "base/bytes.h"

enum record_type {
    RECORD_MESSAGE = 1,
    RECORD_STATE = 2, /* meta is the state; replaces the one before */
    RECORD_DONE = 3   /* the message is finished */
};

enum { RECORD_ALIGN = 64, RECORD_HEADER = 96 };
enum { RECORD_HAS_FILE = 1 }; /* flag: the body is the file bodies/ID.body, not in the log */

struct record {
    uint32_t magic;
    uint8_t type, flags;
    uint16_t unused;
    uint64_t generation;  /* of the segment's life it belongs to */
    uint64_t seq;         /* consecutive over the whole log */
    uint64_t durable_seq; /* everything up to it was durable before this was written */
    uint64_t id;
    uint64_t arrival; /* seq of the message's first record; kept when it is copied forward */
    uint32_t meta_len, prefix_len;
    uint64_t body_len;  /* inline: bytes in the log; file: the file's size */
    uint64_t body_skip; /* file: bytes at its front that are not part of the message */
    uint64_t head_sum;  /* of meta and prefix */
    uint64_t body_sum;  /* of the body or its whole file */
    uint64_t header_sum;
};
_Static_assert(sizeof(struct record) == RECORD_HEADER, "the layout on disk");

/* Bytes that the record occupies in the log, padding included. */
uint64_t record_bytes(const struct record *record);
/* The same from the lengths; body_len is 0 for a body in a file. */
uint64_t record_bytes_for(size_t meta_len, size_t prefix_len, size_t body_len);
/* Prefix and body of a message, without what is skipped. */
uint64_t record_message_bytes(const struct record *record);

/* Sets magic and header checksum; everything else must be set. */
void record_seal(struct record *record, uint64_t salt);
/* Reads a header. False: this is none of this salt and generation, or it would not fit into the
 * room from its first byte to the segment's end. */
MUST_CHECK bool record_read(const uint8_t *at, uint64_t room, uint64_t salt, uint64_t generation,
                            struct record *out);
/* Do the checksums of meta, prefix and inline body fit? whole holds record_bytes() bytes. */
MUST_CHECK bool record_is_whole(const struct record *record, const uint8_t *whole);
