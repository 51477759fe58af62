/* The base kit: what every other module leans on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/heap.h"
#include "base/id.h"
#include "base/instant.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/packed.h"
#include "base/table.h"

static void bytes_cut_and_trim(void **state)
{
    struct bytes head, tail;
    assert_true(bytes_cut(BYTES("a=b=c"), '=', &head, &tail));
    assert_true(bytes_equal(head, BYTES("a")) && bytes_equal(tail, BYTES("b=c")));
    assert_false(bytes_cut(BYTES("abc"), '=', &head, &tail));
    assert_true(bytes_equal(head, BYTES("abc")) && tail.len == 0);
    assert_true(bytes_equal(bytes_trim(BYTES(" \t a b \r\n")), BYTES("a b")));
    assert_int_equal(bytes_trim(BYTES("  ")).len, 0);
    struct bytes line = BYTES(" one\t two\r");
    assert_true(bytes_equal(bytes_word(&line), BYTES("one")));
    assert_true(bytes_equal(bytes_word(&line), BYTES("two")));
    assert_int_equal(bytes_word(&line).len, 0);
    assert_true(bytes_ends_nocase(BYTES("mail.Example.ORG"), BYTES(".example.org")));
    assert_true(bytes_compare(BYTES("a"), BYTES("ab")) < 0);
}

static void utf8_is_strict(void **state)
{
    static const struct {
        const char *name;
        struct bytes input;
        bool want;
    } rows[] = {
        {"ascii", BYTES_INIT("ann"), true},
        {"two bytes", BYTES_INIT("\xc3\xbc"), true},
        {"three bytes", BYTES_INIT("\xe2\x82\xac"), true},
        {"four bytes", BYTES_INIT("\xf0\x9f\x93\xa8"), true},
        {"overlong slash", BYTES_INIT("\xc0\xaf"), false},
        {"overlong three", BYTES_INIT("\xe0\x80\xaf"), false},
        {"surrogate", BYTES_INIT("\xed\xa0\x80"), false},
        {"beyond U+10FFFF", BYTES_INIT("\xf4\x90\x80\x80"), false},
        {"cut short", BYTES_INIT("\xe2\x82"), false},
        {"lone continuation", BYTES_INIT("\x80"), false},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (bytes_is_utf8(rows[i].input) != rows[i].want)
            fail_msg("%s", rows[i].name);
}

static void numbers_are_bounded(void **state)
{
    uint64_t n = 7;
    assert_false(scan_u64(BYTES(""), 10, &n));
    assert_false(scan_u64(BYTES("11"), 10, &n));
    assert_false(scan_u64(BYTES("-1"), 10, &n));
    assert_false(scan_u64(BYTES("18446744073709551616"), UINT64_MAX, &n));
    assert_int_equal(n, 7);
    assert_true(scan_u64(BYTES("18446744073709551615"), UINT64_MAX, &n));
    assert_true(n == UINT64_MAX);
    assert_true(scan_u64(BYTES("0010"), 10, &n));
    assert_int_equal(n, 10);
}

static void buf_is_sticky(void **state)
{
    struct buf buf;
    buf_init(&buf, 8);
    buf_addf(&buf, "%s-%d", "250", 7);
    buf_add(&buf, BYTES("too long"));
    buf_add_byte(&buf, 'x');
    assert_true(buf.overflowed);
    assert_true(bytes_equal(buf_view(&buf), BYTES("250-7")));
    buf_clear(&buf);
    buf_add_u64(&buf, 12345678);
    assert_false(buf.overflowed);
    buf_drop(&buf, 3);
    assert_true(bytes_equal(buf_view(&buf), BYTES("45678")));
    buf_done(&buf);
    buf_init(&buf, 1000);
    buf_addf(&buf, "%0500d", 7);
    assert_int_equal(buf.len, 500);
    assert_int_equal(buf.at[499], '7');
    buf_done(&buf);
}

static void arena_has_a_ceiling(void **state)
{
    struct arena *arena = arena_new(4096);
    struct bytes copy;
    assert_true(arena_copy(arena, BYTES("hello"), &copy));
    assert_true(bytes_equal(copy, BYTES("hello")));
    assert_non_null(arena_alloc(arena, 4000));
    assert_null(arena_alloc(arena, 4000));
    assert_null(arena_alloc(arena, SIZE_MAX));
    arena_reset(arena);
    /* The block that a reset keeps is as good as new. */
    uint8_t *again = arena_alloc(arena, 5);
    assert_non_null(again);
    assert_int_equal(again[0], 0);
    arena_reset(arena);
    assert_non_null(arena_alloc(arena, 4096));
    arena_free(arena);
}

static void table_keeps_and_forgets(void **state)
{
    struct table *table = table_new(42);
    int values[1000];
    for (uint64_t i = 0; i < 1000; i++)
        assert_null(table_add(table, i, &values[i]));
    for (uint64_t i = 0; i < 1000; i += 2)
        assert_ptr_equal(table_take(table, i), &values[i]);
    for (uint64_t i = 0; i < 1000; i++)
        assert_ptr_equal(table_find(table, i), i % 2 ? &values[i] : NULL);
    for (uint64_t i = 0; i < 1000; i += 2)
        assert_null(table_add(table, i, &values[i]));
    assert_ptr_equal(table_add(table, 7, &values[0]), &values[7]);
    assert_int_equal(table_count(table), 1000);
    size_t place = 0, walked = 0;
    for (void *value; table_next(table, &place, &value); walked++)
        assert_non_null(value);
    assert_int_equal(walked, 1000);
    table_free(table);
}

/* Marks of what was taken must not fill it, nor end a search. */
static void table_lives_long(void **state)
{
    struct table *table = table_new(1);
    int value;
    for (uint64_t i = 0; i < 10000; i++) {
        assert_null(table_add(table, i, &value));
        if (i >= 10)
            assert_ptr_equal(table_take(table, i - 10), &value);
        assert_null(table_find(table, i + 1));
    }
    assert_int_equal(table_count(table), 10);
    table_free(table);
}

static void map_keeps_and_forgets(void **state)
{
    struct map *map = map_new(42);
    int values[1000];
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i * 12345);
        assert_null(map_add(map, bytes_of(key), &values[i]));
    }
    for (int i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof key, "%d", i * 12345);
        assert_ptr_equal(map_take(map, bytes_of(key)), &values[i]);
    }
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "%d", i * 12345);
        assert_ptr_equal(map_find(map, bytes_of(key)), i % 2 ? &values[i] : NULL);
    }
    assert_int_equal(map_count(map), 500);
    size_t place = 0, walked = 0;
    for (void *value; map_next(map, &place, &value); walked++)
        assert_non_null(value);
    assert_int_equal(walked, 500);
    map_free(map);

    map = map_new(1);
    assert_null(map_add(map, BYTES("a long key of a domain.example"), &values[0]));
    assert_null(map_add(map, BYTES(""), &values[1]));
    assert_ptr_equal(map_add(map, BYTES(""), &values[2]), &values[1]);
    assert_ptr_equal(map_find(map, BYTES("")), &values[2]);
    assert_null(map_find(map, BYTES("a long key of a domain.exampl")));
    map_free(map);
}

static const struct {
    const char *name;
    struct bytes packed;
    uint64_t most, want;
    bool is_good;
} packed_rows[] = {
    {"zero", BYTES_INIT("\0"), 0, 0, true},
    {"seven bits", BYTES_INIT("\x7f"), 127, 127, true},
    {"eight bits", BYTES_INIT("\x80\x01"), 128, 128, true},
    {"the largest", BYTES_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), UINT64_MAX, UINT64_MAX,
     true},
    {"over the most", BYTES_INIT("\x80\x01"), 127, 0, false},
    {"a needless byte", BYTES_INIT("\x81\x00"), UINT64_MAX, 0, false},
    {"cut off", BYTES_INIT("\x80"), UINT64_MAX, 0, false},
    {"nothing", BYTES_INIT(""), UINT64_MAX, 0, false},
    {"65 bits", BYTES_INIT("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), UINT64_MAX, 0, false},
    {"11 bytes", BYTES_INIT("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"), UINT64_MAX, 0, false},
};

static void packed_has_one_form(void **state)
{
    for (size_t i = 0; i < COUNT(packed_rows); i++) {
        struct bytes rest = packed_rows[i].packed;
        uint64_t number = 0;
        bool is_good = packed_take_number(&rest, packed_rows[i].most, &number);
        if (is_good != packed_rows[i].is_good || number != packed_rows[i].want)
            fail_msg("%s", packed_rows[i].name);
        if (!is_good)
            continue;
        struct buf again;
        buf_init(&again, 16);
        packed_add_number(&again, number);
        assert_true(rest.len == 0 && bytes_equal(buf_view(&again), packed_rows[i].packed));
        buf_done(&again);
    }
    struct buf out;
    buf_init(&out, 64);
    packed_add_fixed(&out, UINT64_C(0x0123456789abcdef));
    packed_add_string(&out, BYTES("abc"));
    struct bytes rest = buf_view(&out), string;
    uint64_t fixed;
    assert_true(packed_take_fixed(&rest, &fixed) && fixed == UINT64_C(0x0123456789abcdef));
    struct bytes same = rest;
    assert_false(packed_take_string(&same, 2, &string));
    same = bytes_sub(rest, 0, rest.len - 1);
    assert_false(packed_take_string(&same, 3, &string));
    assert_true(packed_take_string(&rest, 3, &string) && bytes_equal(string, BYTES("abc")));
    assert_false(packed_take_fixed(&rest, &fixed));
    buf_done(&out);
}

static void heap_orders_and_moves(void **state)
{
    struct heap heap;
    struct heap_node nodes[100] = {{0}};
    heap_init(&heap);
    uint32_t random = 1;
    for (size_t i = 0; i < COUNT(nodes); i++)
        heap_put(&heap, &nodes[i], (int64_t)(random = random * 1103515245 + 12345));
    for (size_t i = 0; i < COUNT(nodes); i += 3)
        heap_remove(&heap, &nodes[i]);
    for (size_t i = 1; i < COUNT(nodes); i += 3)
        heap_put(&heap, &nodes[i], (int64_t)(random = random * 1103515245 + 12345));
    int64_t last = INT64_MIN;
    size_t taken = 0;
    for (struct heap_node *first; (first = heap_first(&heap)); taken++) {
        assert_true(first->key >= last);
        last = first->key;
        heap_remove(&heap, first);
    }
    assert_int_equal(taken, 66);
    heap_done(&heap);
}

static void instants_print_and_scan(void **state)
{
    static const struct {
        const char *text;
        int64_t want;
        const char *printed;
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000Z"},
        {"2026-11-24T03:07:04.123Z", 1795489624123, "2026-11-24T03:07:04.123Z"},
        {"2024-02-29t23:59:59.9+02:00", 1709243999900, "2024-02-29T21:59:59.900Z"},
        {"1969-12-31T23:59:59.999Z", -1, "1969-12-31T23:59:59.999Z"},
    };
    static const char *const bad[] = {"",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-01-01",
                                      "2026-01-01T00:00:00",
                                      "2026-01-01T00:00:00.Z",
                                      "2026-01-01T00:00:00Zx"};
    struct buf out;
    buf_init(&out, 64);
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t instant;
        assert_true(instant_scan(bytes_of(rows[i].text), &instant));
        assert_true(instant == rows[i].want);
        buf_clear(&out);
        instant_print(&out, instant);
        assert_true(bytes_equal(buf_view(&out), bytes_of(rows[i].printed)));
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        int64_t instant;
        if (instant_scan(bytes_of(bad[i]), &instant))
            fail_msg("%s", bad[i]);
    }
    buf_done(&out);
}

static void ids_rise_and_print(void **state)
{
    struct id_source source = {.shard = 5};
    uint64_t last = 0;
    for (int i = 0; i < 200000; i++) {
        uint64_t id = id_next(&source, 1795489624123 - i % 3);
        assert_true(id > last);
        assert_int_equal(id_shard(id), 5);
        last = id;
    }
    struct buf text;
    buf_init(&text, 64);
    id_print(&text, last);
    uint64_t read;
    assert_true(id_scan(buf_view(&text), &read));
    assert_true(read == last);
    assert_false(id_scan(BYTES("zzzzzzzzzzzzz"), &read));
    assert_false(id_scan(BYTES("0123"), &read));
    buf_done(&text);
}

static void errors_gain_context(void **state)
{
    struct error err;
    assert_false(error_set(&err, 13, "open %s", "/x"));
    assert_false(error_wrap(&err, "segment %06d", 17));
    assert_string_equal(err.text, "segment 000017: open /x: Permission denied");
    assert_int_equal(err.os, 13);
}

static void log_escapes(void **state)
{
    struct buf out;
    buf_init(&out, 256);
    log_escape(&out, BYTES("plain-value"));
    buf_add(&out, BYTES(" "));
    log_escape(&out, BYTES("two words\n\"x\""));
    buf_add(&out, BYTES(" "));
    log_escape(&out, BYTES("\xff\x1b"));
    buf_add(&out, BYTES(" "));
    log_escape(&out, BYTES(""));
    assert_true(bytes_equal(buf_view(&out),
                            BYTES("plain-value \"two words\\n\\\"x\\\"\" \"\\xff\\x1b\" \"\"")));
    buf_done(&out);
}

struct item {
    int number;
    struct list link;
};

static void list_walks_while_removing(void **state)
{
    struct list list;
    struct item items[4];
    list_init(&list);
    for (int i = 0; i < 4; i++) {
        items[i].number = i;
        list_append(&list, &items[i].link);
    }
    int sum = 0;
    LIST_EACH (&list, struct item, link, item) {
        sum = sum * 10 + item->number;
        if (item->number % 2)
            list_remove(&item->link);
    }
    assert_int_equal(sum, 123);
    int walked = 0;
    LIST_EACH (&list, struct item, link, item) {
        if (walked++ == 1)
            break;
    }
    assert_int_equal(walked, 2);
    assert_int_equal(LIST_FIRST(&list, struct item, link)->number, 0);
    assert_ptr_equal(items[0].link.next, &items[2].link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_cut_and_trim),        cmocka_unit_test(utf8_is_strict),
        cmocka_unit_test(numbers_are_bounded),       cmocka_unit_test(buf_is_sticky),
        cmocka_unit_test(arena_has_a_ceiling),       cmocka_unit_test(packed_has_one_form),
        cmocka_unit_test(table_keeps_and_forgets),   cmocka_unit_test(table_lives_long),
        cmocka_unit_test(map_keeps_and_forgets),     cmocka_unit_test(heap_orders_and_moves),
        cmocka_unit_test(instants_print_and_scan),   cmocka_unit_test(ids_rise_and_print),
        cmocka_unit_test(errors_gain_context),       cmocka_unit_test(log_escapes),
        cmocka_unit_test(list_walks_while_removing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
