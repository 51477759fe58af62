/* What people read in a delivery status notification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/dsn_text.h"

static const struct envelope envelope = {
    .id = 7, .reverse_path = BYTES_INIT("ann@example.org"), .received_ms = 1795489624000};

static const struct {
    const char *name;
    struct dsn_recipient recipient;
    const char *want; /* occurs */
} rows[] = {
    {"the server's words",
     {.address = BYTES_INIT("bob@example.com"),
      .action = DSN_FAILED,
      .status = BYTES_INIT("5.1.1"),
      .code = 550,
      .reply = BYTES_INIT("550 5.1.1 no such user"),
      .remote = BYTES_INIT("mx.example.com [192.0.2.1]:25")},
     "Your message to bob@example.com was not delivered: there is no mailbox with\r\n"
     "this address.\r\n"
     "\r\n"
     "    What you can do: look for a typing error in the address, or ask the person\r\n"
     "    for the right one, and send the message again.\r\n"
     "\r\n"
     "    The server mx.example.com said:\r\n"
     "        550 5.1.1 no such user\r\n"
     "\r\n"
     "Your message:\r\n"},
    {"our own words",
     {.address = BYTES_INIT("bob@example.com"),
      .action = DSN_FAILED,
      .status = BYTES_INIT("5.4.7"),
      .reply = BYTES_INIT("not reached within 5 days")},
     "\r\n\r\n    In detail:\r\n        not reached within 5 days\r\n"},
    {"a server without a name",
     {.address = BYTES_INIT("bob@example.com"),
      .action = DSN_FAILED,
      .status = BYTES_INIT("5.0.0"),
      .code = 550,
      .reply = BYTES_INIT("550 no"),
      .remote = BYTES_INIT("lmtp:unix:/run/lmtp")},
     "    The other server said:\r\n        550 no\r\n"},
    {"no status at all",
     {.address = BYTES_INIT("b@c"), .action = DSN_FAILED},
     "Your message to b@c was not delivered: it was refused.\r\n"},
    {"delayed",
     {.address = BYTES_INIT("b@c"),
      .action = DSN_DELAYED,
      .status = BYTES_INIT("4.4.1"),
      .retry_until_ms = 1795489624000},
     "Your message to b@c has not been delivered yet: their server does not answer.\r\n"
     "\r\n"
     "    It is kept safe and tried again from time to time, until Tue, 24 Nov 2026\r\n"
     "    03:07:04 +0000; you need not send it again. What you can do meanwhile:\r\n"
     "    check the part of the address behind the @ sign.\r\n"},
    {"delivered",
     {.address = BYTES_INIT("b@c"),
      .action = DSN_DELIVERED,
      .code = 250,
      .reply = BYTES_INIT("250 ok")},
     "Your message to b@c was delivered.\r\n\r\nYour message:\r\n"},
    {"relayed",
     {.address = BYTES_INIT("b@c"), .action = DSN_RELAYED},
     "Your message to b@c was passed on to another server. You may hear no more of\r\n"
     "it unless something goes wrong there.\r\n"},
    {"expanded", {.address = BYTES_INIT("b@c"), .action = DSN_EXPANDED}, "several addresses"},
    {"words that would begin a boundary",
     {.address = BYTES_INIT("b@c"),
      .action = DSN_FAILED,
      .code = 550,
      .reply = BYTES_INIT("550 a\r\n--x\xfc\x07")},
     "        550 a --x?\r\n"},
    {"UTF-8 in the address",
     {.address = BYTES_INIT("\xc3\xbc@c"), .action = DSN_DELIVERED},
     "to \\x{FC}@c was"},
    {"the message",
     {.address = BYTES_INIT("b@c"), .action = DSN_DELIVERED},
     "    Subject: one Hi\r\n    Received here: Tue, 24 Nov 2026 03:07:04 +0000\r\n"
     "\r\nThis notice is from the mail server mx.example.org, which knows your message\r\n"
     "as 0000000000007. Nobody reads answers to it.\r\n"},
};

static void texts_say_what_happened(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dsn_report report = {.hostname = BYTES("mx.example.org"),
                                    .envelope = &envelope,
                                    .recipients = &rows[i].recipient,
                                    .recipient_count = 1};
        struct buf out;
        buf_init(&out, 10000);
        dsn_text_print(&out, &report, BYTES("A: b\r\nSubject: one\r\n Hi\r\n"), ADDRESS_ASCII);
        if (bytes_search(buf_view(&out), bytes_of(rows[i].want)) == out.len)
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        assert_true(bytes_is_ascii(buf_view(&out)));
        assert_true(bytes_starts(buf_view(&out), BYTES("Your message to ")));
        buf_done(&out);
    }
}

static void failures_come_first(void **state)
{
    static const struct dsn_recipient recipients[] = {
        {.address = BYTES_INIT("one@c"), .action = DSN_DELIVERED},
        {.address = BYTES_INIT("two@c"), .action = DSN_FAILED}};
    struct dsn_report report = {
        .envelope = &envelope, .recipients = recipients, .recipient_count = 2};
    struct buf out;
    buf_init(&out, 10000);
    dsn_text_print(&out, &report, BYTES_NONE, ADDRESS_ASCII);
    assert_true(bytes_starts(buf_view(&out), BYTES("Your message to two@c was not")));
    assert_true(bytes_search(buf_view(&out), BYTES("to one@c was delivered")) < out.len);
    buf_done(&out);
}

#define HUNDRED                                                                                    \
    "aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "             \
    "aaaaaaaaa aaaaaaaaa "

static const struct {
    const char *name, *section, *want;
} subject_rows[] = {
    {"none", "From: a\r\n", "Your message was not delivered"},
    {"one", "From: a\r\nsubject: Hello\r\n you\r\n", "Not delivered: Hello you"},
    {"encoded", "Subject: =?utf-8?Q?=C3=BC?= b\r\n", "Not delivered: =?utf-8?Q?=C3=BC?= b"},
    {"empty", "Subject: \r\n", "Your message was not delivered"},
    {"bytes beyond ASCII", "Subject: \xc3\xbc\r\n", "Your message was not delivered"},
    {"control bytes", "Subject: a\x01\r\n", "Your message was not delivered"},
    {"long", "Subject: " HUNDRED HUNDRED "last words\r\n",
     "Not delivered: " HUNDRED "aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa "
     "aaaaaaaaa aaaaaaaaa aaaaaaaaa aaaaaaaaa"},
};

static void subjects_say_the_worst(void **state)
{
    static const struct dsn_recipient recipients[] = {
        {.action = DSN_DELIVERED}, {.action = DSN_FAILED}, {.action = DSN_DELAYED}};
    struct dsn_report report = {.recipients = recipients, .recipient_count = 1};
    struct buf out;
    buf_init(&out, 1000);
    dsn_subject_print(&out, &report, BYTES_NONE);
    assert_true(bytes_equal(buf_view(&out), BYTES("Your message was delivered")));
    report.recipient_count = 3;
    for (size_t i = 0; i < COUNT(subject_rows); i++) {
        buf_clear(&out);
        dsn_subject_print(&out, &report, bytes_of(subject_rows[i].section));
        if (!bytes_equal(buf_view(&out), bytes_of(subject_rows[i].want)))
            fail_msg("%s: \"%.*s\"", subject_rows[i].name, BYTES_ARGS(buf_view(&out)));
    }
    buf_done(&out);
}

static const char *const host_rows[][2] = {
    {"mx.example", "mx.example"},
    {"mx.example [192.0.2.1]:25", "mx.example"},
    {"mx.example[192.0.2.1]:25", "mx.example"},
    {"smtp://mx.example:25", ""},
    {"lmtp://store.example:24", ""},
    {"smtp://192.0.2.1:25", ""},
    {"smtp://[2001:db8::1]:25", ""},
    {"smtp://localhost:25", ""},
    {"lmtp:unix:/run/lmtp", ""},
    {"mx:10=mx.example", ""},
    {"192.0.2.1", ""},
    {"", ""},
};

static void hosts_have_names(void **state)
{
    for (size_t i = 0; i < COUNT(host_rows); i++)
        if (!bytes_equal(dsn_host(bytes_of(host_rows[i][0])), bytes_of(host_rows[i][1])))
            fail_msg("%s", host_rows[i][0]);
}

static void words_are_clean_and_bounded(void **state)
{
    uint8_t words[1000];
    struct buf out;
    buf_init(&out, 10000);
    memset(words, 'a', sizeof words);
    dsn_words_print(&out, (struct bytes){words, sizeof words});
    assert_int_equal(out.len, 512);
    buf_clear(&out);
    dsn_words_print(&out, BYTES("a\r\nb\xc3\xbc\x7f"));
    assert_true(bytes_equal(buf_view(&out), BYTES("a  b?? ")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_say_what_happened),     cmocka_unit_test(failures_come_first),
        cmocka_unit_test(subjects_say_the_worst),      cmocka_unit_test(hosts_have_names),
        cmocka_unit_test(words_are_clean_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
