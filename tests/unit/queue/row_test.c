/* Fairness: who is whose sender, and who is next. */
#include "world.h"

#include "queue/queue_state.h"

static const struct {
    const char *name, *one, *other;
    bool is_same;
} sender_rows[] = {
    {"itself", "ann@example.org", "ann@example.org", true},
    {"any case", "ann@example.org", "Ann@Example.ORG", true},
    {"another", "ann@example.org", "bob@example.org", false},
    {"elsewhere", "ann@example.org", "ann@example.net", false},
    {"details", "news+1@example.org", "news+ann@example.org", true},
    {"digits", "news17@example.org", "news4711x@example.org", true},
    {"VERP", "list-bounces+ann=a.example@example.org", "list-bounces+bob=b.example@example.org",
     true},
    {"VERP without plus", "bounce-ann=a.example@example.org", "bounce-bob=b.example@example.org",
     true},
    {"names with a dash", "anna-maria@example.org", "anna-lena@example.org", false},
    {"numbers alone", "4711@example.org", "0815@example.org", true},
    {"nobody", "", "", true},
    {"nobody and somebody", "", "ann@example.org", false},
    {"the border", "a@b.example", "a@b.exampl", false},
    {"long ones", "a23456789012345678901234567890123456789012345678901234567890b@example.org",
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab@example.org", false},
};

static void senders_are_told_apart(void **state)
{
    for (size_t i = 0; i < COUNT(sender_rows); i++) {
        uint32_t one = sender_hash(bytes_of(sender_rows[i].one), 1);
        uint32_t other = sender_hash(bytes_of(sender_rows[i].other), 1);
        if ((one == other) != sender_rows[i].is_same)
            fail_msg("%s", sender_rows[i].name);
    }
    assert_true(sender_hash(BYTES("ann@example.org"), 1) !=
                sender_hash(BYTES("ann@example.org"), 2));
}

static void add_from(struct world *world, uint64_t id, const char *from, const char *to)
{
    world->envelope.reverse_path = bytes_of(from);
    world_add(world, id, to);
}

static void a_letter_passes_a_run(void **state)
{
    enum { RUN = 100000 };
    struct world *world = world_new();
    char from[64];
    for (uint64_t id = 1; id <= RUN; id++) {
        snprintf(from, sizeof from, "news+%llu@bulk.example", (unsigned long long)id);
        add_from(world, id, from, "ann@a.example");
    }
    struct lane *lane = world_connect(world);
    assert_int_equal(world_attempt(world, lane, DELIVERED, "250 ok"), 1);
    add_from(world, RUN + 1, "bob@letters.example", "ann@a.example");
    add_from(world, RUN + 2, "", "ann@a.example");
    add_from(world, RUN + 3, "bob@letters.example", "ann@a.example");
    /* The run goes on; each of the others has every third place, in its order. */
    static const uint64_t want[] = {2, RUN + 1, RUN + 2, 3, RUN + 3, 4, 5};
    for (size_t i = 0; i < COUNT(want); i++)
        assert_int_equal(world_attempt(world, lane, DELIVERED, "250 ok"), want[i]);
    world_free(world);
}

/* A run to many domains at one site is one run. */
static void a_run_is_one_at_a_site(void **state)
{
    enum { DOMAINS = 50 };
    struct world *world = world_new();
    struct queue_task task;
    char to[64];
    for (uint64_t id = 1; id <= DOMAINS; id++) {
        snprintf(to, sizeof to, "ann@d%llu.example", (unsigned long long)id);
        add_from(world, id, "news@bulk.example", to);
    }
    struct lane *site = NULL;
    for (enum queue_effect effect; (effect = world_step(world, &task)) != QUEUE_IDLE;) {
        if (effect == QUEUE_RESOLVE)
            world_resolved(world, task.lane, MX_FOUND, "10=mx.example");
        else
            queue_connected(world->queue, site = task.lane, world->now_ms);
    }
    assert_non_null(site);
    assert_int_equal(world_attempt(world, site, DELIVERED, "250 ok"), 1);
    add_from(world, DOMAINS + 1, "bob@letters.example", "ann@d7.example");
    uint64_t first = world_attempt(world, site, DELIVERED, "250 ok");
    uint64_t second = world_attempt(world, site, DELIVERED, "250 ok");
    assert_true(first == DOMAINS + 1 || second == DOMAINS + 1);
    for (size_t i = 3; i <= DOMAINS; i++)
        world_attempt(world, site, DELIVERED, "250 ok");
    assert_false(queue_has_ready(world->queue, site));
    world_free(world);
}

static void many_senders_share_what_memory_there_is(void **state)
{
    enum { SENDERS = 5000 };
    struct world *world = world_new();
    char from[64];
    bool *seen = calloc(2 * SENDERS + 1, sizeof *seen);
    assert_non_null(seen);
    for (uint64_t id = 1; id <= 2 * SENDERS; id++) {
        snprintf(from, sizeof from, "ann@s%llu.example", (unsigned long long)id % SENDERS);
        add_from(world, id, from, "ann@a.example");
    }
    assert_true(table_count(world->queue->rows) <= 1100);
    struct lane *lane = world_connect(world);
    for (size_t i = 0; i < 2 * SENDERS; i++) {
        uint64_t id = world_attempt(world, lane, DELIVERED, "250 ok");
        assert_false(seen[id]);
        seen[id] = true;
    }
    assert_false(queue_has_ready(world->queue, lane));
    assert_true(table_count(world->queue->rows) == 0 && table_count(world->queue->shares) == 0);
    free(seen);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(senders_are_told_apart),
        cmocka_unit_test(a_letter_passes_a_run),
        cmocka_unit_test(a_run_is_one_at_a_site),
        cmocka_unit_test(many_senders_share_what_memory_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
