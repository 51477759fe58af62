/* Names of accounts in their one form, and the search in the list of all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "policy/directory.h"

static const struct {
    const char *name, *address, *want; /* NULL: it is none */
} names[] = {
    {"plain", "ann@example.org", "ann@example.org"},
    {"capitals", "Ann@EXAMPLE.org", "ann@example.org"},
    {"quoted without need", "\"Ann\"@example.org", "ann@example.org"},
    {"U-label",
     "ann@b\xc3\xbc"
     "cher.example",
     "ann@xn--bcher-kva.example"},
    {"umlaut in two code points", "u\xcc\x88@example.org", "\xc3\xbc@example.org"},
    {"capital umlaut", "\xc3\x9c@example.org", "\xc3\xbc@example.org"},
    {"full width", "\xef\xbc\xa1nn@example.org", "ann@example.org"},
    {"a space in quotes", "\"a b\"@example.org", NULL},
    {"no domain", "ann", NULL},
    {"no local part", "@example.org", NULL},
    {"no domain that can be", "ann@-", NULL},
    {"a literal", "ann@[192.0.2.1]", NULL},
    {"nothing", "", NULL},
};

static void addresses_have_one_form(void **state)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        struct buf out;
        buf_init(&out, DIRECTORY_NAME_LIMIT);
        bool is_one = directory_name(&out, bytes_of(names[i].address));
        if (is_one != (names[i].want != NULL) ||
            !bytes_equal(buf_view(&out), bytes_of(names[i].want)))
            fail_msg("%s: %.*s", names[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
    assert_true(directory_is_same(BYTES("A@example.org"), BYTES("a@EXAMPLE.ORG")));
    assert_false(directory_is_same(BYTES("a@example.org"), BYTES("b@example.org")));
    assert_false(directory_is_same(BYTES(""), BYTES("")));
}

static void long_names_are_refused(void **state)
{
    char address[600];
    struct buf out;
    buf_init(&out, DIRECTORY_NAME_LIMIT);
    memset(address, 'a', sizeof address);
    snprintf(address + 65, sizeof address - 65, "@example.org");
    assert_false(directory_name(&out, bytes_of(address)));
    snprintf(address + 64, sizeof address - 64, "@example.org");
    assert_true(directory_name(&out, bytes_of(address)));
    buf_done(&out);
}

/* Each number of lines, each line of them, and what lies between. */
static void every_line_is_found(void **state)
{
    enum { MOST = 40 };
    for (size_t count = 0; count <= MOST; count++) {
        struct buf text;
        buf_init(&text, 4096);
        for (size_t i = 0; i < count; i++)
            buf_addf(&text, "n%02zu%.*s\n", 2 * i + 1, (int)(i % 7), "xxxxxxx");
        uint8_t *exact = malloc(text.len ? text.len : 1);
        assert_non_null(exact);
        if (text.len)
            memcpy(exact, text.at, text.len);
        struct directory directory = {.is_known = true, .names = {exact, text.len}};
        for (size_t i = 0; i <= 2 * count + 2; i++) {
            char name[16];
            snprintf(name, sizeof name, "n%02zu%.*s", i, (int)(i / 2 % 7), "xxxxxxx");
            bool is_there = i % 2 == 1 && i / 2 < count;
            if (directory_has(&directory, bytes_of(name)) != is_there)
                fail_msg("%zu lines: %s", count, name);
        }
        assert_false(directory_has(&directory, BYTES("")));
        free(exact);
        buf_done(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_have_one_form),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(every_line_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
