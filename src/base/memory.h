/* Heap memory that is there or ends the process: sizes from outside are bounded before they
 * are allocated, so running out is the machine's failure and not a case to handle. */
#pragma once

#include <stddef.h>

#include "base/attr.h"

/* Zeroed memory for count objects of size bytes each. The caller frees it with free(). */
void *memory_new(size_t count, size_t size);
/* Like realloc, for count objects of size bytes each; new memory is not zeroed. */
void *memory_resize(void *old_owned, size_t count, size_t size);

#define NEW(type) ((type *)memory_new(1, sizeof(type)))
