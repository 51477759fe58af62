#include "policy/verdict.h"

enum { RECORD_SHOWN = 90, DOMAIN_SHOWN = 60 }; /* bytes, so that a reply has room for all of it */

static const char *const action_names[] = {"accept", "junk", "refuse"};

const char *verdict_action_name(enum verdict_action action)
{
    return action_names[action];
}

/* Appends as much of it as may be shown; control bytes are the reply's to replace. */
static void add_cut(struct buf *out, struct bytes text, size_t most)
{
    buf_add(out, bytes_sub(text, 0, most));
    if (text.len > most)
        buf_add(out, BYTES("..."));
}

static void add_domain(struct buf *out, struct bytes domain)
{
    add_cut(out, domain, DOMAIN_SHOWN);
}

/* --- Policies --------------------------------------------------------------------------------- */

void verdict_policy_wish(struct verdict_policy *policy, const struct verdict_wish *wish)
{
    if (wish->has_mode)
        policy->mode = wish->policy.mode;
    for (size_t i = 0; i < VERDICT_RULES; i++)
        if (wish->has_on[i])
            policy->on[i] = wish->policy.on[i];
    if (wish->has_unsure)
        policy->on_unsure = wish->policy.on_unsure;
}

static void accept_all(struct verdict_policy *policy)
{
    *policy = (struct verdict_policy){.mode = VERDICT_ENFORCE};
}

void verdict_policy_join(struct verdict_policy *policy, const struct verdict_policy *other)
{
    struct verdict_policy joined = *other;
    if (policy->mode != other->mode && policy->mode != VERDICT_ENFORCE)
        accept_all(policy);
    if (policy->mode != other->mode && other->mode != VERDICT_ENFORCE)
        accept_all(&joined);
    for (size_t i = 0; i < VERDICT_RULES; i++)
        if (policy->on[i] != joined.on[i])
            policy->on[i] = VERDICT_JUNK;
    if (policy->on_unsure != joined.on_unsure)
        policy->on_unsure = VERDICT_TAKE_UNSURE;
}

/* --- Overrides -------------------------------------------------------------------------------- */

static bool is_within(struct bytes name, struct bytes domain)
{
    if (name.len == domain.len)
        return bytes_equal_nocase(name, domain);
    return name.len > domain.len && bytes_ends_nocase(name, domain) &&
           name.at[name.len - domain.len - 1] == '.';
}

/* All authors must be let through. */
static bool is_allowed(const struct author *author, const struct verdict_trust *trust)
{
    size_t allowed = 0;
    for (size_t i = 0; i < author->count; i++) {
        bool is_found = false;
        for (size_t k = 0; k < trust->allow_count && !is_found; k++)
            is_found = is_within(author->domains[i], trust->allow[k]);
        allowed += is_found;
    }
    return author->count > 0 && allowed == author->count;
}

static bool is_trusted(struct bytes sealer, const struct verdict_trust *trust)
{
    for (size_t i = 0; i < trust->sealer_count; i++)
        if (bytes_equal_nocase(sealer, trust->sealers[i]))
            return true;
    return false;
}

/* What a sealer says counts while it and all behind it are trusted (RFC 8617, 7.2). */
static bool is_sealed(const struct verdict_query *query, const struct verdict_trust *trust)
{
    for (size_t i = 0; i < query->seal_count; i++) {
        if (!is_trusted(query->seals[i].domain, trust))
            return false;
        if (query->seals[i].says_pass)
            return true;
    }
    return false;
}

static const char *find_override(const struct verdict_query *query,
                                 const struct verdict_trust *trust)
{
    if (query->is_forwarder)
        return "forwarder";
    if (is_allowed(query->author, trust))
        return "allow";
    return is_sealed(query, trust) ? "arc" : "";
}

/* --- Rules ------------------------------------------------------------------------------------ */

static void want(struct verdict *verdict, enum verdict_action action, const char *rule, int code,
                 const char *status)
{
    verdict->wanted = action;
    verdict->rule = action == VERDICT_ACCEPT ? "" : rule;
    verdict->code = code;
    verdict->status = status;
}

static void judge_author(const struct verdict_query *query, const struct verdict_policy *policy,
                         struct buf *text, struct verdict *verdict)
{
    want(verdict, policy->on[VERDICT_ON_NO_AUTHOR], "author", 550, "5.6.0");
    buf_addf(text,
             "From: %s. A message needs exactly one From field (RFC 5322, 3.6), with an address "
             "that has a domain; correct it and send again",
             author_problem(query->author));
}

/* What DKIM had to offer, for people. */
static void add_dkim(struct buf *out, const struct verdict_query *query)
{
    if (query->dkim.passed_count) {
        buf_add(out, BYTES("DKIM is good for "));
        add_domain(out, query->dkim.passed[0]);
        buf_add(out, BYTES(" only"));
    } else if (query->dkim.has_signature) {
        buf_add(out, BYTES("no DKIM signature is good"));
    } else {
        buf_add(out, BYTES("there is no DKIM signature"));
    }
}

static void judge_failure(const struct verdict_query *query, const struct verdict_policy *policy,
                          struct buf *text, struct verdict *verdict)
{
    const struct dmarc_answer *dmarc = query->dmarc;
    switch (dmarc->disposition) {
    case DMARC_POLICY_NONE: return;
    case DMARC_POLICY_QUARANTINE:
        want(verdict, policy->on[VERDICT_ON_QUARANTINE], "dmarc", 550, "5.7.26");
        break;
    case DMARC_POLICY_REJECT:
        want(verdict, policy->on[VERDICT_ON_REJECT], "dmarc", 550, "5.7.26");
        break;
    }
    buf_add(text, BYTES("DMARC: "));
    add_domain(text, dmarc->author);
    buf_addf(text, " asks for %s (%s=%s at _dmarc.", dmarc_policy_name(dmarc->disposition),
             dmarc_tag_name(dmarc->tag), dmarc_policy_name(dmarc->policy));
    add_domain(text, dmarc->domain);
    buf_add(text, BYTES(") of what is not shown to be its own: "));
    buf_addf(text, "SPF is %s for ", query->spf.result);
    add_domain(text, query->spf.domain.len ? query->spf.domain : BYTES("no domain"));
    buf_addf(text, " from %.*s, and ", BYTES_ARGS(query->client));
    add_dkim(text, query);
    buf_add(text, BYTES(". Sign it as that domain, or send through its own servers"));
}

static void add_spf_record(struct buf *out, const struct verdict_spf *spf)
{
    buf_add(out, BYTES(" by its record, "));
    add_cut(out, spf->record, RECORD_SHOWN);
}

static void add_explanation(struct buf *out, const struct verdict_spf *spf)
{
    if (spf->explanation.len == 0)
        return;
    buf_add(out, BYTES(". The domain says: "));
    add_cut(out, spf->explanation, RECORD_SHOWN);
}

static void judge_spf(const struct verdict_query *query, const struct verdict_policy *policy,
                      struct buf *text, struct verdict *verdict)
{
    want(verdict, policy->on[VERDICT_ON_SPF_FAIL], "spf", 550, "5.7.23");
    buf_addf(text, "SPF: %.*s may not send for ", BYTES_ARGS(query->client));
    add_domain(text, query->spf.domain);
    add_spf_record(text, &query->spf);
    buf_add(text, BYTES(". Send through a server that the record names, or have its owner add "
                        "this one"));
    add_explanation(text, &query->spf);
}

static void judge_helo(const struct verdict_query *query, const struct verdict_policy *policy,
                       struct buf *text, struct verdict *verdict)
{
    want(verdict, policy->on[VERDICT_ON_HELO_FAIL], "helo", 550, "5.7.23");
    buf_addf(text, "SPF: %.*s may not call itself ", BYTES_ARGS(query->client));
    add_domain(text, query->helo.domain);
    add_spf_record(text, &query->helo);
    buf_add(text, BYTES(". Give the server its own name for EHLO, or have the owner of that one "
                        "add this address"));
    add_explanation(text, &query->helo);
}

static void judge_name(const struct verdict_query *query, const struct verdict_policy *policy,
                       struct buf *text, struct verdict *verdict)
{
    want(verdict, policy->on[VERDICT_ON_NO_NAME], "reverse-name", 550, "5.7.25");
    buf_addf(text,
             "%.*s has no name in the DNS that leads back to it. Give it one (PTR, and A or AAAA), "
             "or send through your provider's server",
             BYTES_ARGS(query->client));
}

static void judge_misleading(const struct verdict_query *query, const struct verdict_policy *policy,
                             struct buf *text, struct verdict *verdict)
{
    want(verdict, policy->on[VERDICT_ON_MISLEADING], "misleading-name", 550, "5.7.1");
    buf_add(text, BYTES("From: it shows "));
    add_domain(text, query->author->shown);
    buf_add(text, BYTES(", but the message is from "));
    add_domain(text, query->author->domains[0]);
    buf_add(text, BYTES(". Write the name without an address that is not the sender's"));
}

static void judge_unsure(const struct verdict_query *query, struct buf *text,
                         struct verdict *verdict)
{
    want(verdict, VERDICT_REFUSE, "dns", 451, "4.7.26");
    buf_add(text, BYTES("DMARC: the DNS does not answer for what shows whether "));
    add_domain(text, query->dmarc->author);
    buf_add(text, BYTES(" sent this"));
    if (query->dmarc->reason_name.len) {
        buf_add(text, BYTES(" ("));
        add_domain(text, query->dmarc->reason_name);
        buf_add(text, BYTES(")"));
    }
    buf_add(text, BYTES("; please try again later"));
}

/* SPF says fail, and nobody has said more: the author's domain has no DMARC record, and has not
 * signed the message either, which forwarding leaves good. */
static bool is_spf_alone(const struct verdict_query *query)
{
    if (!query->spf.has_failed || query->dmarc->result != DMARC_NONE)
        return false;
    for (size_t i = 0; i < query->author->count; i++)
        for (size_t k = 0; k < query->dkim.passed_count; k++)
            if (is_within(query->author->domains[i], query->dkim.passed[k]))
                return false;
    return true;
}

/* The first rule that wants more than to take it. */
static void judge(const struct verdict_query *query, const struct verdict_policy *policy,
                  const struct verdict_trust *trust, struct buf *text, struct verdict *verdict)
{
    if (query->author->status != AUTHOR_FOUND) {
        judge_author(query, policy, text, verdict);
        if (verdict->wanted != VERDICT_ACCEPT)
            return;
        buf_clear(text);
    }
    verdict->override = find_override(query, trust);
    if (query->dmarc->result == DMARC_FAIL)
        judge_failure(query, policy, text, verdict);
    else if (query->dmarc->result == DMARC_TEMPERROR && policy->on_unsure == VERDICT_DEFER_UNSURE)
        judge_unsure(query, text, verdict);
    else if (is_spf_alone(query))
        judge_spf(query, policy, text, verdict);
    if (verdict->wanted == VERDICT_ACCEPT && query->author->shown.len) {
        buf_clear(text);
        judge_misleading(query, policy, text, verdict);
    }
    if (verdict->wanted == VERDICT_ACCEPT && query->helo.has_failed) {
        buf_clear(text);
        judge_helo(query, policy, text, verdict);
    }
    if (verdict->wanted == VERDICT_ACCEPT && !query->has_name) {
        buf_clear(text);
        judge_name(query, policy, text, verdict);
    }
    if (verdict->wanted == VERDICT_ACCEPT)
        verdict->override = "";
}

void verdict_reach(const struct verdict_query *query, const struct verdict_policy *policy,
                   const struct verdict_trust *trust, struct buf *text, struct verdict *out)
{
    *out = (struct verdict){.rule = "", .override = "", .status = ""};
    judge(query, policy, trust, text, out);
    if (policy->mode == VERDICT_ENFORCE && out->override[0] == '\0')
        out->action = out->wanted;
    if (out->wanted == VERDICT_ACCEPT)
        buf_clear(text);
}
