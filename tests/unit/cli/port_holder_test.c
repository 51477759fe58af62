/* Who listens: the kernel's table of sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/port_holder.h"

#define HEAD                                                                                       \
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "  \
    "inode\n"
#define REST " 00000000:00000000 00:00000000 00000000     0        0 "

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOOPBACK "0100007F"
#define LOOPBACK6 "00000000000000000000000001000000"
#else
#define LOOPBACK "7F000001"
#define LOOPBACK6 "00000000000000000000000000000001"
#endif

static const struct {
    const char *name, *table, *ip;
    uint16_t port;
    uint64_t want;
} rows[] = {
    {"at that address", HEAD "   0: " LOOPBACK ":0019 00000000:0000 0A" REST "4711 1 0 100\n",
     "127.0.0.1", 25, 4711},
    {"at another port", HEAD "   0: " LOOPBACK ":001A 00000000:0000 0A" REST "4711 1 0 100\n",
     "127.0.0.1", 25, 0},
    {"at another address", HEAD "   0: " LOOPBACK ":0019 00000000:0000 0A" REST "4711 1 0\n",
     "127.0.0.2", 25, 0},
    {"at all addresses", HEAD "   0: 00000000:0019 00000000:0000 0A" REST "4711 1 0\n", "192.0.2.1",
     25, 4711},
    {"asked for all addresses", HEAD "   0: " LOOPBACK ":0019 00000000:0000 0A" REST "4711 1\n",
     "0.0.0.0", 25, 4711},
    {"a connection", HEAD "   0: " LOOPBACK ":0019 " LOOPBACK ":9000 01" REST "4711 1 0\n",
     "127.0.0.1", 25, 0},
    {"the second line",
     HEAD "   0: " LOOPBACK ":0050 00000000:0000 0A" REST "12 1 0\n"
          "   1: " LOOPBACK ":0019 00000000:0000 0A" REST "13 1 0\n",
     "127.0.0.1", 25, 13},
    {"by IPv6", HEAD "   0: " LOOPBACK6 ":0019 " LOOPBACK6 ":0000 0A" REST "99 1 0\n", "::1", 25,
     99},
    {"a line that ends early", HEAD "   0: " LOOPBACK ":0019 00000000:0000 0A 00000000:0000",
     "127.0.0.1", 25, 0},
    {"an address of odd length", HEAD "   0: 0100007:0019 00000000:0000 0A" REST "4711\n",
     "127.0.0.1", 25, 0},
    {"nothing", "", "127.0.0.1", 25, 0},
};

static void tables_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ip ip;
        size_t len = strlen(rows[i].table);
        uint8_t *exact = malloc(len ? len : 1);
        assert_non_null(exact);
        memcpy(exact, rows[i].table, len);
        assert_true(ip_scan(bytes_of(rows[i].ip), &ip));
        uint64_t got = port_holder_inode((struct bytes){exact, len}, &ip, rows[i].port);
        if (got != rows[i].want)
            fail_msg("%s: %llu", rows[i].name, (unsigned long long)got);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
