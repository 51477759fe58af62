/* Output for people: colour where it helps, sizes, times and texts that are safe to show. */
#pragma once

#include <stdint.h>

#include "base/buf.h"

enum paint { PAINT_NONE, PAINT_BOLD, PAINT_GREEN, PAINT_YELLOW, PAINT_RED };

/* Standard output is a terminal, and NO_COLOR is not set. */
bool paint_is_on(void);
/* Prints the text to standard output in this colour. */
void paint_print(enum paint paint, const char *text);
/* Appends text from outside without anything that a terminal would obey. */
void paint_add(struct buf *out, struct bytes text);
/* Appends the text as a shell takes it as one word. */
void paint_word(struct buf *out, const char *word);
/* Appends "4,812". */
void paint_number(struct buf *out, uint64_t number);
/* Appends "4.7K". */
void paint_size(struct buf *out, uint64_t size);
/* Appends a duration in its largest unit: "250ms", "5s", "3m", "2h", "4d". */
void paint_duration(struct buf *out, int64_t duration_ms);
