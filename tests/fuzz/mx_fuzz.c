/* MX lookup under a hostile DNS: it ends after two rounds of questions, and what it finds is in
 * order, bounded, and made of names. The input is the domain up to a newline, then the answers. */
#include "facts/facts.h"
#include "mail/address.h"
#include "queue/mx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD_LIMIT = 120 };

static uint8_t take_byte(struct bytes *rest)
{
    uint8_t byte = rest->len ? rest->at[0] : 0;
    *rest = bytes_from(*rest, 1);
    return byte;
}

/* The answer to one question: a byte of status and bits, a number of records, the records. */
static void answer(struct facts *facts, const struct question *question, struct bytes *rest)
{
    struct answer_record records[RECORD_LIMIT] = {{.preference = 0}};
    uint8_t head = take_byte(rest);
    struct answer answer = {
        .status = head % (ANSWER_TIMEOUT + 1),
        .is_bogus = head & 0x40,
        .is_secure = head & 0x80,
        .ttl_s = head * 16U,
        .records = records,
    };
    size_t count = answer.status == ANSWER_FOUND ? take_byte(rest) % RECORD_LIMIT : 0;
    for (; answer.count < count; answer.count++) {
        struct answer_record *record = &records[answer.count];
        size_t len = question->type == FACT_A      ? 4
                     : question->type == FACT_AAAA ? 16
                                                   : take_byte(rest);
        record->preference = take_byte(rest);
        if (len > rest->len && question->type != FACT_MX)
            break;
        record->data = bytes_sub(*rest, 0, len);
        *rest = bytes_from(*rest, len);
    }
    facts_answer(facts, question->type, question->name, &answer);
}

static void check_hosts(const struct mx_result *result)
{
    struct ip ip;
    ASSERT(result->host_count >= 1 && result->host_count <= MX_HOST_LIMIT);
    for (size_t i = 0; i < result->host_count; i++) {
        const struct mx_host *host = &result->hosts[i];
        ASSERT(domain_is_valid(host->name, ADDRESS_ASCII) || ip_scan(host->name, &ip));
        ASSERT(!bytes_equal(host->name, BYTES("mx.here.example")));
        for (size_t j = 0; j < i; j++)
            ASSERT(!bytes_equal(host->name, result->hosts[j].name) &&
                   result->hosts[j].preference <= host->preference);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes domain, rest;
    bytes_cut((struct bytes){data, size}, '\n', &domain, &rest);
    struct mx_self_address ours = {ip_from_ipv4((const uint8_t[]){1, 2, 3, 4}), 25};
    struct mx_self self = {BYTES("mx.here.example"), &ours, 1, 25};
    struct facts *facts = facts_new();
    struct arena *arena = arena_new(MX_ARENA);
    struct mx_result result;
    enum mx_outcome outcome = mx_find(facts, domain, &self, arena, &result);
    for (int round = 0; outcome == MX_NEEDS_FACTS; round++) {
        struct question question;
        ASSERT(round < 2);
        for (size_t place = 0; facts_next_open(facts, &place, &question);)
            answer(facts, &question, &rest);
        outcome = mx_find(facts, domain, &self, arena, &result);
    }
    ASSERT(result.ttl_ms >= MX_TTL_LEAST_MS && result.ttl_ms <= MX_TTL_MOST_MS);
    if (outcome == MX_FOUND)
        check_hosts(&result);
    else
        ASSERT(result.status[0] == (outcome == MX_FAILED ? '5' : '4') && result.reason.len);
    arena_free(arena);
    facts_free(facts);
    return 0;
}
