/* The fields of a header section as signatures pick them (RFC 6376, 5.4.2), and the hash over those
 * that one names and over its own field without the signature itself (3.7). DKIM's signatures and
 * ARC's are hashed alike. Knows no tag but b=. */
#pragma once

#include "auth/canonical.h"
#include "auth/public_key.h"

enum {
    /* Of a section, and of an h=: more than any honest message has, and few enough that looking
     * up all names of all signatures takes milliseconds. */
    FIELD_INDEX_LIMIT = 2048,
    SIGNED_NAMES_LIMIT = 256,
};

struct field_index;
/* The section's views must outlive the index. NULL: more than FIELD_INDEX_LIMIT fields. */
struct field_index *field_index_new(struct bytes section);
void field_index_free(struct field_index *index);
size_t field_index_count(const struct field_index *index);
/* The field at that place, the topmost is 0; lines that are no field are among them. */
const struct header_field *field_index_view(const struct field_index *index, size_t place);

/* What one signature covers. */
struct header_cover {
    enum canonical_form form;
    struct bytes names;             /* as h= has them; names that are not there cover nothing */
    const struct header_field *own; /* the signature's field, hashed at the end without the value
                                       of its b= and without its last CRLF */
};
/* Hashes what the signature covers. The field `own`, when it is in the index, is never one of
 * those that its names pick. A signature that names From covers every From field there is, so that
 * one which was added breaks it. False: too many names. */
MUST_CHECK bool header_hash(const struct field_index *index, const struct header_cover *cover,
                            uint8_t digest[DIGEST_BYTES]);

/* Appends the canonical form of a signature's own field, without the value of its b= (and the
 * blanks around it) and without its last CRLF. */
void header_hash_own(struct buf *out, enum canonical_form form, const struct header_field *own);

/* Does an h= have the name, in any case? */
bool signed_names_have(struct bytes names, struct bytes name);
