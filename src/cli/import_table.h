/* The texts that Postfix's lookup tables are made of: lines of a key and a value (postmap(1)), of
 * an alias and its targets (aliases(5)), and lists of patterns with tables and files in them. Reads
 * text and nothing else. */
#pragma once

#include "cli/import_settings.h"

enum { IMPORT_ROW_LIMIT = 100000 };

struct import_row {
    struct bytes key, value; /* views of the table's own copy */
    unsigned line;
};

struct import_table {
    struct import_row *rows;
    size_t count;
    uint8_t *text_owned;
};

enum import_form {
    IMPORT_POSTMAP, /* "key value" */
    IMPORT_ALIASES, /* "key: value" */
    IMPORT_LIST,    /* "key" on a line; the value is empty, or passed over */
};

/* Rows in order; of a key that is there twice both. False and err: too many, or a row of aliases
 * without a colon. Call import_table_done() in any case. */
MUST_CHECK bool import_table_read(struct import_table *out, struct bytes text,
                                  enum import_form form, struct error *err);
void import_table_done(struct import_table *table);

/* Takes the next item of a list: separated by commas and spaces, with what stands in quotes or
 * braces kept together. Empty: there is none. */
struct bytes import_item(struct bytes *list);
/* Takes an item apart that names a table: "proxy:hash:/etc/x" has the type hash. False: it names
 * none ("example.org", "/etc/hosts", "[host]:25" and "user:password" do not). */
MUST_CHECK bool import_item_table(struct bytes item, struct bytes *type, struct bytes *name);
/* Is the source of such a table a text of the same name? */
bool import_type_is_text(struct bytes type);
