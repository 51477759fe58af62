/* The MIME structure of a message as it comes (RFC 2045, RFC 2046), as a machine without I/O:
 * header sections field by field, the content of leaves in runs, the lines that delimit parts.
 *
 * Every byte of the message comes out again in the text of exactly one event, in order; how the
 * input is cut changes where runs are cut and nothing else. Memory is bounded: one field, one
 * line that may be a delimiter, and as many open entities as MIME_DEPTH.
 *
 * Only CRLF ends a line. What is broken is read as mail programs read it: a part whose end is
 * missing ends with the one around it; a line in a header section that is no field begins the
 * body; a multipart without a boundary, and what is nested too deep, is opaque content. */
#pragma once

#include "mail/header.h"

struct mime;

enum {
    MIME_DEPTH = 32,
    MIME_ENTITIES = 100 * 1000,
    MIME_FIELD_LIMIT = 1024 * 1024, /* bytes of one field */
};

enum mime_event {
    MIME_MORE,       /* all input is consumed */
    MIME_FIELD,      /* piece.text is a header field of the entity, as piece.field has it */
    MIME_HEADER_END, /* piece.text is the blank line, or empty where there is none; the entity is
                        settled */
    MIME_CONTENT,    /* a run of the content of a leaf, in its transfer encoding */
    MIME_FILLER,     /* a run of what stands in front of, between and behind parts, which readers
                        do not show (RFC 2046, 5.1.1) */
    MIME_DELIMITER,  /* a delimiter line with the CRLF in front of it; unless it closes the
                        multipart, a new entity begins */
    MIME_END,        /* all of the message has come out */
    MIME_FAULT,      /* a limit is exceeded: nothing more comes */
};

enum mime_kind {
    MIME_TEXT,      /* content in lines: text, what has no type, and reports (message/…; those of
                       RFC 6532, 3.7 and RFC 6533 may be encoded) */
    MIME_OTHER,     /* any other leaf */
    MIME_MULTIPART, /* parts follow */
    MIME_MESSAGE,   /* message/rfc822: a message's header section follows */
    MIME_OPAQUE,    /* content whose structure is not seen, and which may not be encoded */
};

enum mime_encoding {
    MIME_ENCODING_7BIT,
    MIME_ENCODING_8BIT,
    MIME_ENCODING_BINARY,
    MIME_ENCODING_QUOTED,
    MIME_ENCODING_BASE64,
    MIME_ENCODING_OTHER,
};

struct mime_entity {
    size_t number; /* 0: the message itself; in the order of their header sections */
    size_t parent; /* of the entity that it is a part of; its own for the message */
    enum mime_kind kind;
    enum mime_encoding encoding;
    bool is_message; /* the header section is a message's: the whole, or within message/rfc822 */
    bool is_signed;  /* a part of multipart/signed, at any depth: not to be changed (RFC 1847) */
    bool has_type, has_encoding, has_version; /* the fields are there */
};

struct mime_piece {
    struct bytes text; /* into the input or the machine, until the next call */
    struct header_field field;
};

struct mime *mime_new(void);
void mime_free(struct mime *mime);

/* Reads from the front of *input and moves it behind what was read. */
enum mime_event mime_next(struct mime *mime, struct bytes *input, struct mime_piece *out);
/* The same when all input has been handed in and consumed: what is still held comes out, then
 * MIME_END, again and again. */
enum mime_event mime_finish(struct mime *mime, struct mime_piece *out);

/* The entity that the last event belongs to; settled by MIME_HEADER_END. In MIME_FILLER it is the
 * multipart. */
const struct mime_entity *mime_entity(const struct mime *mime);
