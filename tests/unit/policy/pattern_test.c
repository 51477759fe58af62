#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/map.h"
#include "policy/pattern.h"

static const struct {
    const char *pattern;
    bool is_valid;
} patterns[] = {
    {"*", true},    {"example.org", true}, {".example.org", true}, {"org", true},
    {"", false},    {".", false},          {"a..b", false},        {"a.", false},
    {"*.a", false}, {"ann@a", false},      {"..a", false},
};

static const struct {
    const char *domain, *found; /* the pattern */
} finds[] = {
    {"a.example", "a.example"},
    {"A.Example", "a.example"},
    {"b.a.example", ".a.example"},
    {"c.b.a.example", ".a.example"},
    {"x.deep.a.example", ".deep.a.example"},
    {".a.example", ".a.example"},
    {"b.example", "*"},
    {"", "*"},
};

static void test_validity(void **state)
{
    uint8_t large[PATTERN_LIMIT + 1];
    memset(large, 'a', sizeof large);
    for (size_t i = 0; i < COUNT(patterns); i++)
        if (pattern_is_valid(bytes_of(patterns[i].pattern)) != patterns[i].is_valid)
            fail_msg("%s", patterns[i].pattern);
    assert_true(pattern_is_valid((struct bytes){large, PATTERN_LIMIT}));
    assert_false(pattern_is_valid((struct bytes){large, PATTERN_LIMIT + 1}));
}

static void test_find(void **state)
{
    static char known[][20] = {"a.example", ".a.example", ".deep.a.example", "*"};
    uint8_t large[PATTERN_LIMIT + 1];
    struct map *map = map_new(1);
    memset(large, 'a', sizeof large);
    assert_null(pattern_find(map, BYTES("a.example")));
    for (size_t i = 0; i < COUNT(known); i++)
        map_add(map, bytes_of(known[i]), known[i]);
    for (size_t i = 0; i < COUNT(finds); i++)
        assert_string_equal(pattern_find(map, bytes_of(finds[i].domain)), finds[i].found);
    assert_null(pattern_find(map, (struct bytes){large, sizeof large}));
    map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_validity),
                                       cmocka_unit_test(test_find)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
