/* Which fields a signature covers (RFC 6376, 5.4.2), and its own field without b= (3.7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/evp.h>

#include "auth/header_hash.h"

static const struct {
    const char *name, *field, *simple, *relaxed;
} own[] = {
    {"b= at the end", "S: a=1; b=abc=\r\n", "S: a=1; b=", "s:a=1; b="},
    {"b= first", "S: b=abc; a=1\r\n", "S: b=; a=1", "s:b=; a=1"},
    {"folded", "S: a=1;\r\n b=ab\r\n  cd\r\n", "S: a=1;\r\n b=", "s:a=1; b="},
    {"blanks around", "S: b = ab c ; a=1\r\n", "S: b =; a=1", "s:b =; a=1"},
    {"bh= is another", "S: bh=abc; b=d; B=e\r\n", "S: bh=abc; b=; B=e", "s:bh=abc; b=; B=e"},
    {"no b=", "S: a=1\r\n", "S: a=1", "s:a=1"},
    {"empty b=", "S: b=; a=1\r\n", "S: b=; a=1", "s:b=; a=1"},
    {"no end of line", "S: a=1; b=abc", "S: a=1; b=", "s:a=1; b="},
    {"no list", "S: abc\r\n", "S: abc", "s:abc"},
};

static void own_fields(void **state)
{
    for (size_t i = 0; i < COUNT(own); i++) {
        struct bytes rest = bytes_of(own[i].field);
        struct header_field field;
        struct buf out;
        assert_true(header_next(&rest, &field));
        buf_init(&out, 1000);
        header_hash_own(&out, CANONICAL_SIMPLE, &field);
        if (!bytes_equal(buf_view(&out), bytes_of(own[i].simple)))
            fail_msg("%s, simple: \"%.*s\"", own[i].name, BYTES_ARGS(buf_view(&out)));
        buf_clear(&out);
        header_hash_own(&out, CANONICAL_RELAXED, &field);
        if (!bytes_equal(buf_view(&out), bytes_of(own[i].relaxed)))
            fail_msg("%s, relaxed: \"%.*s\"", own[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

#define SECTION                                                                                    \
    "S: a=1; b=x\r\n"                                                                              \
    "To: one\r\n"                                                                                  \
    "no field\r\n"                                                                                 \
    "S: a=2; b=y\r\n"                                                                              \
    "to: two\r\n"                                                                                  \
    "From: me\r\n"

static const struct {
    const char *name, *names;
    size_t own; /* its place */
    const char *hashed;
} rows[] = {
    {"from below", "To:From:TO", 0, "to:two\r\nfrom:me\r\nto:one\r\ns:a=1; b="},
    {"more than there are", "to:to:to:from:from", 0, "to:two\r\nto:one\r\nfrom:me\r\ns:a=1; b="},
    {"blanks and folds", " to :\r\n\tfrom ", 0, "to:two\r\nfrom:me\r\ns:a=1; b="},
    {"what is not there", "x:from:y", 0, "from:me\r\ns:a=1; b="},
    {"no name at all", "", 0, "s:a=1; b="},
    {"empty names", ":from::", 0, "from:me\r\ns:a=1; b="},
    {"the other signature", "s:from", 0, "s:a=2; b=y\r\nfrom:me\r\ns:a=1; b="},
    {"never its own field", "s:s:s", 3, "s:a=1; b=x\r\ns:a=2; b="},
    {"a name that begins another", "t:fro", 0, "s:a=1; b="},
};

static void picks(void **state)
{
    struct field_index *index = field_index_new(BYTES(SECTION));
    assert_non_null(index);
    assert_int_equal(field_index_count(index), 6);
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t digest[DIGEST_BYTES], want[DIGEST_BYTES];
        struct header_cover cover = {CANONICAL_RELAXED, bytes_of(rows[i].names),
                                     field_index_view(index, rows[i].own)};
        assert_true(header_hash(index, &cover, digest));
        assert_true(
            EVP_Digest(rows[i].hashed, strlen(rows[i].hashed), want, NULL, EVP_sha256(), NULL));
        if (memcmp(digest, want, sizeof want) != 0)
            fail_msg("%s", rows[i].name);
    }
    field_index_free(index);
    field_index_free(NULL);
}

/* A From field more than h= names is covered all the same; without From in h= none is. */
static void other_authors(void **state)
{
    static const struct {
        const char *names, *hashed;
    } cases[] = {
        {"from:to", "from:me\r\nto:x\r\nfrom:eve\r\ns:a=1; b="},
        {"from:to:from:from", "from:me\r\nto:x\r\nfrom:eve\r\ns:a=1; b="},
        {"to", "to:x\r\ns:a=1; b="},
    };
    struct field_index *index =
        field_index_new(BYTES("From: eve\r\nS: a=1; b=x\r\nTo: x\r\nFrom: me\r\n"));
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint8_t digest[DIGEST_BYTES], want[DIGEST_BYTES];
        const char *hashed = cases[i].hashed;
        struct header_cover cover = {CANONICAL_RELAXED, bytes_of(cases[i].names),
                                     field_index_view(index, 1)};
        assert_true(header_hash(index, &cover, digest));
        assert_true(EVP_Digest(hashed, strlen(hashed), want, NULL, EVP_sha256(), NULL));
        if (memcmp(digest, want, sizeof want) != 0)
            fail_msg("%s", cases[i].names);
    }
    field_index_free(index);
}

static void bounds(void **state)
{
    struct buf section, names;
    struct header_field field;
    uint8_t digest[DIGEST_BYTES];
    struct bytes own_field = BYTES("S: b=\r\n");
    buf_init(&section, 1 << 20);
    buf_init(&names, 1 << 20);
    assert_true(header_next(&own_field, &field));
    for (size_t i = 0; i < FIELD_INDEX_LIMIT; i++)
        buf_add(&section, BYTES("a: b\r\n"));
    struct field_index *index = field_index_new(buf_view(&section));
    assert_non_null(index);
    buf_add(&names, BYTES("a"));
    for (size_t i = 1; i < SIGNED_NAMES_LIMIT; i++)
        buf_add(&names, BYTES(":a"));
    struct header_cover cover = {CANONICAL_SIMPLE, buf_view(&names), &field};
    assert_true(header_hash(index, &cover, digest));
    buf_add(&names, BYTES(":a"));
    cover.names = buf_view(&names);
    assert_false(header_hash(index, &cover, digest));
    field_index_free(index);
    buf_add(&section, BYTES("a: b\r\n"));
    assert_null(field_index_new(buf_view(&section)));
    buf_done(&section);
    buf_done(&names);
}

static void names(void **state)
{
    assert_true(signed_names_have(BYTES("to: From"), BYTES("from")));
    assert_true(signed_names_have(BYTES("FROM"), BYTES("from")));
    assert_false(signed_names_have(BYTES("to:fromm:x-from"), BYTES("from")));
    assert_false(signed_names_have(BYTES(""), BYTES("from")));
    assert_false(signed_names_have(BYTES_NONE, BYTES("from")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_fields), cmocka_unit_test(picks), cmocka_unit_test(other_authors),
        cmocka_unit_test(bounds),     cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
