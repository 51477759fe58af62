#include "auth/dmarc.h"

#include <libpsl.h>
#include <string.h>

#include "base/buf.h"
#include "facts/facts.h"
#include "mail/idna.h"

static const struct bytes label_of_records = BYTES_INIT("_dmarc.");

static const char *const result_names[] = {"", "none", "pass", "fail", "temperror", "permerror"};

const char *dmarc_result_name(enum dmarc_result result)
{
    return result_names[result];
}

const char *dmarc_alignment_name(enum dmarc_alignment alignment)
{
    static const char *const names[] = {"", "relaxed", "strict"};
    return names[alignment];
}

const char *dmarc_tag_name(enum dmarc_tag tag)
{
    static const char *const names[] = {"p", "sp", "np"};
    return names[tag];
}

/* --- Names ------------------------------------------------------------------------------------ */

static size_t count_labels(struct bytes name)
{
    size_t count = name.len > 0;
    for (size_t i = 0; i < name.len; i++)
        count += name.at[i] == '.';
    return count;
}

/* The name without its first label; empty behind the last. */
static struct bytes parent_of(struct bytes name)
{
    return bytes_from(name, bytes_find(name, '.') + 1);
}

/* Is it the domain, or below it? Both are lower case. */
static bool is_within(struct bytes name, struct bytes domain)
{
    if (name.len < domain.len || domain.len == 0)
        return false;
    size_t front = name.len - domain.len;
    return bytes_equal(bytes_from(name, front), domain) &&
           (front == 0 || name.at[front - 1] == '.');
}

/* The last labels of a name, at most so many. */
static struct bytes last_labels(struct bytes name, size_t count)
{
    for (size_t labels = count_labels(name); labels > count; labels--)
        name = parent_of(name);
    return name;
}

/* --- The tree walk (RFC 9989, 4.10) ----------------------------------------------------------- */

struct station {
    struct bytes name;
    struct dmarc_record record;
};

struct walk {
    struct bytes start;
    struct station found[DMARC_QUERY_LIMIT]; /* from the longest name to the shortest */
    size_t count;
    bool is_waiting;     /* for facts */
    struct bytes failed; /* the name about which the DNS did not answer: nothing is known of it, nor
                            of what is above; empty: none */
};

/* The names to look at; gives how many. */
static size_t list_names(struct bytes start, struct bytes names[DMARC_QUERY_LIMIT])
{
    size_t count = 0;
    names[count++] = start;
    struct bytes name = last_labels(parent_of(start), DMARC_QUERY_LIMIT - 1);
    for (; name.len && count < DMARC_QUERY_LIMIT; name = parent_of(name))
        names[count++] = name;
    return count;
}

static const struct answer *ask_record(struct facts *facts, struct bytes name)
{
    uint8_t room[sizeof "_dmarc." + HOST_NAME_LIMIT];
    struct buf question = {.at = room, .cap = sizeof room, .limit = sizeof room};
    buf_add(&question, label_of_records);
    buf_add(&question, name);
    return facts_ask(facts, FACT_TXT, buf_view(&question));
}

/* The one DMARC record of an answer; false where there is none, or more than one. */
static bool take_record(const struct answer *answer, struct dmarc_record *out)
{
    size_t count = 0;
    struct dmarc_record record;
    for (size_t i = 0; i < answer->count; i++) {
        if (!dmarc_record_parse(answer->records[i].data, &record))
            continue;
        *out = record;
        count++;
    }
    return count == 1;
}

static bool is_registry(const struct psl_ctx_st *psl, struct bytes name)
{
    char text[HOST_NAME_LIMIT + 1];
    if (!psl || name.len > HOST_NAME_LIMIT)
        return false;
    memcpy(text, name.at, name.len);
    text[name.len] = '\0';
    return psl_is_public_suffix2(psl, text, PSL_TYPE_ICANN | PSL_TYPE_NO_STAR_RULE) == 1;
}

/* Takes what was found at a name. False: the walk ends here. */
static bool add_station(struct walk *walk, struct bytes name, const struct answer *answer,
                        const struct psl_ctx_st *psl)
{
    struct station station = {.name = name};
    if (answer->status == ANSWER_SERVFAIL || answer->status == ANSWER_TIMEOUT) {
        walk->failed = name;
        return false;
    }
    if (!take_record(answer, &station.record))
        return true;
    bool is_start = bytes_equal(name, walk->start);
    if (station.record.psd == DMARC_PSD_UNTOLD && !is_start && is_registry(psl, name))
        station.record.psd = DMARC_PSD_YES;
    walk->found[walk->count++] = station;
    return station.record.psd == DMARC_PSD_UNTOLD;
}

/* All names are asked about at once: a walk takes one round. */
static void walk_tree(struct facts *facts, struct bytes start, const struct psl_ctx_st *psl,
                      struct walk *walk)
{
    struct bytes names[DMARC_QUERY_LIMIT];
    const struct answer *answers[DMARC_QUERY_LIMIT];
    size_t count = list_names(start, names);
    *walk = (struct walk){.start = start};
    for (size_t i = 0; i < count; i++)
        answers[i] = ask_record(facts, names[i]);
    for (size_t i = 0; i < count; i++) {
        walk->is_waiting = !answers[i];
        if (walk->is_waiting || !add_station(walk, names[i], answers[i], psl))
            return;
    }
}

static const struct station *station_at(const struct walk *walk, struct bytes name)
{
    for (size_t i = 0; i < walk->count; i++)
        if (bytes_equal(walk->found[i].name, name))
            return &walk->found[i];
    return NULL;
}

/* RFC 9989, 4.10.2. The walk is complete. */
static struct bytes organizational_of(const struct walk *walk)
{
    if (walk->count == 0)
        return walk->start;
    const struct station *last = &walk->found[walk->count - 1];
    bool is_start = bytes_equal(last->name, walk->start);
    if (last->record.psd == DMARC_PSD_YES && !is_start)
        return last_labels(walk->start, count_labels(last->name) + 1);
    return last->name;
}

/* The record that applies (RFC 9989, 4.10.1): the author's own, the organization's, the public
 * suffix's; NULL: none. */
static const struct station *policy_of(const struct walk *walk)
{
    const struct station *own = station_at(walk, walk->start);
    if (own || walk->count == 0)
        return own;
    const struct station *organization = station_at(walk, organizational_of(walk));
    return organization ? organization : &walk->found[walk->count - 1];
}

/* --- One author ------------------------------------------------------------------------------- */

struct check {
    const struct dmarc_query *query;
    struct facts *facts;
    const struct psl_ctx_st *psl;
    struct walk walk; /* the author's */
    struct dmarc_answer answer;
    bool is_waiting; /* for facts */
    bool is_unsure;  /* something might have passed, and be aligned */
};

static enum dmarc_result conclude(struct check *check, enum dmarc_result result, const char *reason,
                                  struct bytes name)
{
    check->answer.result = result;
    check->answer.reason = reason;
    check->answer.reason_name = name;
    return result;
}

/* Does the author's organization have the identifier too? */
static enum dmarc_alignment align_relaxed(struct check *check, struct bytes domain)
{
    struct walk walk;
    struct bytes organizational = check->answer.organizational;
    if (check->walk.failed.len) {
        check->is_unsure |= bytes_equal(last_labels(domain, 1), last_labels(check->walk.start, 1));
        return DMARC_UNALIGNED;
    }
    /* Its organization would be its own name or one above. */
    if (!is_within(domain, organizational))
        return DMARC_UNALIGNED;
    walk_tree(check->facts, domain, check->psl, &walk);
    check->is_waiting |= walk.is_waiting;
    check->is_unsure |= walk.failed.len > 0;
    if (walk.is_waiting || walk.failed.len)
        return DMARC_UNALIGNED;
    return bytes_equal(organizational_of(&walk), organizational) ? DMARC_RELAXED : DMARC_UNALIGNED;
}

static void align(struct check *check, const struct dmarc_identifier *identifier)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct buf domain = {.at = room, .cap = sizeof room, .limit = sizeof room};
    bool is_spf = identifier->method == DMARC_BY_SPF;
    const struct dmarc_record *record = &check->answer.record;
    enum dmarc_alignment *best = is_spf ? &check->answer.spf : &check->answer.dkim;
    enum dmarc_alignment found = DMARC_UNALIGNED;
    if (!idna_to_ascii(identifier->domain, &domain))
        return;
    if (bytes_equal(buf_view(&domain), check->answer.author))
        found = DMARC_STRICT;
    else if (!(is_spf ? record->is_strict_spf : record->is_strict_dkim))
        found = align_relaxed(check, buf_view(&domain));
    if (identifier->is_unsure)
        check->is_unsure |= found != DMARC_UNALIGNED;
    else if (found > *best)
        *best = found;
}

/* While the author's walk has no answers: asks what it will take to align what is near. */
static void ask_ahead(struct check *check)
{
    struct walk walk;
    struct bytes near = last_labels(check->answer.author, 2);
    for (size_t i = 0; i < check->query->identifier_count && i < DMARC_IDENTIFIER_LIMIT; i++) {
        uint8_t room[HOST_NAME_LIMIT];
        struct buf domain = {.at = room, .cap = sizeof room, .limit = sizeof room};
        if (idna_to_ascii(check->query->identifiers[i].domain, &domain) &&
            is_within(buf_view(&domain), near) &&
            !bytes_equal(buf_view(&domain), check->answer.author))
            walk_tree(check->facts, buf_view(&domain), check->psl, &walk);
    }
}

/* Which policy of a record further up applies: that for names that do not exist, where the author
 * is one. False: facts are needed. *is_known: the DNS said whether it exists. */
static bool pick_policy(struct check *check, bool *is_known)
{
    struct dmarc_answer *answer = &check->answer;
    *is_known = true;
    answer->tag = DMARC_TAG_P;
    answer->policy = answer->record.p;
    if (bytes_equal(answer->domain, answer->author))
        return true;
    answer->tag = answer->record.has_sp ? DMARC_TAG_SP : DMARC_TAG_P;
    answer->policy = answer->record.sp;
    if (!answer->record.has_np || !answer->record.is_usable)
        return true;
    const struct answer *exists = facts_ask(check->facts, FACT_A, answer->author);
    if (!exists)
        return false;
    *is_known = exists->status != ANSWER_SERVFAIL && exists->status != ANSWER_TIMEOUT;
    if (exists->status == ANSWER_NXDOMAIN) {
        answer->tag = DMARC_TAG_NP;
        answer->policy = answer->record.np;
    }
    return true;
}

static enum dmarc_policy milder(enum dmarc_policy policy)
{
    return policy == DMARC_POLICY_REJECT ? DMARC_POLICY_QUARANTINE : DMARC_POLICY_NONE;
}

/* The record that applies is known. */
static enum dmarc_result judge(struct check *check)
{
    struct dmarc_answer *answer = &check->answer;
    bool is_known;
    bool has_policy = pick_policy(check, &is_known);
    for (size_t i = 0; i < check->query->identifier_count && i < DMARC_IDENTIFIER_LIMIT; i++)
        align(check, &check->query->identifiers[i]);
    if (check->is_waiting || !has_policy)
        return DMARC_NEEDS_FACTS;
    if (answer->spf != DMARC_UNALIGNED || answer->dkim != DMARC_UNALIGNED)
        return conclude(check, DMARC_PASS, NULL, BYTES_NONE);
    if (check->is_unsure)
        return conclude(check, DMARC_TEMPERROR,
                        "what might have shown that it comes from there could not be checked now",
                        check->walk.failed);
    if (!is_known)
        return conclude(check, DMARC_TEMPERROR, "the DNS did not say whether there is such a name",
                        answer->author);
    answer->disposition = answer->record.is_test ? milder(answer->policy) : answer->policy;
    return conclude(check, DMARC_FAIL, NULL, BYTES_NONE);
}

static enum dmarc_result check_author(struct check *check, struct bytes author)
{
    struct dmarc_answer *answer = &check->answer;
    answer->author = author;
    walk_tree(check->facts, author, check->psl, &check->walk);
    const struct walk *walk = &check->walk;
    bool has_own = station_at(walk, author) != NULL;
    if (walk->is_waiting) {
        ask_ahead(check);
        return DMARC_NEEDS_FACTS;
    }
    if (walk->failed.len && !has_own)
        return conclude(check, DMARC_TEMPERROR, "the DNS did not answer for a DMARC record",
                        walk->failed);
    const struct station *policy = policy_of(walk);
    if (!policy)
        return conclude(check, DMARC_NONE, "there is no DMARC record", author);
    answer->has_record = true;
    answer->domain = policy->name;
    answer->record = policy->record;
    if (!walk->failed.len)
        answer->organizational = organizational_of(walk);
    if (!policy->record.is_usable)
        return conclude(check, DMARC_NONE, "the DMARC record has a policy that is none",
                        policy->name);
    return judge(check);
}

/* --- All of them ------------------------------------------------------------------------------ */

/* Which of two answers about two authors of one message speaks for it: the worse. */
static int badness(const struct dmarc_answer *answer)
{
    switch (answer->result) {
    case DMARC_NEEDS_FACTS: break;
    case DMARC_PASS: return 0;
    case DMARC_NONE: return 1;
    case DMARC_PERMERROR: return 2;
    case DMARC_TEMPERROR: return 3;
    case DMARC_FAIL: return 4 + (int)answer->disposition;
    }
    return -1;
}

enum dmarc_result dmarc_check(const struct dmarc_query *query, struct facts *facts,
                              const struct psl_ctx_st *psl, struct dmarc_answer *out)
{
    struct dmarc_answer worst = {.result = DMARC_PERMERROR,
                                 .reason = "the message has no author domain"};
    bool is_waiting = false;
    for (size_t i = 0; i < query->author_count; i++) {
        struct check check = {.query = query, .facts = facts, .psl = psl};
        if (check_author(&check, query->authors[i]) == DMARC_NEEDS_FACTS)
            is_waiting = true;
        else if (i == 0 || badness(&check.answer) > badness(&worst))
            worst = check.answer;
    }
    if (is_waiting)
        return DMARC_NEEDS_FACTS;
    *out = worst;
    return worst.result;
}
