/* The Received and Return-Path fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/id.h"
#include "mail/header.h"
#include "mail/trace.h"

#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
#define BY "\tby mx.example.org with ESMTP id 06h00aj7g0000"
#define DATE "\tTue, 24 Nov 2026 03:07:04 +0000\r\n"

static struct envelope_recipient recipients[] = {
    {.address = BYTES_INIT("bob@example.org")},
    {.address = BYTES_INIT("eve@example.org")},
    {.address = BYTES_INIT("\xc3\xbc@example.org")},
};

static const struct {
    const char *name, *helo, *client, *reverse_name;
    size_t recipient, recipient_count;
    bool is_smtputf8;
    const char *want;
} rows[] = {
    {"plain", "mail.example.com", "192.0.2.1", "", 0, 1, false,
     "Received: from mail.example.com ([192.0.2.1])\r\n" BY
     "\r\n\tfor <bob@example.org>;\r\n" DATE},
    {"with a name by DNS", "mail.example.com", "2001:db8::1", "out.example.com", 0, 2, false,
     "Received: from mail.example.com (out.example.com [IPv6:2001:db8::1])\r\n" BY ";\r\n" DATE},
    {"two recipients, nobody named", "a.example", "192.0.2.1", "", 0, 2, false,
     "Received: from a.example ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"literal", "[192.0.2.1]", "192.0.2.1", "", 0, 0, false,
     "Received: from [192.0.2.1] ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"local socket", "localhost", "unix", "", 0, 0, false,
     "Received: from localhost\r\n" BY ";\r\n" DATE},
    {"no HELO", "", "192.0.2.1", "", 0, 0, false,
     "Received: from unknown ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"HELO breaks the line", "a\r\nX: y", "192.0.2.1", "", 0, 0, false,
     "Received: from a??X??y ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"HELO opens a comment", "a(b\\\"[<;", "192.0.2.1", "", 0, 0, false,
     "Received: from a?b????? ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"HELO of dots", "..a..", "192.0.2.1", "", 0, 0, false,
     "Received: from ??a.? ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"HELO in UTF-8", "b\xc3\xbc.example", "192.0.2.1", "", 0, 0, true,
     "Received: from b\xc3\xbc.example ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"HELO in UTF-8 without SMTPUTF8", "b\xc3\xbc.example", "192.0.2.1", "", 0, 0, false,
     "Received: from b??.example ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"recipient in UTF-8", "a.example", "192.0.2.1", "", 2, 1, true,
     "Received: from a.example ([192.0.2.1])\r\n" BY "\r\n\tfor <\xc3\xbc@example.org>;\r\n" DATE},
    {"recipient in UTF-8 without SMTPUTF8", "a.example", "192.0.2.1", "", 2, 1, false,
     "Received: from a.example ([192.0.2.1])\r\n" BY ";\r\n" DATE},
    {"long name", L63 ".example.com", "192.0.2.1", "", 0, 0, false,
     "Received: from\r\n\t" L63 ".example.com\r\n\t([192.0.2.1])\r\n" BY ";\r\n" DATE},
};

/* The id is read from every beginning that has it whole, and the byte behind it. */
static void check_id(struct bytes field, uint64_t want)
{
    size_t end = bytes_search(field, BYTES("06h00aj7g0000")) + 13;
    for (size_t len = 0; len <= field.len; len++) {
        uint8_t *exact = malloc(len + !len);
        assert_non_null(exact);
        memcpy(exact, field.at, len);
        uint64_t id = 0;
        assert_int_equal(trace_id((struct bytes){exact, len}, &id), len > end);
        assert_true(len <= end || id == want);
        free(exact);
    }
}

static void received_is_written(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct envelope envelope = {
            .received_ms = 1795489624000,
            .helo = bytes_of(rows[i].helo),
            .client = bytes_of(rows[i].client),
            .recipients = recipients + rows[i].recipient,
            .recipient_count = rows[i].recipient_count,
            .is_smtputf8 = rows[i].is_smtputf8,
        };
        assert_true(id_scan(BYTES("06h00aj7g0000"), &envelope.id));
        struct trace trace = {&envelope, bytes_of(rows[i].reverse_name), BYTES("mx.example.org"),
                              BYTES("ESMTP"), BYTES_NONE};
        struct buf out;
        buf_init(&out, 4096);
        trace_received(&out, &trace);
        if (!bytes_equal(buf_view(&out), bytes_of(rows[i].want)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        struct bytes rest = buf_view(&out);
        struct header_field field;
        assert_true(header_next(&rest, &field) && rest.len == 0 && !field.is_odd);
        check_id(buf_view(&out), envelope.id);
        buf_done(&out);
    }
}

static void terms_of_tls_are_told(void **state)
{
    struct envelope envelope = {.received_ms = 1795489624000,
                                .helo = BYTES("a.example"),
                                .client = BYTES("192.0.2.1"),
                                .recipients = recipients,
                                .recipient_count = 1};
    assert_true(id_scan(BYTES("06h00aj7g0000"), &envelope.id));
    struct trace trace = {.envelope = &envelope,
                          .hostname = BYTES("mx.example.org"),
                          .protocol = BYTES("ESMTPS"),
                          .tls = BYTES("TLSv1.3 TLS_AES_256_GCM_SHA384 256")};
    struct buf out;
    buf_init(&out, 4096);
    trace_received(&out, &trace);
    assert_true(
        bytes_equal(buf_view(&out), BYTES("Received: from a.example ([192.0.2.1])\r\n"
                                          "\tby mx.example.org with ESMTPS id 06h00aj7g0000\r\n"
                                          "\t(TLSv1.3 cipher TLS_AES_256_GCM_SHA384 256 bits)\r\n"
                                          "\tfor <bob@example.org>;\r\n" DATE)));
    check_id(buf_view(&out), envelope.id);
    buf_done(&out);
}

static void no_helo_breaks_the_field(void **state)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t helo[300];
        memset(helo, (int)byte, sizeof helo);
        struct envelope envelope = {.helo = {helo, sizeof helo}, .client = BYTES("192.0.2.1")};
        struct trace trace = {&envelope, BYTES_NONE, BYTES("h"), BYTES("SMTP"), BYTES_NONE};
        struct buf out;
        buf_init(&out, 4096);
        trace_received(&out, &trace);
        struct bytes rest = buf_view(&out);
        struct header_field field;
        assert_true(header_next(&rest, &field) && rest.len == 0);
        assert_true(bytes_is_ascii(field.whole));
        assert_int_equal(bytes_find(field.whole, ';'), bytes_find_last(field.whole, ';'));
        buf_done(&out);
    }
}

static void foreign_fields_have_no_id(void **state)
{
    static const char *const texts[] = {
        "",
        "Date: x\r\nReceived: from a by b with SMTP id 06h00aj7g0000;\r\n",
        "Received: by b with SMTP id 06h00aj7g0000; x\r\n",
        "Received: from a by b with SMTP id 4XyZ; x\r\n",
        "Received: from a by b id 06h00aj7g0000; x\r\n",
    };
    uint64_t id;
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_false(trace_id(bytes_of(texts[i]), &id));
    struct buf local;
    buf_init(&local, 1000);
    trace_received_local(&local, BYTES("mx.example.org"), 7, 1795489624000);
    assert_true(
        bytes_equal(buf_view(&local), BYTES("Received: by mx.example.org id 0000000000007;\r\n"
                                            "\tTue, 24 Nov 2026 03:07:04 +0000\r\n")));
    assert_true(trace_id(buf_view(&local), &id) && id == 7);
    buf_done(&local);
    assert_true(trace_id(BYTES("Received: from with\n\tby b with SMTP id 06h00aj7g0000\n"), &id));
}

static void return_path_is_written(void **state)
{
    struct buf out;
    buf_init(&out, 100);
    trace_return_path(&out, BYTES("ann@example.org"));
    trace_return_path(&out, BYTES(""));
    assert_true(bytes_equal(buf_view(&out),
                            BYTES("Return-Path: <ann@example.org>\r\nReturn-Path: <>\r\n")));
    buf_done(&out);
}

static void junk_is_known_by_the_second_field(void **state)
{
    static const struct {
        const char *name, *text;
        bool is_junk;
    } marks[] = {
        {"LFs", "Received: a\n\tb\nX-Postrider-Junk: yes (dmarc)\nFrom: a\n", true},
        {"CRLFs", "Received: a\r\n b\r\nX-Postrider-Junk: yes (spf)\r\n", true},
        {"first", "X-Postrider-Junk: yes (dmarc)\nReceived: a\n", false},
        {"third", "Received: a\nFrom: b\nX-Postrider-Junk: yes\n", false},
        {"no", "Received: a\nX-Postrider-Junk: no\n", false},
        {"within the first", "Received: a\n\tX-Postrider-Junk: yes\nFrom: b\n", false},
        {"in the body", "Received: a\n\nX-Postrider-Junk: yes\n", false},
        {"one line", "Received: a", false},
        {"nothing", "", false},
    };
    struct buf out;
    buf_init(&out, 1000);
    buf_add(&out, BYTES("Received: a\r\n"));
    assert_false(trace_is_junk(buf_view(&out)));
    trace_junk(&out, "dmarc");
    assert_true(trace_is_junk(buf_view(&out)));
    assert_true(trace_is_junk_name(BYTES("x-postrider-junk")));
    assert_false(trace_is_junk_name(BYTES("X-Postrider-Junk-Too")));
    buf_done(&out);
    for (size_t i = 0; i < COUNT(marks); i++)
        if (trace_is_junk(bytes_of(marks[i].text)) != marks[i].is_junk)
            fail_msg("%s", marks[i].name);
}

static void hops_are_counted(void **state)
{
    assert_int_equal(trace_hops(BYTES("Received: a\r\n b\r\nreceived: c\r\nX-Received: d\r\n")), 2);
    assert_int_equal(trace_hops(BYTES("")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(received_is_written),
        cmocka_unit_test(terms_of_tls_are_told),
        cmocka_unit_test(no_helo_breaks_the_field),
        cmocka_unit_test(foreign_fields_have_no_id),
        cmocka_unit_test(return_path_is_written),
        cmocka_unit_test(hops_are_counted),
        cmocka_unit_test(junk_is_known_by_the_second_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
