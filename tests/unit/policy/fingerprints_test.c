/* Fingerprints of certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/fingerprints.h"

#define EIGHT "0123456789abcDEF"
#define COLONS "01:23:45:67:89:AB:cd:EF"

static const struct {
    const char *name, *text;
    bool is_good;
} rows[] = {
    {"digits", EIGHT EIGHT EIGHT EIGHT, true},
    {"with colons", COLONS ":" COLONS ":" COLONS ":" COLONS, true},
    {"empty", "", false},
    {"too short", EIGHT EIGHT EIGHT "0123456789abcDE", false},
    {"too long", EIGHT EIGHT EIGHT EIGHT "0", false},
    {"SHA-1", EIGHT EIGHT "01234567", false},
    {"no digit", EIGHT EIGHT EIGHT "0123456789abcDEg", false},
    {"a colon in a wrong place", COLONS ":" COLONS ":" COLONS "0" COLONS, false},
    {"colons between some", COLONS ":" COLONS ":" COLONS ":01:23:45:67:89:AB:cd:E:", false},
};

static void fingerprints_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        static const uint8_t eight[] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
        uint8_t want[FINGERPRINT_SIZE];
        for (size_t k = 0; k < sizeof want; k++)
            want[k] = eight[k % sizeof eight];
        struct fingerprints *fingerprints = fingerprints_new();
        size_t len = strlen(rows[i].text);
        uint8_t *exact = malloc(len + !len);
        assert_non_null(exact);
        memcpy(exact, rows[i].text, len);
        if (fingerprints_add(fingerprints, (struct bytes){exact, len}) != rows[i].is_good ||
            fingerprints_have(fingerprints, want) != rows[i].is_good ||
            fingerprints_count(fingerprints) != rows[i].is_good)
            fail_msg("%s", rows[i].name);
        want[31]++;
        assert_false(fingerprints_have(fingerprints, want));
        free(exact);
        fingerprints_free(fingerprints);
    }
    fingerprints_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fingerprints_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
