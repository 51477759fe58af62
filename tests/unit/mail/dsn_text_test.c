/* What people read in a delivery status notification. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/dsn_text.h"

static const struct envelope envelope = {.reverse_path = BYTES_INIT("ann@example.org"),
                                         .received_ms = 1795489624000};

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
      .remote = BYTES_INIT("mx.example.com")},
     "bob@example.com\r\n"
     "    could not be reached: your message was not delivered, and it will not be\r\n"
     "    tried again.\r\n"
     "    The server mx.example.com said:\r\n"
     "        550 5.1.1 no such user\r\n"
     "    What you can do: look for a typing error in the address, or ask the person\r\n"
     "    for the right one, and send the message again.\r\n"},
    {"our own words",
     {.address = BYTES_INIT("bob@example.com"),
      .action = DSN_FAILED,
      .status = BYTES_INIT("5.4.7"),
      .reply = BYTES_INIT("not reached within 5 days")},
     "    The reason:\r\n        not reached within 5 days\r\n    What you can do: check the part"},
    {"a server without a name",
     {.address = BYTES_INIT("bob@example.com"),
      .action = DSN_FAILED,
      .status = BYTES_INIT("5.0.0"),
      .code = 550,
      .reply = BYTES_INIT("550 no")},
     "    The other server said:\r\n        550 no\r\n    What you can do: send the message "
     "again "},
    {"mailbox full",
     {.address = BYTES_INIT("b@c"), .action = DSN_FAILED, .status = BYTES_INIT("5.2.2")},
     "What you can do: the mailbox is full."},
    {"no status at all",
     {.address = BYTES_INIT("b@c"), .action = DSN_FAILED},
     "What you can do: send the message again later."},
    {"delayed",
     {.address = BYTES_INIT("b@c"),
      .action = DSN_DELAYED,
      .status = BYTES_INIT("4.4.1"),
      .retry_until_ms = 1795489624000},
     "    It is tried until Tue, 24 Nov 2026 03:07:04 +0000\r\n"},
    {"delivered", {.address = BYTES_INIT("b@c"), .action = DSN_DELIVERED}, "it was delivered."},
    {"relayed",
     {.address = BYTES_INIT("b@c"), .action = DSN_RELAYED},
     "does not\r\n    confirm deliveries."},
    {"expanded", {.address = BYTES_INIT("b@c"), .action = DSN_EXPANDED}, "several addresses"},
    {"words that would begin a boundary",
     {.address = BYTES_INIT("b@c"),
      .action = DSN_FAILED,
      .code = 550,
      .reply = BYTES_INIT("550 a\r\n--x\xfc\x07")},
     "        550 a --x?\r\n"},
    {"UTF-8 in the address",
     {.address = BYTES_INIT("\xc3\xbc@c"), .action = DSN_DELIVERED},
     "\r\n\\x{FC}@c\r\n"},
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
        dsn_text_print(&out, &report, BYTES("A: b\r\nSubject: =?x?\r\n Hi\r\n"), ADDRESS_ASCII);
        if (bytes_search(buf_view(&out), bytes_of(rows[i].want)) == out.len)
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        assert_true(bytes_is_ascii(buf_view(&out)));
        assert_true(bytes_search(buf_view(&out), BYTES("    Subject: =?x? Hi\r\n")) < out.len);
        buf_done(&out);
    }
}

static void subjects_say_the_worst(void **state)
{
    static const struct dsn_recipient recipients[] = {
        {.action = DSN_DELIVERED}, {.action = DSN_FAILED}, {.action = DSN_DELAYED}};
    struct dsn_report report = {.recipients = recipients, .recipient_count = 1};
    assert_true(bytes_equal(dsn_subject(&report), BYTES("Your message was delivered")));
    report.recipient_count = 3;
    assert_true(bytes_equal(dsn_subject(&report), BYTES("Your message was not delivered")));
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
        cmocka_unit_test(texts_say_what_happened),
        cmocka_unit_test(subjects_say_the_worst),
        cmocka_unit_test(words_are_clean_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
