#include "log_sim.h"

#include <string.h>

#include "base/buf.h"

static struct {
    log_sim_hook *hook;
    void *context;
} state;

void log_sim_listen(log_sim_hook *hook, void *context)
{
    state.hook = hook;
    state.context = context;
}

const struct log_field *log_sim_field(const struct log_field *fields, size_t count,
                                      const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

void log_write(enum log_level level, const char *name, const struct log_field *fields, size_t count)
{
    if (state.hook)
        state.hook(state.context, level, name, fields, count);
}

void log_init(const char *process, enum log_level least, enum log_format format)
{
}

void log_set_sink(log_sink *sink, void *context)
{
}

void log_set_buffered(bool is_buffered)
{
}

void log_flush(void)
{
}

void log_escape(struct buf *out, struct bytes value)
{
    buf_add(out, value);
}
