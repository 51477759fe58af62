/* What a submission server puts right. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/id.h"
#include "mail/submission.h"

#define DATE "Date: Tue, 24 Nov 2026 03:07:04 +0000\r\n"
#define ID "Message-ID: <06h00aj7g0000@mx.example.org>\r\n"
#define FROM "From: <ann@example.org>\r\n"

static const struct {
    const char *name, *reverse_path, *input;
    enum submission_result want;
    const char *output;
} rows[] = {
    {"all there", "ann@example.org", "From: a@b\r\nDate: x\r\nMessage-ID: <y>\r\n",
     SUBMISSION_UNCHANGED, ""},
    {"names in any case", "ann@example.org", "FROM: a@b\r\ndate: x\r\nmessage-id: <y>\r\n",
     SUBMISSION_UNCHANGED, ""},
    {"no Date", "ann@example.org", "From: a@b\r\nMessage-ID: <y>\r\n", SUBMISSION_REWRITTEN,
     "From: a@b\r\nMessage-ID: <y>\r\n" DATE},
    {"no Message-ID", "ann@example.org", "From: a@b\r\nDate: x\r\n", SUBMISSION_REWRITTEN,
     "From: a@b\r\nDate: x\r\n" ID},
    {"no From", "ann@example.org", "Date: x\r\nMessage-ID: <y>\r\n", SUBMISSION_REWRITTEN,
     "Date: x\r\nMessage-ID: <y>\r\n" FROM},
    {"nothing at all", "ann@example.org", "", SUBMISSION_REWRITTEN, FROM DATE ID},
    {"no From, null reverse-path", "", "Date: x\r\n", SUBMISSION_NO_FROM, ""},
    {"From, null reverse-path", "", "From: a@b\r\nDate: x\r\nMessage-ID: <y>\r\n",
     SUBMISSION_UNCHANGED, ""},
    {"two From", "ann@example.org", "From: a@b\r\nfrom: c@d\r\n", SUBMISSION_SEVERAL_FROM, ""},
    {"Resent-From is no From", "", "Resent-From: a@b\r\n", SUBMISSION_NO_FROM, ""},
    {"Bcc with folds", "ann@example.org",
     "From: a@b\r\nBcc: c@d,\r\n e@f\r\nDate: x\r\nMessage-ID: <y>\r\n", SUBMISSION_REWRITTEN,
     "From: a@b\r\nDate: x\r\nMessage-ID: <y>\r\n"},
    {"several Bcc and Resent-Bcc", "ann@example.org",
     "bcc: c@d\r\nFrom: a@b\r\nRESENT-BCC : e@f\r\nDate: x\r\nMessage-ID: <y>\r\nBCC:\r\n",
     SUBMISSION_REWRITTEN, "From: a@b\r\nDate: x\r\nMessage-ID: <y>\r\n"},
    {"other bytes stay", "ann@example.org",
     "X-A :  b \r\n\tc\r\nFrom: \xfc@b\r\nDate:x\r\nSubject:\r\n", SUBMISSION_REWRITTEN,
     "X-A :  b \r\n\tc\r\nFrom: \xfc@b\r\nDate:x\r\nSubject:\r\n" ID},
    {"odd line", "ann@example.org", "From: a@b\r\nhello\r\nDate: x\r\n", SUBMISSION_REWRITTEN,
     "From: a@b\r\n" ID "hello\r\nDate: x\r\n"},
    {"last line has no end", "ann@example.org", "From: a@b\r\nDate: x", SUBMISSION_REWRITTEN,
     "From: a@b\r\nDate: x\r\n" ID},
};

static void messages_are_put_right(void **state)
{
    uint64_t id;
    assert_true(id_scan(BYTES("06h00aj7g0000"), &id));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct submission submission = {1795489624000, id, BYTES("mx.example.org"),
                                        bytes_of(rows[i].reverse_path)};
        struct buf out;
        buf_init(&out, 4096);
        enum submission_result got = submission_check(&submission, bytes_of(rows[i].input), &out);
        if (got != rows[i].want)
            fail_msg("%s: %d", rows[i].name, got);
        if (!bytes_equal(buf_view(&out), bytes_of(rows[i].output)))
            fail_msg("%s: %.*s", rows[i].name, BYTES_ARGS(buf_view(&out)));
        struct buf again;
        buf_init(&again, 4096);
        if (got == SUBMISSION_REWRITTEN &&
            submission_check(&submission, buf_view(&out), &again) != SUBMISSION_UNCHANGED)
            fail_msg("%s: not stable", rows[i].name);
        buf_done(&again);
        buf_done(&out);
    }
}

static void refusals_have_reasons(void **state)
{
    assert_true(submission_reason(SUBMISSION_NO_FROM).len > 0);
    assert_true(submission_reason(SUBMISSION_SEVERAL_FROM).len > 0);
    assert_int_equal(submission_reason(SUBMISSION_UNCHANGED).len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_put_right),
        cmocka_unit_test(refusals_have_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
