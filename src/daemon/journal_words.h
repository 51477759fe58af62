/* The words of a log line, as journals are indexed and searched by: addresses, names, numbers of
 * messages. Case is ignored.
 *
 * A word is a run of letters, digits, bytes from 0x80 on and any of . _ - + @ (and : within, for
 * IPv6; a port behind one colon is a word of its own); the escapes of base/log.h end it. The time
 * that a line begins with has none. */
#pragma once

#include "base/bytes.h"

/* Where the words of a line begin: behind its first field. */
struct bytes journal_line_words(struct bytes line);
/* Takes the next word off *rest; false at the end. */
bool journal_word_next(struct bytes *rest, struct bytes *word);

/* The names that a word is found by: itself, what stands behind an @, and the domains above it that
 * have a dot ("ann@mail.example.org" by "mail.example.org" and "example.org" too). Start with
 * *place 0; false at the end. A number has itself alone. */
bool journal_word_name(struct bytes word, size_t *place, struct bytes *name);
/* Is the name one that an index knows? Short ones and numbers stand everywhere. */
bool journal_name_is_indexed(struct bytes name);
/* The same for names that differ in case only. */
uint64_t journal_name_hash(struct bytes name);

enum { JOURNAL_NEEDLE_WORDS = 8 };

/* What is searched for; views into its text. */
struct journal_needle {
    struct bytes words[JOURNAL_NEEDLE_WORDS];
    size_t count;
};
/* False: the text has no word. Of many words the first are taken. */
MUST_CHECK bool journal_needle_init(struct journal_needle *needle, struct bytes text);
/* Has the line these words one after the other? The first may be a name of a word. */
bool journal_needle_matches(const struct journal_needle *needle, struct bytes line);
