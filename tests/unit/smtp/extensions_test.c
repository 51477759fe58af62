#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "smtp/extensions.h"

static const struct {
    const char *name, *line;
    unsigned offers;
    uint64_t size_limit;
    size_t mail_max, rcpt_max;
    uint64_t by_min_s;
} rows[] = {
    {"nothing", "", 0, 0, SIZE_MAX, SIZE_MAX, 0},
    {"unknown", "XYZZY 3", 0, 0, SIZE_MAX, SIZE_MAX, 0},
    {"PIPELINING", "PIPELINING", OFFERS_PIPELINING, 0, SIZE_MAX, SIZE_MAX, 0},
    {"any case", "pipeLining ", OFFERS_PIPELINING, 0, SIZE_MAX, SIZE_MAX, 0},
    {"not a prefix", "PIPELININGS", 0, 0, SIZE_MAX, SIZE_MAX, 0},
    {"8BITMIME", "8BITMIME", OFFERS_8BITMIME, 0, SIZE_MAX, SIZE_MAX, 0},
    {"BINARYMIME", "BINARYMIME", OFFERS_BINARYMIME, 0, SIZE_MAX, SIZE_MAX, 0},
    {"CHUNKING", "CHUNKING", OFFERS_CHUNKING, 0, SIZE_MAX, SIZE_MAX, 0},
    {"SMTPUTF8", "SMTPUTF8", OFFERS_SMTPUTF8, 0, SIZE_MAX, SIZE_MAX, 0},
    {"DSN", "DSN", OFFERS_DSN, 0, SIZE_MAX, SIZE_MAX, 0},
    {"STARTTLS", "starttls", OFFERS_STARTTLS, 0, SIZE_MAX, SIZE_MAX, 0},
    {"SIZE without a limit", "SIZE", OFFERS_SIZE, 0, SIZE_MAX, SIZE_MAX, 0},
    {"SIZE 0", "SIZE 0", OFFERS_SIZE, 0, SIZE_MAX, SIZE_MAX, 0},
    {"SIZE", "SIZE 52428800", OFFERS_SIZE, 52428800, SIZE_MAX, SIZE_MAX, 0},
    {"SIZE is no number", "SIZE huge", OFFERS_SIZE, 0, SIZE_MAX, SIZE_MAX, 0},
    {"SIZE beyond 64 bits", "SIZE 18446744073709551616", OFFERS_SIZE, 0, SIZE_MAX, SIZE_MAX, 0},
    {"LIMITS", "LIMITS MAILMAX=10 RCPTMAX=100 RCPTDOMAINMAX=1", 0, 0, 10, 100, 0},
    {"limits in any case, one unknown", "limits x rcptmax=7", 0, 0, SIZE_MAX, 7, 0},
    {"zero is no limit", "LIMITS MAILMAX=0 RCPTMAX=100", 0, 0, SIZE_MAX, 100, 0},
    {"seven digits are no limit", "LIMITS MAILMAX=1000000 RCPTMAX=999999", 0, 0, SIZE_MAX, 999999,
     0},
    {"broken limits", "LIMITS MAILMAX RCPTMAX= =4  MAILMAX=5", 0, 0, 5, SIZE_MAX, 0},
    {"DELIVERBY", "DELIVERBY", OFFERS_DELIVERBY, 0, SIZE_MAX, SIZE_MAX, 0},
    {"DELIVERBY with its least", "deliverby 240", OFFERS_DELIVERBY, 0, SIZE_MAX, SIZE_MAX, 240},
    {"DELIVERBY, and more", "DELIVERBY 30,x,y", OFFERS_DELIVERBY, 0, SIZE_MAX, SIZE_MAX, 30},
    {"DELIVERBY, only more", "DELIVERBY ,x", OFFERS_DELIVERBY, 0, SIZE_MAX, SIZE_MAX, 0},
    {"DELIVERBY of ten digits", "DELIVERBY 1000000000", OFFERS_DELIVERBY, 0, SIZE_MAX, SIZE_MAX, 0},
    {"DELIVERBY below zero", "DELIVERBY -1", OFFERS_DELIVERBY, 0, SIZE_MAX, SIZE_MAX, 0},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct extensions extensions;
        print_message("  %s\n", rows[i].name);
        extensions_init(&extensions);
        extensions_add(&extensions, bytes_of(rows[i].line));
        assert_int_equal(extensions.offers, rows[i].offers);
        assert_int_equal(extensions.size_limit, rows[i].size_limit);
        assert_int_equal(extensions.mail_max, rows[i].mail_max);
        assert_int_equal(extensions.rcpt_max, rows[i].rcpt_max);
        assert_int_equal(extensions.by_min_s, rows[i].by_min_s);
    }
}

static void test_lines_add_up(void **state)
{
    struct extensions extensions;
    extensions_init(&extensions);
    extensions_add(&extensions, BYTES("SIZE 7"));
    extensions_add(&extensions, BYTES("CHUNKING"));
    assert_int_equal(extensions.offers, OFFERS_SIZE | OFFERS_CHUNKING);
    assert_int_equal(extensions.size_limit, 7);
}

static void test_logins(void **state)
{
    struct extensions extensions;
    extensions_init(&extensions);
    extensions_add(&extensions, BYTES("AUTH CRAM-MD5 plain  SCRAM-SHA-256-PLUS"));
    assert_int_equal(extensions.logins, 1 << SASL_PLAIN | 1 << SASL_SCRAM_SHA_256_PLUS);
    extensions_add(&extensions, BYTES("AUTH"));
    extensions_add(&extensions, BYTES("AUTH=LOGIN"));
    assert_int_equal(extensions.logins, 1 << SASL_PLAIN | 1 << SASL_SCRAM_SHA_256_PLUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_lines_add_up),
        cmocka_unit_test(test_logins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
