/* `postrider trace`: log lines found and told as sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/paint.h"
#include "cli/trace_lines.h"
#include "cli/trace_story.h"

#define HEAD "time=2026-11-24T03:07:04.123Z level=info process=worker-0 event="
#define ID "06fz3k8m0a1b2"

/* --- Sentences -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *line, *want;
} story_rows[] = {
    {"accepted",
     HEAD "accepted id=" ID " from=ann@example.org to=b@c.d nrcpt=2 size=4812 client=127.0.0.1 "
          "helo=client.test protocol=ESMTP listener=127.0.0.1:25",
     "accepted from 127.0.0.1 (helo client.test) as ann@example.org for 2 recipients, 4,812 bytes, "
     "ESMTP on 127.0.0.1:25"},
    {"accepted from somebody who logged in",
     HEAD "accepted id=" ID " from=a@b.c nrcpt=1 size=9 client=::1 helo=h protocol=ESMTPSA "
          "tls=\"TLSv1.3 X 256\" listener=[::1]:465 user=ann@example.org",
     "accepted from ::1 (helo h) as a@b.c for 1 recipient, 9 bytes, ESMTPSA by TLSv1.3 X 256 on "
     "[::1]:465, logged in as ann@example.org"},
    {"a report has no client", HEAD "accepted id=" ID " from=\"\" nrcpt=1 size=1 protocol=report",
     "accepted as <> for 1 recipient, 1 byte, report"},
    {"delivered", HEAD "delivered to=b@c.d lane=smtp://h:25 reply=\"250 2.0.0 ok\" delay_ms=5000",
     "delivered to b@c.d by smtp://h:25: 250 2.0.0 ok, after 5s"},
    {"without words", HEAD "deferred to=b@c.d", "deferred for b@c.d: no words"},
    {"refused",
     HEAD "refused client=192.0.2.1 to=x@y.z code=550 status=5.7.1 text=\"no relay\" "
          "rule=relay",
     "refused 192.0.2.1 to x@y.z: 550 5.7.1 no relay (rule relay)"},
    {"unknown event", HEAD "new-thing id=" ID " a=b c=\"d e\"", "new-thing a=b c=d e"},
    {"quotes and backslashes", HEAD "new-thing a=\"\\\"x\\\\\" b=c", "new-thing a=\"x\\ b=c"},
    {"controls are not shown", HEAD "new-thing a=\"\\x1b[31m\\n\\xc2\\x9b\"",
     "new-thing a=?[31m??"},
    {"no logfmt", "panic at dawn", ""},
    {"broken off", HEAD "new-thing a=\"b\\", "new-thing a=b"},
};

static void events_become_sentences(void **state)
{
    for (size_t i = 0; i < COUNT(story_rows); i++) {
        /* A copy that ends where its memory ends. */
        size_t len = strlen(story_rows[i].line);
        uint8_t *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, story_rows[i].line, len);
        struct buf out;
        buf_init(&out, 4096);
        trace_story(&out, (struct bytes){exact, len});
        if (!bytes_equal(buf_view(&out), bytes_of(story_rows[i].want)))
            fail_msg("%s: %.*s", story_rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
        free(exact);
    }
}

static void every_cut_is_safe(void **state)
{
    const char *line = story_rows[0].line;
    for (size_t len = 1; len < strlen(line); len++) {
        uint8_t *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, line, len);
        struct buf out;
        buf_init(&out, 4096);
        trace_story(&out, (struct bytes){exact, len});
        buf_done(&out);
        free(exact);
    }
}

/* --- Finding ---------------------------------------------------------------------------------- */

static const char *const journals[][2] = {
    {"worker-0.log.1",
     "time=2026-11-24T03:00:01.000Z event=accepted id=" ID " from=ann@example.org\n"},
    {"worker-0.log", "time=2026-11-24T03:00:03.000Z event=delivered id=" ID " to=bob@far.example\n"
                     "time=2026-11-24T03:00:04.000Z event=report id=06fz3k8m0a1b4 dsn=" ID "\n"
                     "time=2026-11-24T03:00:05.000Z event=lost helo=\"x id=" ID "\"\n"},
    {"mailbox.log", "time=2026-11-24T03:00:02.000Z event=mailbox-stored to=ANN@example.org\n"
                    "time=2026-11-24T03:00:06.000Z event=recipient id=" ID " to=c@d.e\n"},
    {"notes.txt", "time=2026-11-24T03:00:00.000Z event=other id=" ID " from=ann@example.org\n"},
};

static const struct {
    const char *name, *needle, *want; /* the seconds of the lines found, in order */
} find_rows[] = {
    {"by id", ID, "13645"},
    {"by address: all of its messages", "ann@example.org", "1362"},
    {"by host", "FAR.example", "136"},
    {"nothing", "nobody@example.net", ""},
};

static void lines_are_found(void **state)
{
    char folder[] = "/tmp/trace_test_XXXXXX", path[128];
    struct error err;
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < COUNT(journals); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, journals[i][0]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(journals[i][1], file);
        fclose(file);
    }
    for (size_t i = 0; i < COUNT(find_rows); i++) {
        struct trace_lines lines;
        char got[16] = "";
        assert_true(trace_lines_open(&lines, folder, bytes_of(find_rows[i].needle), &err));
        for (size_t j = 0; j < lines.count; j++)
            got[j] = (char)lines.lines[j].time.at[18];
        if (strcmp(got, find_rows[i].want) != 0)
            fail_msg("%s: %s", find_rows[i].name, got);
        trace_lines_close(&lines);
    }
    for (size_t i = 0; i < COUNT(journals); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, journals[i][0]);
        unlink(path);
    }
    rmdir(folder);
    struct trace_lines lines;
    assert_false(trace_lines_open(&lines, folder, BYTES("x"), &err));
}

/* --- For people ------------------------------------------------------------------------------- */

static void numbers_are_readable(void **state)
{
    struct buf out;
    buf_init(&out, 256);
    paint_number(&out, 0);
    buf_add_byte(&out, ' ');
    paint_number(&out, 1234567);
    buf_add_byte(&out, ' ');
    paint_size(&out, 1023);
    buf_add_byte(&out, ' ');
    paint_size(&out, 4812);
    buf_add_byte(&out, ' ');
    paint_size(&out, UINT64_MAX);
    buf_add_byte(&out, ' ');
    paint_duration(&out, 250);
    buf_add_byte(&out, ' ');
    paint_duration(&out, 1000);
    buf_add_byte(&out, ' ');
    paint_duration(&out, 5400000);
    buf_add_byte(&out, ' ');
    paint_duration(&out, INT64_C(5) * 86400000);
    assert_true(
        bytes_equal(buf_view(&out), BYTES("0 1,234,567 1023 4.7K 16777216.0T 250ms 1s 90m 5d")));
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_become_sentences),
        cmocka_unit_test(every_cut_is_safe),
        cmocka_unit_test(lines_are_found),
        cmocka_unit_test(numbers_are_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
