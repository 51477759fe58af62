/* The keyring: its text and back, what it refuses, and which keys sign for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "policy/keyring.h"

#define TEXT                                                                                       \
    "example.org r1 rsa active 1000 example.org.r1.pem\n"                                          \
    "example.org e1 ed25519 active 1000 example.org.e1.pem\n"                                      \
    "example.org r2 rsa new 2000 example.org.r2.pem\n"                                             \
    "example.org r0 rsa retired 1000 example.org.r0.pem\n"                                         \
    "sub.example.org s rsa active 3 sub.pem\n"                                                     \
    "xn--bcher-kva.example a.b rsa retired 0 x.pem\n"

static const struct {
    const char *name, *text, *reason; /* NULL: it is good */
} texts[] = {
    {"nothing", "", NULL},
    {"comments and blanks", "# a\n\n  # b\n \t\n", NULL},
    {"all kinds", TEXT, NULL},
    {"no end of line", "example.org r1 rsa active 1000 f", NULL},
    {"several blanks", "  example.org   r1 rsa  active 1000  f \r\n", NULL},
    {"a word is missing", "example.org r1 rsa active 1000\n", "line 1: the name of the key's file"},
    {"a word too many", "example.org r1 rsa active 1000 f g\n", "line 1: a line has domain"},
    {"an unknown kind", "#\nexample.org r1 dsa active 1000 f\n", "line 2: a line has domain"},
    {"an unknown state", "example.org r1 rsa old 1000 f\n", "line 1: a line has domain"},
    {"no instant", "example.org r1 rsa new x f\n", "line 1: a line has domain"},
    {"capitals", "Example.org r1 rsa new 1 f\n", "line 1: \"Example.org\" is no domain"},
    {"one label", "example r1 rsa new 1 f\n", "line 1: \"example\" is no domain"},
    {"no selector", "example.org .. rsa new 1 f\n", "line 1: \"..\" is no selector"},
    {"another folder", "example.org r1 rsa new 1 ../f\n", "line 1: the name of the key's file"},
    {"an absolute file", "example.org r1 rsa new 1 /f\n", "line 1: the name of the key's file"},
    {"twice", "example.org r1 rsa new 1 f\nexample.org r1 rsa new 1 g\n",
     "line 2: example.org has a key with the selector r1 already"},
};

static void parsing(void **state)
{
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct error err = {0};
        struct keyring *keyring = keyring_parse(bytes_of(texts[i].text), &err);
        if ((keyring != NULL) != (texts[i].reason == NULL) ||
            (!keyring && strncmp(err.text, texts[i].reason, strlen(texts[i].reason)) != 0))
            fail_msg("%s: %s", texts[i].name, err.text);
        keyring_free(keyring);
    }
}

static void printing(void **state)
{
    struct error err;
    struct buf text, again;
    struct keyring *keyring = keyring_parse(BYTES(TEXT), &err);
    assert_non_null(keyring);
    buf_init(&text, 10000);
    buf_init(&again, 10000);
    keyring_print(&text, keyring);
    assert_true(bytes_ends_nocase(buf_view(&text), BYTES(TEXT)));
    struct keyring *second = keyring_parse(buf_view(&text), &err);
    assert_non_null(second);
    keyring_print(&again, second);
    assert_true(bytes_equal(buf_view(&text), buf_view(&again)));
    keyring_free(keyring);
    keyring_free(second);
    buf_done(&text);
    buf_done(&again);
}

static const struct {
    const char *domain;
    size_t count;
    const char *first;
} finds[] = {
    {"example.org", 2, "r1"},
    {"EXAMPLE.org", 2, "r1"},
    {"a.b.example.org", 2, "r1"},
    {"sub.example.org", 1, "s"},
    {"x.sub.example.org", 1, "s"},
    {"badexample.org", 0, NULL},
    {"org", 0, NULL},
    {"xn--bcher-kva.example", 0, NULL},
    {"", 0, NULL},
};

static void finding(void **state)
{
    struct error err;
    struct keyring *keyring = keyring_parse(BYTES(TEXT), &err);
    for (size_t i = 0; i < COUNT(finds); i++) {
        const struct keyring_key *found[DKIM_SIGN_KEYS_MOST];
        size_t count = keyring_find(keyring, bytes_of(finds[i].domain), found);
        if (count != finds[i].count ||
            (count && !bytes_equal(found[0]->selector, bytes_of(finds[i].first))))
            fail_msg("%s: %zu", finds[i].domain, count);
    }
    keyring_free(keyring);
}

static void changing(void **state)
{
    struct error err;
    const struct keyring_key *found[DKIM_SIGN_KEYS_MOST];
    struct keyring *keyring = keyring_parse(BYTES(TEXT), &err);
    keyring_set_state(keyring, 2, KEYRING_ACTIVE, 5000);
    keyring_set_state(keyring, 0, KEYRING_RETIRED, 5000);
    assert_int_equal(keyring_find(keyring, BYTES("example.org"), found), 2);
    assert_true(bytes_equal(found[1]->selector, BYTES("r2")) && found[1]->since_s == 5000);
    keyring_remove(keyring, 1);
    assert_int_equal(keyring_count(keyring), 5);
    assert_true(bytes_equal(keyring_view(keyring, 1)->selector, BYTES("r2")));
    keyring_remove(keyring, 4);
    assert_int_equal(keyring_count(keyring), 4);
    keyring_free(keyring);
    keyring_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parsing),
        cmocka_unit_test(printing),
        cmocka_unit_test(finding),
        cmocka_unit_test(changing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
