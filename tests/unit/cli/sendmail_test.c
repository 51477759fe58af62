/* What `sendmail` reads: its options, the lines of a message, and its recipients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/sendmail_letter.h"
#include "cli/sendmail_plan.h"

enum { WORD_LIMIT = 40 };

static size_t split(char *text, char **words)
{
    size_t count = 0;
    char *rest = text, *word;
    while ((word = strsep(&rest, " ")))
        if (*word)
            words[count++] = word;
    return count;
}

static const struct {
    const char *name, *words; /* with spaces between them */
    const char *error;        /* a part of it; NULL: it is good, and the rest counts */
    enum sendmail_mode mode;
    const char *sender; /* NULL: not given */
    bool takes_from_header, ignores_dots;
    size_t recipients;
} plans[] = {
    {"sendmail", "ann", NULL, SENDMAIL_SUBMIT, NULL, false, false, 1},
    {"sendmail", "-t", NULL, SENDMAIL_SUBMIT, NULL, true, false, 0},
    {"sendmail", "-ti", NULL, SENDMAIL_SUBMIT, NULL, true, true, 0},
    {"sendmail", "-oi -oem -f bob ann cy", NULL, SENDMAIL_SUBMIT, "bob", false, true, 2},
    {"sendmail", "-fbob -- -ann", NULL, SENDMAIL_SUBMIT, "bob", false, false, 1},
    {"sendmail", "-i -f bob -B 8BITMIME -L tag -O X=1 ann", NULL, SENDMAIL_SUBMIT, "bob", false,
     true, 1},
    {"sendmail", "-FAnn ann", NULL, SENDMAIL_SUBMIT, NULL, false, false, 1},
    {"sendmail", "-bm ann", NULL, SENDMAIL_SUBMIT, NULL, false, false, 1},
    {"sendmail", "-Am -G ann", NULL, SENDMAIL_SUBMIT, NULL, false, false, 1},
    {"sendmail", "-N success,delay -R HDRS -V id ann", NULL, SENDMAIL_SUBMIT, NULL, false, false,
     1},
    {"sendmail", "-bs", NULL, SENDMAIL_SESSION, NULL, false, false, 0},
    {"sendmail", "-bp", NULL, SENDMAIL_QUEUE, NULL, false, false, 0},
    {"sendmail", "-q", NULL, SENDMAIL_RETRY, NULL, false, false, 0},
    {"mailq", "", NULL, SENDMAIL_QUEUE, NULL, false, false, 0},
    {"newaliases", "", NULL, SENDMAIL_ALIASES, NULL, false, false, 0},
    {"sendmail", "", "to whom?", 0, NULL, false, false, 0},
    {"sendmail", "-bd", "postrider serve", 0, NULL, false, false, 0},
    {"sendmail", "-bx", "there are -bm", 0, NULL, false, false, 0},
    {"sendmail", "-q5m", "postrider queue retry", 0, NULL, false, false, 0},
    {"sendmail", "-f", "-f needs a value", 0, NULL, false, false, 0},
    {"sendmail", "-Z ann", "there is no option -Z", 0, NULL, false, false, 0},
    {"sendmail", "-N never,delay ann", "-N takes", 0, NULL, false, false, 0},
    {"sendmail", "-R most ann", "-R takes", 0, NULL, false, false, 0},
    {"sendmail", "-V a=b ann", "-V takes", 0, NULL, false, false, 0},
};

static void test_plans(void **state)
{
    for (size_t i = 0; i < COUNT(plans); i++) {
        char text[200], *words[WORD_LIMIT];
        struct sendmail_plan plan;
        struct error err;
        snprintf(text, sizeof text, "%s", plans[i].words);
        bool is_good = sendmail_plan_read(plans[i].name, words, split(text, words), &plan, &err);
        if (is_good != !plans[i].error)
            fail_msg("%s %s: %s", plans[i].name, plans[i].words, is_good ? "taken" : err.text);
        if (!is_good) {
            if (!strstr(err.text, plans[i].error))
                fail_msg("%s: %s", plans[i].words, err.text);
            continue;
        }
        assert_int_equal(plan.mode, plans[i].mode);
        assert_string_equal(plan.sender ? plan.sender : "-",
                            plans[i].sender ? plans[i].sender : "-");
        assert_int_equal(plan.takes_from_header, plans[i].takes_from_header);
        assert_int_equal(plan.ignores_dots, plans[i].ignores_dots);
        assert_int_equal(plan.word_count, plans[i].recipients);
    }
}

static const struct {
    const char *input;
    bool ignores_dots;
    const char *wanted;
} lines_rows[] = {
    {"", false, ""},
    {"a\nb\n", false, "a\r\nb\r\n"},
    {"a\r\nb", false, "a\r\nb\r\n"},
    {"a\r\n\r\nb\n", false, "a\r\n\r\nb\r\n"},
    {"a\n.\nb\n", false, "a\r\n"},
    {"a\n.\r\nb\n", false, "a\r\n"},
    {"a\n.\nb\n", true, "a\r\n.\r\nb\r\n"},
    {"a\n..\n.b\n", false, "a\r\n..\r\n.b\r\n"},
    {".", false, ".\r\n"},
    {"a\rb\n", false, "a\rb\r\n"},
    {"a\r", false, "a\r\r\n"},
    {"\r\r\n", false, "\r\r\n"},
};

/* However the text is cut, the outcome is the same. */
static void test_lines(void **state)
{
    for (size_t i = 0; i < COUNT(lines_rows); i++) {
        struct bytes input = bytes_of(lines_rows[i].input);
        for (size_t cut = 0; cut <= input.len; cut++) {
            struct letter_lines lines;
            struct buf out;
            buf_init(&out, 100);
            letter_lines_init(&lines, lines_rows[i].ignores_dots);
            letter_lines_add(&lines, bytes_sub(input, 0, cut), &out);
            letter_lines_add(&lines, bytes_from(input, cut), &out);
            letter_lines_end(&lines, &out);
            if (!bytes_equal(buf_view(&out), bytes_of(lines_rows[i].wanted)))
                fail_msg("row %zu cut at %zu: %.*s", i, cut, BYTES_ARGS(buf_view(&out)));
            buf_done(&out);
        }
    }
}

static const struct {
    const char *list;
    const char *wanted; /* with a space behind each; NULL: it is none */
} lists[] = {
    {"ann@b.example", "ann@b.example "},
    {"ann", "ann@own.example "},
    {"ann, bob (at home), \"C, d\" <cy@b.example>",
     "ann@own.example bob@own.example cy@b.example "},
    {"Ann Ames <ann@b.example>", "ann@b.example "},
    {"friends: ann@b.example, bob@b.example;", "ann@b.example bob@b.example "},
    {"undisclosed-recipients:;", ""},
    {"<ann@b.example>", "ann@b.example "},
    {"\"a b\"@c.example", "\"a b\"@c.example "},
    {"ann ames", NULL},
    {"ann ames, bob@b.example", NULL},
    {"ann@@b.example", NULL},
};

static void test_lists(void **state)
{
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct letter_addresses addresses;
        struct error err;
        letter_addresses_init(&addresses);
        bool is_good =
            letter_addresses_add(&addresses, bytes_of(lists[i].list), BYTES("own.example"), &err);
        if (is_good != (lists[i].wanted != NULL))
            fail_msg("%s: %s", lists[i].list, is_good ? "taken" : err.text);
        for (size_t at = 0; at < addresses.texts.len; at++)
            if (!addresses.texts.at[at])
                addresses.texts.at[at] = ' ';
        if (is_good && !bytes_equal(buf_view(&addresses.texts), bytes_of(lists[i].wanted)))
            fail_msg("%s: %.*s", lists[i].list, BYTES_ARGS(buf_view(&addresses.texts)));
        letter_addresses_done(&addresses);
    }
}

static const struct {
    const char *text, *name;
    const char *wanted; /* in front */
    size_t skip;
} fronts[] = {
    {"Subject: a\r\nFrom: b@c\r\n\r\nd", "Ann", "", 0},
    {"Subject: a\r\n\r\nFrom: b@c\r\n", "Ann", "From: \"Ann\" <ann@own.example>\r\n", 0},
    {"Hello, Ann\r\n", "", "From: ann@own.example\r\n\r\n", 0},
    {"\r\nHello\r\n", "", "From: ann@own.example\r\n", 0},
    {"From root Wed Nov 25\r\nFrom: b@c\r\n\r\nd", "", "", 22},
    {"Subject: a\r\n", "J\xc3\xbcrgen", "From: ann@own.example\r\n", 0},
    {"Subject: a\r\n", "A \"b\" \\", "From: \"A \\\"b\\\" \\\\\" <ann@own.example>\r\n", 0},
};

static void test_fronts(void **state)
{
    for (size_t i = 0; i < COUNT(fronts); i++) {
        struct buf out;
        size_t skip;
        buf_init(&out, 200);
        letter_front(bytes_of(fronts[i].text), bytes_of(fronts[i].name), BYTES("ann@own.example"),
                     &out, &skip);
        if (!bytes_equal(buf_view(&out), bytes_of(fronts[i].wanted)))
            fail_msg("row %zu: %.*s", i, BYTES_ARGS(buf_view(&out)));
        assert_int_equal(skip, fronts[i].skip);
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_fronts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
