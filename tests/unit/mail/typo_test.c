/* Guesses of what a domain was meant to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/typo.h"

static const struct {
    const char *domain;
    enum typo_kind want;
    const char *meant; /* "": no guess */
} rows[] = {
    /* Letters swapped, left out, doubled, put for another. */
    {"gmial.com", TYPO_PROVIDER, "gmail.com"},
    {"gmal.com", TYPO_PROVIDER, "gmail.com"},
    {"gmaill.com", TYPO_PROVIDER, "gmail.com"},
    {"gnail.com", TYPO_PROVIDER, "gmail.com"},
    {"GMIAL.COM", TYPO_PROVIDER, "gmail.com"},
    {"gmial.com.", TYPO_PROVIDER, "gmail.com"},
    {"gmailcom", TYPO_PROVIDER, "gmail.com"},
    {"gmail.con", TYPO_PROVIDER, "gmail.com"},
    {"gmail.co", TYPO_PROVIDER, "gmail.com"},
    {"gmai.co", TYPO_PROVIDER, "gmail.com"},
    {"yahooo.con", TYPO_PROVIDER, "yahoo.com"},
    {"wb.dee", TYPO_PROVIDER, "web.de"},
    {"hotmial.cmo", TYPO_PROVIDER, "hotmail.com"},
    {"htomail.com", TYPO_PROVIDER, "hotmail.com"},
    {"outlok.com", TYPO_PROVIDER, "outlook.com"},
    {"yaho.com", TYPO_PROVIDER, "yahoo.com"},
    {"yahooo.fr", TYPO_PROVIDER, "yahoo.fr"},
    {"icluod.com", TYPO_PROVIDER, "icloud.com"},
    {"googelmail.com", TYPO_PROVIDER, "googlemail.com"},
    {"gxm.de", TYPO_PROVIDER, "gmx.de"},
    {"wbe.de", TYPO_PROVIDER, "web.de"},
    {"prton.me", TYPO_PROVIDER, "proton.me"},
    /* Known ones are right, however close to others. */
    {"gmail.com", TYPO_NONE, ""},
    {"GMail.com", TYPO_NONE, ""},
    {"gmail.com.", TYPO_NONE, ""},
    {"mail.com", TYPO_NONE, ""},
    {"ymail.com", TYPO_NONE, ""},
    {"gmx.net", TYPO_NONE, ""},
    {"yahoo.de", TYPO_NONE, ""},
    {"me.com", TYPO_NONE, ""},
    /* Endings. */
    {"example.con", TYPO_ENDING, "example.com"},
    {"Mail.Example.CMO", TYPO_ENDING, "mail.example.com"},
    {"example.ogr", TYPO_ENDING, "example.org"},
    {"example.nte", TYPO_ENDING, "example.net"},
    {"example.co", TYPO_ENDING, "example.com"},
    {"example.co.", TYPO_ENDING, "example.com"},
    {"a-long-name-that-no-provider-could-have.example.con", TYPO_ENDING,
     "a-long-name-that-no-provider-could-have.example.com"},
    /* Nothing like it. */
    {"example.org", TYPO_NONE, ""},
    {"example.com", TYPO_NONE, ""},
    {"example.co.uk", TYPO_NONE, ""},
    {"con", TYPO_NONE, ""},
    {".con", TYPO_NONE, ""},
    {".", TYPO_NONE, ""},
    {"", TYPO_NONE, ""},
    {"[192.0.2.1]", TYPO_NONE, ""},
    {"example.museumandsomething", TYPO_NONE, ""},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", TYPO_NONE, ""},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", TYPO_NONE, ""},
};

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        size_t len = strlen(rows[i].domain);
        uint8_t *copy = malloc(len ? len : 1);
        struct buf out;
        assert_non_null(copy);
        memcpy(copy, rows[i].domain, len);
        buf_init(&out, 300);
        enum typo_kind kind = typo_find((struct bytes){copy, len}, &out);
        if (kind != rows[i].want || !bytes_equal(buf_view(&out), bytes_of(rows[i].meant)))
            fail_msg("%s: %d \"%.*s\"", rows[i].domain, kind, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
