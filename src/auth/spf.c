#include "auth/spf.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/spf_state.h"
#include "facts/facts.h"
#include "mail/address.h"
#include "mail/idna.h"

enum {
    PROBLEM_LIMIT = 400, /* bytes */
    SHOWN_LIMIT = 2048,  /* of a record in the verdict */
    WORD_LIMIT = 100,    /* of what is cited in a problem */
    TEXT_LIMIT = 2 * SPF_EXPANSION_LIMIT,
};

const char *spf_result_name(enum spf_result result)
{
    switch (result) {
    case SPF_NEEDS_FACTS: return "";
    case SPF_NONE: return "none";
    case SPF_NEUTRAL: return "neutral";
    case SPF_PASS: return "pass";
    case SPF_FAIL: return "fail";
    case SPF_SOFTFAIL: return "softfail";
    case SPF_TEMPERROR: return "temperror";
    case SPF_PERMERROR: return "permerror";
    }
    return "";
}

/* What strangers wrote may be anything; for people it is cut and made printable. */
static void add_printable(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.at[i];
        buf_add_byte(out, byte < ' ' || byte > '~' ? '?' : byte);
    }
}

enum spf_step spf_conclude(struct spf_check *check, enum spf_result result, const char *format, ...)
{
    char text[PROBLEM_LIMIT];
    va_list values;
    va_start(values, format);
    int len = vsnprintf(text, sizeof text, format, values);
    va_end(values);
    ASSERT(len >= 0);
    buf_clear(&check->problem);
    add_printable(&check->problem, bytes_of(text));
    check->result = result;
    return SPF_STEP_OVER;
}

/* --- Records -----------------------------------------------------------------------------------
 */

static struct bytes without_dot(struct bytes name)
{
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    return name;
}

/* Well formed, and of several labels (RFC 7208, 4.3). A record may name what no host has. */
static bool is_domain(struct bytes name)
{
    name = without_dot(name);
    return fact_name_is_valid(name) && bytes_find(name, '.') < name.len;
}

static struct spf_frame *top(struct spf_check *check)
{
    return &check->frames[check->depth];
}

/* A domain without a record: the identity's is SPF_NONE, one that a record names is an error of
 * that record (RFC 7208, 5.2 and 6.1). */
static enum spf_step no_record(struct spf_check *check, const char *what)
{
    const struct spf_frame *frame = top(check);
    struct bytes name = bytes_sub(frame->domain, 0, WORD_LIMIT);
    if (name.len == 0)
        name = BYTES("no name");
    if (check->depth > 0) {
        check->depth--;
        check->mechanism = top(check)->include.text;
        return spf_conclude(check, SPF_PERMERROR, "\"%.*s\" of %.*s: %.*s %s",
                            BYTES_ARGS(bytes_sub(check->mechanism, 0, WORD_LIMIT)),
                            BYTES_ARGS(bytes_sub(top(check)->domain, 0, WORD_LIMIT)),
                            BYTES_ARGS(name), what);
    }
    return spf_conclude(check, frame->is_redirected ? SPF_PERMERROR : SPF_NONE, "%s%.*s %s",
                        frame->is_redirected ? "redirect: " : "", BYTES_ARGS(name), what);
}

/* Of all TXT records the one of SPF (RFC 7208, 4.5). */
static enum spf_step take_record(struct spf_check *check, const struct answer *answer)
{
    struct spf_frame *frame = top(check);
    struct bytes terms;
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++) {
        if (!spf_record_begins(answer->records[i].data, &terms))
            continue;
        count++;
        frame->record = answer->records[i].data;
        frame->rest = terms;
    }
    if (count > 1 || answer->is_cut)
        return spf_conclude(check, SPF_PERMERROR,
                            count > 1 ? "%.*s has several SPF records, and may have one only"
                                      : "%.*s has more TXT records than are looked at",
                            BYTES_ARGS(bytes_sub(frame->domain, 0, WORD_LIMIT)));
    if (count == 0)
        return no_record(check, "has no SPF record");
    if (frame->record.len > SPF_RECORD_LIMIT)
        return spf_conclude(check, SPF_PERMERROR, "the SPF record of %.*s is longer than %d bytes",
                            BYTES_ARGS(bytes_sub(frame->domain, 0, WORD_LIMIT)), SPF_RECORD_LIMIT);
    if (!spf_record_outline(frame->rest, &frame->outline))
        return spf_conclude(check, SPF_PERMERROR, "in the record of %.*s \"%.*s\" %s",
                            BYTES_ARGS(bytes_sub(frame->domain, 0, WORD_LIMIT)),
                            BYTES_ARGS(bytes_sub(frame->outline.bad, 0, WORD_LIMIT)),
                            frame->outline.why);
    return SPF_STEP_NO_MATCH;
}

/* Begins check_host() for the top frame's domain (RFC 7208, 4.3 to 4.6). SPF_STEP_NO_MATCH: its
 * terms are next. */
static enum spf_step begin_record(struct spf_check *check)
{
    struct spf_frame *frame = top(check);
    frame->record = frame->rest = BYTES_NONE;
    bool is_identity = check->depth == 0 && !frame->is_redirected;
    if (!is_domain(frame->domain) ||
        (is_identity && !domain_is_valid(without_dot(frame->domain), ADDRESS_ASCII)))
        return no_record(check, "is no domain that can have an SPF record");
    const struct answer *answer = facts_ask(check->facts, FACT_TXT, frame->domain);
    if (!answer)
        return SPF_STEP_NEEDS_FACTS;
    switch (answer->status) {
    case ANSWER_FOUND: return take_record(check, answer);
    case ANSWER_NODATA: return no_record(check, "has no SPF record");
    case ANSWER_NXDOMAIN: return no_record(check, "does not exist");
    case ANSWER_SERVFAIL:
    case ANSWER_TIMEOUT: break;
    }
    return spf_conclude(check, SPF_TEMPERROR, "the DNS does not tell TXT of %.*s%s%.*s",
                        BYTES_ARGS(bytes_sub(frame->domain, 0, WORD_LIMIT)),
                        answer->reason.len ? ": " : "",
                        BYTES_ARGS(bytes_sub(answer->reason, 0, WORD_LIMIT)));
}

/* The top record is through. True: a record that includes it goes on. */
static bool leave_record(struct spf_check *check, enum spf_result result, struct bytes mechanism)
{
    while (check->depth > 0) {
        check->depth--;
        if (result != SPF_PASS)
            return true;
        result = top(check)->include.qualifier;
        mechanism = top(check)->include.text;
    }
    check->result = result;
    check->mechanism = mechanism;
    return false;
}

/* At the end of a record without a match (RFC 7208, 4.7 and 6.1). */
static enum spf_step end_record(struct spf_check *check)
{
    struct spf_outline *outline = &top(check)->outline;
    struct spf_term redirect = {.kind = SPF_REDIRECT, .spec = outline->redirect};
    if (outline->has_all || outline->redirect.len == 0)
        return SPF_STEP_NO_MATCH;
    return spf_evaluate(check, &redirect);
}

/* Evaluates the next term of the top record; false: facts are needed, or there is a result. */
static bool step(struct spf_check *check)
{
    struct spf_frame *frame = top(check);
    struct spf_term term = {.kind = SPF_UNKNOWN_MODIFIER};
    const char *why;
    bool is_end = spf_term_next(&frame->rest, &term, &why) != SPF_TERM_FOUND;
    if (term.kind == SPF_REDIRECT)
        return true;
    switch (is_end ? end_record(check) : spf_evaluate(check, &term)) {
    case SPF_STEP_NEEDS_FACTS: spf_ask_ahead(check); return false;
    case SPF_STEP_MATCH: return leave_record(check, term.qualifier, term.text);
    case SPF_STEP_NO_MATCH: return !is_end || leave_record(check, SPF_NEUTRAL, BYTES_NONE);
    case SPF_STEP_OVER: return false;
    case SPF_STEP_ENTER: break;
    }
    if (begin_record(check) == SPF_STEP_NO_MATCH)
        return true;
    /* What stands behind the include will be wanted too. */
    if (check->result == SPF_NEEDS_FACTS && check->depth > 0 && !top(check)->is_redirected) {
        check->depth--;
        spf_ask_ahead(check);
    }
    return false;
}

/* --- The explanation ---------------------------------------------------------------------------
 */

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.at[i] < ' ' || text.at[i] > '~')
            return false;
    return true;
}

/* The text of exp= (RFC 7208, 6.2), appended; nothing where anything about it is wrong. False:
 * facts are needed. */
static bool find_explanation(struct spf_check *check, struct buf *out)
{
    uint8_t room[SPF_NAME_LIMIT];
    struct buf name = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct bytes spec = check->frames[0].outline.exp;
    /* A lookup after the evaluation, which the limit is not for. */
    check->has_asked_names = true;
    if (check->result != SPF_FAIL || spec.len == 0)
        return true;
    switch (spf_find_target(check, spec, &name)) {
    case SPF_TARGET_FOUND: break;
    case SPF_TARGET_NEEDS_FACTS: return false;
    case SPF_TARGET_NONE:
    case SPF_TARGET_OVER:
        check->result = SPF_FAIL;
        buf_clear(&check->problem);
        return true;
    }
    const struct answer *answer = facts_ask(check->facts, FACT_TXT, buf_view(&name));
    if (!answer)
        return false;
    if (answer->count != 1 || !spf_macro_is_valid(answer->records[0].data, SPF_IN_TEXT))
        return true;
    struct bytes text = answer->records[0].data;
    if (spf_macro_has(text, 'p') && !spf_find_validated(check))
        return false;
    spf_macro_expand(out, text, &check->values);
    if (!is_printable(buf_view(out)))
        buf_clear(out);
    return true;
}

/* --- The check ---------------------------------------------------------------------------------
 */

/* In A-labels, where it can be (RFC 8616, 4). */
static struct bytes to_ascii(struct bytes domain, uint8_t room[HOST_NAME_LIMIT])
{
    struct buf out = {.at = room, .cap = HOST_NAME_LIMIT, .limit = HOST_NAME_LIMIT};
    if (bytes_is_ascii(domain))
        return domain;
    return idna_to_ascii(domain, &out) ? buf_view(&out) : BYTES_NONE;
}

bool spf_helo_is_domain(struct bytes helo)
{
    uint8_t room[HOST_NAME_LIMIT];
    struct bytes name = to_ascii(helo, room);
    return is_domain(name) && domain_is_valid(without_dot(name), ADDRESS_ASCII);
}

struct names {
    uint8_t helo[HOST_NAME_LIMIT], domain[HOST_NAME_LIMIT];
};

static void begin_check(struct spf_check *check, struct names *names)
{
    const struct spf_query *query = check->query;
    struct bytes helo = to_ascii(query->helo, names->helo), local = BYTES_NONE, domain = helo;
    if (query->identity == SPF_MAIL_FROM && query->mail_from.len) {
        size_t at = bytes_find_last(query->mail_from, '@');
        bool has_at = at < query->mail_from.len;
        local = bytes_sub(query->mail_from, 0, has_at ? at : 0);
        domain = to_ascii(bytes_from(query->mail_from, has_at ? at + 1 : 0), names->domain);
    }
    check->has_utf8_local = !bytes_is_ascii(local);
    check->values = (struct spf_values){
        .local = local.len ? local : BYTES("postmaster"),
        .sender_domain = domain,
        .helo = helo,
        .receiver = query->receiver.len ? query->receiver : BYTES("unknown"),
        .ip = query->ip,
        .now_ms = query->now_ms,
    };
    check->frames[0].domain = domain;
}

static struct bytes keep(struct arena *arena, struct bytes text)
{
    struct bytes copy;
    return arena_copy(arena, text, &copy) ? copy : BYTES_NONE;
}

static struct bytes keep_domain(struct arena *arena, struct bytes domain)
{
    domain = without_dot(domain);
    uint8_t *copy = domain_is_valid(domain, ADDRESS_ASCII) ? arena_alloc(arena, domain.len) : NULL;
    if (!copy)
        return BYTES_NONE;
    for (size_t i = 0; i < domain.len; i++)
        copy[i] = ascii_lower(domain.at[i]);
    return (struct bytes){copy, domain.len};
}

static void write_verdict(struct spf_check *check, struct bytes explanation, struct arena *arena,
                          struct spf_verdict *out)
{
    const struct spf_frame *frame = top(check);
    *out = (struct spf_verdict){
        .result = check->result,
        .domain = keep_domain(arena, check->values.sender_domain),
        .mechanism = keep(arena, check->mechanism),
        .record_domain = keep_domain(arena, frame->domain),
        .record = keep(arena, bytes_sub(frame->record, 0, SHOWN_LIMIT)),
        .explanation = keep(arena, bytes_sub(explanation, 0, SPF_EXPLANATION_TEXT_LIMIT)),
        .problem = keep(arena, buf_view(&check->problem)),
        .terms = check->terms,
        .voids = check->voids,
    };
}

enum spf_result spf_check(const struct spf_query *query, struct facts *facts, struct arena *arena,
                          struct spf_verdict *out)
{
    struct spf_check check = {.query = query, .facts = facts, .result = SPF_NEEDS_FACTS};
    struct names names;
    struct buf explanation;
    buf_init(&check.problem, PROBLEM_LIMIT);
    buf_init(&explanation, TEXT_LIMIT);
    begin_check(&check, &names);
    if (begin_record(&check) == SPF_STEP_NO_MATCH)
        while (step(&check))
            ;
    bool is_through = check.result != SPF_NEEDS_FACTS && find_explanation(&check, &explanation);
    if (is_through)
        write_verdict(&check, buf_view(&explanation), arena, out);
    buf_done(&explanation);
    buf_done(&check.problem);
    return is_through ? check.result : SPF_NEEDS_FACTS;
}
