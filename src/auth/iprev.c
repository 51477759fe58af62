#include "auth/iprev.h"

#include "facts/facts.h"
#include "mail/address.h"

enum { QUESTION_LIMIT = 80 }; /* 64 nibbles and dots, and "ip6.arpa" */

const char *iprev_result_name(enum iprev_result result)
{
    switch (result) {
    case IPREV_NEEDS_FACTS: return "";
    case IPREV_PASS: return "pass";
    case IPREV_FAIL: return "fail";
    case IPREV_TEMPERROR: return "temperror";
    case IPREV_PERMERROR: return "permerror";
    }
    return "";
}

void iprev_print_question(struct buf *out, const struct ip *ip)
{
    static const uint8_t digits[] = "0123456789abcdef";
    const uint8_t *at = ip->at;
    if (ip_is_ipv4(ip)) {
        for (size_t i = 15; i >= 12; i--) {
            buf_add_u64(out, at[i]);
            buf_add_byte(out, '.');
        }
        buf_add(out, BYTES("in-addr.arpa"));
        return;
    }
    for (size_t i = sizeof ip->at; i-- > 0;) {
        const uint8_t nibbles[] = {digits[at[i] & 15], '.', digits[at[i] >> 4], '.'};
        buf_add(out, (struct bytes){nibbles, sizeof nibbles});
    }
    buf_add(out, BYTES("ip6.arpa"));
}

static bool leads_back(const struct answer *answer, const struct ip *ip)
{
    struct bytes wanted = {ip->at, sizeof ip->at};
    if (ip_is_ipv4(ip))
        wanted = bytes_from(wanted, IP_MAPPED_BITS / 8);
    for (size_t i = 0; i < answer->count; i++)
        if (bytes_equal(answer->records[i].data, wanted))
            return true;
    return false;
}

/* Looks at each of the names, and asks for the addresses of all at once. */
static enum iprev_result check_names(const struct ip *ip, struct facts *facts,
                                     const struct answer *names, struct iprev_names *out)
{
    struct iprev_names found = {.count = 0};
    bool needs_facts = false, is_uncertain = false;
    for (size_t i = 0, asked = 0; i < names->count && asked < IPREV_NAME_LIMIT; i++) {
        struct bytes name = names->records[i].data;
        if (!domain_is_valid(name, ADDRESS_ASCII))
            continue;
        asked++;
        const struct answer *answer = facts_ask(facts, ip_is_ipv4(ip) ? FACT_A : FACT_AAAA, name);
        if (!answer)
            needs_facts = true;
        else if (answer->status == ANSWER_SERVFAIL || answer->status == ANSWER_TIMEOUT)
            is_uncertain = true;
        else if (leads_back(answer, ip))
            found.list[found.count++] = name;
    }
    if (needs_facts)
        return IPREV_NEEDS_FACTS;
    *out = found;
    return found.count ? IPREV_PASS : is_uncertain ? IPREV_TEMPERROR : IPREV_FAIL;
}

enum iprev_result iprev_check(const struct ip *ip, struct facts *facts, struct iprev_names *out)
{
    uint8_t room[QUESTION_LIMIT];
    struct buf question = {.at = room, .cap = sizeof room, .limit = sizeof room};
    iprev_print_question(&question, ip);
    const struct answer *names = facts_ask(facts, FACT_PTR, buf_view(&question));
    if (!names)
        return IPREV_NEEDS_FACTS;
    switch (names->status) {
    case ANSWER_FOUND: return check_names(ip, facts, names, out);
    case ANSWER_NODATA:
    case ANSWER_NXDOMAIN: out->count = 0; return IPREV_PERMERROR;
    case ANSWER_SERVFAIL:
    case ANSWER_TIMEOUT: out->count = 0; return IPREV_TEMPERROR;
    }
    return IPREV_TEMPERROR;
}
