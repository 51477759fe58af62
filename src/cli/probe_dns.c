#include "cli/probe_dns.h"

enum { TEXT_LIMIT = 2048 };

/* "10 mx1.example.org, 20 mx2.example.org" */
static void print_records(struct buf *out, enum fact_type type, const struct answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        const struct answer_record *record = &answer->records[i];
        struct ip ip;
        buf_add(out, i ? BYTES(", ") : BYTES_NONE);
        switch (type) {
        case FACT_A:
            ip = ip_from_ipv4(record->data.at);
            ip_print(out, &ip);
            break;
        case FACT_AAAA:
            ip = ip_from_ipv6(record->data.at);
            ip_print(out, &ip);
            break;
        case FACT_MX:
            if (record->data.len)
                buf_addf(out, "%u %.*s", record->preference, BYTES_ARGS(record->data));
            else
                buf_addf(out, "%u . (null MX: it takes no mail)", record->preference);
            break;
        case FACT_TXT:
        case FACT_PTR:
        case FACT_CNAME:
        case FACT_TLSA:
        case FACT_SRV: buf_add(out, record->data); break;
        }
    }
    if (answer->is_cut)
        buf_add(out, BYTES(" and more"));
}

static const char *vouching(const struct probe *probe, const struct answer *answer)
{
    if (answer->is_secure)
        return "signed (DNSSEC)";
    return dns_client_is_validating(probe->dns) ? "not signed" : "DNSSEC not looked at";
}

static void tell_failure(struct probe *probe, const char *type, struct bytes name,
                         const struct answer *answer)
{
    if (answer->is_bogus) {
        probe_log_add(probe->log, PROBE_BAD, "DNS", "%s of %.*s: a false answer, by DNSSEC: %.*s",
                      type, BYTES_ARGS(name), BYTES_ARGS(answer->reason));
        probe_log_explain(probe->log, "its signatures do not hold: expired, a key that the zone "
                                      "above does not know, or forged; whoever validates gets no "
                                      "answer");
        return;
    }
    probe_log_add(probe->log, PROBE_BAD, "DNS", "%s of %.*s: %s%s%.*s", type, BYTES_ARGS(name),
                  answer->status == ANSWER_TIMEOUT ? "nobody answers" : "the servers fail",
                  answer->reason.len ? ": " : "", BYTES_ARGS(answer->reason));
}

void probe_dns_tell(struct probe *probe, enum fact_type type, struct bytes name)
{
    const struct answer *answer = facts_ask(probe->facts, type, name);
    const char *word = fact_type_name(type);
    struct buf records;
    if (!answer)
        return;
    buf_init(&records, TEXT_LIMIT);
    switch (answer->status) {
    case ANSWER_FOUND:
        print_records(&records, type, answer);
        probe_log_add(probe->log, PROBE_GOOD, "DNS", "%s of %.*s: %.*s; %s", word, BYTES_ARGS(name),
                      BYTES_ARGS(buf_view(&records)), vouching(probe, answer));
        break;
    case ANSWER_NODATA:
        probe_log_add(probe->log, PROBE_PLAIN, "DNS", "%s of %.*s: none; %s", word,
                      BYTES_ARGS(name), vouching(probe, answer));
        break;
    case ANSWER_NXDOMAIN:
        probe_log_add(probe->log, PROBE_BAD, "DNS", "%s of %.*s: there is no such name; %s", word,
                      BYTES_ARGS(name), vouching(probe, answer));
        break;
    case ANSWER_SERVFAIL:
    case ANSWER_TIMEOUT: tell_failure(probe, word, name, answer); break;
    }
    if (answer->canonical.len && !bytes_equal_nocase(answer->canonical, name))
        probe_log_explain(probe->log, "%.*s is an alias (CNAME) of %.*s", BYTES_ARGS(name),
                          BYTES_ARGS(answer->canonical));
    buf_done(&records);
}

void probe_dns_tell_host(struct probe *probe, struct bytes name)
{
    if (probe->plan.families != FAMILIES_IPV6)
        probe_dns_tell(probe, FACT_A, name);
    if (probe->plan.families != FAMILIES_IPV4)
        probe_dns_tell(probe, FACT_AAAA, name);
}

enum host_outcome probe_dns_find(struct probe *probe, struct bytes name, struct host_addresses *out)
{
    enum host_outcome outcome;
    while ((outcome = host_find(probe->facts, name, out)) == HOST_NEEDS_FACTS)
        dns_client_answer(probe->dns, probe->facts);
    return outcome;
}
