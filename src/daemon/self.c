#include "daemon/self.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { SELF_LIMIT = 4096 }; /* addresses; bounds the search for each MX */

struct collection {
    struct mx_self_address *list;
    size_t count;
};

static void add(struct collection *into, const struct ip *ip, uint16_t port)
{
    if (into->count == SELF_LIMIT)
        return;
    into->list = memory_resize(into->list, into->count + 1, sizeof *into->list);
    into->list[into->count++] = (struct mx_self_address){*ip, port};
}

static void add_interface(struct collection *into, const struct sockaddr *address, uint16_t port)
{
    struct ip ip;
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        ip = ip_from_ipv4((const uint8_t *)&in.sin_addr);
    } else if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        ip = ip_from_ipv6(in6.sin6_addr.s6_addr);
    } else {
        return;
    }
    add(into, &ip, port);
}

/* "0.0.0.0" or "::". */
static bool is_any(const struct ip *ip)
{
    static const uint8_t zeros[sizeof ip->at];
    struct ip any = ip_from_ipv4(zeros);
    return memcmp(ip->at, zeros, sizeof zeros) == 0 || memcmp(ip, &any, sizeof any) == 0;
}

void self_init(struct mx_self *self, const struct config *config)
{
    struct collection found = {NULL, 0};
    struct ifaddrs *interfaces = NULL;
    if (getifaddrs(&interfaces) < 0)
        log_warning("self-unknown", LOG_TEXT("reason", strerror(errno)));
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        struct ip ip;
        if (!ip_scan(bytes_of(listener->host), &ip))
            continue;
        if (!is_any(&ip)) {
            add(&found, &ip, listener->port);
            continue;
        }
        for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
            if (at->ifa_addr)
                add_interface(&found, at->ifa_addr, listener->port);
    }
    if (interfaces)
        freeifaddrs(interfaces);
    *self = (struct mx_self){.hostname = bytes_of(config->hostname),
                             .addresses = found.list,
                             .address_count = found.count};
}

void self_done(struct mx_self *self)
{
    free((void *)(uintptr_t)self->addresses);
    *self = (struct mx_self){.address_count = 0};
}
