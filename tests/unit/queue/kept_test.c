/* What the queue keeps of envelopes: all that it needs, and in few bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "queue/kept.h"

static struct envelope_recipient two[] = {
    {.address = BYTES_INIT("ann@example.org"), .orcpt = BYTES_INIT("rfc822;ann@example.org")},
    {.address = BYTES_INIT("bob@example.org")},
};

static const struct {
    const char *name;
    struct envelope envelope;
    size_t most; /* bytes */
} rows[] = {
    {"a plain one",
     {.reverse_path = BYTES_INIT("s@example.org"),
      .size = 4096,
      .recipients = two + 1,
      .recipient_count = 1},
     5 + 14 + 16},
    {"nobody to nobody", {.size = 0}, 5},
    {"everything",
     {.reverse_path = BYTES_INIT("s@example.org"),
      .envid = BYTES_INIT("QQ"),
      .ret = RET_HDRS,
      .body = BODY_BINARYMIME,
      .is_smtputf8 = true,
      .by_mode = BY_NOTIFY,
      .by_trace = true,
      .by_ms = 1790000000000,
      .hold_until_ms = INT64_MAX,
      .size = UINT64_MAX,
      .recipients = two,
      .recipient_count = 2},
     120},
    {"instants before all", {.by_ms = -1, .by_mode = BY_RETURN, .hold_until_ms = -5}, 30},
};

static void all_of_it_is_kept(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct envelope *want = &rows[i].envelope;
        struct envelope got;
        struct buf printed;
        struct arena *arena = arena_new(4096);
        buf_init(&printed, 4096);
        kept_print(&printed, want);
        /* At the end of its block, so that no byte too far is read unseen. */
        uint8_t *exact = malloc(printed.len);
        assert_non_null(exact);
        memcpy(exact, printed.at, printed.len);
        kept_scan((struct bytes){exact, printed.len}, arena, &got);
        if (printed.len > rows[i].most)
            fail_msg("%s: %zu bytes", rows[i].name, printed.len);
        bool is_same = bytes_equal(got.reverse_path, want->reverse_path) &&
                       bytes_equal(got.envid, want->envid) && got.ret == want->ret &&
                       got.body == want->body && got.is_smtputf8 == want->is_smtputf8 &&
                       got.by_mode == want->by_mode && got.by_trace == want->by_trace &&
                       got.by_ms == want->by_ms && got.hold_until_ms == want->hold_until_ms &&
                       got.size == want->size && got.recipient_count == want->recipient_count;
        for (size_t j = 0; is_same && j < want->recipient_count; j++)
            is_same = bytes_equal(got.recipients[j].address, want->recipients[j].address) &&
                      bytes_equal(got.recipients[j].orcpt, want->recipients[j].orcpt);
        if (!is_same)
            fail_msg("%s: not as it was", rows[i].name);
        free(exact);
        buf_done(&printed);
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
