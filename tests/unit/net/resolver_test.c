/* The resolver without a DNS: a hosts file, servers that are silent or none, and orders that end
 * early. What a real DNS answers is asked in tests/peers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "facts/facts.h"
#include "net/resolver.h"

enum { TIMEOUT_MS = 50 };

struct scene {
    struct loop *loop;
    struct resolver *resolver;
    struct facts *facts;
    int silent_fd; /* a server that never answers */
    char server[32], folder[64], hosts[96];
    unsigned done;
};

static void write_hosts(struct scene *scene)
{
    snprintf(scene->folder, sizeof scene->folder, "/tmp/resolver-test.XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    snprintf(scene->hosts, sizeof scene->hosts, "%s/hosts", scene->folder);
    FILE *file = fopen(scene->hosts, "w");
    assert_non_null(file);
    fputs("192.0.2.1 here.example\n", file);
    fclose(file);
}

static void begin_with(struct scene *scene, size_t running_limit)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct error err = {0};
    *scene = (struct scene){.loop = loop_new(&err), .facts = facts_new()};
    assert_non_null(scene->loop);
    scene->silent_fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_return_code(bind(scene->silent_fd, (struct sockaddr *)&address, len), 0);
    assert_return_code(getsockname(scene->silent_fd, (struct sockaddr *)&address, &len), 0);
    snprintf(scene->server, sizeof scene->server, "127.0.0.1:%u", ntohs(address.sin_port));
    write_hosts(scene);
    const char *servers[] = {scene->server};
    struct resolver_settings settings = {.servers = servers,
                                         .server_count = 1,
                                         .hosts = scene->hosts,
                                         .timeout_ms = TIMEOUT_MS,
                                         .running_limit = running_limit};
    scene->resolver = resolver_new(scene->loop, &settings, &err);
    if (!scene->resolver)
        fail_msg("%s", err.text);
    assert_true(resolver_is_like(scene->resolver, &settings));
    settings.timeout_ms++;
    assert_false(resolver_is_like(scene->resolver, &settings));
}

static void begin(struct scene *scene)
{
    begin_with(scene, 0);
}

static void end(struct scene *scene)
{
    resolver_free(scene->resolver);
    facts_free(scene->facts);
    loop_free(scene->loop);
    close(scene->silent_fd);
    unlink(scene->hosts);
    rmdir(scene->folder);
}

static void on_done(void *context)
{
    struct scene *scene = context;
    scene->done++;
    loop_stop(scene->loop);
}

static void a_hosts_file_is_asked_first(void **state)
{
    struct scene scene;
    begin(&scene);
    assert_null(facts_ask(scene.facts, FACT_A, BYTES("here.example")));
    assert_non_null(resolver_resolve(scene.resolver, scene.facts, on_done, &scene));
    assert_int_equal(scene.done, 0); /* never before it returns */
    loop_run(scene.loop);
    const struct answer *answer = facts_ask(scene.facts, FACT_A, BYTES("here.example"));
    assert_true(answer && answer->status == ANSWER_FOUND && answer->count == 1);
    end(&scene);
}

static void what_is_known_here_is_answered_at_once(void **state)
{
    struct scene scene;
    begin(&scene);
    assert_null(facts_ask(scene.facts, FACT_A, BYTES("here.example")));
    assert_true(resolver_answer(scene.resolver, scene.facts));
    const struct answer *answer = facts_ask(scene.facts, FACT_A, BYTES("here.example"));
    assert_true(answer && answer->status == ANSWER_FOUND && answer->count == 1);
    assert_null(facts_ask(scene.facts, FACT_MX, BYTES("far.example")));
    assert_false(resolver_answer(scene.resolver, scene.facts));
    assert_null(facts_ask(scene.facts, FACT_MX, BYTES("far.example")));
    end(&scene);
}

static void silence_ends_in_time(void **state)
{
    struct scene scene;
    begin(&scene);
    assert_null(facts_ask(scene.facts, FACT_MX, BYTES("far.example")));
    assert_null(facts_ask(scene.facts, FACT_A, BYTES("here.example")));
    assert_non_null(resolver_resolve(scene.resolver, scene.facts, on_done, &scene));
    loop_run(scene.loop);
    const struct answer *answer = facts_ask(scene.facts, FACT_MX, BYTES("far.example"));
    assert_true(answer && answer->status == ANSWER_TIMEOUT && answer->reason.len > 0);
    assert_non_null(facts_ask(scene.facts, FACT_A, BYTES("here.example")));
    assert_int_equal(scene.done, 1);
    end(&scene);
}

/* Names that libunbound would know better about than the operator's server. */
static void the_server_is_asked_for_private_names(void **state)
{
    static const char *const names[] = {"mail.test", "mail.invalid", "mail.home.arpa",
                                        "1.0.168.192.in-addr.arpa", "1.0.0.10.in-addr.arpa"};
    struct scene scene;
    begin(&scene);
    for (size_t i = 0; i < COUNT(names); i++)
        assert_null(facts_ask(scene.facts, FACT_PTR, bytes_of(names[i])));
    assert_non_null(resolver_resolve(scene.resolver, scene.facts, on_done, &scene));
    loop_run(scene.loop);
    for (size_t i = 0; i < COUNT(names); i++) {
        const struct answer *answer = facts_ask(scene.facts, FACT_PTR, bytes_of(names[i]));
        if (!answer || answer->status != ANSWER_TIMEOUT)
            fail_msg("%s: %s", names[i], answer ? answer_status_name(answer->status) : "open");
    }
    end(&scene);
}

static void what_is_cancelled_is_not_heard_of(void **state)
{
    struct scene scene;
    begin(&scene);
    struct facts *other = facts_new();
    assert_null(facts_ask(other, FACT_MX, BYTES("far.example")));
    assert_null(facts_ask(scene.facts, FACT_MX, BYTES("near.example")));
    struct resolving *gone = resolver_resolve(scene.resolver, other, on_done, &scene);
    assert_non_null(resolver_resolve(scene.resolver, scene.facts, on_done, &scene));
    resolver_cancel(gone);
    facts_free(other);
    loop_run(scene.loop);
    assert_int_equal(scene.done, 1);
    end(&scene);
}

/* Asks for one name, until that has its answer. */
static void ask(struct scene *scene, const char *name)
{
    struct facts *facts = facts_new();
    assert_null(facts_ask(facts, FACT_MX, bytes_of(name)));
    assert_non_null(resolver_resolve(scene->resolver, facts, on_done, scene));
    loop_run(scene->loop);
    facts_free(facts);
}

/* Does the server hear of it? */
static bool is_asked(struct scene *scene, struct bytes label)
{
    const struct timeval most = {.tv_sec = 5};
    uint8_t packet[512];
    assert_return_code(setsockopt(scene->silent_fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most),
                       0);
    for (int i = 0; i < 100; i++) {
        ssize_t got = recv(scene->silent_fd, packet, sizeof packet, 0);
        if (got < 0)
            return false;
        if (bytes_search((struct bytes){packet, (size_t)got}, label) < (size_t)got)
            return true;
    }
    return false;
}

static void what_is_asked_again_takes_one_place(void **state)
{
    struct scene scene;
    /* Two for names below one domain. */
    begin_with(&scene, 16);
    for (int i = 0; i < 3; i++)
        ask(&scene, "far.a.example");
    ask(&scene, "near.a.example");
    assert_true(is_asked(&scene, BYTES("\4near\1a\7example")));
    /* Now both are taken. */
    ask(&scene, "other.a.example");
    ask(&scene, "far.a.example");
    assert_int_equal(scene.done, 6);
    end(&scene);
}

static void it_may_go_in_the_middle(void **state)
{
    struct scene scene;
    begin(&scene);
    assert_null(facts_ask(scene.facts, FACT_MX, BYTES("far.example")));
    assert_non_null(resolver_resolve(scene.resolver, scene.facts, on_done, &scene));
    end(&scene);
    assert_int_equal(scene.done, 0);
}

static void bad_settings_are_said(void **state)
{
    static const char *const servers[] = {"127.0.0.1:"};
    struct error err;
    struct loop *loop = loop_new(&err);
    struct resolver_settings server = {.servers = servers, .server_count = 1};
    struct resolver_settings anchor = {.is_validating = true, .trust_anchor = "/nowhere/key"};
    err.text[0] = 0;
    assert_null(resolver_new(loop, &server, &err));
    assert_non_null(strstr(err.text, "127.0.0.1:"));
    assert_null(resolver_new(loop, &anchor, &err));
    assert_non_null(strstr(err.text, "/nowhere/key"));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hosts_file_is_asked_first),
        cmocka_unit_test(what_is_known_here_is_answered_at_once),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(the_server_is_asked_for_private_names),
        cmocka_unit_test(what_is_cancelled_is_not_heard_of),
        cmocka_unit_test(what_is_asked_again_takes_one_place),
        cmocka_unit_test(it_may_go_in_the_middle),
        cmocka_unit_test(bad_settings_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
