#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/xclient.h"

#define LONG100                                                                                    \
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"  \
    "123456789"

static const struct {
    const char *name, *argument, *result; /* the address, "none", or "bad" */
} rows[] = {
    {"all", "NAME=host.example ADDR=192.0.2.1 PORT=40000 PROTO=ESMTP HELO=host", "192.0.2.1"},
    {"any case", "addr=192.0.2.1", "192.0.2.1"},
    {"IPv6", "ADDR=IPV6:2001:db8::1", "2001:db8::1"},
    {"xtext", "ADDR=192.0.2.+31", "192.0.2.1"},
    {"not known", "NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE]", "none"},
    {"not known now", "ADDR=[TEMPUNAVAIL]", "none"},
    {"no address", "NAME=host.example", "none"},
    {"the last one counts", "ADDR=192.0.2.1 ADDR=192.0.2.2", "192.0.2.2"},
    {"nothing", "", "bad"},
    {"no value", "ADDR", "bad"},
    {"an empty value", "ADDR=", "bad"},
    {"IPv6 without its tag", "ADDR=2001:db8::1", "bad"},
    {"IPv4 with it", "ADDR=IPV6:192.0.2.1", "bad"},
    {"a name for an address", "ADDR=host.example", "bad"},
    {"not offered", "LOGIN=ann", "bad"},
    {"unknown", "COLOUR=blue", "bad"},
    {"no xtext", "NAME=a+zz", "bad"},
    {"too long", "NAME=" LONG100 LONG100 LONG100, "bad"},
    {"two spaces", "NAME=a  ADDR=192.0.2.1", "bad"},
};

static void test_arguments(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].argument);
        uint8_t *exact = malloc(len ? len : 1);
        memcpy(exact, rows[i].argument, len);
        struct xclient got;
        struct buf out;
        const char *why = NULL;
        buf_init(&out, 100);
        if (!xclient_scan((struct bytes){exact, len}, &got, &why))
            buf_add(&out, BYTES("bad"));
        else if (got.has_ip)
            ip_print(&out, &got.ip);
        else
            buf_add(&out, BYTES("none"));
        buf_add_byte(&out, 0);
        if (strcmp((const char *)out.at, rows[i].result) != 0)
            fail_msg("%s: %s", rows[i].name, (const char *)out.at);
        buf_done(&out);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arguments)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
