/* Delivery status notifications as messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/id.h"
#include "mail/dsn.h"

#define ORIGINAL "Received: x\r\nSubject: Hi\r\n\r\nHello\r\n"
enum { LIMIT = 1 << 20 };
static const int64_t at_ms = 1795489624000;

static const struct dsn_recipient failed[] = {
    {.address = BYTES_INIT("bob@example.com"),
     .orcpt = BYTES_INIT("rfc822;b+2Bc@example.com"),
     .action = DSN_FAILED,
     .status = BYTES_INIT("5.1.1"),
     .code = 550,
     .reply = BYTES_INIT("550 5.1.1 no such user"),
     .remote = BYTES_INIT("mx.example.com"),
     .last_attempt_ms = 1795489624000},
    {.address = BYTES_INIT("eve@example.net"),
     .action = DSN_DELAYED,
     .status = BYTES_INIT("4.4.1"),
     .reply = BYTES_INIT("no answer"),
     .remote = BYTES_INIT("unix:/run/lmtp"),
     .retry_until_ms = 1795489624000},
};
static const struct dsn_recipient delivered[] = {
    {.address = BYTES_INIT("bob@example.com"),
     .action = DSN_DELIVERED,
     .status = BYTES_INIT("2.1.5")},
};
static const struct dsn_recipient utf8[] = {
    {.address = BYTES_INIT("j\xc3\xbc@example.com"),
     .orcpt = BYTES_INIT("utf-8;\\x{20AC}@example.com"),
     .action = DSN_FAILED,
     .status = BYTES_INIT("5.1.1")},
};

/* Composes with the settings given; the id is always the same. */
static struct dsn_needs compose(struct buf *out, struct dsn_report report)
{
    assert_true(id_scan(BYTES("06h00aj7g0000"), &report.id));
    report.now_ms = at_ms;
    report.hostname = BYTES("mx.example.org");
    buf_init(out, LIMIT);
    struct dsn_needs needs = dsn_print(out, &report);
    assert_false(out->overflowed);
    return needs;
}

static bool has(const struct buf *message, const char *part)
{
    return bytes_search(buf_view(message), bytes_of(part)) < message->len;
}

static void expect(const struct buf *message, const char *part)
{
    if (!has(message, part))
        fail_msg("not there: %s\nin: %.*s", part, BYTES_ARGS(buf_view(message)));
}

static void lines_are_short(const struct buf *message)
{
    struct bytes rest = buf_view(message), line;
    while (rest.len) {
        assert_true(bytes_cut(rest, '\n', &line, &rest));
        assert_true(line.len > 0 && line.len <= 999 && line.at[line.len - 1] == '\r');
    }
}

static void a_failure_returns_the_message(void **state)
{
    struct envelope envelope = {.id = 7,
                                .reverse_path = BYTES("ann@example.org"),
                                .envid = BYTES("QQ+2B1"),
                                .received_ms = at_ms};
    struct buf message;
    struct dsn_needs needs = compose(&message, (struct dsn_report){.envelope = &envelope,
                                                                   .recipients = failed,
                                                                   .recipient_count = 2,
                                                                   .original = BYTES(ORIGINAL),
                                                                   .is_whole = true});
    assert_true(needs.body == BODY_7BIT && !needs.is_smtputf8);
    expect(&message, "From: Mail Delivery System <MAILER-DAEMON@mx.example.org>\r\n"
                     "To: <ann@example.org>\r\n"
                     "Subject: Not delivered: Hi\r\n"
                     "Date: Tue, 24 Nov 2026 03:07:04 +0000\r\n"
                     "Message-ID: <06h00aj7g0000@mx.example.org>\r\n"
                     "Auto-Submitted: auto-replied\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                     "\tboundary=\"=_06h00aj7g0000_0\"\r\n"
                     "Content-Transfer-Encoding: 7bit\r\n"
                     "\r\n");
    expect(&message, "\r\n--=_06h00aj7g0000_0\r\n"
                     "Content-Description: Delivery report\r\n"
                     "Content-Type: message/delivery-status\r\n"
                     "Content-Transfer-Encoding: 7bit\r\n"
                     "\r\n"
                     "Reporting-MTA: dns; mx.example.org\r\n"
                     "Original-Envelope-Id: QQ+1\r\n"
                     "Arrival-Date: Tue, 24 Nov 2026 03:07:04 +0000\r\n"
                     "\r\n"
                     "Original-Recipient: rfc822; b+c@example.com\r\n"
                     "Final-Recipient: rfc822; bob@example.com\r\n"
                     "Action: failed\r\n"
                     "Status: 5.1.1\r\n"
                     "Remote-MTA: dns; mx.example.com\r\n"
                     "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
                     "Last-Attempt-Date: Tue, 24 Nov 2026 03:07:04 +0000\r\n"
                     "Final-Log-ID: 0000000000007\r\n"
                     "\r\n"
                     "Final-Recipient: rfc822; eve@example.net\r\n"
                     "Action: delayed\r\n"
                     "Status: 4.4.1\r\n"
                     "Diagnostic-Code: x-postrider; no answer\r\n"
                     "Final-Log-ID: 0000000000007\r\n"
                     "Will-Retry-Until: Tue, 24 Nov 2026 03:07:04 +0000\r\n"
                     "\r\n--=_06h00aj7g0000_0\r\n"
                     "Content-Description: Your message\r\n"
                     "Content-Type: message/rfc822\r\n"
                     "Content-Transfer-Encoding: 7bit\r\n"
                     "\r\n" ORIGINAL "\r\n--=_06h00aj7g0000_0--\r\n");
    lines_are_short(&message);
    buf_done(&message);
}

static const struct {
    const char *name, *remote, *want; /* NULL: no such field */
} remotes[] = {
    {"a host by name", "mx.example.com[192.0.2.1]:25", "dns; mx.example.com"},
    {"by name and IPv6", "mx.example.com[2001:db8::1]:25", "dns; mx.example.com"},
    {"an address", "[192.0.2.1]:25", "dns; [192.0.2.1]"},
    {"an IPv6 address", "[2001:db8::1]:25", "dns; [IPv6:2001:db8::1]"},
    {"a name alone", "mx.example.com", "dns; mx.example.com"},
    {"a lane", "smtp://mx.example.com:25", NULL},
    {"a lane by IPv6", "lmtp://[::1]:24", NULL},
    {"a socket", "lmtp:unix:/run/lmtp", NULL},
    {"no end", "[192.0.2.1", NULL},
    {"nobody", "", NULL},
};

static void the_host_that_spoke_is_named(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("ann@example.org"), .received_ms = at_ms};
    for (size_t i = 0; i < COUNT(remotes); i++) {
        struct dsn_recipient recipient = delivered[0];
        struct buf message, want;
        recipient.remote = bytes_of(remotes[i].remote);
        compose(&message, (struct dsn_report){.envelope = &envelope,
                                              .recipients = &recipient,
                                              .recipient_count = 1});
        buf_init(&want, 256);
        buf_addf(&want, "\r\nRemote-MTA: %s", remotes[i].want ? remotes[i].want : "");
        if (remotes[i].want)
            buf_add(&want, BYTES("\r\n"));
        buf_add_byte(&want, 0);
        if (has(&message, (const char *)want.at) != (remotes[i].want != NULL))
            fail_msg("%s: %.*s", remotes[i].name, BYTES_ARGS(buf_view(&message)));
        buf_done(&want);
        buf_done(&message);
    }
}

static const struct {
    const char *name;
    struct bytes original;
    bool is_whole;
    enum dsn_ret ret;
    bool has_failed;
    const char *type, *encoding, *content;
} returns[] = {
    {"asked for headers", BYTES_INIT(ORIGINAL), true, RET_HDRS, true, "text/rfc822-headers", "7bit",
     "Received: x\r\nSubject: Hi\r\n\r\n--"},
    {"delivered", BYTES_INIT(ORIGINAL), true, RET_FULL, false, "text/rfc822-headers", "7bit",
     "Received: x\r\nSubject: Hi\r\n\r\n--"},
    {"not all there", BYTES_INIT(ORIGINAL), false, RET_FULL, true, "text/rfc822-headers", "7bit",
     "Received: x\r\nSubject: Hi\r\n\r\n--"},
    {"not even the header", BYTES_INIT("A: b\r\nC: d"), false, RET_FULL, true,
     "text/rfc822-headers", "7bit", "A: b\r\n\r\n--"},
    {"eight bits", BYTES_INIT("A: b\r\n\r\n\xfc\r\n"), true, RET_FULL, true, "message/rfc822",
     "8bit", "A: b\r\n\r\n\xfc\r\n\r\n--"},
    {"eight bits in the body, header asked for", BYTES_INIT("A: b\r\n\r\n\xfc\r\n"), true, RET_HDRS,
     true, "text/rfc822-headers", "7bit", "A: b\r\n\r\n--"},
    {"eight bits in the header", BYTES_INIT("A: \xfc\r\n\r\n"), true, RET_HDRS, true,
     "text/rfc822-headers", "8bit", "A: \xfc\r\n\r\n--"},
    {"binary body", BYTES_INIT("A: b\r\n\r\n\n\r\n"), true, RET_FULL, true, "text/rfc822-headers",
     "7bit", "A: b\r\n\r\n--"},
    {"binary header", BYTES_INIT("A: b\n\r\n\r\n"), true, RET_FULL, true, "text/rfc822-headers",
     "base64", "QTogYgoNCg==\r\n\r\n--"},
};

static void originals_are_returned_as_they_may_be(void **state)
{
    for (size_t i = 0; i < COUNT(returns); i++) {
        struct envelope envelope = {.reverse_path = BYTES("ann@example.org"),
                                    .ret = returns[i].ret};
        struct buf message, want;
        struct dsn_needs needs = compose(
            &message, (struct dsn_report){.envelope = &envelope,
                                          .recipients = returns[i].has_failed ? failed : delivered,
                                          .recipient_count = 1,
                                          .original = returns[i].original,
                                          .is_whole = returns[i].is_whole});
        buf_init(&want, 1000);
        buf_addf(&want, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n%s",
                 returns[i].type, returns[i].encoding, returns[i].content);
        if (bytes_search(buf_view(&message), buf_view(&want)) == message.len)
            fail_msg("%s: %.*s", returns[i].name, BYTES_ARGS(buf_view(&message)));
        bool is_8bit = strcmp(returns[i].encoding, "8bit") == 0;
        assert_int_equal(needs.body, is_8bit ? BODY_8BITMIME : BODY_7BIT);
        assert_int_equal(bytes_is_ascii(buf_view(&message)), !is_8bit);
        lines_are_short(&message);
        buf_done(&message);
        buf_done(&want);
    }
}

static void large_messages_are_not_returned(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("ann@example.org")};
    struct buf original, message;
    buf_init(&original, LIMIT);
    buf_add(&original, BYTES("A: b\r\n\r\n"));
    while (original.len <= DSN_RETURN_LIMIT)
        buf_add(&original, BYTES("line\r\n"));
    compose(&message, (struct dsn_report){.envelope = &envelope,
                                          .recipients = failed,
                                          .recipient_count = 1,
                                          .original = buf_view(&original),
                                          .is_whole = true});
    expect(&message, "text/rfc822-headers");
    assert_true(message.len < 4096);
    buf_done(&message);
    buf_done(&original);
}

static void it_stands_in_the_thread(void **state)
{
    static const struct {
        const char *section, *want;
    } thread_rows[] = {
        {"Message-ID: <1@x>\r\n", "\r\nIn-Reply-To: <1@x>\r\nReferences: <1@x>\r\nAuto-Submitted"},
        {"References: <0@x>\r\n <9@x> junk\r\nMessage-Id: <1@x>\r\n",
         "\r\nIn-Reply-To: <1@x>\r\nReferences: <0@x> <9@x> <1@x>\r\nAuto-Submitted"},
        {"References: <0@x>\r\n", "@mx.example.org>\r\nAuto-Submitted"},
        {"Message-ID: 1@x\r\n", "@mx.example.org>\r\nAuto-Submitted"},
        {"References: <1@x> <2@x> <3@x> <4@x> <5@x> <6@x> <7@x> <8@x> <9@x>\r\n"
         "Message-ID: <10@x>\r\n",
         "References: <2@x> <3@x> <4@x> <5@x> <6@x> <7@x> <8@x> <9@x> <10@x>\r\nAuto"},
    };
    struct envelope envelope = {.reverse_path = BYTES("ann@example.org")};
    for (size_t i = 0; i < COUNT(thread_rows); i++) {
        struct buf message, original;
        buf_init(&original, 1000);
        buf_addf(&original, "%s\r\nHi\r\n", thread_rows[i].section);
        compose(&message, (struct dsn_report){.envelope = &envelope,
                                              .recipients = failed,
                                              .recipient_count = 1,
                                              .original = buf_view(&original)});
        expect(&message, thread_rows[i].want);
        buf_done(&message);
        buf_done(&original);
    }
}

static void a_boundary_in_the_original_is_evaded(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("ann@example.org")};
    struct buf message;
    compose(&message,
            (struct dsn_report){.envelope = &envelope,
                                .recipients = failed,
                                .recipient_count = 1,
                                .original = BYTES("A: b\r\n\r\n--=_06h00aj7g0000_0--\r\n"),
                                .is_whole = true});
    expect(&message, "boundary=\"=_06h00aj7g0000_1\"");
    expect(&message, "\r\n--=_06h00aj7g0000_1--\r\n");
    buf_done(&message);
}

static void utf8_has_types_of_its_own(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("\xc3\xa4nn@example.org"),
                                .is_smtputf8 = true};
    struct buf message;
    struct dsn_needs needs =
        compose(&message, (struct dsn_report){.envelope = &envelope,
                                              .recipients = utf8,
                                              .recipient_count = 1,
                                              .original = BYTES("A: \xc3\xbc\r\n\r\nx\r\n"),
                                              .is_whole = true});
    assert_true(needs.body == BODY_8BITMIME && needs.is_smtputf8);
    expect(&message, "To: <\xc3\xa4nn@example.org>\r\n");
    expect(&message, "Content-Type: text/plain; charset=utf-8\r\n");
    expect(&message, "Content-Type: message/global-delivery-status\r\n"
                     "Content-Transfer-Encoding: 8bit\r\n");
    expect(&message, "Original-Recipient: utf-8; \xe2\x82\xac@example.com\r\n"
                     "Final-Recipient: utf-8; j\xc3\xbc@example.com\r\n");
    expect(&message, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n");
    buf_done(&message);
}

static void utf8_travels_in_ascii_where_the_way_back_is_unknown(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("ann@example.org"), .is_smtputf8 = true};
    struct buf message;
    struct dsn_needs needs =
        compose(&message, (struct dsn_report){.envelope = &envelope,
                                              .recipients = utf8,
                                              .recipient_count = 1,
                                              .original = BYTES("A: \xc3\xbc\r\n\r\nx\r\n"),
                                              .is_whole = true});
    assert_true(needs.body == BODY_7BIT && !needs.is_smtputf8);
    assert_true(bytes_is_ascii(buf_view(&message)));
    expect(&message, "Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n");
    lines_are_short(&message);
    buf_done(&message);
}

static void utf8_recipients_of_plain_messages_are_escaped(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("ann@example.org")};
    struct buf message;
    struct dsn_needs needs = compose(&message, (struct dsn_report){.envelope = &envelope,
                                                                   .recipients = utf8,
                                                                   .recipient_count = 1,
                                                                   .original = BYTES(ORIGINAL),
                                                                   .is_whole = true});
    assert_true(needs.body == BODY_7BIT);
    expect(&message, "Original-Recipient: utf-8; \\x{20AC}@example.com\r\n"
                     "Final-Recipient: utf-8; j\\x{FC}@example.com\r\n");
    expect(&message, "Content-Type: message/delivery-status\r\n");
    buf_done(&message);
}

static void the_limit_of_the_buffer_holds(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("ann@example.org")};
    struct dsn_report report = {.envelope = &envelope,
                                .recipients = failed,
                                .recipient_count = 2,
                                .hostname = BYTES("h"),
                                .original = BYTES(ORIGINAL),
                                .is_whole = true};
    struct buf whole;
    buf_init(&whole, LIMIT);
    dsn_print(&whole, &report);
    for (size_t limit = 0; limit <= whole.len; limit++) {
        struct buf out;
        buf_init(&out, limit);
        dsn_print(&out, &report);
        assert_true(out.overflowed == (limit < whole.len) && out.len <= limit);
        buf_done(&out);
    }
    buf_done(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_returns_the_message),
        cmocka_unit_test(the_host_that_spoke_is_named),
        cmocka_unit_test(originals_are_returned_as_they_may_be),
        cmocka_unit_test(large_messages_are_not_returned),
        cmocka_unit_test(it_stands_in_the_thread),
        cmocka_unit_test(a_boundary_in_the_original_is_evaded),
        cmocka_unit_test(utf8_has_types_of_its_own),
        cmocka_unit_test(utf8_travels_in_ascii_where_the_way_back_is_unknown),
        cmocka_unit_test(utf8_recipients_of_plain_messages_are_escaped),
        cmocka_unit_test(the_limit_of_the_buffer_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
