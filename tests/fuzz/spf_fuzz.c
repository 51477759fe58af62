/* SPF under a hostile DNS: it ends, within its limits, with a verdict that is fit to be printed.
 * The input's lines are the client's address, HELO, the reverse-path, then the answers in the order
 * of the questions: "!" a failure, "?" no such name, else the TXT record, or other records' data
 * with spaces between them. */
#include "auth/spf.h"
#include "facts/facts.h"
#include "mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORD_LIMIT = 16, ROUND_LIMIT = 60 };

static void take_data(enum fact_type type, struct bytes word, struct ip *ip,
                      struct answer_record *out)
{
    out->data = word;
    if (type != FACT_A && type != FACT_AAAA)
        return;
    if (!ip_scan(word, ip))
        *ip = (struct ip){{0}};
    out->data = (struct bytes){ip->at, sizeof ip->at};
    if (type == FACT_A)
        out->data = bytes_from(out->data, IP_MAPPED_BITS / 8);
}

static void answer(struct facts *facts, const struct question *question, struct bytes line)
{
    struct answer_record records[RECORD_LIMIT] = {{.preference = 0}};
    struct ip ips[RECORD_LIMIT];
    struct answer answer = {.status = ANSWER_NXDOMAIN, .records = records};
    struct bytes word;
    uint8_t first = line.len ? line.at[0] : '?';
    if (first == '!') {
        answer.status = ANSWER_TIMEOUT;
        answer.reason = bytes_from(line, 1);
    } else if (first != '?') {
        answer.status = ANSWER_FOUND;
        if (question->type == FACT_TXT) {
            records[answer.count++].data = line;
            line = BYTES_NONE;
        }
        while (line.len && answer.count < RECORD_LIMIT) {
            bytes_cut(line, ' ', &word, &line);
            take_data(question->type, word, &ips[answer.count], &records[answer.count]);
            answer.count++;
        }
    }
    facts_answer(facts, question->type, question->name, &answer);
}

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < ' ' || text.at[i] > '~')
            return false;
    return true;
}

static void check_verdict(const struct spf_verdict *verdict)
{
    bool is_error = verdict->result == SPF_NONE || verdict->result == SPF_TEMPERROR ||
                    verdict->result == SPF_PERMERROR;
    ASSERT(is_error == (verdict->problem.len > 0) && is_printable(verdict->problem));
    ASSERT(verdict->explanation.len == 0 || verdict->result == SPF_FAIL);
    ASSERT(is_printable(verdict->explanation));
    ASSERT(verdict->explanation.len <= SPF_EXPLANATION_TEXT_LIMIT);
    ASSERT(verdict->domain.len == 0 || domain_is_valid(verdict->domain, ADDRESS_ASCII));
    ASSERT(verdict->terms <= SPF_TERM_LIMIT && verdict->voids <= SPF_VOID_LIMIT + 1);
    ASSERT(verdict->record.len || is_error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = {data, size}, ip, line;
    struct spf_query query = {.identity = SPF_MAIL_FROM};
    bytes_cut(rest, '\n', &ip, &rest);
    bytes_cut(rest, '\n', &query.helo, &rest);
    bytes_cut(rest, '\n', &query.mail_from, &rest);
    if (!ip_scan(ip, &query.ip))
        query.ip = ip_from_ipv4((const uint8_t[]){192, 0, 2, 1});
    struct facts *facts = facts_new();
    struct arena *arena = arena_new(SPF_ARENA);
    struct spf_verdict verdict;
    for (int round = 0; spf_check(&query, facts, arena, &verdict) == SPF_NEEDS_FACTS; round++) {
        struct question question;
        size_t asked = 0;
        ASSERT(round < ROUND_LIMIT);
        for (size_t place = 0; facts_next_open(facts, &place, &question); asked++) {
            bytes_cut(rest, '\n', &line, &rest);
            answer(facts, &question, line);
        }
        ASSERT(asked > 0);
    }
    check_verdict(&verdict);
    ASSERT(arena_used(arena) <= SPF_ARENA);
    arena_free(arena);
    facts_free(facts);
    return 0;
}
