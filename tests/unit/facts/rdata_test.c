/* The data of records from the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts/rdata.h"

#define L63 "\077abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define L61 "\075abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"

static const struct {
    const char *name;
    enum fact_type type;
    struct bytes rdata;
    bool is_good;
    struct bytes data;
    unsigned number; /* the preference, or the first three bytes of a TLSA */
} rows[] = {
    {"A", FACT_A, BYTES_INIT("\300\0\2\1"), true, BYTES_INIT("\300\0\2\1"), 0},
    {"A too short", FACT_A, BYTES_INIT("\300\0\2"), false, {0}, 0},
    {"A too long", FACT_A, BYTES_INIT("\300\0\2\1\1"), false, {0}, 0},
    {"AAAA", FACT_AAAA, BYTES_INIT("0123456789abcdef"), true, BYTES_INIT("0123456789abcdef"), 0},
    {"AAAA too short", FACT_AAAA, BYTES_INIT("0123456789abcde"), false, {0}, 0},
    {"MX", FACT_MX, BYTES_INIT("\1\2\2mx\7example\0"), true, BYTES_INIT("mx.example"), 258},
    {"null MX", FACT_MX, BYTES_INIT("\0\0\0"), true, BYTES_INIT(""), 0},
    {"MX without a name", FACT_MX, BYTES_INIT("\0\1"), false, {0}, 0},
    {"MX too short", FACT_MX, BYTES_INIT("\0"), false, {0}, 0},
    {"a name as it is spelt", FACT_PTR, BYTES_INIT("\4MaIl\0"), true, BYTES_INIT("MaIl"), 0},
    {"CNAME", FACT_CNAME, BYTES_INIT("\1a\1b\0"), true, BYTES_INIT("a.b"), 0},
    {"no end of the name", FACT_CNAME, BYTES_INIT("\1a\1b"), false, {0}, 0},
    {"something behind the name", FACT_CNAME, BYTES_INIT("\1a\0x"), false, {0}, 0},
    {"a label beyond the end", FACT_CNAME, BYTES_INIT("\5ab\0"), false, {0}, 0},
    {"compression", FACT_CNAME, BYTES_INIT("\1a\300\1"), false, {0}, 0},
    {"a dot in a label", FACT_CNAME, BYTES_INIT("\3a.b\0"), false, {0}, 0},
    {"a NUL in a label", FACT_CNAME, BYTES_INIT("\3a\0b\0"), false, {0}, 0},
    {"nothing", FACT_CNAME, BYTES_INIT(""), false, {0}, 0},
    {"255 bytes", FACT_CNAME, BYTES_INIT(L63 L63 L63 L61 "\0"), true,
     BYTES_INIT("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk."
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk."
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk."
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"),
     0},
    {"257 bytes", FACT_CNAME, BYTES_INIT(L63 L63 L63 L63 "\0"), false, {0}, 0},
    {"TXT of two strings", FACT_TXT, BYTES_INIT("\3abc\2de"), true, BYTES_INIT("abcde"), 0},
    {"TXT of nothing", FACT_TXT, BYTES_INIT("\0"), true, BYTES_INIT(""), 0},
    {"TXT without a string", FACT_TXT, BYTES_INIT(""), false, {0}, 0},
    {"a string beyond the end", FACT_TXT, BYTES_INIT("\3ab"), false, {0}, 0},
    {"TLSA", FACT_TLSA, BYTES_INIT("\3\1\1key"), true, BYTES_INIT("key"), 0x030101},
    {"TLSA without data", FACT_TLSA, BYTES_INIT("\3\1\1"), false, {0}, 0},
    {"SRV", FACT_SRV, BYTES_INIT("\0\1\0\2\1\321\2mx\7example\0"), true, BYTES_INIT("mx.example"),
     1},
    {"SRV of nothing", FACT_SRV, BYTES_INIT("\0\0\0\0\0\0\0"), true, BYTES_INIT(""), 0},
    {"SRV without a name", FACT_SRV, BYTES_INIT("\0\1\0\2\1\321"), false, {0}, 0},
    {"SRV too short", FACT_SRV, BYTES_INIT("\0\1\0\2\1"), false, {0}, 0},
};

static bool scan(size_t row, struct arena *arena, struct answer_record *out)
{
    struct bytes rdata = rows[row].rdata;
    uint8_t *exact = malloc(rdata.len ? rdata.len : 1);
    assert_non_null(exact);
    memcpy(exact, rdata.at, rdata.len);
    bool is_good = rdata_scan(rows[row].type, (struct bytes){exact, rdata.len}, arena, out);
    free(exact);
    return is_good;
}

static void records_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new(4096);
        struct answer_record record;
        if (scan(i, arena, &record) != rows[i].is_good)
            fail_msg("%s: %s", rows[i].name, rows[i].is_good ? "refused" : "read");
        if (rows[i].is_good) {
            unsigned number = rows[i].type == FACT_TLSA
                                  ? (unsigned)record.usage << 16 | (unsigned)record.selector << 8 |
                                        record.matching
                                  : record.preference;
            if (!bytes_equal(record.data, rows[i].data) || number != rows[i].number)
                fail_msg("%s: %.*s, %u", rows[i].name, BYTES_ARGS(record.data), number);
            if (rows[i].type == FACT_SRV && rows[i].data.len)
                assert_true(record.weight == 2 && record.port == 465);
        }
        arena_free(arena);
    }
}

static void no_room_is_a_failure(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new(0);
        struct answer_record record;
        if (rows[i].data.len)
            assert_false(scan(i, arena, &record));
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(no_room_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
