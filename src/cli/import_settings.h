/* Postfix's main.cf as data: its parameters with their values, and what a value means once its
 * $names are put in (postconf(5)). Reads text and nothing else.
 *
 * A line that begins with a space goes on with the one before it; lines that are empty or begin
 * with # are comments, also in between. Of several settings of one parameter the last one counts.
 * master.cf has the same lines. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

enum {
    IMPORT_TEXT_LIMIT = 8 << 20,  /* of a file that is read */
    IMPORT_VALUE_LIMIT = 1 << 20, /* of a value with all put in */
    IMPORT_DEPTH_LIMIT = 100,     /* of $names within $names; Postfix has as many */
};

/* Takes the next logical line out of *text: in *line, as one line with one space where lines were
 * joined, and in *number where it begins; *at counts lines and begins with 0. False: there is none
 * any more. line is cleared first. */
bool import_line(struct bytes *text, unsigned *at, struct buf *line, unsigned *number);

struct import_setting {
    struct bytes name, value; /* as written, the value without spaces at its ends */
    unsigned line;            /* 0: it is a default */
};

struct import_settings;
/* base (may be NULL, outlives it): where it is asked for what is not set here, as for the options
 * of one service. */
struct import_settings *import_settings_new(const struct import_settings *base);
/* NULL is fine. */
void import_settings_free(struct import_settings *settings);
/* Reads the text of a main.cf. False and err: a line of it is no setting. */
MUST_CHECK bool import_settings_read(struct import_settings *settings, struct bytes text,
                                     struct error *err);
/* Sets one; copies. Line 0: a default, which goes when something is set. */
void import_settings_set(struct import_settings *settings, struct bytes name, struct bytes value,
                         unsigned line);
/* The setting, or the default, here or in the base; NULL: neither. */
const struct import_setting *import_settings_find(const struct import_settings *settings,
                                                  struct bytes name);
/* Walks what is here (not in the base), defaults too, in the order of the file: start with *place
 * 0; NULL at the end. */
const struct import_setting *import_settings_next(const struct import_settings *settings,
                                                  size_t *place);
/* Is that name put into any value here or in a default of the base? */
bool import_settings_use(const struct import_settings *settings, struct bytes name);

/* Appends the value with $name, ${name}, $(name), ${name?yes}, ${name:no}, ${name?{yes}:{no}},
 * ${{a} == {b} ? {yes} : {no}} and $$ put in; a name that is not set is empty. False and err: it
 * is malformed (Postfix refuses it as well), endless, or too long. */
MUST_CHECK bool import_settings_expand(const struct import_settings *settings, struct bytes value,
                                       struct buf *out, struct error *err);
