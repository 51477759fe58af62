#include "cli/trace_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "cli/paint.h"
#include "cli/trace_field.h"

enum { VALUE_LIMIT = 128 << 10 };

void trace_json_print(struct bytes line)
{
    json_t *event = json_object();
    struct bytes name;
    struct buf value, safe;
    buf_init(&value, VALUE_LIMIT);
    buf_init(&safe, VALUE_LIMIT);
    while (trace_field(&line, &name, &value)) {
        buf_clear(&safe);
        if (bytes_is_utf8(buf_view(&value)))
            buf_add(&safe, buf_view(&value));
        else
            paint_add(&safe, buf_view(&value));
        char *key = strndup((const char *)name.at, name.len);
        ASSERT(key);
        json_object_set_new(event, key,
                            json_stringn(safe.len ? (const char *)safe.at : "", safe.len));
        free(key);
    }
    buf_done(&safe);
    buf_done(&value);
    json_dumpf(event, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(event);
}
