/* Lanes by MX: domains that share a site, what the DNS said and for how long. */
#include "world.h"

#include "queue/queue_state.h"

static void expect_lane(const struct lane *lane, const char *name)
{
    if (!bytes_equal(lane_endpoint(lane)->name, bytes_of(name)))
        fail_msg("%.*s, not %s", BYTES_ARGS(lane_endpoint(lane)->name), name);
}

static void domains_share_a_site(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@one.example");
    world_add(world, 2, "bob@Two.Example");
    world_add(world, 3, "cat@ONE.example");
    assert_string_equal(world_show(world, 1).lanes[0], "mx:one.example");
    struct lane *one =
        world_resolve(world, "one.example", MX_FOUND, "10=mx1.example,20=mx2.example");
    expect_lane(one, "mx:one.example");
    struct lane *site;
    expect_step(world, &task, QUEUE_RESOLVE);
    expect_lane(task.lane, "mx:two.example");
    struct lane *two = task.lane;
    site = world_connect(world);
    expect_lane(site, "mx:10=mx1.example,20=mx2.example");
    assert_int_equal(lane_endpoint(site)->kind, ENDPOINT_MX);
    assert_int_equal(lane_endpoint(site)->port, 25);
    assert_int_equal(lane_endpoint(site)->host_count, 2);
    assert_true(bytes_equal(lane_endpoint(site)->hosts[1].name, BYTES("mx2.example")));
    assert_string_equal(world_show(world, 1).lanes[0], "mx:10=mx1.example,20=mx2.example");
    world_resolved(world, two, MX_FOUND, "10=mx1.example,20=mx2.example");
    assert_int_equal(world_attempt(world, site, DELIVERED, "250 ok"), 1);
    assert_int_equal(world_attempt(world, site, DELIVERED, "250 ok"), 2);
    assert_int_equal(world_attempt(world, site, DELIVERED, "250 ok"), 3);
    for (int i = 0; i < 3; i++)
        expect_step(world, &task, QUEUE_REMOVE);
    /* While the answer is fresh, new mail needs no question. */
    world_add(world, 4, "ann@two.example");
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(world_attempt(world, site, DELIVERED, "250 ok"), 4);
    expect_step(world, &task, QUEUE_REMOVE);
    queue_disconnected(world->queue, site, NULL, world->now_ms);
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(queue_stats(world->queue).lanes, 0);
    world->now_ms = queue_deadline(world->queue);
    assert_true(world->now_ms == START_MS + 10 * MINUTE_MS);
    expect_step(world, &task, QUEUE_IDLE);
    assert_int_equal(map_count(world->queue->lanes), 0);
    world_add(world, 5, "ann@two.example");
    world_resolve(world, "two.example", MX_FOUND, "10=other.example");
    expect_lane(world_connect(world), "mx:10=other.example");
    world_free(world);
}

static void one_transaction_serves_a_site(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world->settings.transaction_recipients = 3;
    world_add(world, 1, "a@one.example b@two.example c@one.example d@two.example e@three.example");
    world_resolve(world, "one.example", MX_FOUND, "10=mx.example");
    world_resolve(world, "three.example", MX_FOUND, "10=other.example");
    world_resolve(world, "two.example", MX_FOUND, "10=mx.example");
    struct lane *site = world_connect(world);
    struct queue_delivery *first = queue_take(world->queue, site, SIZE_MAX, world->now_ms);
    struct queue_delivery *second = queue_take(world->queue, site, SIZE_MAX, world->now_ms);
    assert_null(queue_take(world->queue, site, SIZE_MAX, world->now_ms));
    assert_true(first->recipient_count == 3 && second->recipient_count == 1);
    assert_true(first->recipients[0] == 0 && first->recipients[1] == 1 &&
                first->recipients[2] == 2);
    world_result(world, first, 0, DELIVERED, "250 ok");
    queue_finish(world->queue, first, world->now_ms);
    queue_put_back(world->queue, second, world->now_ms);
    /* What is deferred waits for its own domain; what was put back is ready at once. */
    struct seen seen = world_show(world, 1);
    assert_int_equal(seen.states[0], RECIPIENT_DELIVERED);
    assert_int_equal(seen.states[1], RECIPIENT_DEFERRED);
    assert_int_equal(seen.states[2], RECIPIENT_DEFERRED);
    assert_int_equal(seen.states[3], RECIPIENT_QUEUED);
    assert_true(seen.next_ms[1] > world->now_ms && seen.next_ms[1] == seen.next_ms[2]);
    second = queue_take(world->queue, site, SIZE_MAX, world->now_ms);
    assert_true(second->recipient_count == 1 && second->recipients[0] == 3);
    world_result(world, second, 3, DELIVERED, "250 ok");
    queue_finish(world->queue, second, world->now_ms);
    while (world_step(world, &task) != QUEUE_IDLE)
        continue;
    /* By then the domains have gone separate ways. */
    world->now_ms += HOUR_MS;
    struct lane *one = NULL, *two = NULL;
    for (enum queue_effect effect; (effect = world_step(world, &task)) != QUEUE_IDLE;) {
        struct bytes domain = lane_endpoint(task.lane)->host;
        if (effect == QUEUE_RESOLVE && bytes_equal(domain, BYTES("one.example")))
            one = task.lane;
        else if (effect == QUEUE_RESOLVE && bytes_equal(domain, BYTES("two.example")))
            two = task.lane;
    }
    assert_true(one && two);
    world_resolved(world, one, MX_FOUND, "10=mx.example");
    world_resolved(world, two, MX_FOUND, "10=two.example");
    expect_lane(world_connect(world), "mx:10=two.example");
    first = queue_take(world->queue, site, SIZE_MAX, world->now_ms);
    assert_true(first && first->recipient_count == 1 && first->recipients[0] == 2);
    assert_null(queue_take(world->queue, site, SIZE_MAX, world->now_ms));
    world_free(world);
}

/* What the DNS says of a domain whose mail is told from others by nothing but the limits of names.
 */
static void long_sites_have_short_names(void **state)
{
    struct world *world = world_new();
    struct bytes names[2];
    char hosts[2][2000] = {"", ""};
    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 0, j = 0; j < MX_HOST_LIMIT; j++)
            at += (size_t)snprintf(hosts[i] + at, sizeof hosts[i] - at, "%s10=%058zu.example",
                                   j ? "," : "", j == MX_HOST_LIMIT - 1 ? i : 7);
        world_add(world, i + 1, i ? "ann@two.example" : "ann@one.example");
        world_resolve(world, i ? "two.example" : "one.example", MX_FOUND, hosts[i]);
        names[i] = lane_endpoint(world_connect(world))->name;
        assert_true(names[i].len > 200 && names[i].len < 256);
    }
    assert_true(memcmp(names[0].at, names[1].at, 200) == 0 && !bytes_equal(names[0], names[1]));
    world_free(world);
}

static const struct {
    const char *name, *answer, *status, *reply;
} failed_rows[] = {
    {"no such domain", "5.1.2 no such domain", "5.1.2", "no such domain"},
    {"null MX", "5.1.10 takes no mail", "5.1.10", "takes no mail"},
};

static void a_domain_without_mail_fails(void **state)
{
    for (size_t i = 0; i < COUNT(failed_rows); i++) {
        struct world *world = world_new();
        struct queue_task task;
        enum { MESSAGES = 1000 };
        for (uint64_t id = 1; id <= MESSAGES; id++)
            world_add(world, id, "ann@nowhere.example");
        world_resolve(world, "nowhere.example", MX_FAILED, failed_rows[i].answer);
        /* One added meanwhile fails too, without a question. */
        world_add(world, MESSAGES + 1, "ann@nowhere.example");
        size_t failures = 0;
        for (size_t reports = 0, removed = 0; removed <= MESSAGES;) {
            enum queue_effect effect = world_step(world, &task);
            if (effect == QUEUE_SAVE)
                continue;
            if (effect == QUEUE_FAILED) {
                failures++;
                continue;
            }
            if (effect == QUEUE_REMOVE) {
                removed++;
                continue;
            }
            if (effect != QUEUE_REPORT || ++reports > MESSAGES + 1 ||
                !bytes_equal(task.report->recipients[0].status, bytes_of(failed_rows[i].status)) ||
                !bytes_equal(task.report->recipients[0].reply, bytes_of(failed_rows[i].reply)))
                fail_msg("%s: effect %d", failed_rows[i].name, effect);
            queue_reported(world->queue, task.report->id, true, world->now_ms);
        }
        assert_int_equal(failures, MESSAGES + 1);
        expect_step(world, &task, QUEUE_IDLE);
        /* The answer is good for its time. */
        world->now_ms += 10 * MINUTE_MS;
        world_add(world, 1, "ann@nowhere.example");
        world_resolve(world, "nowhere.example", MX_FOUND, "10=mx.example");
        assert_int_equal(world_attempt(world, world_connect(world), DELIVERED, "250 ok"), 1);
        world_free(world);
    }
}

static void a_dns_that_does_not_answer_suspends(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@slow.example");
    int64_t end_ms = START_MS + world->settings.expire_ms;
    unsigned failures = 0;
    while (world->now_ms < end_ms) {
        world_resolve(world, "slow.example", MX_DEFERRED, "4.4.3 no answer from the DNS");
        if (world->now_ms >= end_ms)
            break;
        expect_step(world, &task, QUEUE_IDLE);
        struct seen seen = world_show(world, 1);
        assert_int_equal(seen.states[0], RECIPIENT_DEFERRED);
        assert_int_equal(seen.attempts[0], ++failures);
        assert_string_equal(seen.replies[0], "no answer from the DNS");
        assert_true(seen.next_ms[0] == queue_deadline(world->queue));
        assert_int_equal(queue_stats(world->queue).lanes_suspended, 1);
        world->now_ms = queue_deadline(world->queue);
    }
    assert_true(failures > 100);
    if (world_step(world, &task) == QUEUE_RESOLVE) {
        world_resolved(world, task.lane, MX_DEFERRED, "4.4.3 no answer from the DNS");
    }
    expect_failed(world, 1, "ann@slow.example", "5.4.7");
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_REPORT);
    assert_true(bytes_equal(task.report->recipients[0].status, BYTES("5.4.7")));
    assert_int_equal(queue_stats(world->queue).lanes_suspended, 0);
    world_free(world);
}

static void a_down_site_notices_that_the_mx_moved(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    for (uint64_t id = 1; id <= 100; id++)
        world_add(world, id, "ann@one.example");
    world_resolve(world, "one.example", MX_FOUND, "10=old.example");
    int probes = 0;
    for (enum queue_effect effect; (effect = world_step(world, &task)) != QUEUE_RESOLVE;) {
        if (effect == QUEUE_IDLE) {
            world->now_ms = queue_deadline(world->queue);
            continue;
        }
        assert_int_equal(effect, QUEUE_CONNECT);
        world_fail_connection(world, task.lane, "no answer");
        probes++;
    }
    assert_int_equal(world_show(world, 1).attempts[0], probes);
    struct lane *one = task.lane;
    /* The probe waits for the answer. */
    expect_step(world, &task, QUEUE_IDLE);
    world_resolved(world, one, MX_FOUND, "10=new.example");
    struct lane *new = world_connect(world);
    expect_lane(new, "mx:10=new.example");
    assert_int_equal(world_show(world, 1).attempts[0], probes);
    assert_string_equal(world_show(world, 1).replies[0], "no answer");
    assert_int_equal(world_attempt(world, new, DEFERRED, "451 later"), 1);
    assert_int_equal(world_show(world, 1).attempts[0], probes + 1);
    assert_int_equal(queue_stats(world->queue).lanes_suspended, 0);
    world_free(world);
}

static void retry_asks_again(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@one.example");
    world_resolve(world, "one.example", MX_FOUND, "10=old.example");
    expect_step(world, &task, QUEUE_CONNECT);
    world_fail_connection(world, task.lane, "no answer");
    expect_step(world, &task, QUEUE_IDLE);
    world->now_ms++;
    struct bytes name = BYTES("MX:10=old.example");
    assert_true(queue_retry(world->queue, 1, name, world->now_ms, world->now_ms));
    enum queue_effect effects[2];
    struct lane *one = NULL;
    for (size_t i = 0; i < 2; i++) {
        effects[i] = world_step(world, &task);
        if (effects[i] == QUEUE_RESOLVE)
            one = task.lane;
    }
    assert_non_null(one);
    assert_true(effects[0] == QUEUE_CONNECT || effects[1] == QUEUE_CONNECT);
    world_resolved(world, one, MX_FOUND, "10=new.example");
    expect_lane(world_connect(world), "mx:10=new.example");
    world_free(world);
}

/* "via: mx" takes a domain out of what goes to the smarthost. */
static void routes_may_say_by_mx(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_route(world->routes, "*", "smtp://smarthost:25");
    world_route(world->routes, "direct.example", "mx:2525");
    world_add(world, 1, "ann@any.example");
    world_add(world, 2, "ann@direct.example");
    expect_lane(world_connect(world), "smtp://smarthost:25");
    struct lane *direct = world_resolve(world, "direct.example", MX_FOUND, "10=mx.example");
    expect_lane(direct, "mx:direct.example:2525");
    struct lane *site = world_connect(world);
    expect_lane(site, "mx:10=mx.example:2525");
    assert_int_equal(lane_endpoint(site)->port, 2525);
    expect_step(world, &task, QUEUE_IDLE);
    world_free(world);
}

static void who_spoke_is_reported(void **state)
{
    struct world *world = world_new();
    struct queue_task task;
    world_add(world, 1, "ann@one.example bob@one.example");
    world_resolve(world, "one.example", MX_FOUND, "10=mx.example");
    struct lane *site = world_connect(world);
    struct queue_delivery *delivery = queue_take(world->queue, site, SIZE_MAX, world->now_ms);
    struct delivery_result result = {.outcome = FAILED,
                                     .status = "5.1.1",
                                     .reply = BYTES("550 no"),
                                     .remote = BYTES("mx.example [192.0.2.1]:25")};
    queue_result(world->queue, delivery, &result, world->now_ms);
    result.recipient = 1;
    result.remote = BYTES_NONE;
    queue_result(world->queue, delivery, &result, world->now_ms);
    queue_finish(world->queue, delivery, world->now_ms);
    expect_step(world, &task, QUEUE_SAVE);
    expect_step(world, &task, QUEUE_REPORT);
    const struct queue_report_recipient *recipients = task.report->recipients;
    assert_true(bytes_equal(recipients[0].remote, BYTES("mx.example [192.0.2.1]:25")));
    assert_true(bytes_equal(recipients[1].remote, BYTES("mx:10=mx.example")));
    world_free(world);
}

/* Domains share no connection where TLS must verify their own names; a rule with names of its own
 * may be shared by all that it is for. */
static void forced_tls_keeps_domains_apart(void **state)
{
    static const struct bytes mx_names[] = {BYTES_INIT("mx.example")};
    static const struct tls_rule plain = {.level = TLS_LEVEL_FORCED};
    static const struct tls_rule named = {
        .level = TLS_LEVEL_FORCED, .names = mx_names, .name_count = 1};
    struct world *world = world_new();
    struct tls_rules *rules = routes_tls(world->routes);
    assert_true(tls_rules_add(rules, BYTES("one.example"), &plain));
    assert_true(tls_rules_add(rules, BYTES("two.example"), &plain));
    assert_true(tls_rules_add(rules, BYTES(".named.example"), &named));
    world_add(world, 1, "a@one.example");
    assert_string_equal(world_show(world, 1).lanes[0], "mx:one.example;tls=forced");
    world_resolve(world, "one.example", MX_FOUND, "10=mx.example");
    struct lane *site = world_connect(world);
    expect_lane(site, "mx:10=mx.example;tls=forced;for=one.example");
    assert_true(bytes_equal(lane_endpoint(site)->host, BYTES("one.example")));
    assert_int_equal(lane_endpoint(site)->tls->level, TLS_LEVEL_FORCED);
    world_add(world, 2, "a@two.example");
    world_resolve(world, "two.example", MX_FOUND, "10=mx.example");
    expect_lane(world_connect(world), "mx:10=mx.example;tls=forced;for=two.example");
    world_add(world, 3, "a@b.named.example");
    world_add(world, 4, "a@c.named.example");
    world_resolve(world, "b.named.example", MX_FOUND, "10=mx.example");
    world_resolve(world, "c.named.example", MX_FOUND, "10=mx.example");
    struct lane *shared = world_connect(world);
    assert_true(bytes_starts(lane_endpoint(shared)->name, BYTES("mx:10=mx.example;tls=forced:")));
    assert_int_equal(lane_endpoint(shared)->host.len, 0);
    assert_int_equal(lane_endpoint(shared)->tls->name_count, 1);
    assert_int_equal(world_attempt(world, shared, DELIVERED, "250 ok"), 3);
    assert_int_equal(world_attempt(world, shared, DELIVERED, "250 ok"), 4);
    world_free(world);
}

static void what_dnssec_vouches_for_is_another_site(void **state)
{
    static const struct tls_rule plain = {.level = TLS_LEVEL_FORCED};
    static const struct mx_host host = {BYTES_INIT("mx.example"), 10};
    const struct mx_result secure = {
        .hosts = &host, .host_count = 1, .ttl_ms = 10 * MINUTE_MS, .is_secure = true};
    struct world *world = world_new();
    struct queue_task task;
    tls_rules_set_default(routes_tls(world->routes), &plain);
    world_add(world, 1, "a@one.example");
    expect_step(world, &task, QUEUE_RESOLVE);
    queue_resolved(world->queue, task.lane, MX_FOUND, &secure, world->now_ms);
    struct lane *site = world_connect(world);
    expect_lane(site, "mx:10=mx.example;tls=forced;for=one.example;dnssec");
    assert_true(lane_endpoint(site)->is_secure);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(domains_share_a_site),
        cmocka_unit_test(one_transaction_serves_a_site),
        cmocka_unit_test(long_sites_have_short_names),
        cmocka_unit_test(a_domain_without_mail_fails),
        cmocka_unit_test(a_dns_that_does_not_answer_suspends),
        cmocka_unit_test(a_down_site_notices_that_the_mx_moved),
        cmocka_unit_test(retry_asks_again),
        cmocka_unit_test(routes_may_say_by_mx),
        cmocka_unit_test(who_spoke_is_reported),
        cmocka_unit_test(forced_tls_keeps_domains_apart),
        cmocka_unit_test(what_dnssec_vouches_for_is_another_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
