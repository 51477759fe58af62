#include "smtp/xclient.h"

#include "mail/xtext.h"

enum { VALUE_LIMIT = 255 };

static const struct bytes passed_over[] = {BYTES_INIT("NAME"), BYTES_INIT("PORT"),
                                           BYTES_INIT("PROTO"), BYTES_INIT("HELO")};

static bool is_unknown(struct bytes value)
{
    return bytes_equal_nocase(value, BYTES("[UNAVAILABLE]")) ||
           bytes_equal_nocase(value, BYTES("[TEMPUNAVAIL]"));
}

/* "192.0.2.1" or "IPV6:2001:db8::1". */
static bool take_address(struct bytes value, struct xclient *out)
{
    static const struct bytes tag = BYTES_INIT("IPV6:");
    bool is_v6 = bytes_starts_nocase(value, tag);
    if (is_unknown(value))
        return true;
    if (is_v6)
        value = bytes_from(value, tag.len);
    bool has_colon = bytes_find(value, ':') < value.len;
    out->has_ip = has_colon == is_v6 && ip_scan(value, &out->ip);
    return out->has_ip;
}

static bool take(struct bytes name, struct bytes value, struct xclient *out, const char **why)
{
    for (size_t i = 0; i < COUNT(passed_over); i++)
        if (bytes_equal_nocase(name, passed_over[i]))
            return true;
    if (!bytes_equal_nocase(name, BYTES("ADDR")))
        *why = "It has an attribute that is not offered here";
    else if (!take_address(value, out))
        *why = "ADDR is no address; write 192.0.2.1 or IPV6:2001:db8::1";
    else
        return true;
    return false;
}

bool xclient_scan(struct bytes argument, struct xclient *out, const char **why)
{
    struct xclient found = {.has_ip = false};
    struct bytes rest = bytes_trim(argument), item, name, coded;
    *why = "Write it like XCLIENT NAME=host.example ADDR=192.0.2.1";
    if (rest.len == 0)
        return false;
    while (rest.len) {
        uint8_t room[VALUE_LIMIT];
        struct buf value = {.at = room, .cap = sizeof room, .limit = sizeof room};
        bytes_cut(rest, ' ', &item, &rest);
        if (!bytes_cut(item, '=', &name, &coded) || coded.len == 0 || !xtext_scan(&value, coded) ||
            value.overflowed || !take(name, buf_view(&value), &found, why))
            return false;
    }
    *out = found;
    return true;
}
