/* The names in the account directory: one form for each address, so that it is found however it was
 * typed; and a list of all that have a mailbox. Pure.
 *
 * The list is a text that somebody else keeps (a memory file of the keeper's): sorted lines, which
 * are searched where they are. */
#pragma once

#include "base/buf.h"

enum { DIRECTORY_NAME_LIMIT = 320 }; /* bytes: 64 + 1 + 255 */

/* Appends the form in which the directory has an address: the local part's value by
 * UsernameCaseMapped (RFC 8265, 3.3), the domain as the DNS has it. False, with nothing appended:
 * it is no address that an account can have. */
MUST_CHECK bool directory_name(struct buf *out, struct bytes address);
/* The same for an address in its two parts, the first without quotes. */
MUST_CHECK bool directory_name_of(struct buf *out, struct bytes local_value, struct bytes domain);
/* Do both name the same account? */
bool directory_is_same(struct bytes a, struct bytes b);

/* The sorted names of all mailboxes, a line feed behind each; a view that whoever sets it keeps. */
struct directory {
    bool is_known; /* false: nobody has said yet */
    bool has_all;  /* whoever asks has been told before, by another process: every name is there */
    struct bytes names;
};

/* name as directory_name() gives it. */
bool directory_has(const struct directory *directory, struct bytes name);
