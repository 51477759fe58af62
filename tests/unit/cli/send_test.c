/* What `postrider send` makes of its command line; media types, progress. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/media_type.h"
#include "cli/progress.h"
#include "cli/send_plan.h"

enum { WORD_LIMIT = 40 };

/* "|" stands between words. */
static size_t split(char *text, char **words)
{
    size_t count = 0;
    char *rest = text, *word;
    while ((word = strsep(&rest, "|")))
        words[count++] = word;
    return text[0] ? count : 0;
}

static void assert_text(struct bytes is, const char *wanted, const char *row)
{
    if (!bytes_equal(is, bytes_of(wanted)))
        fail_msg("\"%s\": \"%.*s\", not \"%s\"", row, BYTES_ARGS(is), wanted);
}

#define FROM_TO "--from|a@x.example|--to|b@y.example"

static const struct {
    const char *words;
    const char *mail_from, *recipients; /* the latter with spaces between */
    const char *host;
    uint16_t port;
    enum send_tls tls;
} good[] = {
    {FROM_TO, "a@x.example", "b@y.example", "", 0, SEND_TLS_ANY},
    {"-f|Ann <a@x.example>|-t|B <b@y.example>, \"C, D\" <c@y.example>|--bcc|d@y.example|text",
     "a@x.example", "b@y.example c@y.example d@y.example", "", 0, SEND_TLS_ANY},
    {FROM_TO "|--cc|b@y.example", "a@x.example", "b@y.example", "", 0, SEND_TLS_ANY},
    {"--from|a@x.example|--to|b@b\xc3\xbc.example", "a@x.example", "b@xn--b-eha.example", "", 0,
     SEND_TLS_ANY},
    {"--from|a@x.example|--to|\xc3\xbc@b\xc3\xbc.example", "a@x.example",
     "\xc3\xbc@b\xc3\xbc.example", "", 0, SEND_TLS_ANY},
    {FROM_TO "|--envelope-from|<>", "", "b@y.example", "", 0, SEND_TLS_ANY},
    {FROM_TO "|--envelope-from|bounce@x.example", "bounce@x.example", "b@y.example", "", 0,
     SEND_TLS_ANY},
    {"--message|m.eml|--envelope-from|<>|--to|b@[192.0.2.1]", "", "b@[192.0.2.1]", "", 0,
     SEND_TLS_ANY},
    {FROM_TO "|--server|h", "a@x.example", "b@y.example", "h", 25, SEND_TLS_ANY},
    {FROM_TO "|--server|h|--user|u", "a@x.example", "b@y.example", "h", 587, SEND_TLS_ANY},
    {FROM_TO "|--server|smtp://h", "a@x.example", "b@y.example", "h", 25, SEND_TLS_ANY},
    {FROM_TO "|--server|smtps://h", "a@x.example", "b@y.example", "h", 465, SEND_TLS_IMPLICIT},
    {FROM_TO "|--server|smtps://h:1", "a@x.example", "b@y.example", "h", 1, SEND_TLS_IMPLICIT},
    {FROM_TO "|--server|h:465", "a@x.example", "b@y.example", "h", 465, SEND_TLS_IMPLICIT},
    {FROM_TO "|--server|h:465|--tls|none", "a@x.example", "b@y.example", "h", 465, SEND_TLS_NONE},
    {FROM_TO "|--server|h|--tls|implicit", "a@x.example", "b@y.example", "h", 465,
     SEND_TLS_IMPLICIT},
    {FROM_TO "|--server|[2001:db8::1]:26", "a@x.example", "b@y.example", "2001:db8::1", 26,
     SEND_TLS_ANY},
    {FROM_TO "|--server|unix:/run/s", "a@x.example", "b@y.example", "", 0, SEND_TLS_ANY},
};

static void test_good(void **state)
{
    for (size_t i = 0; i < COUNT(good); i++) {
        char text[400], *words[WORD_LIMIT];
        struct send_plan *plan = calloc(1, sizeof *plan);
        struct arena *arena = arena_new(SEND_ARENA);
        struct error err;
        struct buf all;
        snprintf(text, sizeof text, "%s", good[i].words);
        size_t count = split(text, words);
        assert_non_null(plan);
        if (!send_plan_read(words, count, arena, plan, &err))
            fail_msg("\"%s\": %s", good[i].words, err.text);
        buf_init(&all, 1000);
        for (size_t j = 0; j < plan->recipient_count; j++)
            buf_addf(&all, "%s%.*s", j ? " " : "", BYTES_ARGS(plan->recipients[j]));
        assert_text(buf_view(&all), good[i].recipients, good[i].words);
        assert_text(plan->mail_from, good[i].mail_from, good[i].words);
        assert_text(plan->host, good[i].host, good[i].words);
        assert_int_equal(plan->port, good[i].port);
        assert_int_equal(plan->tls, good[i].tls);
        buf_done(&all);
        arena_free(arena);
        free(plan);
    }
}

static const struct {
    const char *words, *error;
} bad[] = {
    {"", "who gets it? --to ann@example.org"},
    {"--to|b@y.example", "who writes? --from ann@example.org"},
    {"--to|b@y.example|--envelope-from|<>", "who writes? --from ann@example.org"},
    {"--to|b@y.example|--message|m", "who writes? --from ann@example.org, or --envelope-from"},
    {"--from|a@x.example|--to|nobody", "--to nobody: that is no address"},
    {"--from|a@x.example|--to|b@y..example", "--to b@y..example: that is no address"},
    {"--from|a@x.example, c@x.example|--to|b@y.example", "--from takes one address"},
    {"--from|a@x.example\nBcc: c@x.example|--to|b@y.example", "--from takes one line"},
    {FROM_TO "|a|b", "one text, in quotes; what is \"b\"?"},
    {FROM_TO "|a|--text|f", "a text and --text, which has another"},
    {FROM_TO "|--message|m|-s|x", "--message is a whole message; nothing is added to it"},
    {FROM_TO "|--inline|p.png", "--inline needs --html, which shows the picture"},
    {FROM_TO "|--text|-|--html|-",
     "standard input can be one thing only: the text, or the password (--password-file)"},
    {FROM_TO "|--user|u|--password-stdin",
     "standard input can be one thing only: the text, or the password (--password-file)"},
    {FROM_TO "|-s|a\nBcc: c@x.example", "--subject takes one line of UTF-8"},
    {FROM_TO "|-s|\xff", "--subject takes one line of UTF-8"},
    {FROM_TO "|\xff", "the text is not UTF-8"},
    {FROM_TO "|--header|X", "--header takes \"Name: value\" on one line, not X"},
    {FROM_TO "|--header|X: y\nBcc: c",
     "--header takes \"Name: value\" on one line, not X: y\nBcc: c"},
    {FROM_TO "|--header|X Y: z", "--header takes \"Name: value\" on one line, not X Y: z"},
    {FROM_TO "|--header|bcc: c@x.example",
     "--header may not be bcc, which has an option of its own or is made"},
    {FROM_TO "|--attach|;type=text/plain", ";type=text/plain: which file?"},
    {FROM_TO "|--attach|m.eml;type=message/rfc822",
     "message/rfc822 is no type for a file; image/png is one, and message/… cannot be kept as it "
     "is"},
    {FROM_TO "|--attach|f;name=a/b", "f;name=a/b: its name is not UTF-8 or has control characters; "
                                     "give another: FILE;name=NAME"},
    {FROM_TO "|--html|h|--inline|a b.png",
     "a b.png cannot stand behind cid: in HTML; give a name of letters, digits, \".\", \"_\" and "
     "\"-\": FILE;cid=NAME"},
    {FROM_TO "|--tls|maybe", "--tls takes none, starttls or implicit, not maybe"},
    {FROM_TO "|--server|smtps://h|--tls|none",
     "smtps:// is TLS from the beginning, and --tls says otherwise"},
    {FROM_TO "|--server|unix:", "--server unix:PATH needs a PATH"},
    {FROM_TO "|--server|h:x", "--server: x is no port"},
    {FROM_TO "|--user|u|--tls|none", "a password does not go in clear text: --user and --tls none"},
    {FROM_TO "|--password-file|f", "a password needs --user, whose it is"},
    {FROM_TO "|--timeout|5", "5 is no time to wait, as 500ms, 10s or 1m are"},
};

static void test_bad(void **state)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        char text[400], *words[WORD_LIMIT];
        struct send_plan *plan = calloc(1, sizeof *plan);
        struct arena *arena = arena_new(SEND_ARENA);
        struct error err;
        snprintf(text, sizeof text, "%s", bad[i].words);
        size_t count = split(text, words);
        assert_non_null(plan);
        if (send_plan_read(words, count, arena, plan, &err))
            fail_msg("\"%s\" was taken", bad[i].words);
        assert_string_equal(err.text, bad[i].error);
        arena_free(arena);
        free(plan);
    }
}

static const struct {
    const char *word, *path, *name, *type, *cid;
} files[] = {
    {"plan.pdf", "plan.pdf", "plan.pdf", "application/pdf", ""},
    {"/a/b/plan.PDF", "/a/b/plan.PDF", "plan.PDF", "application/pdf", ""},
    {"a;b.png", "a;b.png", "a;b.png", "image/png", ""},
    {"f;type=x/y", "f", "f", "x/y", ""},
    {"f;name=Plan \xc3\xbc.txt", "f", "Plan \xc3\xbc.txt", "text/plain", ""},
    {"f;name=a;b.txt;type=x/y;cid=z", "f", "a;b.txt", "x/y", "z"},
    {"f;cid=z;name=n;type=x/y", "f", "n", "x/y", "z"},
    {"m.eml", "m.eml", "m.eml", "application/octet-stream", ""},
};

static void test_files(void **state)
{
    for (size_t i = 0; i < COUNT(files); i++) {
        char text[400], *words[WORD_LIMIT];
        struct send_plan *plan = calloc(1, sizeof *plan);
        struct arena *arena = arena_new(SEND_ARENA);
        struct error err;
        snprintf(text, sizeof text, FROM_TO "|--attach|%s", files[i].word);
        size_t count = split(text, words);
        assert_non_null(plan);
        if (!send_plan_read(words, count, arena, plan, &err))
            fail_msg("\"%s\": %s", files[i].word, err.text);
        assert_int_equal(plan->attached_count, 1);
        assert_string_equal(plan->attached[0].path, files[i].path);
        assert_text(plan->attached[0].name, files[i].name, files[i].word);
        assert_text(plan->attached[0].type, files[i].type, files[i].word);
        assert_text(plan->attached[0].cid, files[i].cid, files[i].word);
        arena_free(arena);
        free(plan);
    }
}

static const struct {
    const char *name, *type;
} types[] = {
    {"a.png", "image/png"},
    {"a.JPEG", "image/jpeg"},
    {"a.tar.gz", "application/gzip"},
    {"a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"png", "application/octet-stream"},
    {".png", "application/octet-stream"},
    {"a.", "application/octet-stream"},
    {"", "application/octet-stream"},
    {"a.unknown", "application/octet-stream"},
};

static void test_types(void **state)
{
    for (size_t i = 0; i < COUNT(types); i++)
        assert_string_equal(media_type_of(bytes_of(types[i].name)), types[i].type);
    assert_true(media_type_is_valid(BYTES("application/vnd.x+y")));
    static const char *const wrong[] = {
        "",      "a",         "a/", "/b", "a/b/c", "a/b; c=d", "message/rfc822", "Multipart/mixed",
        "a b/c", "a/\xc3\xbc"};
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(media_type_is_valid(bytes_of(wrong[i])));
}

static const struct {
    uint64_t done, total;
    int64_t elapsed_ms;
    const char *want;
} bars[] = {
    {0, 1000, 0, "  0% [                    ] 0 of 1000"},
    {0, 1000, 500, "  0% [                    ] 0 of 1000"},
    {500, 1000, 500, " 50% [##########          ] 500 of 1000, 1000/s, 0ms left"},
    {1 << 20, 3 << 20, 1000, " 33% [######              ] 1.0M of 3.0M, 1.0M/s, 2s left"},
    {1000, 1000, 1000, "100% [####################] 1000 of 1000, 1000/s"},
    {2000, 1000, 1000, "100% [####################] 1000 of 1000, 1000/s"},
    {0, 0, 1000, "100% [####################] 0 of 0"},
};

static void test_progress(void **state)
{
    for (size_t i = 0; i < COUNT(bars); i++) {
        struct buf out;
        buf_init(&out, 200);
        progress_print(&out, bars[i].done, bars[i].total, bars[i].elapsed_ms);
        assert_text(buf_view(&out), bars[i].want, bars[i].want);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),  cmocka_unit_test(test_bad),      cmocka_unit_test(test_files),
        cmocka_unit_test(test_types), cmocka_unit_test(test_progress),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
