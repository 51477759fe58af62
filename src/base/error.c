#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool error_set(struct error *err, int os, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(err->text, sizeof err->text, format, values);
    va_end(values);
    err->os = os;
    if (os) {
        size_t len = strlen(err->text);
        snprintf(err->text + len, sizeof err->text - len, ": %s", strerror(os));
    }
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    char context[sizeof err->text];
    va_list values;
    va_start(values, format);
    vsnprintf(context, sizeof context, format, values);
    va_end(values);
    struct error inner = *err;
    size_t len = strlen(context);
    memcpy(err->text, context, len + 1);
    snprintf(err->text + len, sizeof err->text - len, ": %s", inner.text);
    return false;
}
