/* Attacks on a relay: their words, and what a reply says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/relay_attack.h"

static const struct {
    const char *name, *mail, *rcpt;
    size_t rcpt_len; /* 0: up to its NUL */
} words[] = {
    {"stranger", "<eve@far.example>", "<eve@far.example>", 0},
    {"null-sender", "<>", "<eve@far.example>", 0},
    {"local-sender", "<postmaster@near.example>", "<eve@far.example>", 0},
    {"literal-sender", "<postmaster@[IPv6:2001:db8::1]>", "<eve@far.example>", 0},
    {"upper-case", "<eve@far.example>", "<EVE@FAR.EXAMPLE>", 0},
    {"final-dot", "<eve@far.example>", "<eve@far.example.>", 0},
    {"percent-hack", "<eve@far.example>", "<eve%far.example@near.example>", 0},
    {"bang-path", "<eve@far.example>", "<far.example!eve@near.example>", 0},
    {"two-ats", "<eve@far.example>", "<eve@far.example@near.example>", 0},
    {"quoted-at", "<eve@far.example>", "<\"eve@far.example\"@near.example>", 0},
    {"source-route", "<eve@far.example>", "<@near.example:eve@far.example>", 0},
    {"host-route", "<eve@far.example>", "<@mx.near.example:eve@far.example>", 0},
    {"subdomain", "<eve@far.example>", "<eve@relay-audit.near.example>", 0},
    {"suffix", "<eve@far.example>", "<eve@relay-audit-near.example>", 0},
    {"bare-literal", "<eve@far.example>", "<eve@[IPv6:2001:db8::1]>", 0},
    {"nul", "<eve@far.example>", "<eve@far.example\0@near.example>", 31},
};

static const struct attack *find(const char *name)
{
    for (size_t i = 0; i < attack_count; i++)
        if (strcmp(attacks[i].name, name) == 0)
            return &attacks[i];
    fail_msg("no attack %s", name);
    return NULL;
}

static struct attack_terms terms(void)
{
    struct attack_terms terms = {.user = BYTES("eve"),
                                 .far = BYTES("far.example"),
                                 .near = BYTES("near.example"),
                                 .host = BYTES("mx.near.example")};
    assert_true(ip_scan(BYTES("2001:db8::1"), &terms.ip));
    return terms;
}

static void words_by_table(void **state)
{
    struct attack_terms known = terms();
    for (size_t i = 0; i < COUNT(words); i++) {
        const struct attack *attack = find(words[i].name);
        struct buf mail, rcpt;
        size_t len = words[i].rcpt_len ? words[i].rcpt_len : strlen(words[i].rcpt);
        buf_init(&mail, 1024);
        buf_init(&rcpt, 1024);
        attack_print(&mail, attack->mail, &known);
        attack_print(&rcpt, attack->rcpt, &known);
        if (!bytes_equal(buf_view(&mail), bytes_of(words[i].mail)) ||
            !bytes_equal(buf_view(&rcpt), (struct bytes){(const uint8_t *)words[i].rcpt, len}))
            fail_msg("%s: %.*s %.*s", words[i].name, BYTES_ARGS(buf_view(&mail)),
                     BYTES_ARGS(buf_view(&rcpt)));
        buf_done(&mail);
        buf_done(&rcpt);
    }
}

/* Names are told apart, each template can be filled in, and no line is too long to be said. */
static void the_table_is_sound(void **state)
{
    struct attack_terms known = terms();
    for (size_t i = 0; i < attack_count; i++) {
        struct buf text;
        buf_init(&text, 4096);
        attack_print(&text, attacks[i].mail, &known);
        attack_print(&text, attacks[i].rcpt, &known);
        if (attacks[i].helo)
            attack_print(&text, attacks[i].helo, &known);
        assert_int_equal(bytes_find(buf_view(&text), '{'), text.len);
        assert_true(text.len < 512);
        buf_done(&text);
        assert_int_equal(attacks[i].form == ATTACK_PLAIN, !attack_nobodies[attacks[i].form]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(attacks[i].name, attacks[j].name);
    }
}

static const struct {
    const char *name, *attack;
    int code;
    enum attack_knowledge knowledge;
    enum attack_outcome want;
} rows[] = {
    {"refused", "stranger", 554, ATTACK_KNOWS_NOTHING, ATTACK_REFUSED},
    {"refused, whatever is known", "percent-hack", 550, ATTACK_KNOWS_ANYTHING, ATTACK_REFUSED},
    {"later", "stranger", 450, ATTACK_KNOWS_FOREIGN, ATTACK_LATER},
    {"taken", "stranger", 250, ATTACK_KNOWS_NOTHING, ATTACK_OPEN},
    {"taken, will forward", "stranger", 251, ATTACK_KNOWS_FOREIGN, ATTACK_OPEN},
    {"taken by who takes all of its own", "stranger", 250, ATTACK_KNOWS_ANYTHING, ATTACK_OPEN},
    {"hidden, and known to be a mailbox", "percent-hack", 250, ATTACK_KNOWS_LOCAL, ATTACK_LOCAL},
    {"hidden, and known to be none", "percent-hack", 250, ATTACK_KNOWS_FOREIGN, ATTACK_OPEN},
    {"hidden, where unknown ones are refused", "percent-hack", 250, ATTACK_KNOWS_NOTHING,
     ATTACK_OPEN},
    {"hidden, where all are taken", "percent-hack", 250, ATTACK_KNOWS_ANYTHING, ATTACK_UNCLEAR},
    {"nothing heard", "stranger", 0, ATTACK_KNOWS_NOTHING, ATTACK_BROKEN},
    {"thrown out", "stranger", 421, ATTACK_KNOWS_NOTHING, ATTACK_BROKEN},
};

static void replies_are_judged(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        if (attack_judge(find(rows[i].attack), rows[i].code, rows[i].knowledge) != rows[i].want)
            fail_msg("%s", rows[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_by_table),
        cmocka_unit_test(the_table_is_sound),
        cmocka_unit_test(replies_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
