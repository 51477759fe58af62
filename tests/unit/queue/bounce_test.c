/* From the queue's report to a notification: who it is for, and what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "queue/bounce.h"

static struct envelope_recipient recipients[] = {
    {BYTES_INIT("ann@a.example"), BYTES_INIT("rfc822;annie@a.example"), 0},
    {BYTES_INIT("bob@b.example"), {NULL, 0}, NOTIFY_SUCCESS},
    {BYTES_INIT("cat@c.example"), {NULL, 0}, NOTIFY_SUCCESS},
};

static const struct envelope about = {
    .id = 7,
    .received_ms = 1790000000000,
    .reverse_path = BYTES_INIT("sender@example.org"),
    .envid = BYTES_INIT("QQ314159"),
    .recipients = recipients,
    .recipient_count = 3,
    .size = 30,
};

static const struct queue_report_recipient told[] = {
    {.recipient = &recipients[0],
     .outcome = FAILED,
     .code = 550,
     .status = BYTES_INIT("5.1.1"),
     .reply = BYTES_INIT("550 5.1.1 no such user"),
     .remote = BYTES_INIT("smtp://mx.a.example:25"),
     .at_ms = 1790000001000},
    {.recipient = &recipients[1],
     .outcome = DELIVERED,
     .was_relayed = true,
     .code = 250,
     .status = BYTES_INIT("2.0.0"),
     .reply = BYTES_INIT("250 ok"),
     .remote = BYTES_INIT("smtp://mx.b.example:25"),
     .at_ms = 1790000001000},
    {.recipient = &recipients[2],
     .outcome = DELIVERED,
     .status = BYTES_INIT("2.0.0"),
     .remote = BYTES_INIT("lmtp:unix:/run/lmtp")},
};

static const struct queue_report report = {
    .id = 7, .envelope = &about, .recipients = told, .recipient_count = COUNT(told)};
static const struct bounce_source source = {.hostname = BYTES_INIT("mx.example.org"),
                                            .id = 8,
                                            .now_ms = 1790000002000,
                                            .original = BYTES_INIT("Subject: hello\r\n\r\nhi\r\n"),
                                            .is_whole = true};

static void says(const struct buf *text, const char *words)
{
    if (bytes_search(buf_view(text), bytes_of(words)) == text->len)
        fail_msg("\"%s\" is not said in:\n%.*s", words, BYTES_ARGS(buf_view(text)));
}

static void to_the_sender_and_no_further(void **state)
{
    struct arena *arena = arena_new(65536);
    struct buf text;
    struct envelope envelope;
    buf_init(&text, 65536);
    assert_true(bounce_compose(&report, &source, arena, &text, &envelope));
    assert_int_equal(envelope.id, 8);
    assert_true(envelope.received_ms == source.now_ms);
    assert_int_equal(envelope.reverse_path.len, 0);
    assert_int_equal(envelope.recipient_count, 1);
    assert_true(bytes_equal(envelope.recipients[0].address, about.reverse_path));
    assert_int_equal(envelope.size, text.len);
    says(&text, "To: <sender@example.org>");
    says(&text, "Action: failed");
    says(&text, "Action: relayed");
    says(&text, "Action: delivered");
    says(&text, "Final-Recipient: rfc822; ann@a.example");
    says(&text, "Original-Recipient: rfc822; annie@a.example");
    says(&text, "Status: 5.1.1");
    says(&text, "no such user");
    says(&text, "Original-Envelope-Id: QQ314159");
    says(&text, "Subject: hello");
    buf_done(&text);
    arena_free(arena);
}

static void late_is_no_failure(void **state)
{
    struct queue_report_recipient late = told[0];
    late.outcome = DEFERRED;
    late.status = BYTES("4.4.1");
    late.retry_until_ms = about.received_ms + 432000000;
    struct queue_report delayed = {
        .id = 7, .envelope = &about, .recipients = &late, .recipient_count = 1};
    struct arena *arena = arena_new(65536);
    struct buf text;
    struct envelope envelope;
    buf_init(&text, 65536);
    assert_true(bounce_compose(&delayed, &source, arena, &text, &envelope));
    says(&text, "Action: delayed");
    says(&text, "Status: 4.4.1");
    says(&text, "Will-Retry-Until: ");
    buf_done(&text);
    arena_free(arena);
}

static void limits_are_kept(void **state)
{
    struct arena *tiny = arena_new(16), *arena = arena_new(65536);
    struct buf text, small;
    struct envelope envelope = {.id = 77};
    buf_init(&text, 65536);
    buf_init(&small, 100);
    assert_false(bounce_compose(&report, &source, tiny, &text, &envelope));
    assert_false(bounce_compose(&report, &source, arena, &small, &envelope));
    assert_int_equal(envelope.id, 77);
    buf_done(&text);
    buf_done(&small);
    arena_free(tiny);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_the_sender_and_no_further),
        cmocka_unit_test(late_is_no_failure),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
