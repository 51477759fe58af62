/* A large message that is to be signed, in seven bits: one that lies in a file, which no host on
 * its way is to encode behind the signature (RFC 6376, 5.3). In two passes over the file, off the
 * loop, by pieces; what memory it takes does not depend on the message's size. */
#pragma once

#include "daemon/signing.h"

struct recoding_text {
    struct spool_body *body; /* with a file; nobody else touches it meanwhile */
    struct bytes section;    /* the header section as it would go out; borrowed */
    uint64_t skip;           /* bytes of the body's front that the section replaces; the rest begins
                                with the blank line, unless */
    bool has_blank;          /* the section has it at its end */
};

enum recoding_outcome {
    RECODING_DONE,
    RECODING_NONE,   /* there is no such form (mail/downgrade.h): it stays as it is */
    RECODING_FAILED, /* the disk; recoding_error() */
};

struct recoding;
struct recoding *recoding_new(struct worker *worker, const struct recoding_text *text);
/* None of its jobs may be under way. */
void recoding_free(struct recoding *recoding);
const struct error *recoding_error(const struct recoding *recoding);

typedef void recoding_done(void *context, enum recoding_outcome outcome);
/* Looks whether it can be done. Calls done once, later. */
void recoding_scan(struct recoding *recoding, recoding_done *done, void *context);
/* After RECODING_DONE: the header section as it will be, without the blank line; the recoding's.
 * Empty: there is none to sign, and the recoding is of no use. */
struct bytes recoding_section(struct recoding *recoding);
/* Then: the body's file becomes what stands behind that section, blank line included, and its
 * text behind the blank line is added to the signing, which nobody else touches meanwhile. Calls
 * done once, later, and never with RECODING_NONE. */
void recoding_write(struct recoding *recoding, struct signing *signing, recoding_done *done,
                    void *context);
