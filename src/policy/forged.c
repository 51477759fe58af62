#include "policy/forged.h"

#include "auth/authres.h"
#include "mail/header.h"
#include "mail/trace.h"

static bool has_junk(struct bytes section)
{
    struct header_field field;
    while (header_next(&section, &field))
        if (trace_is_junk_name(field.name))
            return true;
    return false;
}

bool forged_cut(struct buf *out, struct bytes section, struct bytes authserv_id)
{
    struct header_field field;
    struct buf plain;
    if (!has_junk(section))
        return authres_cut(out, section, authserv_id) > 0;
    buf_init(&plain, section.len);
    while (header_next(&section, &field))
        if (!trace_is_junk_name(field.name))
            buf_add(&plain, field.whole);
    if (authres_cut(out, buf_view(&plain), authserv_id) == 0)
        buf_add(out, buf_view(&plain));
    buf_done(&plain);
    return true;
}
