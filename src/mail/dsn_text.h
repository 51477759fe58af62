/* The part of a delivery status notification that people read (RFC 3464, 2.1: "a human-readable
 * explanation"). Plain ASCII, or UTF-8 where addresses need it and the charset allows it. */
#pragma once

#include "mail/address.h"
#include "mail/dsn.h"

/* Appends a subject that says the worst that happened to a recipient, with the subject of the
 * message reported on where that is ASCII: "Not delivered: Hello". */
void dsn_subject_print(struct buf *out, const struct dsn_report *report, struct bytes section);

/* Appends the explanation; section: the header section of the message reported on. */
void dsn_text_print(struct buf *out, const struct dsn_report *report, struct bytes section,
                    enum address_charset charset);

/* The name of the host in what the queue says of whom it spoke with ("mx.example[192.0.2.1]:25");
 * empty where there is none, as of a lane or an address alone. */
struct bytes dsn_host(struct bytes remote);

/* Appends words of others without their control bytes and without what is no ASCII, at most
 * 512 bytes of them (REPLY_LIMIT of the SMTP client). */
void dsn_words_print(struct buf *out, struct bytes words);
