#include "facts/rdata.h"

#include <string.h>

enum {
    WIRE_NAME_LIMIT = 255, /* RFC 1035, 2.3.4 */
    WIRE_LABEL_LIMIT = 63, /* above are compression and what was never defined */
};

/* A wire name that fills the whole view. */
static bool scan_name(struct bytes wire, struct arena *arena, struct bytes *out)
{
    if (wire.len > WIRE_NAME_LIMIT)
        return false;
    uint8_t text[WIRE_NAME_LIMIT];
    size_t len = 0, place = 0;
    for (;;) {
        if (place == wire.len)
            return false;
        size_t label = wire.at[place++];
        if (label == 0)
            break;
        if (label > WIRE_LABEL_LIMIT || label > wire.len - place)
            return false;
        if (memchr(wire.at + place, '.', label) || memchr(wire.at + place, 0, label))
            return false;
        if (len)
            text[len++] = '.';
        memcpy(text + len, wire.at + place, label);
        len += label;
        place += label;
    }
    return place == wire.len && arena_copy(arena, (struct bytes){text, len}, out);
}

/* One string or more, each behind its length (RFC 1035, 3.3.14). */
static bool scan_strings(struct bytes wire, struct arena *arena, struct bytes *out)
{
    if (wire.len == 0)
        return false;
    uint8_t *text = arena_alloc(arena, wire.len);
    size_t len = 0;
    if (!text)
        return false;
    for (size_t place = 0; place < wire.len;) {
        size_t string = wire.at[place++];
        if (string > wire.len - place)
            return false;
        memcpy(text + len, wire.at + place, string);
        len += string;
        place += string;
    }
    *out = (struct bytes){text, len};
    return true;
}

static bool scan_address(struct bytes wire, size_t len, struct arena *arena, struct bytes *out)
{
    return wire.len == len && arena_copy(arena, wire, out);
}

static uint16_t scan_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

bool rdata_scan(enum fact_type type, struct bytes rdata, struct arena *arena,
                struct answer_record *out)
{
    struct answer_record record = {.preference = 0};
    bool is_good = false;
    switch (type) {
    case FACT_A: is_good = scan_address(rdata, 4, arena, &record.data); break;
    case FACT_AAAA: is_good = scan_address(rdata, 16, arena, &record.data); break;
    case FACT_TXT: is_good = scan_strings(rdata, arena, &record.data); break;
    case FACT_PTR:
    case FACT_CNAME: is_good = scan_name(rdata, arena, &record.data); break;
    case FACT_MX:
        if (rdata.len < 2)
            return false;
        record.preference = scan_u16(rdata.at);
        is_good = scan_name(bytes_from(rdata, 2), arena, &record.data);
        break;
    case FACT_TLSA:
        if (rdata.len < 4) /* three numbers and data, which is never empty (RFC 6698, 2.1) */
            return false;
        record.usage = rdata.at[0];
        record.selector = rdata.at[1];
        record.matching = rdata.at[2];
        is_good = arena_copy(arena, bytes_from(rdata, 3), &record.data);
        break;
    case FACT_SRV:
        if (rdata.len < 6)
            return false;
        record.preference = scan_u16(rdata.at);
        record.weight = scan_u16(rdata.at + 2);
        record.port = scan_u16(rdata.at + 4);
        is_good = scan_name(bytes_from(rdata, 6), arena, &record.data);
        break;
    }
    if (is_good)
        *out = record;
    return is_good;
}
