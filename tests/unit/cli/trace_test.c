/* `postrider trace`: what is asked for, the lines found in the journals and put together to
 * stories, and told as sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/id.h"
#include "base/instant.h"
#include "cli/paint.h"
#include "cli/trace_advice.h"
#include "cli/trace_attempts.h"
#include "cli/trace_find.h"
#include "cli/trace_sentence.h"
#include "daemon/journal_files.h"

#define HEAD "time=2026-11-24T03:07:04.123Z level=info process=worker-0 event="
#define ID "06fz3k8m0a1b2"

/* --- Sentences -------------------------------------------------------------------------------- */

static const struct {
    const char *name, *line, *want;
} sentence_rows[] = {
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
    {"the host where it is not the lane",
     HEAD "delivered to=b@c.d lane=c.d host=mx.c.d[192.0.2.1]:25 reply=\"250 ok\" "
          "tls=\"TLSv1.3 X, verified\"",
     "delivered to b@c.d by c.d at mx.c.d[192.0.2.1]:25: 250 ok; TLS: TLSv1.3 X, verified"},
    {"the host is the lane",
     HEAD "connect-failed lane=smtp://192.0.2.1:25 host=[192.0.2.1]:25 reason=\"timed out\"",
     "could not connect to smtp://192.0.2.1:25: timed out"},
    {"without words", HEAD "deferred to=b@c.d", "not delivered to b@c.d yet: no words"},
    {"a client's handshake", HEAD "tls-failed client=192.0.2.1 reason=\"http request\"",
     "the TLS handshake with 192.0.2.1 failed: http request"},
    {"another server's handshake", HEAD "tls-failed lane=c.d host=mx.c.d reason=eof",
     "the TLS handshake with mx.c.d failed, and it is tried without TLS: eof"},
    {"an instant",
     HEAD "banned client=192.0.2.1 user=ann banned=address "
          "until=2026-11-24T04:00:00.000Z",
     "192.0.2.1 failed too often as ann: the address may not log in until 2026-11-24 04:00:00"},
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
    for (size_t i = 0; i < COUNT(sentence_rows); i++) {
        /* A copy that ends where its memory ends. */
        size_t len = strlen(sentence_rows[i].line);
        uint8_t *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, sentence_rows[i].line, len);
        struct buf out;
        buf_init(&out, 4096);
        trace_sentence(&out, (struct bytes){exact, len});
        if (!bytes_equal(buf_view(&out), bytes_of(sentence_rows[i].want)))
            fail_msg("%s: %.*s", sentence_rows[i].name, BYTES_ARGS(buf_view(&out)));
        buf_done(&out);
        free(exact);
    }
}

static void every_cut_is_safe(void **state)
{
    const char *line = sentence_rows[0].line;
    for (size_t len = 1; len < strlen(line); len++) {
        uint8_t *exact = malloc(len);
        assert_non_null(exact);
        memcpy(exact, line, len);
        struct buf out;
        buf_init(&out, 4096);
        trace_sentence(&out, (struct bytes){exact, len});
        buf_done(&out);
        free(exact);
    }
}

/* --- What is asked for ------------------------------------------------------------------------ */

#define NOW INT64_C(1795611325000) /* 2026-11-25T12:55:25Z */

static const struct {
    const char *text;
    int64_t want_ms; /* -1: it is none */
} moment_rows[] = {
    {"2h", NOW - 2 * 3600 * 1000},
    {"3d", NOW - INT64_C(3) * 86400 * 1000},
    {"2026-11-25", NOW - (12 * 3600 + 55 * 60 + 25) * 1000},
    {"2026-11-25 12:55", NOW - 25 * 1000},
    {"2026-11-25T12:55:25", NOW},
    {"2026-11-25T13:55:25+01:00", NOW},
    {"10:30", NOW - (2 * 3600 + 25 * 60 + 25) * 1000},
    {"23:00", NOW - (13 * 3600 + 55 * 60 + 25) * 1000}, /* yesterday's */
    {"yesterday", -1},
    {"", -1},
    {"2026-11-25 12:55x", -1},
};

static void moments_are_read(void **state)
{
    for (size_t i = 0; i < COUNT(moment_rows); i++) {
        int64_t got_ms = -1;
        if (trace_moment_scan(moment_rows[i].text, NOW, &got_ms) != (moment_rows[i].want_ms >= 0) ||
            got_ms != moment_rows[i].want_ms)
            fail_msg("%s: %lld", moment_rows[i].text, (long long)got_ms);
    }
}

static void questions_are_understood(void **state)
{
    struct trace_query query;
    struct error err;
    assert_true(trace_query_init(&query, ID, NULL, NULL, &err));
    assert_true(query.id != 0);
    assert_true(trace_query_init(&query, "2001:DB8:0::1", NULL, NULL, &err));
    assert_true(query.id == 0 && query.needle.count == 1);
    assert_true(bytes_equal(query.needle.words[0], BYTES("2001:db8::1")));
    assert_false(trace_query_init(&query, "<>", NULL, NULL, &err));
    assert_false(trace_query_init(&query, "a", "soon", NULL, &err));
    assert_false(trace_query_init(&query, "a", "1h", "2h", &err));
    assert_true(
        trace_query_init(&query, NULL, "2026-11-24T03:00:00Z", "2026-11-24T04:00:00Z", &err));
    assert_true(trace_query_matches(&query, BYTES("time=2026-11-24T03:00:00.000Z event=x")));
    assert_false(trace_query_matches(&query, BYTES("time=2026-11-24T04:00:00.001Z event=x")));
    assert_false(trace_query_matches(&query, BYTES("event=x")));
}

static const struct {
    const char *wanted, *text, *want; /* lines found, by commas */
} finder_rows[] = {
    {"bob", "x\nto=BOB\n\nbobob bob\nbo", "to=BOB,bobob bob"},
    {"b", "a\nb", "b"},
    {"", "a\nb\n", "a,b"},
    {"aab", "aaaab\naaaa\n", "aaaab"},
    {"x", "", ""},
};

static void lines_with_a_string_are_found(void **state)
{
    for (size_t i = 0; i < COUNT(finder_rows); i++) {
        size_t len = strlen(finder_rows[i].text);
        uint8_t *exact = malloc(len + !len);
        struct bytes rest = {exact, len}, line;
        struct trace_finder finder;
        struct buf got;
        assert_non_null(exact);
        memcpy(exact, finder_rows[i].text, len);
        buf_init(&got, 256);
        trace_finder_init(&finder, bytes_of(finder_rows[i].wanted));
        while (trace_finder_next(&finder, &rest, &line)) {
            buf_add(&got, got.len ? BYTES(",") : BYTES_NONE);
            buf_add(&got, line);
        }
        if (!bytes_equal(buf_view(&got), bytes_of(finder_rows[i].want)))
            fail_msg("%s: %.*s", finder_rows[i].wanted, BYTES_ARGS(buf_view(&got)));
        buf_done(&got);
        free(exact);
    }
}

/* --- Finding ---------------------------------------------------------------------------------- */

#define T(second) "time=2026-11-24T03:00:" second ".000Z level=info process=p event="
#define S1 "06fz3k8m0a100"
#define S2 "06fz3k8m0a200"
#define ID2 "06fz3k8m0a1b4"

/* Every line has its own second, which is what the stories are told by below. */
static const char *const journals[][2] = {
    {"worker-0.20261124T030003500Z.log",
     T("01") "tls session=" S1
             " client=192.0.2.7\n" T("02") "refused session=" S1
                                           " client=192.0.2.7 to=nobody@example.org\n" T(
                                               "03") "accepted id=" ID " session=" S1
                                                     " from=ann@example.org client=192.0.2.7\n"},
    {"worker-0.log",
     T("04") "connect-failed lane=far.example host=mx.far.example reason=\"timed out\"\n" T(
         "05") "delivered id=" ID
               " to=bob@far.example lane=far.example\n" T("06") "report id=" ID2 " dsn=" ID "\n" T(
                   "07") "lost helo=\"x id=" ID
                         "\"\n" T("08") "accepted id=" ID2 " session=" S1
                                        " from=eve@example.net\n" T(
                                            "09") "refused session=" S1
                                                  " to=late@example.org\n" T(
                                                      "10") "refused session=" S2
                                                            " client=192.0.2.8 "
                                                            "to=nobody@example.org\n" T(
                                                                "11") "refused id=half"},
    {"mailbox.log",
     T("12") "mailbox-stored id=" ID " to=ANN@example.org\n" T(
         "13") "connect-failed lane=far.example host=mx.far.example reason=\"timed out\"\n"},
    {"notes.txt", T("14") "other id=" ID " from=ann@example.org\n"},
};

static const struct {
    const char *name, *needle, *want; /* the seconds of the lines found, a group a story */
} find_rows[] = {
    {"by id, with its session and what names it", ID, "1 2 3 5 6 7 12"},
    {"by address: all of the message", "ann@example.org", "1 2 3 5 12"},
    {"by domain", "FAR.example", "1 2 3 5 12|4 13"},
    {"by a client: its session's messages", "192.0.2.7", "1 2 3 5 12|1 9"},
    {"refused before a message came", "nobody@example.org", "1 2 9|10"},
    {"refused behind all messages", "late@example.org", "1 2 9"},
    {"by session", S2, "10"},
    {"nothing", "nobody@example.net", ""},
};

static void make_journals(char *folder)
{
    char path[128];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < COUNT(journals); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, journals[i][0]);
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fputs(journals[i][1], file);
        fclose(file);
    }
}

static void remove_journals(const char *folder)
{
    char path[128];
    for (size_t i = 0; i < COUNT(journals); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, journals[i][0]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/worker-0.20261124T030003500Z.index", folder);
    unlink(path);
    rmdir(folder);
}

static int second_of(struct bytes time)
{
    return (time.at[17] - '0') * 10 + time.at[18] - '0';
}

static void add_story(struct buf *out, const struct trace_story *story)
{
    for (size_t i = 0; i < story->count; i++)
        buf_addf(out, "%s%d", i ? " " : "", second_of(story->lines[i].time));
}

static void check_find(const char *folder, size_t row, const char *note)
{
    struct trace_stories stories;
    struct trace_query query;
    struct error err;
    struct buf got;
    buf_init(&got, 4096);
    struct trace_files *files = trace_files_open(folder, &err);
    assert_non_null(files);
    assert_true(trace_query_init(&query, find_rows[row].needle, NULL, NULL, &err));
    trace_search(files, &query, 1000, &stories);
    for (size_t i = 0; i < stories.count; i++) {
        buf_add(&got, i ? BYTES("|") : BYTES_NONE);
        add_story(&got, stories.stories[i]);
    }
    if (!bytes_equal(buf_view(&got), bytes_of(find_rows[row].want)))
        fail_msg("%s%s: %.*s", find_rows[row].name, note, BYTES_ARGS(buf_view(&got)));
    trace_stories_done(&stories);
    trace_files_close(files);
    buf_done(&got);
}

static void stories_are_found(void **state)
{
    char folder[] = "/tmp/trace_test_XXXXXX", path[128];
    struct error err;
    struct stat status;
    make_journals(folder);
    for (size_t i = 0; i < COUNT(find_rows); i++)
        check_find(folder, i, "");
    /* The first search has made the index that was missing; a damaged one is made anew. */
    snprintf(path, sizeof path, "%s/worker-0.20261124T030003500Z.index", folder);
    assert_int_equal(stat(path, &status), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(truncate(path, i == 0 ? status.st_size / 2 : 0), 0);
        assert_int_equal(truncate(path, i == 2 ? 0 : status.st_size), 0);
        for (size_t j = 0; j < COUNT(find_rows); j++)
            check_find(folder, j, " with a damaged index");
    }
    remove_journals(folder);
    assert_null(trace_files_open(folder, &err));
}

static void attempts_belong_to_the_time_of_a_message(void **state)
{
    char folder[] = "/tmp/trace_test_XXXXXX";
    struct trace_stories stories;
    struct trace_query query;
    struct error err;
    struct buf got;
    make_journals(folder);
    buf_init(&got, 4096);
    struct trace_files *files = trace_files_open(folder, &err);
    assert_non_null(files);
    assert_true(trace_query_init(&query, "ann@example.org", NULL, NULL, &err));
    trace_search(files, &query, 1000, &stories);
    assert_int_equal(stories.count, 1);
    trace_attempts_add(stories.stories[0], files, NULL);
    add_story(&got, stories.stories[0]);
    assert_true(bytes_equal(buf_view(&got), BYTES("1 2 3 4 5 12")));
    buf_done(&got);
    trace_stories_done(&stories);
    trace_files_close(files);
    remove_journals(folder);
}

/* Thousands of lines: the index leaves out nothing that a whole search finds, and most of the rest.
 */
static void an_index_changes_nothing_but_time(void **state)
{
    enum { LINES = 6000 };
    char folder[] = "/tmp/trace_test_XXXXXX", path[128], index[128];
    struct error err;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.20261124T030003500Z.log", folder);
    snprintf(index, sizeof index, "%s/w.20261124T030003500Z.index", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t i = 0; i < LINES; i++)
        fprintf(file,
                "time=2026-11-24T03:%02zu:%02zu.000Z level=info process=w event=delivered "
                "id=0%012zu to=u%zu@d%zu.example.org host=mx%zu.example.net[192.0.2.%zu]:25\n",
                i / 60 % 60, i % 60, i, i / 3, i / 700, i / 900, i / 1000);
    fclose(file);
    struct trace_files *files = trace_files_open(folder, &err);
    assert_non_null(files);
    uint64_t whole = trace_files_bytes(files, false);
    for (size_t i = 0; i < LINES / 3; i += 53) {
        char needle[64];
        struct trace_query query;
        struct trace_stories stories;
        snprintf(needle, sizeof needle, "U%zu@d%zu.example.org", i, i * 3 / 700);
        assert_true(trace_query_init(&query, needle, NULL, NULL, &err));
        trace_search(files, &query, 1000, &stories);
        assert_true(stories.count >= 1 && stories.count <= 3);
        trace_stories_done(&stories);
        trace_files_select_none(files);
        trace_files_select(files, query.needle.words, query.needle.count);
        assert_true(trace_files_bytes(files, true) < whole / 3);
    }
    trace_files_close(files);
    unlink(path);
    unlink(index);
    rmdir(folder);
}

/* --- Advice ----------------------------------------------------------------------------------- */

static const struct {
    const char *line, *want; /* a part of it; NULL: there is none */
} advice_rows[] = {
    {HEAD "refused rule=relay code=550", "relay.networks"},
    {HEAD "refused rule=unknown-mailbox", "domains.aliases"},
    {HEAD "refused rule=sender-from", "user grant"},
    {HEAD "connect-failed reason=\"cannot connect: Connection refused\"", "does its server run"},
    {HEAD "connect-failed reason=\"cannot connect: Connection timed out\"", "port 25"},
    {HEAD "deferred reply=\"451 4.7.1 Greylisted, try later\"", "greylisting"},
    {HEAD "deferred reply=\"451 later\"", NULL},
    {HEAD "delivered reply=\"250 greylist\"", NULL},
    {"", NULL},
};

static void what_helps_is_said(void **state)
{
    for (size_t i = 0; i < COUNT(advice_rows); i++) {
        const char *got = trace_advice(bytes_of(advice_rows[i].line));
        const char *want = advice_rows[i].want;
        if (!got != !want || (got && !strstr(got, want)))
            fail_msg("%s: %s", advice_rows[i].line, got ? got : "nothing");
    }
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
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_become_sentences),
        cmocka_unit_test(every_cut_is_safe),
        cmocka_unit_test(moments_are_read),
        cmocka_unit_test(questions_are_understood),
        cmocka_unit_test(lines_with_a_string_are_found),
        cmocka_unit_test(stories_are_found),
        cmocka_unit_test(attempts_belong_to_the_time_of_a_message),
        cmocka_unit_test(an_index_changes_nothing_but_time),
        cmocka_unit_test(what_helps_is_said),
        cmocka_unit_test(numbers_are_readable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
