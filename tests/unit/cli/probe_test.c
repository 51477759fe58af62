/* Command lines of `postrider probe`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/probe_plan.h"

enum { WORD_LIMIT = 20 };

static const struct {
    const char *words; /* with spaces between them */
    const char *error; /* NULL: it is good, and the rest counts */
    const char *host, *domain, *mail_from;
    uint16_t port;
} rows[] = {
    {"ann@example.org", NULL, "", "example.org", "", 0},
    {"<ann@example.org>", NULL, "", "example.org", "", 0},
    {"ann@[192.0.2.1] --port 2525", NULL, "", "[192.0.2.1]", "", 2525},
    {"ann@b\xc3\xbc"
     "cher.example --from bob@example.net",
     NULL, "",
     "b\xc3\xbc"
     "cher.example",
     "bob@example.net", 0},
    {"ann@example.org --from <>", NULL, "", "example.org", "", 0},
    {"mail.example.org", NULL, "mail.example.org", "", "", 0},
    {"mail.example.org:587", NULL, "mail.example.org", "", "", 587},
    {"mail.example.org:587 --port 465", NULL, "mail.example.org", "", "", 465},
    {"192.0.2.1:25", NULL, "192.0.2.1", "", "", 25},
    {"2001:db8::1", NULL, "2001:db8::1", "", "", 0},
    {"[2001:db8::1]", NULL, "2001:db8::1", "", "", 0},
    {"[2001:db8::1]:25", NULL, "2001:db8::1", "", "", 25},
    {"h --timeout 500ms --ip 6 --resolver 127.0.0.1:53", NULL, "h", "", "", 0},
    {"", "what is there to probe? ann@example.org, or a HOST[:PORT]", "", "", "", 0},
    {"a b", "one HOST or ADDRESS at a time, not b too", "", "", "", 0},
    {"ann@", "ann@ is no address", "", "", "", 0},
    {"h:0", "0 is no port", "", "", "", 0},
    {"h:65536", "65536 is no port", "", "", "", 0},
    {"h:", NULL, "h", "", "", 0},
    {"[2001:db8::1", "[2001:db8::1 is no [ADDRESS]:PORT", "", "", "", 0},
    {"[h]:25", "[h]:25 is no [ADDRESS]:PORT", "", "", "", 0},
    {"[2001:db8::1]25", "[2001:db8::1]25 is no [ADDRESS]:PORT", "", "", "", 0},
    {"a..b", "a..b is no host", "", "", "", 0},
    {"h --from x", "x is no address; --from takes ann@example.org, or <>", "", "", "", 0},
    {"h --ip 5", "--ip takes 4 or 6, not 5", "", "", "", 0},
    {"h --timeout 5", "5 is no time to wait, as 500ms, 10s or 1m are", "", "", "", 0},
    {"h --timeout 0s", "0s is no time to wait, as 500ms, 10s or 1m are", "", "", "", 0},
    {"h --timeout 11m", "11m is no time to wait, as 500ms, 10s or 1m are", "", "", "", 0},
    {"h --helo a_b!", "a_b! is no name for EHLO", "", "", "", 0},
    {"h --helo [192.0.2.1]", NULL, "h", "", "", 0},
    {"h --password-stdin", "--password-stdin needs --user, whose password it is", "", "", "", 0},
};

static size_t split(char *text, char **words)
{
    size_t count = 0;
    char *rest = text, *word;
    while ((word = strsep(&rest, " ")))
        if (*word)
            words[count++] = word;
    return count;
}

static void assert_text(struct bytes is, const char *wanted, const char *row)
{
    if (!bytes_equal(is, bytes_of(wanted)))
        fail_msg("\"%s\": \"%.*s\", not \"%s\"", row, BYTES_ARGS(is), wanted);
}

static void test_rows(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[200], *words[WORD_LIMIT];
        struct probe_plan plan;
        struct error err;
        snprintf(text, sizeof text, "%s", rows[i].words);
        size_t count = split(text, words);
        bool is_good = probe_plan_read(words, count, &plan, &err);
        if (is_good != !rows[i].error)
            fail_msg("\"%s\": %s", rows[i].words, is_good ? "taken" : err.text);
        if (!is_good) {
            assert_string_equal(err.text, rows[i].error);
            continue;
        }
        assert_text(plan.host, rows[i].host, rows[i].words);
        assert_text(plan.address.domain, rows[i].domain, rows[i].words);
        assert_text(bytes_of(plan.mail_from), rows[i].mail_from, rows[i].words);
        assert_int_equal(plan.is_address, rows[i].domain[0] != 0);
        assert_int_equal(plan.port, rows[i].port);
    }
}

static void test_defaults(void **state)
{
    char word[] = "h", timeout[] = "--timeout=1m", ip[] = "--ip=4", *words[] = {word, timeout, ip};
    struct probe_plan plan;
    struct error err;
    assert_true(probe_plan_read(words, 1, &plan, &err));
    assert_int_equal(plan.timeout_ms, PROBE_TIMEOUT_MS);
    assert_int_equal(plan.families, FAMILIES_BOTH);
    assert_true(probe_plan_read(words, 3, &plan, &err));
    assert_int_equal(plan.timeout_ms, 60000);
    assert_int_equal(plan.families, FAMILIES_IPV4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
