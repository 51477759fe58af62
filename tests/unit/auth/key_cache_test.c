/* Keys that were opened before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "auth/key_cache.h"

#define ED25519 "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const struct public_key *view(struct key_cache *cache, enum key_algorithm algorithm,
                                     const char *data)
{
    struct dkim_key key = {.algorithm = algorithm, .data = bytes_of(data)};
    return key_cache_view(cache, &key);
}

/* A key's text that no other number gives. */
static void print_key(char text[45], unsigned number)
{
    memcpy(text, ED25519, 45);
    text[0] = (char)('A' + number / 26);
    text[1] = (char)('A' + number % 26);
}

static void a_key_is_opened_once(void **state)
{
    struct key_cache *cache = key_cache_new(10, 1);
    const struct public_key *first = view(cache, KEY_ED25519, ED25519);
    assert_non_null(first);
    assert_int_equal(public_key_bits(first), 256);
    assert_ptr_equal(view(cache, KEY_ED25519, ED25519), first);
    assert_int_equal(key_cache_count(cache), 1);
    /* Of another kind it is another key, and here none. */
    assert_null(view(cache, KEY_RSA, ED25519));
    assert_null(view(cache, KEY_ED25519, "***"));
    assert_int_equal(key_cache_count(cache), 1);
    key_cache_free(cache);
}

static void the_oldest_goes_first(void **state)
{
    enum { MOST = 5 };
    char text[45];
    struct key_cache *cache = key_cache_new(MOST, 1);
    const struct public_key *key = NULL;
    for (unsigned i = 0; i < 100; i++) {
        print_key(text, i);
        key = view(cache, KEY_ED25519, text);
        assert_non_null(key);
        assert_true(key_cache_count(cache) <= MOST);
    }
    assert_ptr_equal(view(cache, KEY_ED25519, text), key);
    key_cache_free(cache);
}

static void long_texts_are_not_kept(void **state)
{
    char text[KEY_CACHE_TEXT_MOST + 45];
    struct key_cache *cache = key_cache_new(10, 1);
    memset(text, ' ', sizeof text);
    memcpy(text + KEY_CACHE_TEXT_MOST, ED25519, 45);
    for (int i = 0; i < 2; i++) {
        const struct public_key *key = view(cache, KEY_ED25519, text);
        assert_non_null(key);
        assert_int_equal(public_key_bits(key), 256);
    }
    assert_int_equal(key_cache_count(cache), 0);
    key_cache_free(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_opened_once),
        cmocka_unit_test(the_oldest_goes_first),
        cmocka_unit_test(long_texts_are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
