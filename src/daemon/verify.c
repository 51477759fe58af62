#include "daemon/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/arc.h"
#include "auth/authres.h"
#include "auth/iprev.h"
#include "auth/spf_field.h"
#include "base/memory.h"
#include "daemon/sealing.h"
#include "daemon/line.h"
#include "facts/facts.h"
#include "mail/header.h"
#include "mail/idna.h"
#include "mail/section.h"
#include "mail/trace.h"

enum {
    /* More than SPF's terms, a walk of DMARC and the keys of all signatures take. */
    ROUND_LIMIT = 40,
    ARENA_CEILING = 2 * SPF_ARENA + AUTHOR_ARENA,
    PIECE_LIMIT = 1 << 20, /* of text that comes at once */
};

enum step { STEP_DONE, STEP_NEEDS_FACTS, STEP_WAITS };

/* A table of facts, and what is made of it: run again until it needs no more. */
struct pursuit {
    struct verify *verify;
    enum step (*step)(struct verify *verify);
    struct facts *facts;
    struct resolving *query; /* under way; NULL: none */
    unsigned rounds;
    bool is_begun, is_done;
    bool is_waiting; /* for the sender's result */
};

struct verify {
    struct list link;
    struct worker *worker;
    struct generation *generation;
    const struct verdict_policy *listener; /* its policy */
    struct verdict_policy policy;          /* of all recipients */
    bool has_recipient;
    struct arena *arena;
    struct ip ip;
    struct bytes client, helo, reverse_path;
    struct pursuit sender, greeting, name, origin;
    /* Signatures are checked on the worker's line. Meanwhile nothing else is done here. */
    struct line_task task;
    enum step found; /* by the task */
    int64_t now_s;   /* for it */
    bool is_computing, is_dropped;
    /* The text so far. */
    struct section section; /* nothing is kept of it once it was found */
    bool has_section;
    struct bytes sealed; /* a copy of the section, to be sealed; empty: no seal is wanted */
    struct body_hash *body;
    struct dkim_verify *dkim;
    struct arc_verify *arc;
    /* What was found. */
    struct author author;
    struct spf_verdict spf, helo_spf;
    enum iprev_result iprev;
    struct iprev_names names;
    struct dkim_report signatures;
    struct arc_report chain;
    struct dmarc_answer dmarc;
    struct verdict verdict;
    struct buf text; /* of the verdict */
    /* The end. */
    struct timer deadline;
    verify_done *done; /* NULL: the text is not complete */
    void *context;
    bool is_late;
};

/* --- Facts ------------------------------------------------------------------------------------ */

static void settle(struct verify *verify);

/* The time is over: what is still asked gets no answer. */
static void answer_open(struct facts *facts)
{
    static const struct answer nothing = {.status = ANSWER_TIMEOUT,
                                          .reason = BYTES_INIT("the time was over")};
    struct question question;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        facts_answer(facts, question.type, question.name, &nothing);
}

static void pursue(struct pursuit *pursuit);
static void verify_end(struct verify *verify);

static void on_resolved(void *context)
{
    struct pursuit *pursuit = context;
    struct verify *verify = pursuit->verify;
    pursuit->query = NULL;
    pursue(pursuit);
    settle(verify);
}

static void take_step(struct pursuit *pursuit, enum step step)
{
    struct verify *verify = pursuit->verify;
    switch (step) {
    case STEP_DONE: pursuit->is_done = true; return;
    case STEP_WAITS: pursuit->is_waiting = true; return;
    case STEP_NEEDS_FACTS: break;
    }
    if (verify->is_late || pursuit->rounds++ >= ROUND_LIMIT)
        answer_open(pursuit->facts);
    else if (!resolver_answer(verify->worker->resolver, pursuit->facts))
        pursuit->query =
            resolver_resolve(verify->worker->resolver, pursuit->facts, on_resolved, pursuit);
}

/* The first step only asks for keys; those that follow check signatures by them. */
static bool is_long(const struct pursuit *pursuit)
{
    const struct verify *verify = pursuit->verify;
    return pursuit == &verify->origin && pursuit->rounds > 0 &&
           (dkim_verify_count(verify->dkim) > 0 || arc_verify_count(verify->arc) > 0);
}

static void pursue(struct pursuit *pursuit)
{
    struct verify *verify = pursuit->verify;
    while (pursuit->is_begun && !pursuit->is_done && !pursuit->is_waiting && !pursuit->query &&
           !verify->is_computing) {
        verify->now_s = loop_wall_ms(verify->worker->loop) / 1000;
        verify->is_computing = is_long(pursuit);
        if (verify->is_computing)
            line_add(verify->worker->line, &verify->task);
        else
            take_step(pursuit, pursuit->step(verify));
    }
}

static void pursuit_init(struct pursuit *pursuit, struct verify *verify,
                         enum step (*step)(struct verify *))
{
    *pursuit = (struct pursuit){.verify = verify, .step = step, .facts = facts_new()};
}

static void pursuit_cancel(struct pursuit *pursuit)
{
    resolver_cancel(pursuit->query);
    pursuit->query = NULL;
}

static struct spf_query query_sender(const struct verify *verify)
{
    return (struct spf_query){.identity = SPF_MAIL_FROM,
                              .ip = verify->ip,
                              .helo = verify->helo,
                              .mail_from = verify->reverse_path,
                              .receiver = bytes_of(verify->generation->config->hostname),
                              .now_ms = loop_wall_ms(verify->worker->loop)};
}

static enum step step_sender(struct verify *verify)
{
    struct spf_query query = query_sender(verify);
    enum spf_result result = spf_check(&query, verify->sender.facts, verify->arena, &verify->spf);
    return result == SPF_NEEDS_FACTS ? STEP_NEEDS_FACTS : STEP_DONE;
}

static enum step step_greeting(struct verify *verify)
{
    struct spf_query query = query_sender(verify);
    query.identity = SPF_HELO;
    enum spf_result result =
        spf_check(&query, verify->greeting.facts, verify->arena, &verify->helo_spf);
    return result == SPF_NEEDS_FACTS ? STEP_NEEDS_FACTS : STEP_DONE;
}

/* What SPF says to the name in HELO; of SPF_NEEDS_FACTS where that is no domain. The null
 * reverse-path stands for that name (RFC 7208, 2.4), which is not checked twice then. */
static const struct spf_verdict *find_helo(const struct verify *verify)
{
    bool is_sender = verify->reverse_path.len == 0 && spf_helo_is_domain(verify->helo);
    return is_sender ? &verify->spf : &verify->helo_spf;
}

static enum step step_name(struct verify *verify)
{
    verify->iprev = iprev_check(&verify->ip, verify->name.facts, &verify->names);
    return verify->iprev == IPREV_NEEDS_FACTS ? STEP_NEEDS_FACTS : STEP_DONE;
}

/* What SPF says to DMARC; false: nothing. What it has not said yet counts as unsure, so that
 * DMARC's questions are asked meanwhile. */
static bool identify_sender(const struct verify *verify, struct dmarc_identifier *out)
{
    const struct spf_verdict *spf = &verify->spf;
    struct bytes path = verify->reverse_path;
    if (!verify->sender.is_done) {
        struct bytes domain = bytes_from(path, bytes_find_last(path, '@') + 1);
        *out = (struct dmarc_identifier){DMARC_BY_SPF, path.len ? domain : verify->helo, true};
        return true;
    }
    *out = (struct dmarc_identifier){DMARC_BY_SPF, spf->domain, spf->result == SPF_TEMPERROR};
    return spf->result == SPF_PASS || spf->result == SPF_TEMPERROR;
}

/* is_final: SPF and DKIM are through, and the answer is kept. */
static enum dmarc_result check_dmarc(struct verify *verify, bool is_final)
{
    struct dmarc_identifier identifiers[1 + DKIM_SIGNATURES_MOST];
    struct dmarc_query query = {.authors = verify->author.domains,
                                .author_count = verify->author.count,
                                .identifiers = identifiers};
    struct dmarc_answer answer;
    query.identifier_count += identify_sender(verify, &identifiers[0]);
    for (size_t i = 0; is_final && i < verify->signatures.count; i++) {
        const struct dkim_check *check = &verify->signatures.checks[i];
        bool is_unsure = check->result == DKIM_TEMPERROR;
        if (check->result == DKIM_PASS || is_unsure)
            identifiers[query.identifier_count++] =
                (struct dmarc_identifier){DMARC_BY_DKIM, check->domain, is_unsure};
    }
    enum dmarc_result result =
        dmarc_check(&query, verify->origin.facts, verify->generation->psl, &answer);
    if (is_final && result != DMARC_NEEDS_FACTS)
        verify->dmarc = answer;
    return result;
}

static enum step step_origin(struct verify *verify)
{
    struct facts *facts = verify->origin.facts;
    int64_t now_s = verify->now_s;
    bool has_dkim =
        dkim_verify_finish(verify->dkim, facts, now_s, &verify->signatures) == DKIM_DONE;
    bool has_arc = arc_verify_finish(verify->arc, facts, now_s, &verify->chain) == ARC_DONE;
    enum dmarc_result result = check_dmarc(verify, has_dkim && verify->sender.is_done);
    if (!has_dkim || !has_arc || result == DMARC_NEEDS_FACTS)
        return STEP_NEEDS_FACTS;
    return verify->sender.is_done ? STEP_DONE : STEP_WAITS;
}

/* On the line's thread. */
static void compute(void *context)
{
    struct verify *verify = context;
    verify->found = step_origin(verify);
}

static void computed(void *context)
{
    struct verify *verify = context;
    verify->is_computing = false;
    if (verify->is_dropped) {
        verify_end(verify);
        return;
    }
    take_step(&verify->origin, verify->found);
    settle(verify);
}

/* --- The text --------------------------------------------------------------------------------- */

static void take_section(struct verify *verify)
{
    struct bytes section = section_view(&verify->section);
    verify->has_section = true;
    verify->body = body_hash_new();
    struct dkim_limits limits = {.key_bits = (unsigned)verify->generation->config->verify.rsa_bits,
                                 .keys = verify->worker->keys};
    verify->dkim = dkim_verify_new(section, verify->body, &limits);
    verify->arc = arc_verify_new(section, verify->body, &limits);
    author_find(section, verify->arena, &verify->author);
    /* Without room for a copy there is no seal. */
    if (verify->generation->config->verify.seal &&
        arena_copy(verify->arena, section, &verify->sealed) &&
        body_hash_want(verify->body, CANONICAL_RELAXED, BODY_WHOLE) < 0)
        verify->sealed = BYTES_NONE;
    body_hash_add(verify->body, section_body(&verify->section));
    section_done(&verify->section);
}

void verify_text(struct verify *verify, struct bytes text)
{
    if (verify->has_section) {
        body_hash_add(verify->body, text);
        return;
    }
    switch (section_add(&verify->section, text)) {
    case SECTION_MORE: return;
    case SECTION_FOUND: take_section(verify); return;
    case SECTION_LARGE:
        /* The message is refused for it; what was found does not matter. */
        section_end(&verify->section);
        take_section(verify);
        return;
    }
}

void verify_finish(struct verify *verify, verify_done *done, void *context)
{
    const struct config *config = verify->generation->config;
    if (!verify->has_section) {
        section_end(&verify->section);
        take_section(verify);
    }
    body_hash_end(verify->body);
    verify->done = done;
    verify->context = context;
    timer_set(&verify->deadline, loop_now_ms(verify->worker->loop) + config->verify.timeout_ms);
    verify->origin.is_begun = true;
    settle(verify);
}

/* --- The verdict ------------------------------------------------------------------------------ */

/* Domains of good signatures. */
static size_t list_passed(const struct verify *verify, struct bytes passed[DKIM_SIGNATURES_MOST])
{
    size_t count = 0;
    for (size_t i = 0; i < verify->signatures.count; i++)
        if (verify->signatures.checks[i].result == DKIM_PASS)
            passed[count++] = verify->signatures.checks[i].domain;
    return count;
}

static size_t list_seals(const struct verify *verify, struct verdict_seal seals[ARC_SETS_MOST])
{
    size_t count = verify->chain.result == ARC_PASS ? verify->chain.instances : 0;
    for (size_t i = 0; i < count; i++) {
        const struct arc_set *set = &verify->chain.sets[count - 1 - i];
        seals[i] = (struct verdict_seal){.domain = set->sealer,
                                         .says_pass = authres_says(set->results, "dmarc", "pass")};
    }
    return count;
}

static struct verdict_spf list_spf(const struct spf_verdict *spf)
{
    return (struct verdict_spf){.result = spf_result_name(spf->result),
                                .has_failed = spf->result == SPF_FAIL,
                                .domain = spf->domain,
                                .record = spf->record,
                                .explanation = spf->explanation};
}

static void reach_verdict(struct verify *verify)
{
    const struct config *config = verify->generation->config;
    struct bytes passed[DKIM_SIGNATURES_MOST];
    struct verdict_seal seals[ARC_SETS_MOST];
    struct verdict_query query = {
        .client = verify->client,
        .is_forwarder = networks_have(config->verify.forwarders, &verify->ip),
        .has_name = verify->iprev == IPREV_PASS || verify->iprev == IPREV_TEMPERROR,
        .author = &verify->author,
        .dmarc = &verify->dmarc,
        .spf = list_spf(&verify->spf),
        .helo = list_spf(find_helo(verify)),
        .dkim = {.has_signature = verify->signatures.count > 0,
                 .passed = passed,
                 .passed_count = list_passed(verify, passed)},
        .seals = seals,
        .seal_count = list_seals(verify, seals),
    };
    buf_init(&verify->text, VERDICT_TEXT);
    verdict_reach(&query, &verify->policy, &config->verify.trust, &verify->text, &verify->verdict);
}

/* Goes on with what can go on; when all is known, that is the end. */
static void settle(struct verify *verify)
{
    pursue(&verify->sender);
    pursue(&verify->greeting);
    pursue(&verify->name);
    if (verify->sender.is_done)
        verify->origin.is_waiting = false;
    pursue(&verify->origin);
    if (!verify->done || !verify->sender.is_done || !verify->greeting.is_done ||
        !verify->name.is_done || !verify->origin.is_done)
        return;
    verify_done *done = verify->done;
    verify->done = NULL;
    timer_clear(&verify->deadline);
    reach_verdict(verify);
    done(verify->context);
}

static void hurry(struct verify *verify)
{
    struct pursuit *all[] = {&verify->sender, &verify->greeting, &verify->name, &verify->origin};
    verify->is_late = true;
    for (size_t i = 0; i < COUNT(all); i++)
        pursuit_cancel(all[i]);
    settle(verify);
}

static void on_deadline(void *context)
{
    hurry(context);
}

void verify_hurry_all(struct worker *worker)
{
    LIST_EACH (&worker->verifies, struct verify, link, verify)
        hurry(verify);
}

enum verdict_action verify_verdict(const struct verify *verify, struct smtp_answer *refusal,
                                   const char **rule)
{
    const struct verdict *verdict = &verify->verdict;
    *rule = verdict->rule;
    if (verdict->action == VERDICT_REFUSE)
        *refusal =
            (struct smtp_answer){verdict->code, bytes_of(verdict->status), buf_view(&verify->text)};
    return verdict->action;
}

/* --- What is told of it ----------------------------------------------------------------------- */

/* Copied into the arena; cut to nothing without room there. */
PRINTF_LIKE(2, 3)
static struct bytes note(struct arena *arena, const char *format, ...)
{
    struct bytes copy;
    va_list values;
    char text[AUTHRES_VALUE_LIMIT + 1];
    va_start(values, format);
    int len = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    return len >= 0 && arena_copy(arena, bytes_of(text), &copy) ? copy : BYTES_NONE;
}

static struct authres_result tell_spf(const struct verify *verify)
{
    const struct spf_verdict *spf = &verify->spf;
    bool is_null = verify->reverse_path.len == 0;
    return (struct authres_result){
        .method = "spf",
        .result = spf_result_name(spf->result),
        .comment = spf->problem,
        .properties = {{"smtp.mailfrom", is_null ? BYTES_NONE : verify->reverse_path},
                       {"smtp.helo", is_null ? verify->helo : BYTES_NONE}}};
}

static struct authres_result tell_helo(const struct verify *verify)
{
    return (struct authres_result){.method = "spf",
                                   .result = spf_result_name(verify->helo_spf.result),
                                   .comment = verify->helo_spf.problem,
                                   .properties = {{"smtp.helo", verify->helo}}};
}

static struct authres_result tell_iprev(const struct verify *verify)
{
    return (struct authres_result){.method = "iprev",
                                   .result = iprev_result_name(verify->iprev),
                                   .comment =
                                       verify->names.count ? verify->names.list[0] : BYTES_NONE,
                                   .properties = {{"policy.iprev", verify->client}}};
}

static struct authres_result tell_signature(const struct verify *verify, size_t number)
{
    const struct dkim_check *check = &verify->signatures.checks[number];
    return (struct authres_result){.method = "dkim",
                                   .result = dkim_result_name(check->result),
                                   .comment = check->reason,
                                   .properties = {{"header.d", check->domain},
                                                  {"header.s", check->selector},
                                                  {"header.a", check->algorithm},
                                                  {"header.b", check->start}}};
}

static struct authres_result tell_arc(const struct verify *verify)
{
    const struct arc_report *chain = &verify->chain;
    bool has_passed = chain->result == ARC_PASS;
    return (struct authres_result){
        .method = "arc",
        .result = arc_result_name(chain->result),
        .comment = has_passed ? note(verify->arena, "i=%u by %.*s", chain->instances,
                                     BYTES_ARGS(chain->sets[chain->instances - 1].sealer))
                              : chain->reason,
        .properties = {{"header.oldest-pass",
                        has_passed ? note(verify->arena, "%u", chain->oldest_pass) : BYTES_NONE},
                       {"smtp.remote-ip", verify->client}}};
}

/* What DMARC's comment says, and of a From field that shows another address than the author's that
 * it does: no method of RFC 8601 is about that. */
static struct bytes tell_author(const struct verify *verify, struct bytes comment)
{
    if (verify->author.shown.len == 0)
        return comment;
    return note(verify->arena, "%.*s%sFrom shows %.*s", BYTES_ARGS(comment),
                comment.len ? "; " : "", BYTES_ARGS(bytes_sub(verify->author.shown, 0, 160)));
}

static struct authres_result tell_dmarc(const struct verify *verify)
{
    const struct dmarc_answer *dmarc = &verify->dmarc;
    struct bytes comment = bytes_of(dmarc->reason);
    bool is_failed = dmarc->result == DMARC_FAIL;
    if (verify->author.status != AUTHOR_FOUND)
        comment = bytes_of(author_problem(&verify->author));
    else if (dmarc->has_record && !dmarc->reason)
        comment =
            note(verify->arena, "%s=%s at _dmarc.%.*s%s%s", dmarc_tag_name(dmarc->tag),
                 dmarc_policy_name(dmarc->policy), BYTES_ARGS(dmarc->domain),
                 verify->verdict.override[0] ? "; overridden: " : "", verify->verdict.override);
    return (struct authres_result){
        .method = "dmarc",
        .result = dmarc_result_name(dmarc->result),
        .comment = tell_author(verify, comment),
        .properties = {{"header.from", dmarc->author},
                       {"policy.dmarc",
                        is_failed ? bytes_of(dmarc_policy_name(dmarc->disposition)) : BYTES_NONE}}};
}

static void print_results(const struct verify *verify, struct buf *out)
{
    struct authres_result results[DKIM_SIGNATURES_MOST + 6];
    size_t count = 0;
    results[count++] = tell_iprev(verify);
    results[count++] = tell_spf(verify);
    if (verify->helo_spf.result != SPF_NEEDS_FACTS)
        results[count++] = tell_helo(verify);
    for (size_t i = 0; i < verify->signatures.count; i++)
        results[count++] = tell_signature(verify, i);
    if (verify->signatures.count == 0)
        results[count++] = (struct authres_result){.method = "dkim", .result = "none"};
    if (verify->chain.result != ARC_NONE)
        results[count++] = tell_arc(verify);
    results[count++] = tell_dmarc(verify);
    authres_print(out, bytes_of(verify->generation->config->hostname), results, count);
}

void verify_print(const struct verify *verify, struct buf *out)
{
    if (verify->verdict.action == VERDICT_JUNK)
        trace_junk(out, verify->verdict.rule);
    if (verify->generation->config->verify.has_received_spf) {
        struct spf_query query = query_sender(verify);
        spf_print_received(out, &query, &verify->spf);
        query.identity = SPF_HELO;
        if (verify->helo_spf.result != SPF_NEEDS_FACTS)
            spf_print_received(out, &query, &verify->helo_spf);
    }
    print_results(verify, out);
}

bool verify_seals(const struct verify *verify, struct buf *results, struct sealing_message *out)
{
    const struct arc_report *chain = &verify->chain;
    struct header_field field;
    if (verify->sealed.len == 0 || chain->result == ARC_FAIL || chain->instances >= ARC_SETS_MOST)
        return false;
    print_results(verify, results);
    struct bytes rest = buf_view(results);
    bool is_field = header_next(&rest, &field);
    ASSERT(is_field);
    *out = (struct sealing_message){.section = verify->sealed,
                                    .body = verify->body,
                                    .instance = chain->instances + 1,
                                    .chain = chain->result,
                                    .results = field.value};
    return true;
}

void verify_log(const struct verify *verify, uint64_t id)
{
    const struct dmarc_answer *dmarc = &verify->dmarc;
    struct bytes passed[DKIM_SIGNATURES_MOST];
    size_t passed_count = list_passed(verify, passed);
    const struct arc_report *chain = &verify->chain;
    log_info("verdict", LOG_ID(id), LOG_TEXT("action", verdict_action_name(verify->verdict.action)),
             LOG_TEXT("rule", verify->verdict.rule), LOG_TEXT("override", verify->verdict.override),
             LOG_BYTES("client", verify->client), LOG_BYTES("author", dmarc->author),
             LOG_OPTIONAL_BYTES("shown", verify->author.shown),
             LOG_TEXT("dmarc", dmarc_result_name(dmarc->result)),
             LOG_TEXT("policy", dmarc->has_record ? dmarc_policy_name(dmarc->policy) : ""),
             LOG_BYTES("record", dmarc->domain),
             LOG_TEXT("spf", spf_result_name(verify->spf.result)),
             LOG_BYTES("spf_domain", verify->spf.domain),
             LOG_TEXT("spf_helo", spf_result_name(find_helo(verify)->result)),
             LOG_BYTES("helo", verify->helo),
             LOG_TEXT("dkim", dkim_result_name(verify->signatures.result)),
             LOG_BYTES("dkim_domain", passed_count ? passed[0] : BYTES_NONE),
             LOG_TEXT("arc", arc_result_name(chain->result)),
             LOG_TEXT("iprev", iprev_result_name(verify->iprev)),
             LOG_TEXT("reason", dmarc->reason ? dmarc->reason : ""));
}

struct bytes verify_client_name(const struct verify *verify)
{
    return verify->names.count ? verify->names.list[0] : BYTES_NONE;
}

/* --- Life ------------------------------------------------------------------------------------- */

bool verify_is_stranger(const struct config *config, struct bytes client)
{
    struct ip ip;
    return ip_scan(client, &ip) && !networks_have(config->relay_networks, &ip) &&
           !networks_have(config->verify.trusted, &ip);
}

/* Cut to nothing without room, which SMTP's limits leave. */
static struct bytes keep(struct verify *verify, struct bytes text)
{
    struct bytes copy;
    return arena_copy(verify->arena, text, &copy) ? copy : BYTES_NONE;
}

struct verify *verify_begin(struct worker *worker, struct generation *generation,
                            const struct verify_claim *claim)
{
    struct ip ip;
    const struct config *config = generation->config;
    if (claim->policy->mode == VERDICT_OFF || !verify_is_stranger(config, claim->client) ||
        !ip_scan(claim->client, &ip))
        return NULL;
    struct verify *verify = NEW(struct verify);
    verify->worker = worker;
    verify->generation = generation_use(generation);
    verify->listener = claim->policy;
    verify->ip = ip;
    verify->arena = arena_new(ARENA_CEILING);
    verify->client = keep(verify, claim->client);
    verify->helo = keep(verify, claim->helo);
    verify->reverse_path = keep(verify, claim->reverse_path);
    section_init(&verify->section, config->limits.header_bytes + PIECE_LIMIT);
    timer_init(&verify->deadline, worker->loop, on_deadline, verify);
    pursuit_init(&verify->sender, verify, step_sender);
    pursuit_init(&verify->greeting, verify, step_greeting);
    pursuit_init(&verify->name, verify, step_name);
    pursuit_init(&verify->origin, verify, step_origin);
    line_task_init(&verify->task, compute, computed, verify);
    list_append(&worker->verifies, &verify->link);
    verify->sender.is_begun = verify->greeting.is_begun = verify->name.is_begun = true;
    verify->greeting.is_done = verify->reverse_path.len == 0 || !spf_helo_is_domain(verify->helo);
    settle(verify);
    return verify;
}

void verify_free(struct verify *verify)
{
    if (!verify)
        return;
    list_remove(&verify->link);
    timer_clear(&verify->deadline);
    pursuit_cancel(&verify->sender);
    pursuit_cancel(&verify->greeting);
    pursuit_cancel(&verify->name);
    pursuit_cancel(&verify->origin);
    verify->is_dropped = true;
    if (line_remove(&verify->task))
        verify_end(verify);
}

/* The task does not need it any more. */
static void verify_end(struct verify *verify)
{
    facts_free(verify->sender.facts);
    facts_free(verify->greeting.facts);
    facts_free(verify->name.facts);
    facts_free(verify->origin.facts);
    dkim_verify_free(verify->dkim);
    arc_verify_free(verify->arc);
    body_hash_free(verify->body);
    section_done(&verify->section);
    buf_done(&verify->text);
    arena_free(verify->arena);
    generation_leave(verify->generation);
    free(verify);
}

static const struct verdict_wish *find_wish(const struct config *config, struct bytes domain)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (map_count(config->verify.wishes) == 0 || !idna_to_ascii(domain, &name))
        return NULL;
    return map_find(config->verify.wishes, buf_view(&name));
}

void verify_recipient(struct verify *verify, struct bytes domain)
{
    const struct verdict_wish *wish = find_wish(verify->generation->config, domain);
    struct verdict_policy policy = *verify->listener;
    if (wish)
        verdict_policy_wish(&policy, wish);
    if (verify->has_recipient)
        verdict_policy_join(&verify->policy, &policy);
    else
        verify->policy = policy;
    verify->has_recipient = true;
}
