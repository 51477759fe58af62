#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"

_Noreturn static void out_of_memory(size_t count, size_t size)
{
    log_flush();
    fprintf(stderr, "event=out-of-memory level=error bytes=%zu\n", count * size);
    abort();
}

void *memory_new(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory(count, size);
    return memory;
}

void *memory_resize(void *old_owned, size_t count, size_t size)
{
    void *memory = reallocarray(old_owned, count ? count : 1, size ? size : 1);
    if (!memory)
        out_of_memory(count, size);
    return memory;
}

_Noreturn void assert_failed(const char *expression, const char *file, int line)
{
    log_flush();
    fprintf(stderr, "event=bug level=error at=%s:%d assertion=\"%s\"\n", file, line, expression);
    abort();
}
