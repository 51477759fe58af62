/* What a hosts file answers, and what it leaves to the DNS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "facts/hosts.h"

static const char file[] = "127.0.0.1\tlocalhost\n"
                           "::1 localhost ip6-localhost # comment.example\n"
                           "# 192.0.2.9 off.example\n"
                           "\n"
                           "192.0.2.1  Mail.Example mail  \r\n"
                           "192.0.2.2 mail.example.\n"
                           "192.0.2.300 bad.example\n"
                           "fe80::1%eth0 zone.example\n"
                           "192.0.2.4\n"
                           "2001:db8::1 last.example";

static const struct {
    const char *name, *asked;
    enum fact_type type;
    bool is_answered;
    size_t count;
    uint8_t last_byte; /* of the first address */
} rows[] = {
    {"IPv4", "localhost", FACT_A, true, 1, 1},
    {"IPv6", "localhost", FACT_AAAA, true, 1, 1},
    {"a second name", "ip6-localhost", FACT_AAAA, true, 1, 1},
    {"there, but not of this family", "ip6-localhost", FACT_A, true, 0, 0},
    {"any case, a final dot, two lines", "MAIL.example", FACT_A, true, 2, 1},
    {"a dot in the question", "mail.example.", FACT_A, true, 2, 1},
    {"a CR at the end", "mail", FACT_A, true, 1, 1},
    {"no end of the last line", "last.example", FACT_AAAA, true, 1, 1},
    {"in a comment", "comment.example", FACT_A, false, 0, 0},
    {"behind a comment sign", "off.example", FACT_A, false, 0, 0},
    {"no address", "bad.example", FACT_A, false, 0, 0},
    {"an address with a zone", "zone.example", FACT_AAAA, false, 0, 0},
    {"not there", "other.example", FACT_A, false, 0, 0},
    {"a part of a name", "ail.example", FACT_A, false, 0, 0},
    {"an address is no name", "192.0.2.4", FACT_A, false, 0, 0},
    {"another type", "localhost", FACT_MX, false, 0, 0},
};

static void names_are_found(void **state)
{
    size_t len = sizeof file - 1;
    uint8_t *exact = malloc(len);
    assert_non_null(exact);
    memcpy(exact, file, len);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct facts *facts = facts_new();
        struct bytes asked = bytes_of(rows[i].asked);
        bool is_answered = hosts_answer((struct bytes){exact, len}, facts, rows[i].type, asked);
        const struct answer *answer = facts_ask(facts, rows[i].type, asked);
        if (is_answered != rows[i].is_answered || is_answered != (answer != NULL))
            fail_msg("%s: answered: %d", rows[i].name, is_answered);
        if (answer && (answer->count != rows[i].count ||
                       answer->status != (rows[i].count ? ANSWER_FOUND : ANSWER_NODATA)))
            fail_msg("%s: %zu addresses", rows[i].name, answer->count);
        if (answer && answer->count) {
            struct bytes data = answer->records[0].data;
            if (data.len != (rows[i].type == FACT_A ? 4U : 16U) ||
                data.at[data.len - 1] != rows[i].last_byte)
                fail_msg("%s: another address", rows[i].name);
        }
        facts_free(facts);
    }
    free(exact);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_are_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
