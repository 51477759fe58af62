/* xtext, ENVID and ORCPT. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/xtext.h"

static void xtext_goes_there_and_back(void **state)
{
    uint8_t all[256];
    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    struct buf text, value;
    buf_init(&text, 1000);
    buf_init(&value, 1000);
    xtext_print(&text, (struct bytes){all, sizeof all});
    assert_true(xtext_is_valid(buf_view(&text)));
    assert_true(xtext_scan(&value, buf_view(&text)));
    assert_true(bytes_equal(buf_view(&value), (struct bytes){all, sizeof all}));
    buf_clear(&text);
    xtext_print(&text, BYTES("a+b=c d"));
    assert_true(bytes_equal(buf_view(&text), BYTES("a+2Bb+3Dc+20d")));
    buf_done(&text);
    buf_done(&value);
}

static void bad_xtext_is_refused(void **state)
{
    static const char *const bad[] = {"+", "+2", "a+2", "+2b", "+GG", "a b", "a=b", "\x7f", "\xfc"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct buf out;
        buf_init(&out, 100);
        if (xtext_is_valid(bytes_of(bad[i])) || xtext_scan(&out, bytes_of(bad[i])) || out.len)
            fail_msg("%s", bad[i]);
        buf_done(&out);
    }
}

static void envids_are_checked(void **state)
{
    uint8_t text[101];
    memset(text, 'a', sizeof text);
    assert_true(envid_is_valid(BYTES("QQ314159")));
    assert_true(envid_is_valid(BYTES("a+20b")));
    assert_false(envid_is_valid(BYTES("a+0D+0Ab")));
    assert_false(envid_is_valid(BYTES("")));
    assert_true(envid_is_valid((struct bytes){text, 100}));
    assert_false(envid_is_valid((struct bytes){text, 101}));
}

static const struct {
    const char *name, *orcpt;
    bool is_ascii, is_utf8;   /* valid under either charset */
    const char *ascii, *utf8; /* as fields */
} rows[] = {
    {"plain", "rfc822;bob@example.com", true, true, "rfc822; bob@example.com",
     "rfc822; bob@example.com"},
    {"encoded", "rfc822;b+2Bc@example.com", true, true, "rfc822; b+c@example.com",
     "rfc822; b+c@example.com"},
    {"would break the line", "rfc822;a+0D+0AX:b", true, true, "rfc822; a+0D+0AX:b",
     "rfc822; a+0D+0AX:b"},
    {"another type", "x400;a", true, true, "x400; a", "x400; a"},
    {"escaped UTF-8", "utf-8;j\\x{FC}rgen@b", true, true, "utf-8; j\\x{FC}rgen@b",
     "utf-8; j\xc3\xbcrgen@b"},
    {"escaped beyond the BMP", "UTF-8;\\x{1F4E8}@b", true, true, "UTF-8; \\x{1F4E8}@b",
     "UTF-8; \xf0\x9f\x93\xa8@b"},
    {"escaped euro", "utf-8;\\x{20AC}@b", true, true, "utf-8; \\x{20AC}@b",
     "utf-8; \xe2\x82\xac@b"},
    {"escaped plus", "utf-8;a\\x{2B}b@c", true, true, "utf-8; a\\x{2B}b@c", "utf-8; a+b@c"},
    {"escaped line end stays so", "utf-8;a\\x{0D}@c", true, true, "utf-8; a\\x{0D}@c",
     "utf-8; a\\x{0D}@c"},
    {"raw UTF-8", "utf-8;j\xc3\xbc@b", false, true, "utf-8; j\\x{FC}@b", "utf-8; j\xc3\xbc@b"},
    {"raw UTF-8 in another type", "rfc822;j\xc3\xbc@b", false, false, NULL, NULL},
    {"raw Latin-1", "utf-8;j\xfc@b", false, false, NULL, NULL},
    {"a surrogate", "utf-8;\\x{D800}@b", false, false, NULL, NULL},
    {"beyond Unicode", "utf-8;\\x{110000}@b", false, false, NULL, NULL},
    {"escaped letter", "utf-8;\\x{41}@b", false, false, NULL, NULL},
    {"escape not closed", "utf-8;\\x{FC", false, false, NULL, NULL},
    {"escape of seven digits", "utf-8;\\x{00000FC}", false, false, NULL, NULL},
    {"plus in utf-8", "utf-8;a+2Bb", false, false, NULL, NULL},
    {"no type", ";a", false, false, NULL, NULL},
    {"no semicolon", "rfc822", false, false, NULL, NULL},
    {"no address", "rfc822;", false, false, NULL, NULL},
    {"space in the type", "rfc 822;a", false, false, NULL, NULL},
    {"bad xtext", "rfc822;a+2", false, false, NULL, NULL},
};

static void orcpts_are_checked(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (orcpt_is_valid(bytes_of(rows[i].orcpt), ADDRESS_ASCII) != rows[i].is_ascii ||
            orcpt_is_valid(bytes_of(rows[i].orcpt), ADDRESS_UTF8) != rows[i].is_utf8)
            fail_msg("%s", rows[i].name);
}

static void orcpts_are_written_as_fields(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (!rows[i].ascii)
            continue;
        struct buf ascii, utf8;
        buf_init(&ascii, 1000);
        buf_init(&utf8, 1000);
        orcpt_print_field(&ascii, bytes_of(rows[i].orcpt), ADDRESS_ASCII);
        orcpt_print_field(&utf8, bytes_of(rows[i].orcpt), ADDRESS_UTF8);
        if (!bytes_equal(buf_view(&ascii), bytes_of(rows[i].ascii)) ||
            !bytes_equal(buf_view(&utf8), bytes_of(rows[i].utf8)))
            fail_msg("%s: %.*s, %.*s", rows[i].name, BYTES_ARGS(buf_view(&ascii)),
                     BYTES_ARGS(buf_view(&utf8)));
        buf_done(&ascii);
        buf_done(&utf8);
    }
}

static void addresses_are_made_ascii(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    unitext_print(&out, BYTES("a+b@c"), ADDRESS_ASCII);
    buf_add_byte(&out, ' ');
    unitext_print(&out, BYTES("\"j\xc3\xbc +\"@\xe2\x82\xac"), ADDRESS_ASCII);
    buf_add_byte(&out, ' ');
    unitext_print(&out, BYTES("\xc3\xbc@b"), ADDRESS_UTF8);
    assert_true(bytes_equal(buf_view(&out), BYTES("a+b@c \"j\\x{FC}\\x{20}\\x{2B}\"@\\x{20AC} "
                                                  "\xc3\xbc@b")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xtext_goes_there_and_back),    cmocka_unit_test(bad_xtext_is_refused),
        cmocka_unit_test(envids_are_checked),           cmocka_unit_test(orcpts_are_checked),
        cmocka_unit_test(orcpts_are_written_as_fields), cmocka_unit_test(addresses_are_made_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
