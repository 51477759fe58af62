#include "cli/dns_client.h"

#include <stdlib.h>

#include "base/memory.h"
#include "cli/verify_file.h"
#include "facts/zone.h"

struct dns_client {
    struct zone *zone; /* else the rest */
    struct loop *loop;
    struct resolver *resolver;
    int64_t until_ms;
};

static struct zone *read_zone(const char *path, struct error *err)
{
    struct buf text;
    buf_init(&text, ZONE_TEXT_LIMIT);
    struct zone *zone =
        verify_file_read(path, &text, err) ? zone_parse(buf_view(&text), err) : NULL;
    if (!zone)
        (void)error_wrap(err, "%s", path);
    buf_done(&text);
    return zone;
}

struct dns_client *dns_client_open(const char *zone, const struct resolver_settings *settings,
                                   struct error *err)
{
    struct dns_client *dns = NEW(struct dns_client);
    if (zone) {
        dns->zone = read_zone(zone, err);
    } else if ((dns->loop = loop_new(err))) {
        dns->resolver = resolver_new(dns->loop, settings, err);
        dns->until_ms = loop_now_ms(dns->loop) + DNS_CLIENT_WAIT_MS;
    }
    if (dns->zone || dns->resolver)
        return dns;
    dns_client_close(dns);
    return NULL;
}

void dns_client_close(struct dns_client *dns)
{
    resolver_free(dns->resolver);
    loop_free(dns->loop);
    zone_free(dns->zone);
    free(dns);
}

bool dns_client_is_validating(const struct dns_client *dns)
{
    return dns->zone || resolver_anchor(dns->resolver);
}

void dns_client_set_wait(struct dns_client *dns, int64_t wait_ms)
{
    if (dns->loop)
        dns->until_ms = loop_now_ms(dns->loop) + wait_ms;
}

static void is_answered(void *context)
{
    struct dns_client *dns = context;
    loop_stop(dns->loop);
}

static void give_up(struct facts *facts)
{
    struct answer late = {.status = ANSWER_TIMEOUT,
                          .reason = BYTES("all questions together took too long")};
    struct question question;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        facts_answer(facts, question.type, question.name, &late);
}

void dns_client_answer(struct dns_client *dns, struct facts *facts)
{
    if (dns->zone) {
        zone_answer(dns->zone, facts);
    } else if (loop_now_ms(dns->loop) > dns->until_ms) {
        give_up(facts);
    } else {
        (void)resolver_resolve(dns->resolver, facts, is_answered, dns);
        loop_run(dns->loop);
    }
}
