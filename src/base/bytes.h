/* Borrowed views of bytes: never owned, never NUL-terminated, may hold any value.
 *
 * Everything that comes from outside stays a struct bytes until it is parsed; a parsed
 * struct holds views into its input. Letter case is compared as ASCII only: protocol
 * words and domains in A-label form need no locale. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct bytes {
    const uint8_t *at;
    size_t len;
};

/* A view of a string literal, without its NUL. */
#define BYTES(s) ((struct bytes){(const uint8_t *)(s ""), sizeof(s) - 1})
/* The same for static initialisers. */
#define BYTES_INIT(s)                                                                              \
    {                                                                                              \
        (const uint8_t *)(s ""), sizeof(s) - 1                                                     \
    }
#define BYTES_NONE ((struct bytes){NULL, 0})
/* For printf("%.*s", BYTES_ARGS(b)). */
#define BYTES_ARGS(b) (int)(b).len, (const char *)(b).at

/* View of a NUL-terminated string (NULL gives the empty view). */
struct bytes bytes_of(const char *text);

bool bytes_equal(struct bytes a, struct bytes b);
bool bytes_equal_nocase(struct bytes a, struct bytes b);
bool bytes_starts(struct bytes whole, struct bytes start);
bool bytes_starts_nocase(struct bytes whole, struct bytes start);
bool bytes_ends_nocase(struct bytes whole, struct bytes end);

/* Orders as memcmp does, a prefix before what it begins. */
int bytes_compare(struct bytes a, struct bytes b);

/* Index of the first such byte, or whole.len when there is none. */
size_t bytes_find(struct bytes whole, uint8_t byte);
/* Index of the last such byte, or whole.len when there is none. */
size_t bytes_find_last(struct bytes whole, uint8_t byte);
/* Index of the first occurrence of part (not empty), or whole.len when there is none. */
size_t bytes_search(struct bytes whole, struct bytes part);

/* The view of at most count bytes from start; start and count are clamped to the view. */
struct bytes bytes_sub(struct bytes whole, size_t start, size_t count);
/* The view from start to the end; empty when start is beyond it. */
struct bytes bytes_from(struct bytes whole, size_t start);

/* Splits at the first such byte: before it to *head, after it to *tail. Without one, *head is
 * the whole, *tail is empty, and the answer is false. head or tail may be &whole's copy. */
bool bytes_cut(struct bytes whole, uint8_t byte, struct bytes *head, struct bytes *tail);

/* Without the spaces, tabs, CRs and LFs at both ends. */
struct bytes bytes_trim(struct bytes whole);

/* Takes the next word, which blanks (those of bytes_trim) part from others, from the front of
 * *rest; empty when there is none. */
struct bytes bytes_word(struct bytes *rest);

/* A copy on the heap, for bytes_disown(), with a NUL behind it; never NULL. */
struct bytes bytes_own(struct bytes bytes);
void bytes_disown(struct bytes owned);

/* Only 7-bit bytes? */
bool bytes_is_ascii(struct bytes whole);
/* Well-formed UTF-8 (RFC 3629: shortest forms, no surrogates, at most U+10FFFF)? */
bool bytes_is_utf8(struct bytes whole);

uint8_t ascii_lower(uint8_t byte);
bool ascii_is_digit(uint8_t byte);
bool ascii_is_alpha(uint8_t byte);

/* Reads a decimal number that fills the whole view: digits only, at least one, at most max.
 * *out is written on success only. */
MUST_CHECK bool scan_u64(struct bytes whole, uint64_t max, uint64_t *out);
