/* Which messages an operator means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "queue/select.h"

static const int64_t NOW_MS = 1790000000000, HOUR_MS = 3600000;

static const struct queue_entry_recipient recipients[] = {
    {.address = BYTES_INIT("ann@a.example"),
     .state = RECIPIENT_DEFERRED,
     .reply = BYTES_INIT("451 4.7.1 Greylisted, come back"),
     .lane = BYTES_INIT("smtp://mx.a.example:25")},
    {.address = BYTES_INIT("bob@B.example"),
     .state = RECIPIENT_QUEUED,
     .lane = BYTES_INIT("smtp://mx.b.example:25")},
    {.address = BYTES_INIT("cat@c.example"),
     .state = RECIPIENT_DELIVERED,
     .reply = BYTES_INIT("250 ok"),
     .lane = BYTES_INIT("smtp://mx.c.example:25")},
};

#define ONE(state) (1U << (state))

static const struct {
    const char *name;
    struct queue_select select;
    bool want;
} rows[] = {
    {"all", {.states = 0}, true},
    {"sender", {.from = BYTES_INIT("Sender@example.ORG")}, true},
    {"another sender", {.from = BYTES_INIT("ender@example.org")}, false},
    {"sender's domain", {.from = BYTES_INIT("@example.org")}, true},
    {"a part of the sender's domain", {.from = BYTES_INIT("@ample.org")}, false},
    {"not the null reverse-path", {.from = BYTES_INIT("<>")}, false},
    {"recipient", {.to = BYTES_INIT("ANN@a.example")}, true},
    {"recipient's domain as @", {.to = BYTES_INIT("@b.example")}, true},
    {"unknown recipient", {.to = BYTES_INIT("dan@a.example")}, false},
    {"recipient that is done", {.to = BYTES_INIT("cat@c.example")}, false},
    {"recipient that is done, asked for",
     {.to = BYTES_INIT("cat@c.example"), .states = ONE(RECIPIENT_DELIVERED)},
     true},
    {"domain", {.domain = BYTES_INIT("b.EXAMPLE")}, true},
    {"a domain above", {.domain = BYTES_INIT("example")}, false},
    {"reply", {.reply = BYTES_INIT("GREYlist")}, true},
    {"reply, at its end", {.reply = BYTES_INIT("come back")}, true},
    {"longer than the reply", {.reply = BYTES_INIT("451 4.7.1 Greylisted, come back!")}, false},
    {"reply of another", {.reply = BYTES_INIT("grey"), .to = BYTES_INIT("@b.example")}, false},
    {"lane", {.lane = BYTES_INIT("smtp://MX.b.example:25")}, true},
    {"a part of a lane", {.lane = BYTES_INIT("mx.b.example")}, false},
    {"status", {.states = ONE(RECIPIENT_QUEUED)}, true},
    {"one of two", {.states = ONE(RECIPIENT_HELD) | ONE(RECIPIENT_DEFERRED)}, true},
    {"no such status", {.states = ONE(RECIPIENT_HELD)}, false},
    {"status of another",
     {.states = ONE(RECIPIENT_QUEUED), .domain = BYTES_INIT("a.example")},
     false},
    {"older", {.older_ms = HOUR_MS}, true},
    {"not older", {.older_ms = 2 * HOUR_MS}, false},
    {"younger", {.younger_ms = 3 * HOUR_MS}, true},
    {"not younger", {.younger_ms = 2 * HOUR_MS}, false},
    {"all of it",
     {.from = BYTES_INIT("@example.org"),
      .domain = BYTES_INIT("a.example"),
      .reply = BYTES_INIT("4.7.1"),
      .older_ms = HOUR_MS,
      .younger_ms = 3 * HOUR_MS},
     true},
};

static struct queue_entry entry_of(const struct envelope *envelope)
{
    return (struct queue_entry){.id = 1,
                                .received_ms = NOW_MS - 2 * HOUR_MS,
                                .envelope = envelope,
                                .recipients = recipients,
                                .recipient_count = COUNT(recipients)};
}

static void selections(void **state)
{
    struct envelope envelope = {.reverse_path = BYTES("sender@example.org")};
    struct queue_entry entry = entry_of(&envelope);
    for (size_t i = 0; i < COUNT(rows); i++)
        if (select_matches(&rows[i].select, &entry, NOW_MS) != rows[i].want)
            fail_msg("%s", rows[i].name);
}

static void null_reverse_path(void **state)
{
    struct envelope envelope = {.id = 1};
    struct queue_entry entry = entry_of(&envelope);
    struct queue_select null = {.from = BYTES("<>")}, domain = {.from = BYTES("@example.org")};
    assert_true(select_matches(&null, &entry, NOW_MS));
    assert_false(select_matches(&domain, &entry, NOW_MS));
}

static void from_the_future(void **state)
{
    struct queue_entry entry = entry_of(NULL);
    struct queue_select old = {.older_ms = 1}, young = {.younger_ms = 1};
    assert_false(select_matches(&old, &entry, 0));
    assert_true(select_matches(&young, &entry, 0));
}

/* What says nothing of addresses never looks at the envelope: there may be none. */
static void without_an_envelope(void **state)
{
    struct queue_entry entry = entry_of(NULL);
    for (size_t i = 0; i < COUNT(rows); i++)
        if (!select_has_addresses(&rows[i].select))
            assert_int_equal(select_matches(&rows[i].select, &entry, NOW_MS), rows[i].want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selections),
        cmocka_unit_test(null_reverse_path),
        cmocka_unit_test(from_the_future),
        cmocka_unit_test(without_an_envelope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
