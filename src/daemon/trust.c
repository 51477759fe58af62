#include "daemon/trust.h"

#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <unistd.h>

enum { TABLE_LIMIT = 256 * 1024 }; /* of routes, as text; the default route is among the first */

size_t trust_list(const struct config *config, struct trust out[TRUST_LIMIT])
{
    size_t count = 0;
    out[count++] = (struct trust){"relay.networks", NULL, TRUST_RELAY, config->relay_networks};
    out[count++] =
        (struct trust){"verify.trusted_networks", NULL, TRUST_UNCHECKED, config->verify.trusted};
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        if (listener->proxies)
            out[count++] = (struct trust){"listen.proxy", listener->address, TRUST_SPEAK_FOR,
                                          listener->proxies};
        if (listener->xclients)
            out[count++] = (struct trust){"listen.xclient", listener->address, TRUST_SPEAK_FOR,
                                          listener->xclients};
    }
    return count;
}

/* --- This process's surroundings -------------------------------------------------------------- */

/* The beginning of the file; nothing, when it cannot be read. */
static void read_file(const char *path, struct buf *out)
{
    enum { CHUNK = 4096 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : 1;
    buf_init(out, TABLE_LIMIT);
    while (got > 0 && out->len < TABLE_LIMIT) {
        got = read(fd, buf_reserve(out, CHUNK), CHUNK);
        if (got > 0)
            buf_grow(out, (size_t)got);
    }
    if (fd >= 0)
        close(fd);
}

static void find_bridges(struct gateways *gateways)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *one = all; one; one = one->ifa_next) {
        const void *address = one->ifa_addr;
        if (!address || !gateway_is_bridge_name(bytes_of(one->ifa_name)))
            continue;
        const struct sockaddr_in *v4 = address;
        const struct sockaddr_in6 *v6 = address;
        struct ip ip;
        if (one->ifa_addr->sa_family == AF_INET)
            ip = ip_from_ipv4((const uint8_t *)&v4->sin_addr);
        else if (one->ifa_addr->sa_family == AF_INET6)
            ip = ip_from_ipv6(v6->sin6_addr.s6_addr);
        else
            continue;
        gateways_add(gateways, GATEWAY_BRIDGE, &ip, bytes_of(one->ifa_name));
    }
    freeifaddrs(all);
}

void trust_gateways(struct gateways *out)
{
    struct buf text;
    *out = (struct gateways){.count = 0};
    read_file("/proc/self/net/route", &text);
    gateways_read_ipv4(out, buf_view(&text));
    buf_done(&text);
    read_file("/proc/self/net/ipv6_route", &text);
    gateways_read_ipv6(out, buf_view(&text));
    buf_done(&text);
    find_bridges(out);
    read_file("/proc/1/cgroup", &text);
    out->is_contained = gateways_is_container(buf_view(&text)) ||
                        access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
    buf_done(&text);
}

/* --- Warnings --------------------------------------------------------------------------------- */

static void warn_of_worlds(const struct trust *trust)
{
    struct ip ip;
    unsigned bits;
    for (size_t place = 0; networks_next(trust->networks, &place, &ip, &bits);) {
        struct buf network;
        if (!network_is_world(&ip, bits))
            continue;
        buf_init(&network, 64);
        network_print(&network, &ip, bits);
        log_warning("trusted-world", LOG_TEXT("key", trust->key),
                    LOG_OPTIONAL("listener", trust->listener),
                    LOG_BYTES("network", buf_view(&network)),
                    LOG_TEXT("remedy", "name your own networks only"));
        buf_done(&network);
    }
}

static void warn_of_gateways(const struct trust *trust, const struct gateways *gateways)
{
    for (size_t i = 0; i < gateways->count; i++) {
        const struct gateway *gateway = &gateways->list[i];
        struct buf ip;
        enum gateway_danger danger = gateway_judge(gateways, gateway, trust->networks);
        if (danger == GATEWAY_HARMLESS)
            continue;
        buf_init(&ip, 64);
        ip_print(&ip, &gateway->ip);
        log_warning("trusted-gateway", LOG_TEXT("key", trust->key),
                    LOG_OPTIONAL("listener", trust->listener), LOG_BYTES("gateway", buf_view(&ip)),
                    LOG_TEXT("interface", gateway->interface),
                    LOG_TEXT("hides", danger == GATEWAY_HIDES ? "everybody" : "perhaps others"),
                    LOG_TEXT("remedy", "postrider check config"));
        buf_done(&ip);
    }
}

void trust_warn(const struct config *config)
{
    struct trust list[TRUST_LIMIT];
    struct gateways gateways;
    size_t count = trust_list(config, list);
    trust_gateways(&gateways);
    for (size_t i = 0; i < count; i++) {
        warn_of_worlds(&list[i]);
        /* Who is checked all the same loses nothing by a gateway in between. */
        if (list[i].right == TRUST_RELAY || list[i].right == TRUST_SPEAK_FOR)
            warn_of_gateways(&list[i], &gateways);
    }
}
