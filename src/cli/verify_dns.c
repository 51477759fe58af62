#include "cli/verify_dns.h"

#include <stdlib.h>

#include "base/memory.h"
#include "cli/verify_file.h"
#include "facts/zone.h"

struct verify_dns {
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

struct verify_dns *verify_dns_open(const char *zone, const struct resolver_settings *settings,
                                   struct error *err)
{
    struct verify_dns *dns = NEW(struct verify_dns);
    if (zone) {
        dns->zone = read_zone(zone, err);
    } else if ((dns->loop = loop_new(err))) {
        dns->resolver = resolver_new(dns->loop, settings, err);
        dns->until_ms = loop_now_ms(dns->loop) + VERIFY_WAIT_MS;
    }
    if (dns->zone || dns->resolver)
        return dns;
    verify_dns_close(dns);
    return NULL;
}

void verify_dns_close(struct verify_dns *dns)
{
    resolver_free(dns->resolver);
    loop_free(dns->loop);
    zone_free(dns->zone);
    free(dns);
}

static void is_answered(void *context)
{
    struct verify_dns *dns = context;
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

void verify_dns_answer(struct verify_dns *dns, struct facts *facts)
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
