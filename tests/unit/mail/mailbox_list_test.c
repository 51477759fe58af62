/* Address lists: a table of our own, and that of mail-parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <jansson.h>

#include "base/buf.h"
#include "mail/mailbox_list.h"

/* want: "name|local|domain" of each address, behind "," each; "~" in front: loose; NULL: bad. */
static const struct {
    const char *name, *input, *want;
} rows[] = {
    {"bare", "ann@example.org", "|ann|example.org"},
    {"angle", "<ann@example.org>", "|ann|example.org"},
    {"name", "Ann Lee <ann@example.org>", "Ann Lee|ann|example.org"},
    {"quoted name", "\"Lee, Ann\" <ann@example.org>", "\"Lee, Ann\"|ann|example.org"},
    {"dot in a name", "Ann B. Lee <ann@example.org>", "Ann B. Lee|ann|example.org"},
    {"two", "a@x.example, B <b@y.example>", "|a|x.example,B|b|y.example"},
    {"empty items", ", a@x.example,, b@y.example,", "|a|x.example,|b|y.example"},
    {"folded", "Ann\r\n <ann@example.org>", "Ann|ann|example.org"},
    {"comments all over", "(c)Ann(c)<(c)ann(c)@(c)example(c).(c)org(c)>(c)", "Ann|ann|example.org"},
    {"nested comment with a quoted pair", "ann@example.org (a (b \\) c) d)", "|ann|example.org"},
    {"comment with an address", "ann@example.org (eve@evil.example)", "|ann|example.org"},
    {"blanks in a domain", "ann@example . org", "|ann|example.org"},
    {"blanks in a local part", "ann . lee@example.org", "|ann.lee|example.org"},
    {"dots where none should be", "<ann..lee.@example.org>", "|ann..lee.|example.org"},
    {"quoted local part", "<\"ann lee\"@example.org>", "|\"ann lee\"|example.org"},
    {"quoted local part with an @", "<\"a@b.example>\"@example.org>",
     "|\"a@b.example>\"|example.org"},
    {"quoted label in a local part", "<\"a\".b@example.org>", "|\"a\".b|example.org"},
    {"route", "<@a.example,@b.example:ann@example.org>", "|ann|example.org"},
    {"route with blanks", "< @a.example , , @b.example : ann@example.org >", "|ann|example.org"},
    {"route without end", "<@a.example ann@example.org>", NULL},
    {"group", "team: a@x.example, B <b@y.example>;", "|a|x.example,B|b|y.example"},
    {"empty group", "nobody:;", ""},
    {"group, then more", "team:a@x.example;, b@y.example", "|a|x.example,|b|y.example"},
    {"group without end", "Re: Ann <ann@example.org>", "~Ann|ann|example.org"},
    {"group in a group", "a: b: c@x.example;;", NULL},
    {"group without name", ": a@x.example;", NULL},
    {"; outside a group", "a@x.example;", NULL},
    {"nothing", "", ""},
    {"comment alone", "(nobody)", ""},
    {"no address", "Ann", "~"},
    {"quoted name alone", "\"Ann\"", "~"},
    {"empty brackets", "<>", NULL},
    {"no domain", "<ann>", NULL},
    {"domain is empty", "ann@", NULL},
    {"no local part", "@example.org", NULL},
    {"no closing bracket", "<ann@example.org", NULL},
    {"two closing brackets", "<ann@example.org>>", NULL},
    {"two words for a local part", "ann lee@example.org", NULL},
    {"two @", "ann@lee@example.org", NULL},
    {"dot at the end", "ann@example.org.", "~|ann|example.org"},
    {"two dots", "ann@example..org", NULL},
    {"dot in front", "ann@.example.org", NULL},
    {"quote does not end", "\"Ann <ann@example.org>", NULL},
    {"comment does not end", "Ann (x <ann@example.org>", NULL},
    {"comment ends twice", "Ann (x)) <ann@example.org>", NULL},
    {"backslash at the end", "ann@example.org (\\", NULL},
    {"literal", "ann@[192.0.2.1]", "|ann|[192.0.2.1]"},
    {"literal of IPv6", "ann@[IPv6:2001:db8::1]", "|ann|[IPv6:2001:db8::1]"},
    {"literal that is none", "ann@[example.org]", NULL},
    {"literal does not end", "ann@[192.0.2.1", NULL},
    {"UTF-8", "J\xc3\xb8rn <j\xc3\xb8rn@\xc3\xb8.example>",
     "J\xc3\xb8rn|j\xc3\xb8rn|\xc3\xb8.example"},
    {"Latin-1 in a name", "J\xf8rn <jorn@example.org>", "J\xf8rn|jorn|example.org"},
    {"Latin-1 in a domain", "jorn@\xf8.example", NULL},
    {"encoded-word in a name", "=?utf-8?q?eve=40evil.example=2C?= <ann@example.org>",
     "=?utf-8?q?eve=40evil.example=2C?=|ann|example.org"},
    {"encoded-word in an address", "<=?utf-8?q?ann?=@example.org>", NULL},
    {"encoded-word for an address", "=?utf-8?q?ann=40example.org?=", "~"},
    {"NUL", "ann@example.org\1", NULL},
    {"LF in a name", "\"Ann\nFrom: eve@evil.example\" <ann@example.org>", NULL},
    {"CRLF that folds nothing", "Ann\r\n<ann@example.org>", NULL},
    {"ESC in a name", "\"\x1b$B\" <ann@example.org>", NULL},
    /* Readers differ on these: all that one of them could see is there. */
    {"address for a name", "ann@example.org <eve@evil.example>",
     "~|ann|example.org,|eve|evil.example"},
    {"address for a quoted name", "\"ann@example.org\" <eve@evil.example>",
     "\"ann@example.org\"|eve|evil.example"},
    {"address in brackets for a name", "<ann@example.org> <eve@evil.example>",
     "~|ann|example.org,|eve|evil.example"},
    {"name behind", "<ann@example.org> Ann", "~|ann|example.org"},
    {"comma in a name", "Lee, Ann <ann@example.org>", "~Ann|ann|example.org"},
    {"no comma", "ann@example.org eve@evil.example", "~|ann|example.org,|eve|evil.example"},
};

static void print(struct buf *out, const struct mailbox_list *list)
{
    buf_add(out, list->is_loose ? BYTES("~") : BYTES(""));
    for (size_t i = 0; i < list->count; i++) {
        const struct mailbox *mailbox = &list->mailboxes[i];
        buf_addf(out, "%s%.*s|%.*s|%.*s", i ? "," : "", BYTES_ARGS(mailbox->name),
                 BYTES_ARGS(mailbox->local), BYTES_ARGS(mailbox->domain));
    }
}

static void lists_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].input);
        struct arena *arena = arena_new(65536);
        struct mailbox_list list;
        struct buf got;
        uint8_t *exact = malloc(len + 1);
        assert_non_null(exact);
        memcpy(exact, rows[i].input, len);
        for (size_t k = 0; k < len; k++)
            exact[k] = exact[k] == 1 ? 0 : exact[k];
        exact = realloc(exact, len ? len : 1);
        buf_init(&got, 1000);
        bool is_good =
            mailbox_list_parse((struct bytes){exact, len}, arena, &list) == MAILBOX_LIST_OK;
        if (is_good)
            print(&got, &list);
        if (is_good != (rows[i].want != NULL))
            fail_msg("%s: %s", rows[i].name, is_good ? "is good" : list.reason);
        if (is_good && !bytes_equal(buf_view(&got), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&got)));
        if (!is_good)
            assert_true(list.reason && list.count == 0);
        buf_done(&got);
        arena_free(arena);
        free(exact);
    }
}

static void deep_comments_cost_no_stack(void **state)
{
    enum { DEPTH = 500000 };
    uint8_t *text = malloc(DEPTH * 2);
    struct arena *arena = arena_new(65536);
    struct mailbox_list list;
    assert_non_null(text);
    memset(text, '(', DEPTH);
    memset(text + DEPTH, ')', DEPTH);
    assert_int_equal(mailbox_list_parse((struct bytes){text, DEPTH * 2}, arena, &list),
                     MAILBOX_LIST_OK);
    assert_int_equal(list.count, 0);
    arena_free(arena);
    free(text);
}

static void many_addresses_are_bad(void **state)
{
    struct arena *arena = arena_new(1 << 20);
    struct mailbox_list list;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < MAILBOX_LIST_LIMIT; i++)
        buf_add(&text, BYTES("a@b.example,"));
    assert_int_equal(mailbox_list_parse(buf_view(&text), arena, &list), MAILBOX_LIST_OK);
    assert_int_equal(list.count, MAILBOX_LIST_LIMIT);
    buf_add(&text, BYTES("a@b.example"));
    assert_int_equal(mailbox_list_parse(buf_view(&text), arena, &list), MAILBOX_LIST_BAD);
    arena_free(arena);
    arena = arena_new(2000);
    assert_int_equal(mailbox_list_parse(buf_view(&text), arena, &list), MAILBOX_LIST_BAD);
    arena_free(arena);
    buf_done(&text);
}

/* Where we and mail-parser's table differ, and why. */
static const struct {
    size_t at;
    enum { OTHER_BAD, OTHER_LIST } how;
    const char *why;
} deviations[] = {
    {9, OTHER_BAD, "a quoted pair of a line end: RFC 5322 knows it as obsolete, readers differ"},
    {10, OTHER_LIST, "a comment behind a group is no address"},
    {11, OTHER_LIST, "a comment in a group is no address"},
    {13, OTHER_LIST, "the route is no part of the address, nor are blanks of the domain"},
    {14, OTHER_LIST, "blanks are no part of the domain"},
    {37, OTHER_BAD, "a URL"},
    {38, OTHER_BAD, "a URL"},
    {39, OTHER_BAD, "a URL"},
    {40, OTHER_BAD, "a URL"},
    {41, OTHER_BAD, "a URL"},
    {42, OTHER_LIST, "a word is no address"},
    {43, OTHER_BAD, "a URL"},
    {44, OTHER_BAD, "a URL"},
    {45, OTHER_BAD, "a URL"},
    {46, OTHER_BAD, "a URL"},
    {47, OTHER_BAD, "a URL"},
    {51, OTHER_LIST, "an unquoted address in front of another: both count"},
};

static json_t *read_vectors(void)
{
    json_error_t err;
    json_t *vectors = json_load_file(TEST_DATA "/headers/address.json", 0, &err);
    if (!vectors)
        fail_msg("%s: %s", TEST_DATA "/headers/address.json", err.text);
    return vectors;
}

/* The addresses of one entry, lists and groups alike, each with a "," behind it. */
static void print_expected(struct buf *out, const json_t *expected)
{
    size_t i, k;
    json_t *item, *group;
    json_array_foreach(json_object_get(expected, "List"), i, item)
        buf_addf(out, "%s,", json_string_value(json_object_get(item, "address")));
    json_array_foreach(json_object_get(expected, "Group"), i, group)
        json_array_foreach(json_object_get(group, "addresses"), k, item)
            buf_addf(out, "%s,", json_string_value(json_object_get(item, "address")));
}

/* The first field of the text: LFs as CRLFs, up to one that folds nothing. */
static void take_field(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '\r')
            continue;
        if (text.at[i] != '\n')
            buf_add_byte(out, text.at[i]);
        else if (i + 1 < text.len && (text.at[i + 1] == ' ' || text.at[i + 1] == '\t'))
            buf_add(out, BYTES("\r\n"));
        else
            return;
    }
}

static bool is_same(struct bytes text, const json_t *expected, struct buf *got)
{
    struct arena *arena = arena_new(65536);
    struct mailbox_list list;
    struct buf field, want;
    buf_init(&field, 65536);
    buf_init(&want, 65536);
    take_field(&field, text);
    print_expected(&want, expected);
    if (mailbox_list_parse(buf_view(&field), arena, &list) != MAILBOX_LIST_OK)
        buf_add(got, BYTES("bad"));
    else
        for (size_t i = 0; i < list.count; i++)
            buf_addf(got, "%.*s@%.*s,", BYTES_ARGS(list.mailboxes[i].local),
                     BYTES_ARGS(list.mailboxes[i].domain));
    bool is_equal = bytes_equal(buf_view(got), buf_view(&want));
    buf_done(&field);
    buf_done(&want);
    arena_free(arena);
    return is_equal;
}

static void vectors_are_read(void **state)
{
    json_t *vectors = read_vectors(), *vector;
    size_t i, next = 0;
    json_array_foreach(vectors, i, vector)
    {
        struct buf got;
        buf_init(&got, 65536);
        bool is_known = next < COUNT(deviations) && deviations[next].at == i;
        bool is_equal = is_same(bytes_of(json_string_value(json_object_get(vector, "header"))),
                                json_object_get(vector, "expected"), &got);
        bool is_bad = bytes_equal(buf_view(&got), BYTES("bad"));
        if (is_equal == is_known)
            fail_msg("%zu: %.*s", i, BYTES_ARGS(buf_view(&got)));
        if (is_known && is_bad != (deviations[next].how == OTHER_BAD))
            fail_msg("%zu (%s): %.*s", i, deviations[next].why, BYTES_ARGS(buf_view(&got)));
        next += is_known;
        buf_done(&got);
    }
    assert_int_equal(next, COUNT(deviations));
    json_decref(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read),
        cmocka_unit_test(deep_comments_cost_no_stack),
        cmocka_unit_test(many_addresses_are_bad),
        cmocka_unit_test(vectors_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
