/* Author domains (RFC 9989, 5.3.1 and 11.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "mail/author.h"

static const struct {
    const char *name, *section;
    enum author_status want;
    const char *domains; /* each with a space behind it */
} rows[] = {
    {"one", "Subject: x\r\nFrom: Ann <ann@Example.ORG>\r\n", AUTHOR_FOUND, "example.org "},
    {"any case, and blanks", "fROM  : ann@example.org\r\n", AUTHOR_FOUND, "example.org "},
    {"no line end", "From: ann@example.org", AUTHOR_FOUND, "example.org "},
    {"one domain twice", "From: a@x.example, b@X.example\r\n", AUTHOR_FOUND, "x.example "},
    {"two domains", "From: a@x.example, b@y.example\r\n", AUTHOR_FOUND, "x.example y.example "},
    {"U-label", "From: a@m\xc3\xb8x.example\r\n", AUTHOR_FOUND, "xn--mx-lka.example "},
    {"U-label and A-label", "From: a@m\xc3\xb8x.example, b@XN--MX-LKA.example\r\n", AUTHOR_FOUND,
     "xn--mx-lka.example "},
    {"address for a name", "From: a@x.example <b@y.example>\r\n", AUTHOR_FOUND,
     "x.example y.example "},
    {"address for a quoted name", "From: \"a@x.example\" <b@y.example>\r\n", AUTHOR_FOUND,
     "y.example "},
    {"none", "Subject: From: a@x.example\r\n", AUTHOR_NO_FIELD, ""},
    {"nothing", "", AUTHOR_NO_FIELD, ""},
    {"Resent-From is another", "Resent-From: a@x.example\r\n", AUTHOR_NO_FIELD, ""},
    {"two", "From: a@x.example\r\nFrom: a@x.example\r\n", AUTHOR_SEVERAL_FIELDS, ""},
    {"two, one with a blank", "From: a@x.example\r\nfrom : b@y.example\r\n", AUTHOR_SEVERAL_FIELDS,
     ""},
    {"unparsable", "From: \"a@x.example\r\n", AUTHOR_UNPARSABLE, ""},
    {"no such domain can be", "From: a@\xe2\x80\xae.example\r\n", AUTHOR_UNPARSABLE, ""},
    {"field behind an LF", "From: a@x.example\r\nA: b\nFrom: b@y.example\r\n", AUTHOR_UNPARSABLE,
     ""},
    {"field behind a CR", "From: a@x.example\r\nA: b\rFrom: b@y.example\r\n", AUTHOR_UNPARSABLE,
     ""},
    {"empty", "From:\r\n", AUTHOR_NO_DOMAIN, ""},
    {"empty group", "From: nobody:;\r\n", AUTHOR_NO_DOMAIN, ""},
    {"a name alone", "From: Ann\r\n", AUTHOR_NO_DOMAIN, ""},
    {"literal", "From: ann@[192.0.2.1]\r\n", AUTHOR_NO_DOMAIN, ""},
    {"literal among others", "From: a@x.example, ann@[192.0.2.1]\r\n", AUTHOR_NO_DOMAIN, ""},
    {"four domains", "From: a@a.example,a@b.example,a@c.example,a@d.example\r\n", AUTHOR_FOUND,
     "a.example b.example c.example d.example "},
    {"five", "From: a@a.example,a@b.example,a@c.example,a@d.example,a@e.example\r\n",
     AUTHOR_MANY_DOMAINS, ""},
};

static void authors_are_found(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new(AUTHOR_ARENA);
        struct author author;
        struct buf got;
        buf_init(&got, 1000);
        author_find(bytes_of(rows[i].section), arena, &author);
        for (size_t k = 0; k < author.count; k++)
            buf_addf(&got, "%.*s ", BYTES_ARGS(author.domains[k]));
        if (author.status != rows[i].want ||
            !bytes_equal(buf_view(&got), bytes_of(rows[i].domains)))
            fail_msg("%s: %d, %.*s", rows[i].name, (int)author.status, BYTES_ARGS(buf_view(&got)));
        if ((author_problem(&author)[0] == '\0') != (author.status == AUTHOR_FOUND))
            fail_msg("%s: %s", rows[i].name, author_problem(&author));
        buf_done(&got);
        arena_free(arena);
    }
}

static void shown_addresses_are_told(void **state)
{
    static const struct {
        const char *field, *want;
    } cases[] = {
        {"Ann <ann@example.org>", ""},
        {"\"ceo@bank.example\" <x@evil.example>", "ceo@bank.example"},
        {"=?utf-8?q?ceo=40bank?= =?utf-8?q?=2Eexample?= <x@evil.example>", "ceo@bank.example"},
        {"x@evil.example (ceo@bank.example)", "ceo@bank.example"},
        {"\"ceo\xef\xbc\xa0"
         "bank.example\xe2\x80\x9d\" <x@evil.example>",
         "ceo@bank.example\xe2\x80\x9d"},
        {"\"ann@example.org\" <ann@Example.org>", ""},
        {"\"ann@mail.example.org\" <ann@example.org>", ""},
        {"\"ann@example.org\" <ann@mail.example.org>", ""},
        {"\"ann@badexample.org\" <ann@example.org>", "ann@badexample.org"},
        {"\"ann@m\xc3\xb8x.example\" <ann@xn--mx-lka.example>", ""},
        {"\"b@y.example\" <a@x.example>, b@y.example", ""},
        {"\"a @ home\" <a@x.example>", ""},
        /* Two authors, as some readers see it. */
        {"ceo@bank.example <x@evil.example>", ""},
        {"\"ceo@bank.example\"", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena *arena = arena_new(AUTHOR_ARENA);
        struct author author;
        struct buf section;
        buf_init(&section, 1000);
        buf_addf(&section, "From: %s\r\n", cases[i].field);
        author_find(buf_view(&section), arena, &author);
        if (!bytes_equal(author.shown, bytes_of(cases[i].want)))
            fail_msg("%s: %.*s", cases[i].field, BYTES_ARGS(author.shown));
        buf_done(&section);
        arena_free(arena);
    }
}

static void no_room_is_no_author(void **state)
{
    struct arena *arena = arena_new(1);
    struct author author;
    author_find(BYTES("From: a@x.example\r\n"), arena, &author);
    assert_int_equal(author.status, AUTHOR_UNPARSABLE);
    assert_int_equal(author.count, 0);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authors_are_found),
        cmocka_unit_test(shown_addresses_are_told),
        cmocka_unit_test(no_room_is_no_author),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
