/* The scanner of message text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "smtp/dot.h"

enum { LINE_LIMIT = 1000, LONG = 4000 };

static const struct {
    const char *name;
    enum text_form form;
    struct bytes input, text; /* the text for TEXT_GOOD only */
    enum text_fault fault;
    size_t left; /* bytes behind the end of data */
    bool ends, has_8bit;
} rows[] = {
    {"empty", TEXT_DOTTED, BYTES_INIT(".\r\n"), BYTES_INIT(""), TEXT_GOOD, 0, true, false},
    {"a line", TEXT_DOTTED, BYTES_INIT("a\r\n.\r\n"), BYTES_INIT("a\r\n"), TEXT_GOOD, 0, true,
     false},
    {"more behind", TEXT_DOTTED, BYTES_INIT("a\r\n.\r\nQUIT"), BYTES_INIT("a\r\n"), TEXT_GOOD, 4,
     true, false},
    {"no end yet", TEXT_DOTTED, BYTES_INIT("a\r\n."), BYTES_INIT("a\r\n"), TEXT_GOOD, 0, false,
     false},
    {"stuffed dots", TEXT_DOTTED, BYTES_INIT("..\r\n...\r\n.a\r\n.\r\n"),
     BYTES_INIT(".\r\n..\r\na\r\n"), TEXT_GOOD, 0, true, false},
    {"dots inside", TEXT_DOTTED, BYTES_INIT("a.\r\nb.c\r\n.\r\n"), BYTES_INIT("a.\r\nb.c\r\n"),
     TEXT_GOOD, 0, true, false},
    {"eight bits", TEXT_DOTTED, BYTES_INIT("\xc3\xbc\r\n.\r\n"), BYTES_INIT("\xc3\xbc\r\n"),
     TEXT_GOOD, 0, true, true},
    {"eight bits behind the end", TEXT_DOTTED, BYTES_INIT("a\r\n.\r\n\xc3\xbc"),
     BYTES_INIT("a\r\n"), TEXT_GOOD, 2, true, false},
    {"LF alone", TEXT_DOTTED, BYTES_INIT("a\nb\r\n.\r\n"), BYTES_INIT(""), TEXT_BARE_NEWLINE, 0,
     true, false},
    {"LF first", TEXT_DOTTED, BYTES_INIT("\n\r\n.\r\n"), BYTES_INIT(""), TEXT_BARE_NEWLINE, 0, true,
     false},
    {"CR alone", TEXT_DOTTED, BYTES_INIT("a\rb\r\n.\r\n"), BYTES_INIT(""), TEXT_BARE_NEWLINE, 0,
     true, false},
    {"CR CRLF", TEXT_DOTTED, BYTES_INIT("a\r\r\n.\r\n"), BYTES_INIT(""), TEXT_BARE_NEWLINE, 0, true,
     false},
    {"LF . CRLF is no end", TEXT_DOTTED, BYTES_INIT("a\n.\r\n"), BYTES_INIT(""), TEXT_BARE_NEWLINE,
     0, false, false},
    {"CRLF . LF is no end", TEXT_DOTTED, BYTES_INIT("a\r\n.\n"), BYTES_INIT(""), TEXT_BARE_NEWLINE,
     0, false, false},
    {"CRLF . CR CRLF is no end", TEXT_DOTTED, BYTES_INIT("a\r\n.\r\r\n"), BYTES_INIT(""),
     TEXT_BARE_NEWLINE, 0, false, false},
    {"the first fault counts", TEXT_DOTTED, BYTES_INIT("a\0\n\r\n.\r\n"), BYTES_INIT(""), TEXT_NUL,
     0, true, false},
    {"the first fault counts, again", TEXT_DOTTED, BYTES_INIT("a\n\0\r\n.\r\n"), BYTES_INIT(""),
     TEXT_BARE_NEWLINE, 0, true, false},
    {"counted", TEXT_COUNTED, BYTES_INIT(".\r\n..\r\na"), BYTES_INIT(".\r\n..\r\na"), TEXT_GOOD, 0,
     false, false},
    {"counted, LF alone", TEXT_COUNTED, BYTES_INIT("a\n"), BYTES_INIT(""), TEXT_BARE_NEWLINE, 0,
     false, false},
    {"counted, CR at the end", TEXT_COUNTED, BYTES_INIT("a\r"), BYTES_INIT(""), TEXT_BARE_NEWLINE,
     0, false, false},
    {"counted, NUL", TEXT_COUNTED, BYTES_INIT("a\0\r\n"), BYTES_INIT(""), TEXT_NUL, 0, false,
     false},
};

struct outcome {
    struct buf text;
    bool has_ended;
    size_t left, faults;
};

/* Feeds a copy at the very end of its block; returns what was not read. */
static void feed(struct dot *dot, struct bytes input, struct outcome *outcome)
{
    if (outcome->has_ended) {
        outcome->left += input.len;
        return;
    }
    uint8_t *copy = malloc(input.len ? input.len : 1);
    if (input.len)
        memcpy(copy, input.at, input.len);
    struct bytes rest = {copy, input.len}, text;
    for (enum dot_event event; (event = dot_next(dot, &rest, &text)) != DOT_MORE;) {
        if (event == DOT_TEXT)
            buf_add(&outcome->text, text);
        outcome->faults += event == DOT_FAULT;
        outcome->has_ended = event == DOT_END;
        if (event == DOT_END)
            break;
    }
    outcome->left += rest.len;
    free(copy);
}

static void check(size_t row, struct dot *dot, struct outcome *outcome)
{
    bool is_good = dot_finish(dot);
    if (is_good != !rows[row].fault || dot->fault != rows[row].fault)
        fail_msg("%s: fault %d", rows[row].name, dot->fault);
    if (!dot->fault && !bytes_equal(buf_view(&outcome->text), rows[row].text))
        fail_msg("%s: text", rows[row].name);
    if (outcome->has_ended != rows[row].ends || outcome->left != rows[row].left)
        fail_msg("%s: end", rows[row].name);
    if (dot->has_8bit != rows[row].has_8bit || outcome->faults > 1)
        fail_msg("%s: flags", rows[row].name);
    buf_done(&outcome->text);
}

static void every_cut_reads_the_same(void **state)
{
    for (size_t row = 0; row < COUNT(rows); row++)
        for (size_t at = 0; at <= rows[row].input.len; at++) {
            struct dot dot;
            struct outcome outcome = {.has_ended = false};
            buf_init(&outcome.text, LONG);
            dot_init(&dot, rows[row].form, LINE_LIMIT);
            feed(&dot, bytes_sub(rows[row].input, 0, at), &outcome);
            feed(&dot, bytes_from(rows[row].input, at), &outcome);
            check(row, &dot, &outcome);
        }
}

static void every_byte_alone_reads_the_same(void **state)
{
    for (size_t row = 0; row < COUNT(rows); row++) {
        struct dot dot;
        struct outcome outcome = {.has_ended = false};
        buf_init(&outcome.text, LONG);
        dot_init(&dot, rows[row].form, LINE_LIMIT);
        for (size_t i = 0; i < rows[row].input.len; i++)
            feed(&dot, bytes_sub(rows[row].input, i, 1), &outcome);
        check(row, &dot, &outcome);
    }
}

/* Each odd thing at each place of a text longer than the blocks that are looked at as a whole. */
static void faults_are_found_anywhere(void **state)
{
    static const struct {
        struct bytes odd;
        enum text_fault want;
    } odds[] = {
        {BYTES_INIT("\n"), TEXT_BARE_NEWLINE},
        {BYTES_INIT("\rx"), TEXT_BARE_NEWLINE},
        {BYTES_INIT("\0"), TEXT_NUL},
        {BYTES_INIT("\n.\r\n"), TEXT_BARE_NEWLINE},
        {BYTES_INIT("\r\n.\n"), TEXT_BARE_NEWLINE},
        {BYTES_INIT("\r\n.."), TEXT_GOOD},
        {BYTES_INIT("\xff"), TEXT_GOOD},
    };
    for (size_t odd = 0; odd < COUNT(odds); odd++)
        for (size_t at = 0; at < 1200; at++) {
            struct buf input;
            buf_init(&input, LONG);
            for (size_t i = 0; i < 1200; i++) {
                if (i == at)
                    buf_add(&input, odds[odd].odd);
                buf_add_byte(&input, 'x');
            }
            buf_add(&input, BYTES("\r\n.\r\n"));
            struct dot dot;
            struct outcome outcome = {.has_ended = false};
            buf_init(&outcome.text, LONG);
            dot_init(&dot, TEXT_DOTTED, 0);
            feed(&dot, buf_view(&input), &outcome);
            if (dot.fault != odds[odd].want || !outcome.has_ended || outcome.left)
                fail_msg("odd %zu at %zu", odd, at);
            size_t kept = odds[odd].odd.len - (odds[odd].odd.len == 4);
            if (!dot.fault && outcome.text.len != 1202 + kept)
                fail_msg("odd %zu at %zu: text", odd, at);
            buf_done(&outcome.text);
            buf_done(&input);
        }
}

static void lines_are_bounded(void **state)
{
    static const struct {
        size_t line; /* without CRLF */
        enum text_fault want;
    } lengths[] = {{0, TEXT_GOOD},
                   {511, TEXT_GOOD},
                   {512, TEXT_GOOD},
                   {LINE_LIMIT - 2, TEXT_GOOD},
                   {LINE_LIMIT - 1, TEXT_LONG_LINE},
                   {LINE_LIMIT, TEXT_LONG_LINE},
                   {1500, TEXT_LONG_LINE}};
    for (size_t row = 0; row < COUNT(lengths); row++)
        for (size_t step = 1; step < 1600; step += 7) {
            struct buf input;
            struct dot dot;
            struct outcome outcome = {.has_ended = false};
            buf_init(&input, LONG);
            buf_init(&outcome.text, LONG);
            buf_add(&input, BYTES("first\r\n."));
            for (size_t i = 0; i < lengths[row].line; i++)
                buf_add_byte(&input, 'x');
            buf_add(&input, lengths[row].line ? BYTES("\r\n.\r\n") : BYTES("\r\n"));
            dot_init(&dot, TEXT_DOTTED, LINE_LIMIT);
            for (size_t i = 0; i < input.len; i += step)
                feed(&dot, bytes_sub(buf_view(&input), i, step), &outcome);
            if (dot.fault != lengths[row].want || !outcome.has_ended)
                fail_msg("%zu in steps of %zu: %d", lengths[row].line, step, dot.fault);
            buf_done(&input);
            buf_done(&outcome.text);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_reads_the_same),
        cmocka_unit_test(every_byte_alone_reads_the_same),
        cmocka_unit_test(faults_are_found_anywhere),
        cmocka_unit_test(lines_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
