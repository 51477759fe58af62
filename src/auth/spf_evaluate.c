/* The mechanisms of SPF (RFC 7208, 5). */
#include "auth/spf_state.h"

#include "auth/iprev.h"
#include "facts/facts.h"

enum { WHY_LIMIT = 100 }; /* bytes of a resolver's reason */

static struct spf_frame *top(struct spf_check *check)
{
    return &check->frames[check->depth];
}

static enum fact_type address_type(const struct spf_check *check)
{
    return ip_is_ipv4(&check->query->ip) ? FACT_A : FACT_AAAA;
}

static bool is_failure(const struct answer *answer)
{
    return answer->status == ANSWER_SERVFAIL || answer->status == ANSWER_TIMEOUT;
}

static enum spf_step no_answer(struct spf_check *check, enum fact_type type, struct bytes name,
                               const struct answer *answer)
{
    struct bytes why = bytes_sub(answer->reason, 0, WHY_LIMIT);
    return spf_conclude(check, SPF_TEMPERROR, "the DNS does not tell %s of %.*s%s%.*s",
                        fact_type_name(type), BYTES_ARGS(name), why.len ? ": " : "",
                        BYTES_ARGS(why));
}

/* Counts a term that asks the DNS; false: it is one too many. */
static bool count_term(struct spf_check *check)
{
    if (check->terms < SPF_TERM_LIMIT) {
        check->terms++;
        return true;
    }
    (void)spf_conclude(check, SPF_PERMERROR,
                       "more than %d terms ask the DNS (include, a, mx, ptr, exists, redirect), "
                       "with those of included records",
                       SPF_TERM_LIMIT);
    return false;
}

/* --- Names -------------------------------------------------------------------------------------
 */

static bool is_within(struct bytes name, struct bytes domain)
{
    if (name.len == domain.len)
        return bytes_equal_nocase(name, domain);
    return bytes_ends_nocase(name, domain) && name.at[name.len - domain.len - 1] == '.';
}

/* The domain itself, a name below it, or any. */
static struct bytes choose_name(const struct iprev_names *names, struct bytes domain)
{
    struct bytes chosen = names->count ? names->list[0] : BYTES("unknown");
    for (size_t i = names->count; i-- > 0;)
        if (is_within(names->list[i], domain))
            chosen = names->list[i];
    for (size_t i = 0; i < names->count; i++)
        if (bytes_equal_nocase(names->list[i], domain))
            chosen = names->list[i];
    return chosen;
}

bool spf_find_validated(struct spf_check *check)
{
    struct iprev_names names;
    if (iprev_check(&check->query->ip, check->facts, &names) == IPREV_NEEDS_FACTS)
        return false;
    check->values.validated = choose_name(&names, top(check)->domain);
    return true;
}

/* %{p} asks for the client's names, which counts (RFC 7208, 4.6.4): once, as it asks once. */
static enum spf_target find_names(struct spf_check *check)
{
    if (!check->has_asked_names && !count_term(check))
        return SPF_TARGET_OVER;
    check->has_asked_names = true;
    return spf_find_validated(check) ? SPF_TARGET_FOUND : SPF_TARGET_NEEDS_FACTS;
}

enum spf_target spf_find_target(struct spf_check *check, struct bytes spec, struct buf *out)
{
    check->values.domain = top(check)->domain;
    if (spec.len == 0) {
        buf_add(out, top(check)->domain);
        return SPF_TARGET_FOUND;
    }
    if (check->has_utf8_local && (spf_macro_has(spec, 's') || spf_macro_has(spec, 'l')))
        return SPF_TARGET_NONE;
    if (spf_macro_has(spec, 'p')) {
        enum spf_target names = find_names(check);
        if (names != SPF_TARGET_FOUND)
            return names;
    }
    if (spf_macro_expand_name(out, spec, &check->values))
        return SPF_TARGET_FOUND;
    (void)spf_conclude(check, SPF_PERMERROR, "\"%.*s\" expands to more than %d bytes",
                       BYTES_ARGS(bytes_sub(spec, 0, WHY_LIMIT)), SPF_EXPANSION_LIMIT);
    return SPF_TARGET_OVER;
}

/* --- Mechanisms --------------------------------------------------------------------------------
 */

static bool is_in_network(const struct spf_check *check, const struct ip *ip,
                          const struct spf_term *term)
{
    bool is_ipv4 = ip_is_ipv4(&check->query->ip);
    unsigned bits = is_ipv4 ? IP_MAPPED_BITS + term->bits4 : term->bits6;
    return ip_is_ipv4(ip) == is_ipv4 && ip_matches(&check->query->ip, ip, bits);
}

/* "IPv4 <ip> addresses are only listed in an SPF record using the ip4 mechanism" (RFC 7208, 5),
 * so that ::ffff:0:0/96 is none of them. */
static bool is_listed(const struct spf_check *check, const struct spf_term *term)
{
    if (ip_is_ipv4(&check->query->ip) != (term->kind == SPF_IP4))
        return false;
    unsigned bits = term->kind == SPF_IP4 ? IP_MAPPED_BITS + term->bits4 : term->bits6;
    return ip_matches(&check->query->ip, &term->ip, bits);
}

static bool has_address(const struct spf_check *check, const struct answer *answer,
                        const struct spf_term *term)
{
    bool is_ipv4 = address_type(check) == FACT_A;
    for (size_t i = 0; i < answer->count; i++) {
        const uint8_t *at = answer->records[i].data.at;
        struct ip ip = is_ipv4 ? ip_from_ipv4(at) : ip_from_ipv6(at);
        if (is_in_network(check, &ip, term))
            return true;
    }
    return false;
}

/* A term that found nothing (RFC 7208, 4.6.4). What is no name was not looked up. */
static enum spf_step find_nothing(struct spf_check *check, struct bytes name)
{
    if (!fact_name_is_valid(name) || check->voids++ < SPF_VOID_LIMIT)
        return SPF_STEP_NO_MATCH;
    return spf_conclude(check, SPF_PERMERROR,
                        "more than %d terms find nothing in the DNS, the last for %.*s",
                        SPF_VOID_LIMIT, BYTES_ARGS(name));
}

/* Of an answer that is not whole nobody knows what it does not hold. */
static enum spf_step not_in(struct spf_check *check, const struct answer *answer,
                            enum fact_type type, struct bytes name)
{
    if (answer->count == 0)
        return find_nothing(check, name);
    if (!answer->is_cut)
        return SPF_STEP_NO_MATCH;
    return spf_conclude(check, SPF_PERMERROR, "%.*s has more than %d %s records", BYTES_ARGS(name),
                        FACTS_RECORD_LIMIT, fact_type_name(type));
}

static enum spf_step evaluate_a(struct spf_check *check, const struct spf_term *term,
                                struct bytes name)
{
    enum fact_type type = address_type(check);
    const struct answer *answer = facts_ask(check->facts, type, name);
    if (!answer)
        return SPF_STEP_NEEDS_FACTS;
    if (is_failure(answer))
        return no_answer(check, type, name, answer);
    return has_address(check, answer, term) ? SPF_STEP_MATCH : not_in(check, answer, type, name);
}

static enum spf_step evaluate_exists(struct spf_check *check, struct bytes name)
{
    const struct answer *answer = facts_ask(check->facts, FACT_A, name);
    if (!answer)
        return SPF_STEP_NEEDS_FACTS;
    if (is_failure(answer))
        return no_answer(check, FACT_A, name, answer);
    return answer->count ? SPF_STEP_MATCH : find_nothing(check, name);
}

static enum spf_step evaluate_hosts(struct spf_check *check, const struct spf_term *term,
                                    const struct answer *hosts)
{
    enum fact_type type = address_type(check);
    enum spf_step step = SPF_STEP_NO_MATCH;
    for (size_t i = 0; i < hosts->count; i++)
        if (!facts_ask(check->facts, type, hosts->records[i].data))
            step = SPF_STEP_NEEDS_FACTS;
    if (step == SPF_STEP_NEEDS_FACTS)
        return step;
    for (size_t i = 0; i < hosts->count; i++) {
        struct bytes name = hosts->records[i].data;
        const struct answer *answer = facts_ask(check->facts, type, name);
        if (is_failure(answer))
            return no_answer(check, type, name, answer);
        if (has_address(check, answer, term))
            return SPF_STEP_MATCH;
        if (answer->is_cut)
            return not_in(check, answer, type, name);
    }
    return step;
}

/* The limit is looked at first, as the order of hosts is chance: a result that depends on it would
 * be another each time. */
static enum spf_step evaluate_mx(struct spf_check *check, const struct spf_term *term,
                                 struct bytes name)
{
    const struct answer *hosts = facts_ask(check->facts, FACT_MX, name);
    if (!hosts)
        return SPF_STEP_NEEDS_FACTS;
    if (is_failure(hosts))
        return no_answer(check, FACT_MX, name, hosts);
    if (hosts->count == 0)
        return find_nothing(check, name);
    if (hosts->count > SPF_HOST_LIMIT)
        return spf_conclude(check, SPF_PERMERROR, "%.*s has more than %d MX records",
                            BYTES_ARGS(name), SPF_HOST_LIMIT);
    return evaluate_hosts(check, term, hosts);
}

/* What the DNS does not tell does not match (RFC 7208, 5.5). */
static enum spf_step evaluate_ptr(struct spf_check *check, struct bytes name)
{
    struct iprev_names names;
    switch (iprev_check(&check->query->ip, check->facts, &names)) {
    case IPREV_NEEDS_FACTS: return SPF_STEP_NEEDS_FACTS;
    case IPREV_PERMERROR: return find_nothing(check, BYTES("the client's address"));
    case IPREV_PASS:
    case IPREV_FAIL:
    case IPREV_TEMPERROR: break;
    }
    for (size_t i = 0; i < names.count; i++)
        if (is_within(names.list[i], name))
            return SPF_STEP_MATCH;
    return SPF_STEP_NO_MATCH;
}

/* The frame for the name, above the top one or in its place. */
static enum spf_step enter(struct spf_check *check, const struct spf_term *term, struct bytes name)
{
    bool is_include = term->kind == SPF_INCLUDE;
    if (is_include) {
        top(check)->include = *term;
        check->depth++;
    }
    struct spf_frame *frame = top(check);
    struct buf copy = {.at = frame->room, .cap = SPF_NAME_LIMIT, .limit = SPF_NAME_LIMIT};
    buf_add(&copy, name);
    frame->domain = buf_view(&copy);
    frame->is_redirected = !is_include;
    return SPF_STEP_ENTER;
}

static enum spf_step evaluate_name(struct spf_check *check, const struct spf_term *term,
                                   struct bytes name)
{
    switch (term->kind) {
    case SPF_A: return evaluate_a(check, term, name);
    case SPF_MX: return evaluate_mx(check, term, name);
    case SPF_PTR: return evaluate_ptr(check, name);
    case SPF_EXISTS: return evaluate_exists(check, name);
    case SPF_INCLUDE:
    case SPF_REDIRECT: return enter(check, term, name);
    case SPF_ALL:
    case SPF_IP4:
    case SPF_IP6:
    case SPF_EXP:
    case SPF_UNKNOWN_MODIFIER: break;
    }
    return SPF_STEP_NO_MATCH;
}

static bool asks_dns(enum spf_kind kind)
{
    return kind == SPF_INCLUDE || kind == SPF_A || kind == SPF_MX || kind == SPF_PTR ||
           kind == SPF_EXISTS || kind == SPF_REDIRECT;
}

enum spf_step spf_evaluate(struct spf_check *check, const struct spf_term *term)
{
    uint8_t room[SPF_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (term->kind == SPF_ALL)
        return SPF_STEP_MATCH;
    if (term->kind == SPF_IP4 || term->kind == SPF_IP6)
        return is_listed(check, term) ? SPF_STEP_MATCH : SPF_STEP_NO_MATCH;
    if (!asks_dns(term->kind))
        return SPF_STEP_NO_MATCH;
    if (!count_term(check))
        return SPF_STEP_OVER;
    switch (spf_find_target(check, term->spec, &name)) {
    case SPF_TARGET_FOUND: return evaluate_name(check, term, buf_view(&name));
    case SPF_TARGET_NEEDS_FACTS: return SPF_STEP_NEEDS_FACTS;
    case SPF_TARGET_NONE: return SPF_STEP_NO_MATCH;
    case SPF_TARGET_OVER: return SPF_STEP_OVER;
    }
    return SPF_STEP_OVER;
}

/* --- Asking ahead ------------------------------------------------------------------------------
 */

static void ask_for(struct spf_check *check, enum spf_kind kind, struct bytes name)
{
    struct iprev_names names;
    switch (kind) {
    case SPF_A: (void)facts_ask(check->facts, address_type(check), name); break;
    case SPF_MX: (void)facts_ask(check->facts, FACT_MX, name); break;
    case SPF_EXISTS: (void)facts_ask(check->facts, FACT_A, name); break;
    case SPF_INCLUDE:
    case SPF_REDIRECT: (void)facts_ask(check->facts, FACT_TXT, name); break;
    case SPF_PTR: (void)!iprev_check(&check->query->ip, check->facts, &names); break;
    case SPF_ALL:
    case SPF_IP4:
    case SPF_IP6:
    case SPF_EXP:
    case SPF_UNKNOWN_MODIFIER: break;
    }
}

static void ask_term(struct spf_check *check, const struct spf_term *term)
{
    uint8_t room[SPF_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (spf_macro_has(term->spec, 'p'))
        return;
    if (spf_find_target(check, term->spec, &name) == SPF_TARGET_FOUND)
        ask_for(check, term->kind, buf_view(&name));
    /* An error is none before the term's turn has come. */
    check->result = SPF_NEEDS_FACTS;
}

void spf_ask_ahead(struct spf_check *check)
{
    const struct spf_frame *frame = top(check);
    struct bytes rest = frame->rest;
    struct spf_term term;
    const char *why;
    unsigned left = SPF_TERM_LIMIT - check->terms;
    while (left > 0 && spf_term_next(&rest, &term, &why) == SPF_TERM_FOUND) {
        bool is_end = term.kind == SPF_ALL ||
                      ((term.kind == SPF_IP4 || term.kind == SPF_IP6) && is_listed(check, &term));
        if (is_end)
            return;
        if (!asks_dns(term.kind) || term.kind == SPF_REDIRECT)
            continue;
        ask_term(check, &term);
        left--;
    }
    if (left > 0 && frame->outline.redirect.len && !frame->outline.has_all)
        ask_term(check, &(struct spf_term){.kind = SPF_REDIRECT, .spec = frame->outline.redirect});
}
