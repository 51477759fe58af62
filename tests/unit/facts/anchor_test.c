/* Files of trust anchors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts/anchor.h"

#define HEX40 "0123456789abcdefABCDEF012345678901234567"
#define HEX64 HEX40 "0123456789abcdef01234567"
#define KEY "AwEAAaz/tAm8yTn4Mfeh5eyI96WSVexT+/=="

static const struct {
    const char *name, *text, *want;
} good_rows[] = {
    {"DS", ". IN DS 20326 8 2 " HEX64 "\n", ". IN DS 20326 8 2 " HEX64 "\n"},
    {"DNSKEY", ". IN DNSKEY 257 3 8 " KEY " ; keytag 20326\n", ". IN DNSKEY 257 3 8 " KEY "\n"},
    {"with TTL, in either order", ".\t172800\tIN DS 1 8 1 " HEX40 "\n. in 1 ds 1 8 1 " HEX40,
     ". IN DS 1 8 1 " HEX40 "\n. IN DS 1 8 1 " HEX40 "\n"},
    {"neither class nor TTL", "example.org DS 1 8 1 " HEX40 "\r\n",
     "example.org. IN DS 1 8 1 " HEX40 "\n"},
    {"comments and empty lines", "; of the root\n\n  \t; more\n. IN DS 1 8 1 " HEX40 ";x\n;",
     ". IN DS 1 8 1 " HEX40 "\n"},
    {"over several lines", ". IN DNSKEY 257 3 8 ( ; the key\n  AwEAAaz/\n\ttAm8\n) ; end\n",
     ". IN DNSKEY 257 3 8 AwEAAaz/tAm8\n"},
    {"in pieces", ". DS 1 8 1 " HEX40 " \n. DS 1 8 2 " HEX40 " 0123 456789abcdef01234567",
     ". IN DS 1 8 1 " HEX40 "\n. IN DS 1 8 2 " HEX64 "\n"},
    {"the owner of the line before", "a.example. DS 1 8 1 " HEX40 "\n   DS 2 8 1 " HEX40 "\n",
     "a.example. IN DS 1 8 1 " HEX40 "\na.example. IN DS 2 8 1 " HEX40 "\n"},
    {"a digest of another type", ". DS 1 8 3 abcd\n", ". IN DS 1 8 3 abcd\n"},
};

static const struct {
    const char *name, *text;
    size_t line;
    const char *what;
} bad_rows[] = {
    {"empty", "", 0, "no DS or DNSKEY record in it"},
    {"comments alone", "; nothing\n\n", 0, "no DS or DNSKEY record in it"},
    {"prose", "this is no key\n", 1, "no DS or DNSKEY record"},
    {"another record", ". DS 1 8 1 " HEX40 "\n. NS a.example.\n", 2, "no DS or DNSKEY record"},
    {"a signature", ". 1 IN RRSIG DNSKEY 8 0\n", 1, "no DS or DNSKEY record"},
    {"an owner alone", ".\n", 1, "no DS or DNSKEY record"},
    {"no owner", "\n  DS 1 8 1 " HEX40 "\n", 2, "it begins with no domain name"},
    {"a bad owner", "a..b DS 1 8 1 " HEX40 "\n", 1, "it begins with no domain name"},
    {"a dot before the name", ".a DS 1 8 1 " HEX40 "\n", 1, "it begins with no domain name"},
    {"an escaped owner", "a\\046b DS 1 8 1 " HEX40 "\n", 1, "it begins with no domain name"},
    {"PEM", "-----BEGIN PUBLIC KEY-----\nMIIB\n", 1, "no DS or DNSKEY record"},
    {"BIND's form", "trusted-keys {\n", 1, "no DS or DNSKEY record"},
    {"$ORIGIN", "$ORIGIN .\n", 1, "no $ lines here: write each name whole"},
    {"DS with a word too few", ". DS 1 8 " HEX40 "\n", 1,
     "a DS record has a key tag, an algorithm and a digest type, as numbers"},
    {"a key tag too large", ". DS 65536 8 1 " HEX40 "\n", 1,
     "a DS record has a key tag, an algorithm and a digest type, as numbers"},
    {"no digest", ". DS 1 8 2\n", 1, "the digest is not the hexadecimal one of its type"},
    {"a short digest", ". DS 1 8 2 " HEX40 "\n", 1,
     "the digest is not the hexadecimal one of its type"},
    {"a digest with other letters", ". DS 1 8 3 abcg\n", 1,
     "the digest is not the hexadecimal one of its type"},
    {"half a byte", ". DS 1 8 3 abc\n", 1, "the digest is not the hexadecimal one of its type"},
    {"DNSKEY without numbers", ". DNSKEY " KEY "\n", 1,
     "a DNSKEY record has flags, a protocol and an algorithm, as numbers"},
    {"a host's key", ". DNSKEY 1 3 8 " KEY "\n", 1,
     "the DNSKEY is no zone's key: its flags are 256 or 257, its protocol is 3"},
    {"another protocol", ". DNSKEY 257 2 8 " KEY "\n", 1,
     "the DNSKEY is no zone's key: its flags are 256 or 257, its protocol is 3"},
    {"a cut key", ". DNSKEY 257 3 8 AwEAAaz/tA\n", 1, "the key is no base64"},
    {"no key", ". DNSKEY 257 3 8\n", 1, "the key is no base64"},
    {"padding amid the key", ". DNSKEY 257 3 8 AwE= AAaz/tAm\n", 1, "the key is no base64"},
    {"an open group", "\n. DNSKEY 257 3 8 (\nAwEAAaz/\n", 2, "parentheses that are not closed"},
    {"groups in groups", ". DNSKEY 257 3 8 ((AwEAAaz/))\n", 1, "parentheses that do not match"},
    {"closed before", "; x\n. )\n", 2, "parentheses that do not match"},
};

/* The text at the very end of its memory. */
static bool scan(const char *text, struct buf *out, struct anchor_fault *fault)
{
    size_t len = strlen(text);
    uint8_t *exact = malloc(len ? len : 1);
    assert_non_null(exact);
    memcpy(exact, text, len);
    bool is_good = anchor_scan((struct bytes){exact, len}, out, fault);
    free(exact);
    return is_good;
}

static void records_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(good_rows); i++) {
        struct anchor_fault fault = {0, ""};
        struct buf out;
        buf_init(&out, SIZE_MAX);
        if (!scan(good_rows[i].text, &out, &fault))
            fail_msg("%s: line %zu: %s", good_rows[i].name, fault.line, fault.what);
        if (!bytes_equal(buf_view(&out), bytes_of(good_rows[i].want)))
            fail_msg("%s: %.*s", good_rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

static void faults_have_their_line(void **state)
{
    for (size_t i = 0; i < COUNT(bad_rows); i++) {
        struct anchor_fault fault = {0, ""};
        struct buf out;
        buf_init(&out, SIZE_MAX);
        if (scan(bad_rows[i].text, &out, &fault))
            fail_msg("%s: taken", bad_rows[i].name);
        if (fault.line != bad_rows[i].line || strcmp(fault.what, bad_rows[i].what) != 0)
            fail_msg("%s: line %zu: %s", bad_rows[i].name, fault.line, fault.what);
        buf_done(&out);
    }
}

static void long_texts_are_refused(void **state)
{
    struct anchor_fault fault;
    struct buf text, out;
    buf_init(&text, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    for (size_t i = 0; i < 65; i++)
        buf_add(&text, i == 0 ? BYTES(".") : BYTES(" x"));
    assert_false(anchor_scan(buf_view(&text), &out, &fault));
    assert_string_equal(fault.what, "too many words for a record");
    while (text.len <= ANCHOR_TEXT_LIMIT)
        buf_add(&text, BYTES("\n. DS 1 8 1 " HEX40));
    assert_false(anchor_scan(buf_view(&text), &out, &fault));
    assert_string_equal(fault.what, "too long for a list of DS or DNSKEY records");
    buf_done(&text);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_read),
        cmocka_unit_test(faults_have_their_line),
        cmocka_unit_test(long_texts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
