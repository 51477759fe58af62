/* Networks: what is one has its own address in it, and a hint is one. */
#include <string.h>

#include "policy/networks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = {data, size}, address, length;
    struct networks *networks = networks_new();
    char hint[64], second[64];
    struct ip ip;
    bytes_cut(input, '/', &address, &length);
    if (networks_add(networks, input, hint)) {
        ASSERT(hint[0] == 0);
        ASSERT(ip_scan(address, &ip));
        /* A network wider than the mapped range may be written with a mapped address. */
        static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
        ASSERT(networks_have(networks, &ip) || memcmp(ip.at, mapped, sizeof mapped) == 0);
    } else if (hint[0]) {
        ASSERT(memchr(hint, 0, sizeof hint));
        ASSERT(networks_add(networks, bytes_of(hint), second));
    }
    networks_free(networks);
    return 0;
}
