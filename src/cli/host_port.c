#include "cli/host_port.h"

#include "base/ip.h"
#include "mail/address.h"

enum { SHOWN = 80 };

bool port_read(struct bytes text, uint16_t *out, struct error *err)
{
    uint64_t port;
    if (!scan_u64(text, UINT16_MAX, &port) || port == 0)
        return error_set(err, 0, "%.*s is no port", BYTES_ARGS(bytes_sub(text, 0, SHOWN)));
    *out = (uint16_t)port;
    return true;
}

bool host_port_read(struct bytes text, struct bytes *host, uint16_t *port, struct error *err)
{
    struct ip ip;
    struct bytes name = text, number = BYTES_NONE;
    if (text.len && text.at[0] == '[') {
        bool is_closed = bytes_cut(bytes_from(text, 1), ']', &name, &number);
        if (!is_closed || !ip_scan(name, &ip) || (number.len && number.at[0] != ':'))
            return error_set(err, 0, "%.*s is no [ADDRESS]:PORT",
                             BYTES_ARGS(bytes_sub(text, 0, SHOWN)));
        number = bytes_from(number, 1);
    } else if (!ip_scan(text, &ip)) {
        bytes_cut(text, ':', &name, &number);
    }
    if (number.len && !port_read(number, port, err))
        return false;
    if (!ip_scan(name, &ip) && !domain_is_valid(name, ADDRESS_UTF8))
        return error_set(err, 0, "%.*s is no host", BYTES_ARGS(bytes_sub(text, 0, SHOWN)));
    *host = name;
    return true;
}
