/* What the load generator draws and reads: sizes, rates, schedules, options, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/memory.h"
#include "cli/bench_ids.h"
#include "cli/bench_letter.h"
#include "cli/bench_plan.h"
#include "cli/bench_tally.h"
#include "cli/bench_token.h"

static void sizes_are_read(void **state)
{
    static const struct {
        const char *name;
        struct bytes input;
        bool want;
        size_t parts;
        uint64_t least, most; /* of all parts */
    } rows[] = {
        {"one size", BYTES_INIT("4K"), true, 1, 4096, 4096},
        {"bytes", BYTES_INIT("700"), true, 1, 700, 700},
        {"a range", BYTES_INIT("1K-64K"), true, 1, 1024, 65536},
        {"a table", BYTES_INIT("70:2K,25:20K,5:1M"), true, 3, 2048, 1 << 20},
        {"a table with a range", BYTES_INIT("3:1K-2K,1:9"), true, 2, 9, 2048},
        {"the largest", BYTES_INIT("256M"), true, 1, 256 << 20, 256 << 20},
        {"too large", BYTES_INIT("257M"), false, 0, 0, 0},
        {"nothing", BYTES_INIT(""), false, 0, 0, 0},
        {"zero", BYTES_INIT("0"), false, 0, 0, 0},
        {"a range upside down", BYTES_INIT("2K-1K"), false, 0, 0, 0},
        {"half a range", BYTES_INIT("1K-"), false, 0, 0, 0},
        {"several without weights", BYTES_INIT("1K,2K"), false, 0, 0, 0},
        {"one weight missing", BYTES_INIT("1:1K,2K"), false, 0, 0, 0},
        {"weight zero", BYTES_INIT("0:1K,1:2K"), false, 0, 0, 0},
        {"a comma at the end", BYTES_INIT("1:1K,"), false, 0, 0, 0},
        {"seventeen parts",
         BYTES_INIT("1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1,1:1"), false,
         0, 0, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench_sizes sizes;
        struct error err = {0};
        bool got = bench_sizes_scan(rows[i].input, &sizes, &err);
        if (got != rows[i].want || (got && sizes.count != rows[i].parts))
            fail_msg("%s", rows[i].name);
        uint64_t seed = 1;
        for (size_t draw = 0; got && draw < 1000; draw++) {
            uint64_t size = bench_sizes_draw(&sizes, &seed);
            if (size < rows[i].least || size > rows[i].most)
                fail_msg("%s: drew %llu", rows[i].name, (unsigned long long)size);
        }
        assert_true(got || strstr(err.text, "256M"));
    }
}

static void sizes_follow_their_weights(void **state)
{
    struct bench_sizes sizes;
    struct error err;
    assert_true(bench_sizes_scan(BYTES("70:2K,25:20K,5:1M"), &sizes, &err));
    uint64_t seed = 7;
    size_t small = 0, large = 0;
    for (size_t i = 0; i < 100000; i++) {
        uint64_t size = bench_sizes_draw(&sizes, &seed);
        small += size == 2048;
        large += size == 1 << 20;
    }
    assert_in_range(small, 69000, 71000);
    assert_in_range(large, 4500, 5500);
}

static void rates_are_read(void **state)
{
    static const struct {
        struct bytes input;
        bool want;
        uint64_t milli;
    } rows[] = {
        {BYTES_INIT("1000"), true, 1000000},
        {BYTES_INIT("0.5"), true, 500},
        {BYTES_INIT("2.25"), true, 2250},
        {BYTES_INIT("0.001"), true, 1},
        {BYTES_INIT("1000000"), true, 1000000000},
        {BYTES_INIT("1000000.1"), false, 0},
        {BYTES_INIT("0"), false, 0},
        {BYTES_INIT("0.0001"), false, 0},
        {BYTES_INIT(""), false, 0},
        {BYTES_INIT(".5"), false, 0},
        {BYTES_INIT("5."), false, 0},
        {BYTES_INIT("-1"), false, 0},
        {BYTES_INIT("1e3"), false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t milli = 0;
        bool got = bench_rate_scan(rows[i].input, &milli);
        if (got != rows[i].want || milli != rows[i].milli)
            fail_msg("%.*s", BYTES_ARGS(rows[i].input));
    }
}

static void even_arrivals_do_not_drift(void **state)
{
    struct bench_schedule schedule;
    bench_schedule_init(&schedule, ARRIVALS_EVEN, 3000, 5000000, 1); /* 3 a second */
    assert_int_equal(bench_schedule_next(&schedule), 5000000);
    assert_int_equal(bench_schedule_next(&schedule), 5333333);
    int64_t last = 0;
    for (size_t i = 2; i <= 300000; i++)
        last = bench_schedule_next(&schedule);
    assert_int_equal(last, 5000000 + INT64_C(100000) * 1000000);
}

static void poisson_arrivals_have_the_rate_and_the_seed(void **state)
{
    struct bench_schedule schedule, again;
    bench_schedule_init(&schedule, ARRIVALS_POISSON, 1000000, 0, 42); /* 1,000 a second */
    bench_schedule_init(&again, ARRIVALS_POISSON, 1000000, 0, 42);
    int64_t last = 0;
    size_t short_gaps = 0;
    for (size_t i = 0; i < 100000; i++) {
        int64_t due = bench_schedule_next(&schedule);
        assert_true(due >= last);
        assert_int_equal(due, bench_schedule_next(&again));
        short_gaps += due - last < 693; /* the median of the gaps: ln 2 of the mean */
        last = due;
    }
    assert_in_range(last, 98000000, 102000000);
    assert_in_range(short_gaps, 49000, 51000);
}

static const uint64_t run = 0x0123456789abcdef;

/* Every cut of a text with a token in it, and byte by byte. */
static void a_token_is_found_however_it_is_cut(void **state)
{
    static const struct {
        const char *name;
        struct bytes text;
        bool want;
        uint64_t number;
    } rows[] = {
        {"alone", BYTES_INIT("X-Bench-Id: 0123456789abcdef.42\r\n"), true, 42},
        {"behind others",
         BYTES_INIT("Received: from a by b\r\nX-Bench-Id: 0123456789abcdef.7\r\n\r\ntext\r\n"),
         true, 7},
        {"of another run", BYTES_INIT("X-Bench-Id: 0123456789abcdee.42\r\n"), false, 0},
        {"not whole", BYTES_INIT("X-Bench-Id: 0123456789abcdef.42"), false, 0},
        {"no number", BYTES_INIT("X-Bench-Id: 0123456789abcdef.\r\n"), false, 0},
        {"no token", BYTES_INIT("Subject: none\r\n\r\n"), false, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bytes text = rows[i].text;
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct bench_token_search search = {.seen = 0}, slow = {.seen = 0};
            bench_token_look(&search, run, bytes_sub(text, 0, cut));
            bench_token_look(&search, run, bytes_from(text, cut));
            for (size_t at = 0; at < text.len; at++)
                bench_token_look(&slow, run, bytes_sub(text, at, 1));
            if (search.has_number != rows[i].want || slow.has_number != rows[i].want ||
                (rows[i].want && (search.number != rows[i].number || slow.number != search.number)))
                fail_msg("%s, cut at %zu", rows[i].name, cut);
        }
    }
}

/* Of any size: ends in CRLF, has CR and LF only together, and is as long as was said. */
static void letters_have_their_size(void **state)
{
    struct bench_letters *letters = bench_letters_new(run, BYTES_NONE);
    struct buf whole;
    buf_init(&whole, 1 << 20);
    for (uint64_t size = 1; size < 200000; size += size < 700 ? 1 : 9973) {
        struct bytes text;
        buf_clear(&whole);
        uint64_t left = bench_letter_begin(letters, size, BYTES("ann@example.org"),
                                           BYTES("bob@example.org"), 1764000000000, size, &text);
        uint64_t said = left;
        buf_add(&whole, text);
        while ((left -= text.len) > 0)
            buf_add(&whole, text = bench_letter_more(letters, left));
        assert_int_equal(whole.len, said);
        assert_true(size < 400 || (said >= size && said <= size + 1));
        assert_true(bytes_ends_nocase(buf_view(&whole), BYTES("\r\n")));
        for (size_t i = 0; i < whole.len; i++)
            assert_true((whole.at[i] == '\n') == (i > 0 && whole.at[i - 1] == '\r'));
        struct bench_token_search search = {.seen = 0};
        bench_token_look(&search, run, buf_view(&whole));
        assert_true(search.has_number && search.number == size);
        size_t body = bytes_search(buf_view(&whole), BYTES("\r\n\r\n"));
        assert_true(body + 4 < whole.len);
    }
    buf_done(&whole);
    bench_letters_free(letters);
}

/* As it is, with nothing but the token's field in front; the one of the message before is gone. */
static void a_letter_that_is_given_stays_as_it_is(void **state)
{
    struct bytes given = BYTES("From: ann@example.org\r\n\r\nHello\r\n");
    struct bench_letters *letters = bench_letters_new(run, given);
    static const uint64_t numbers[] = {0, 99999999, 7};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct bytes text;
        uint64_t size = bench_letter_begin(letters, numbers[i], BYTES("a@b.example"),
                                           BYTES("c@d.example"), 0, 4096, &text);
        assert_int_equal(size, text.len);
        assert_true(bytes_starts(text, BYTES("X-Bench-Id: ")));
        assert_true(bytes_equal(bytes_from(text, bytes_find(text, '\n') + 1), given));
        struct bench_token_search search = {.seen = 0};
        bench_token_look(&search, run, text);
        assert_true(search.has_number && search.number == numbers[i]);
    }
    bench_letters_free(letters);
}

static void the_account_finds_what_is_lost_and_what_comes_twice(void **state)
{
    struct bench_ids ids;
    bench_ids_init(&ids, 100, 3);
    bench_ids_accept(&ids, 0, 0);
    bench_ids_accept(&ids, 0, 1);
    bench_ids_accept(&ids, 99, 2);
    assert_int_equal(ids.missing, 3);
    assert_true(bench_ids_arrive(&ids, 0, 1));
    assert_false(bench_ids_arrive(&ids, 0, 1));
    assert_int_equal(ids.missing, 2);
    assert_int_equal(ids.duplicates, 1);
    /* It arrives before its 250 is read. */
    assert_true(bench_ids_arrive(&ids, 5, 0));
    assert_int_equal(ids.unasked, 1);
    bench_ids_accept(&ids, 5, 0);
    assert_int_equal(ids.unasked, 0);
    assert_int_equal(ids.missing, 2);
    bench_ids_done(&ids);
}

static bool read_plan(enum bench_mode mode, const char *line, struct bench_plan *plan,
                      struct error *err)
{
    static char text[256];
    static char *words[32];
    size_t count = 0;
    snprintf(text, sizeof text, "%s", line);
    for (char *at = text; *at; count++) {
        words[count] = at;
        at += strcspn(at, " ");
        if (*at)
            *at++ = 0;
    }
    return bench_plan_read(mode, words, count, plan, err);
}

static void options_are_read(void **state)
{
    static const struct {
        enum bench_mode mode;
        const char *line, *problem; /* part of it; NULL: it is good */
    } rows[] = {
        {BENCH_SEND, "--server 127.0.0.1:25", NULL},
        {BENCH_SEND, "--server=[::1]:25 --rate 2.5 --arrivals even --size=1K-2K", NULL},
        {BENCH_SEND, "--server unix:/run/lmtp --lmtp --recipients 3 --json", NULL},
        {BENCH_SEND, "", "--server"},
        {BENCH_SEND, "--server ::1:25", "--server takes"},
        {BENCH_SEND, "--server localhost", "--server takes"},
        {BENCH_SEND, "--server unix:", "--server takes"},
        {BENCH_SEND, "--server a:1 --count 0", "--count takes"},
        {BENCH_SEND, "--server a:1 --count", "--count needs"},
        {BENCH_SEND, "--server a:1 --count 100000001", "--count takes"},
        {BENCH_SEND, "--server a:1 --duration 25h", "--duration takes"},
        {BENCH_SEND, "--server a:1 --json=yes", "no value"},
        {BENCH_SEND, "--server a:1 --greylist 1s", "no option --greylist"},
        {BENCH_SEND, "--server a:1 --to nobody", "write addresses"},
        {BENCH_SEND, "--server a:1 --to ann@example.org --recipients 2", "%d"},
        {BENCH_SEND, "--server a:1 --domains a.example,,b.example", "write addresses"},
        {BENCH_SINK, "--listen 127.0.0.1:0 --drop 0.5 --hide CHUNKING,8BITMIME", NULL},
        {BENCH_SINK, "--listen 127.0.0.1:0 --drop 101", "--drop takes"},
        {BENCH_SINK, "--listen 127.0.0.1:0 --hide TURN", "PIPELINING, SIZE"},
        {BENCH_SINK, "--listen unix:/tmp/x", "--listen"},
        {BENCH_RELAY, "--server a:1 --sink 127.0.0.1:0", NULL},
        {BENCH_RELAY, "--server a:1", "--sink"},
        {BENCH_RELAY, "--server a:1 --sink b:1 --count 10000001", "keeps account"},
        {BENCH_RELAY, "--server a:1 --sink b:1 --count 1000000 --recipients 1000", "keeps account"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct bench_plan plan;
        struct error err = {0};
        bool got = read_plan(rows[i].mode, rows[i].line, &plan, &err);
        if (got != !rows[i].problem || (!got && !strstr(err.text, rows[i].problem)))
            fail_msg("%s: %s", rows[i].line, got ? "accepted" : err.text);
    }
}

/* Whoever gets a message is found again by the number in the address. */
static void recipients_are_found_again(void **state)
{
    struct bench_plan plan;
    struct error err;
    assert_true(read_plan(BENCH_SEND,
                          "--server a:1 --to u%d.x@example.org --recipients 7 --users 10 "
                          "--domains a.example,b.example",
                          &plan, &err));
    struct buf address;
    buf_init(&address, 100);
    for (uint64_t id = 0; id < 100; id++)
        for (size_t place = 0; place < 7; place++) {
            uint64_t number;
            size_t found;
            buf_clear(&address);
            bench_pattern_print(&plan.to, bench_plan_number(&plan, id, place), id, &address);
            assert_true(bench_pattern_number(&plan.to, buf_view(&address), &number));
            assert_true(bench_plan_place(&plan, id, number, &found));
            assert_int_equal(found, place);
        }
    uint64_t number;
    assert_false(bench_pattern_number(&plan.to, BYTES("u.x@example.org"), &number));
    assert_false(bench_pattern_number(&plan.to, BYTES("v1.x@example.org"), &number));
    buf_done(&address);
}

static void replies_are_counted_by_code(void **state)
{
    struct bench_tally *sum = NEW(struct bench_tally), *part = NEW(struct bench_tally);
    bench_tally_reply(part, 451, BYTES("451 4.7.1 later\x1b[31m"));
    bench_tally_reply(part, 451, BYTES("451 other"));
    bench_tally_reply(part, 550, BYTES("550 never"));
    bench_tally_merge(sum, part);
    bench_tally_merge(sum, part);
    assert_int_equal(sum->reply_count, 2);
    assert_int_equal(sum->replies[0].count, 4);
    assert_string_equal(sum->replies[0].sample, "451 4.7.1 later?[31m");
    for (int code = 400; code < 450; code++)
        bench_tally_reply(sum, code, BYTES("many"));
    assert_int_equal(sum->reply_count, BENCH_REPLIES);
    free(sum);
    free(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(sizes_follow_their_weights),
        cmocka_unit_test(rates_are_read),
        cmocka_unit_test(even_arrivals_do_not_drift),
        cmocka_unit_test(poisson_arrivals_have_the_rate_and_the_seed),
        cmocka_unit_test(a_token_is_found_however_it_is_cut),
        cmocka_unit_test(letters_have_their_size),
        cmocka_unit_test(a_letter_that_is_given_stays_as_it_is),
        cmocka_unit_test(the_account_finds_what_is_lost_and_what_comes_twice),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(recipients_are_found_again),
        cmocka_unit_test(replies_are_counted_by_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
