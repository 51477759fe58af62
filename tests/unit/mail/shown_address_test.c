/* Addresses that fields show, however they are dressed up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/shown_address.h"

static const struct {
    const char *name, *value, *want; /* each address with a blank behind it */
} rows[] = {
    {"plain", "x@evil.example", "x@evil.example "},
    {"quoted name", "\"ceo@bank.example\" <x@evil.example>", "ceo@bank.example x@evil.example "},
    {"comment", "x@evil.example (ceo@bank.example)", "x@evil.example ceo@bank.example "},
    {"within words", "\"The boss, ceo@bank.example, writes\" <x@e.example>",
     "ceo@bank.example x@e.example "},
    {"quoted pairs", "\"ceo\\@bank\\.example\"", "ceo@bank.example "},
    {"encoded word, Q", "=?utf-8?q?ceo=40bank=2Eexample?=", "ceo@bank.example "},
    {"encoded word, B", "=?UTF-8?B?Y2VvQGJhbmsuZXhhbXBsZQ==?=", "ceo@bank.example "},
    {"language", "=?utf-8*en?Q?ceo=40bank.example?=", "ceo@bank.example "},
    {"joined",
     "=?utf-8?q?ceo?= =?utf-8?q?=40?=\r\n =?us-ascii?b?YmFuay5leGFtcGxl?=", "ceo@bank.example "},
    {"joined with plain text", "ceo=?utf-8?q?=40?=bank.example", "ceo@bank.example "},
    {"in quotes", "\"=?utf-8?q?ceo=40bank.example?=\"", "ceo@bank.example "},
    {"blanks in the word", "=?utf-8?q?ceo=40bank.example and more?=", "ceo@bank.example "},
    {"a character cut in two", "ceo=?utf-8?q?=EF=BC?= =?utf-8?q?=A0?=bank.example",
     "ceo@bank.example "},
    {"UTF-16", "=?utf-16be?q?=00c=00e=00o=00=40=00b=00.=00e=00x?=", "ceo@b.ex "},
    {"fullwidth",
     "ceo\xEF\xBC\xA0"
     "bank\xEF\xBC\x8E"
     "example",
     "ceo@bank.example "},
    {"invisible",
     "c\xE2\x80\x8B"
     "eo@\xE2\x80\x8E"
     "ba\xC2\xADnk.example",
     "ceo@bank.example "},
    {"U-label", "ceo@b\xC3\xA4nk.example", "ceo@b\xC3\xA4nk.example "},
    {"dot at the end", "ceo@bank.example.", "ceo@bank.example "},
    {"no local part", "@bank.example, ceo <x>", ""},
    {"no dot", "ceo@bank", ""},
    {"numbers", "4@1.5 ceo@192.0.2.1", ""},
    {"no domain", "ceo@ bank.example", ""},
    {"two at signs", "a@b@bank.example", "b@bank.example "},
    {"no encoded words", "=?utf-8?x?ceo=40bank.example?= =?utf-8?q?ceo=40bank.example", ""},
    {"word without end", "=?utf-8?q?", ""},
    {"nothing", "", ""},
};

static void addresses_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes value = bytes_of(rows[i].value);
        struct shown_address shown;
        struct buf text, got;
        buf_init(&text, value.len + 1);
        buf_init(&got, 1000);
        shown_address_decode(value, &text);
        assert_true(text.len <= value.len);
        for (struct bytes rest = buf_view(&text); shown_address_next(&rest, &shown);)
            buf_addf(&got, "%.*s ", BYTES_ARGS(shown.text));
        if (!bytes_equal(buf_view(&got), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&got)));
        buf_done(&text);
        buf_done(&got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(addresses_by_table)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
