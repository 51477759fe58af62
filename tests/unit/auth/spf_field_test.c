/* The Received-SPF field: as RFC 7208, 9.1 wants it, whatever the client said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/spf_field.h"

static const struct {
    const char *name;
    enum spf_identity identity;
    const char *ip, *helo, *mail_from, *receiver;
    enum spf_result result;
    const char *mechanism, *problem;
    const char *want;
} rows[] = {
    {"pass", SPF_MAIL_FROM, "192.0.2.1", "foo.example.com", "ann@example.com", "mx.here.example",
     SPF_PASS, "ip4:192.0.2.1", "",
     "Received-SPF: pass (mx.here.example: domain of ann@example.com designates\r\n"
     "\t192.0.2.1 as permitted sender) receiver=mx.here.example;\r\n"
     "\tclient-ip=192.0.2.1; identity=mailfrom;\r\n"
     "\tenvelope-from=\"ann@example.com\"; helo=foo.example.com;\r\n"
     "\tmechanism=\"ip4:192.0.2.1\";\r\n"},
    {"HELO, IPv6, by default", SPF_HELO, "2001:db8::1", "foo.example", "ann@example.com", "",
     SPF_NEUTRAL, "", "",
     "Received-SPF: neutral (unknown: domain of foo.example neither permits nor\r\n"
     "\tdenies 2001:db8::1 to send) client-ip=\"2001:db8::1\"; identity=helo;\r\n"
     "\thelo=foo.example; mechanism=default;\r\n"},
    {"null reverse-path", SPF_MAIL_FROM, "192.0.2.1", "foo.example", "", "us.example", SPF_FAIL,
     "-all", "",
     "Received-SPF: fail (us.example: domain of foo.example does not designate\r\n"
     "\t192.0.2.1 as permitted sender) receiver=us.example;\r\n"
     "\tclient-ip=192.0.2.1; identity=helo; helo=foo.example; mechanism=-all;\r\n"},
    {"error", SPF_MAIL_FROM, "192.0.2.1", "foo.example", "a@x.example", "us.example", SPF_PERMERROR,
     "", "in the record of x.example \"moo\" is no mechanism",
     "Received-SPF: permerror (us.example: in the record of x.example \"moo\" is no\r\n"
     "\tmechanism) receiver=us.example; client-ip=192.0.2.1;\r\n"
     "\tidentity=mailfrom; envelope-from=\"a@x.example\"; helo=foo.example;\r\n"
     "\tproblem=\"in the record of x.example \\\"moo\\\" is no mechanism\";\r\n"},
    {"hostile", SPF_MAIL_FROM, "192.0.2.1", "a)(\r\nX: y\\", "\"b\\\"\r\n c\"@x.example",
     "us.example", SPF_SOFTFAIL, "~all", "",
     "Received-SPF: softfail (us.example: domain of \"b?\"?? c\"@x.example does not\r\n"
     "\tdesignate 192.0.2.1 as permitted sender, but is not sure of it)\r\n"
     "\treceiver=us.example; client-ip=192.0.2.1; identity=mailfrom;\r\n"
     "\tenvelope-from=\"\\\"b\\\\\\\"?? c\\\"@x.example\"; helo=\"a)(??X: y\\\\\";\r\n"
     "\tmechanism=~all;\r\n"},
};

static void fields_by_table(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct spf_query query = {.identity = rows[i].identity,
                                  .helo = bytes_of(rows[i].helo),
                                  .mail_from = bytes_of(rows[i].mail_from),
                                  .receiver = bytes_of(rows[i].receiver)};
        struct spf_verdict verdict = {.result = rows[i].result,
                                      .mechanism = bytes_of(rows[i].mechanism),
                                      .problem = bytes_of(rows[i].problem)};
        struct buf out;
        assert_true(ip_scan(bytes_of(rows[i].ip), &query.ip));
        buf_init(&out, 4096);
        spf_print_received(&out, &query, &verdict);
        if (!bytes_equal(buf_view(&out), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
    }
}

static void long_values_are_cut(void **state)
{
    static char name[5000];
    struct spf_query query = {.receiver = BYTES("us.example")};
    struct spf_verdict verdict = {.result = SPF_NONE, .problem = BYTES("none")};
    struct buf out;
    memset(name, '"', sizeof name - 1);
    query.mail_from = query.helo = bytes_of(name);
    query.ip = ip_from_ipv4((const uint8_t[]){192, 0, 2, 1});
    buf_init(&out, 4096);
    spf_print_received(&out, &query, &verdict);
    assert_false(out.overflowed);
    size_t line = 0;
    for (size_t i = 0; i < out.len; i++) {
        line = out.at[i] == '\n' ? 0 : line + 1;
        assert_true(line < 998);
    }
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_by_table),
        cmocka_unit_test(long_values_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
