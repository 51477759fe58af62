#include "policy/gateways.h"

#include <string.h>

enum { ROUTE_IS_UP = 1, ROUTE_HAS_GATEWAY = 2 }; /* RTF_UP, RTF_GATEWAY */

void gateways_add(struct gateways *gateways, enum gateway_kind kind, const struct ip *ip,
                  struct bytes interface)
{
    for (size_t i = 0; i < gateways->count; i++)
        if (memcmp(&gateways->list[i].ip, ip, sizeof *ip) == 0)
            return;
    if (gateways->count == GATEWAY_LIMIT)
        return;
    struct gateway *gateway = &gateways->list[gateways->count++];
    *gateway = (struct gateway){.ip = *ip, .kind = kind};
    interface = bytes_sub(interface, 0, INTERFACE_NAME_LIMIT - 1);
    if (interface.len)
        memcpy(gateway->interface, interface.at, interface.len);
}

/* --- What the kernel says --------------------------------------------------------------------- */

static int hex_value(uint8_t byte)
{
    byte = ascii_lower(byte);
    return ascii_is_digit(byte) ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Digits of `size` bytes, and nothing else. */
static bool read_hex(struct bytes text, uint8_t *out, size_t size)
{
    if (text.len != 2 * size)
        return false;
    for (size_t i = 0; i < size; i++) {
        int high = hex_value(text.at[2 * i]), low = hex_value(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* A 32-bit number as printf's %08X writes it. */
static bool read_hex_number(struct bytes text, uint32_t *out)
{
    uint8_t bytes[4];
    if (!read_hex(text, bytes, sizeof bytes))
        return false;
    *out = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return true;
}

static size_t split(struct bytes line, struct bytes *words, size_t limit)
{
    size_t count = 0;
    while (count < limit && (words[count] = bytes_word(&line)).len)
        count++;
    return count;
}

void gateways_read_ipv4(struct gateways *gateways, struct bytes text)
{
    enum { INTERFACE, DESTINATION, GATEWAY, FLAGS, REFERENCES, USE, METRIC, MASK, WORDS };
    struct bytes line, words[WORDS];
    while (text.len) {
        uint32_t destination, gateway, mask;
        uint16_t flags;
        uint8_t flag_bytes[2];
        bytes_cut(text, '\n', &line, &text);
        if (split(line, words, WORDS) < WORDS ||
            !read_hex_number(words[DESTINATION], &destination) ||
            !read_hex_number(words[GATEWAY], &gateway) || !read_hex_number(words[MASK], &mask) ||
            !read_hex(words[FLAGS], flag_bytes, sizeof flag_bytes))
            continue;
        flags = (uint16_t)(flag_bytes[0] << 8 | flag_bytes[1]);
        if (destination || mask || !gateway || !(flags & ROUTE_IS_UP) ||
            !(flags & ROUTE_HAS_GATEWAY))
            continue;
        /* The address in the network's order, printed as a number of this machine's. */
        uint8_t bytes[4];
        memcpy(bytes, &gateway, sizeof bytes);
        struct ip ip = ip_from_ipv4(bytes);
        gateways_add(gateways, GATEWAY_ROUTE, &ip, words[INTERFACE]);
    }
}

void gateways_read_ipv6(struct gateways *gateways, struct bytes text)
{
    enum { TO, TO_BITS, FROM, FROM_BITS, NEXT, METRIC, REFERENCES, USE, FLAGS, INTERFACE, WORDS };
    static const struct ip none;
    struct bytes line, words[WORDS];
    while (text.len) {
        struct ip to, next;
        uint8_t bits;
        uint32_t flags;
        bytes_cut(text, '\n', &line, &text);
        if (split(line, words, WORDS) < WORDS || !read_hex(words[TO], to.at, sizeof to.at) ||
            !read_hex(words[TO_BITS], &bits, 1) ||
            !read_hex(words[NEXT], next.at, sizeof next.at) ||
            !read_hex_number(words[FLAGS], &flags))
            continue;
        if (bits == 0 && memcmp(&next, &none, sizeof none) != 0 && flags & ROUTE_IS_UP &&
            flags & ROUTE_HAS_GATEWAY)
            gateways_add(gateways, GATEWAY_ROUTE, &next, words[INTERFACE]);
    }
}

bool gateway_is_bridge_name(struct bytes interface)
{
    static const struct bytes starts[] = {
        BYTES_INIT("docker"),  BYTES_INIT("br-"),     BYTES_INIT("cni"),     BYTES_INIT("podman"),
        BYTES_INIT("lxcbr"),   BYTES_INIT("lxdbr"),   BYTES_INIT("incusbr"), BYTES_INIT("virbr"),
        BYTES_INIT("flannel"), BYTES_INIT("nerdctl"), BYTES_INIT("cbr"),     BYTES_INIT("veth"),
    };
    for (size_t i = 0; i < COUNT(starts); i++)
        if (bytes_starts(interface, starts[i]))
            return true;
    return false;
}

bool gateways_is_container(struct bytes cgroup)
{
    static const struct bytes words[] = {
        BYTES_INIT("docker"), BYTES_INIT("kubepods"),   BYTES_INIT("libpod"),
        BYTES_INIT("lxc"),    BYTES_INIT("containerd"), BYTES_INIT("machine.slice"),
    };
    for (size_t i = 0; i < COUNT(words); i++)
        if (bytes_search(cgroup, words[i]) < cgroup.len)
            return true;
    return false;
}

/* --- The judgment ----------------------------------------------------------------------------- */

enum gateway_danger gateway_judge(const struct gateways *gateways, const struct gateway *gateway,
                                  const struct networks *trusted)
{
    if (!networks_have(trusted, &gateway->ip))
        return GATEWAY_HARMLESS;
    /* Where bridges are seen, this is the host's own network, container or not. */
    for (size_t i = 0; i < gateways->count; i++)
        if (gateways->list[i].kind == GATEWAY_BRIDGE)
            return GATEWAY_MAY_HIDE;
    return gateways->is_contained && gateway->kind == GATEWAY_ROUTE ? GATEWAY_HIDES
                                                                    : GATEWAY_MAY_HIDE;
}
