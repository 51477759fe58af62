/* What `postrider verify` found out, for people. */
#include "cli/verify_report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "auth/spf_record.h"
#include "cli/paint.h"

enum { LINE_LIMIT = 4096, INDENT = 8, RESULT_COLUMNS = 11, KEY_SHOWN = 60 };

static const struct {
    const char *result;
    enum paint paint;
} colours[] = {
    {"pass", PAINT_GREEN},      {"fail", PAINT_RED},         {"permerror", PAINT_RED},
    {"softfail", PAINT_YELLOW}, {"temperror", PAINT_YELLOW}, {"neutral", PAINT_YELLOW},
    {"policy", PAINT_YELLOW},
};

static void print_clean(const char *format, va_list values)
{
    char line[LINE_LIMIT];
    struct buf clean;
    vsnprintf(line, sizeof line, format, values);
    buf_init(&clean, LINE_LIMIT);
    paint_add(&clean, bytes_of(line));
    printf("%.*s\n", BYTES_ARGS(buf_view(&clean)));
    buf_done(&clean);
}

/* "SPF     fail       ann@one.example from 192.0.2.1" */
PRINTF_LIKE(3, 4)
static void print_head(const char *check, const char *result, const char *format, ...)
{
    enum paint paint = PAINT_NONE;
    va_list values;
    for (size_t i = 0; i < COUNT(colours); i++)
        if (strcmp(colours[i].result, result) == 0)
            paint = colours[i].paint;
    printf("%-*s", INDENT, check);
    paint_print(paint, result);
    printf("%*s", (int)(RESULT_COLUMNS - strlen(result)), "");
    va_start(values, format);
    print_clean(format, values);
    va_end(values);
}

/* A line below it. */
PRINTF_LIKE(1, 2) static void print_line(const char *format, ...)
{
    va_list values;
    printf("%*s", INDENT, "");
    va_start(values, format);
    print_clean(format, values);
    va_end(values);
}

/* --- SPF -------------------------------------------------------------------------------------- */

/* Where a term for one more host belongs: in front of the one that decided, or that ends the
 * record. */
static size_t place_of_permission(struct bytes record, struct bytes decided)
{
    struct bytes terms;
    struct spf_term term;
    const char *why;
    if (!spf_record_begins(record, &terms))
        return record.len;
    while (spf_term_next(&terms, &term, &why) == SPF_TERM_FOUND)
        if (term.kind == SPF_ALL || term.kind == SPF_REDIRECT || bytes_equal(term.text, decided))
            return (size_t)(term.text.at - record.at);
    return record.len;
}

static void add_permission(struct buf *out, const struct ip *ip, struct bytes record,
                           struct bytes decided)
{
    size_t place = place_of_permission(record, decided);
    buf_add(out, bytes_sub(record, 0, place));
    if (place == record.len)
        buf_add_byte(out, ' ');
    buf_add(out, ip_is_ipv4(ip) ? BYTES("ip4:") : BYTES("ip6:"));
    ip_print(out, ip);
    if (place < record.len)
        buf_add_byte(out, ' ');
    buf_add(out, bytes_from(record, place));
}

static void print_spf_reason(const struct spf_verdict *spf, struct bytes ip)
{
    struct bytes term = spf->mechanism;
    switch (spf->result) {
    case SPF_PASS: print_line("\"%.*s\" allows %.*s", BYTES_ARGS(term), BYTES_ARGS(ip)); return;
    case SPF_FAIL: print_line("\"%.*s\" forbids %.*s", BYTES_ARGS(term), BYTES_ARGS(ip)); return;
    case SPF_SOFTFAIL:
        print_line("\"%.*s\" says that %.*s is probably not allowed", BYTES_ARGS(term),
                   BYTES_ARGS(ip));
        return;
    case SPF_NEUTRAL:
        if (term.len)
            print_line("\"%.*s\" says neither yes nor no to %.*s", BYTES_ARGS(term),
                       BYTES_ARGS(ip));
        else
            print_line("no term matches %.*s, and the record does not say what that means",
                       BYTES_ARGS(ip));
        return;
    case SPF_NONE:
    case SPF_TEMPERROR:
    case SPF_PERMERROR: print_line("%.*s", BYTES_ARGS(spf->problem)); return;
    case SPF_NEEDS_FACTS: return;
    }
}

static void print_spf_remedy(const struct spf_verdict *spf, const struct ip *ip)
{
    struct buf record, address;
    buf_init(&record, LINE_LIMIT);
    buf_init(&address, LINE_LIMIT);
    ip_print(&address, ip);
    switch (spf->result) {
    case SPF_PASS:
        if (bytes_equal_nocase(spf->mechanism, BYTES("all")) ||
            bytes_equal_nocase(spf->mechanism, BYTES("+all")))
            print_line("remedy: that term allows every host of the internet; publish \"-all\"");
        break;
    case SPF_NONE:
        if (spf->domain.len == 0)
            break;
        add_permission(&record, ip, BYTES("v=spf1 -all"), BYTES("-all"));
        print_line("remedy: publish TXT at %.*s: %.*s", BYTES_ARGS(spf->domain),
                   BYTES_ARGS(buf_view(&record)));
        break;
    case SPF_FAIL:
    case SPF_SOFTFAIL:
    case SPF_NEUTRAL:
        add_permission(&record, ip, spf->record, spf->mechanism);
        print_line("remedy: if %.*s sends for %.*s, publish TXT at %.*s: %.*s",
                   BYTES_ARGS(buf_view(&address)), BYTES_ARGS(spf->domain),
                   BYTES_ARGS(spf->record_domain), BYTES_ARGS(buf_view(&record)));
        break;
    case SPF_TEMPERROR:
        print_line("remedy: mend the name servers that do not answer, then try again");
        break;
    case SPF_PERMERROR:
        print_line("remedy: mend that; until then receivers cannot use the record of %.*s",
                   BYTES_ARGS(spf->domain));
        break;
    case SPF_NEEDS_FACTS: break;
    }
    buf_done(&address);
    buf_done(&record);
}

static void print_spf(const struct spf_query *query, const struct spf_verdict *spf)
{
    struct buf ip;
    buf_init(&ip, LINE_LIMIT);
    ip_print(&ip, &query->ip);
    if (query->mail_from.len)
        print_head("SPF", spf_result_name(spf->result), "%.*s from %.*s (HELO %.*s)",
                   BYTES_ARGS(query->mail_from), BYTES_ARGS(buf_view(&ip)),
                   BYTES_ARGS(query->helo));
    else
        print_head("SPF", spf_result_name(spf->result), "HELO %.*s from %.*s",
                   BYTES_ARGS(query->helo), BYTES_ARGS(buf_view(&ip)));
    if (spf->record.len)
        print_line("record of %.*s: %.*s", BYTES_ARGS(spf->record_domain), BYTES_ARGS(spf->record));
    print_spf_reason(spf, buf_view(&ip));
    if (spf->explanation.len)
        print_line("%.*s explains: %.*s", BYTES_ARGS(spf->domain), BYTES_ARGS(spf->explanation));
    print_spf_remedy(spf, &query->ip);
    buf_done(&ip);
}

static void print_name(const struct verify_findings *findings)
{
    struct buf ip;
    buf_init(&ip, LINE_LIMIT);
    ip_print(&ip, &findings->spf_query.ip);
    print_head("IPREV", iprev_result_name(findings->iprev), "%.*s", BYTES_ARGS(buf_view(&ip)));
    switch (findings->iprev) {
    case IPREV_PASS:
        print_line("its name %.*s leads back to it", BYTES_ARGS(findings->names.list[0]));
        break;
    case IPREV_FAIL:
        print_line("none of its names leads back to it");
        print_line("remedy: publish the address at the name that its PTR record has");
        break;
    case IPREV_PERMERROR:
        print_line("it has no name: no PTR record");
        print_line("remedy: let its network's owner publish one; many servers refuse hosts "
                   "without");
        break;
    case IPREV_TEMPERROR: print_line("the DNS does not tell its names"); break;
    case IPREV_NEEDS_FACTS: break;
    }
    buf_done(&ip);
}

/* --- DKIM and ARC ----------------------------------------------------------------------------- */

/* What the DNS said of a signature's key; NULL: it was not asked. */
static const struct answer *key_answer(struct facts *facts, const struct dkim_check *check)
{
    struct buf name;
    buf_init(&name, LINE_LIMIT);
    buf_addf(&name, "%.*s._domainkey.%.*s", BYTES_ARGS(check->selector), BYTES_ARGS(check->domain));
    const struct answer *answer = facts_ask(facts, FACT_TXT, buf_view(&name));
    buf_done(&name);
    return answer;
}

static void print_key(struct facts *facts, const struct dkim_check *check)
{
    const struct answer *answer = key_answer(facts, check);
    struct bytes record = answer && answer->count ? answer->records[0].data : BYTES_NONE;
    struct bytes shown = bytes_sub(record, 0, KEY_SHOWN);
    print_line("key at %.*s._domainkey.%.*s%s%.*s%s", BYTES_ARGS(check->selector),
               BYTES_ARGS(check->domain), record.len ? ": " : "", BYTES_ARGS(shown),
               shown.len < record.len ? "..." : "");
    if (check->key_bits && bytes_starts(check->algorithm, BYTES("rsa")))
        print_line("of %u bits", check->key_bits);
}

static void print_signature_remedy(struct facts *facts, const struct dkim_check *check)
{
    const struct answer *answer;
    switch (check->result) {
    case DKIM_FAIL:
        print_line("remedy: find what changes messages behind the signer (a list, a gateway); or "
                   "the key is not the signer's");
        break;
    case DKIM_POLICY:
        print_line("remedy: sign with an RSA key of 2048 bits, and with Ed25519 beside it");
        break;
    case DKIM_TEMPERROR:
        print_line("remedy: mend the name servers that do not answer, then try again");
        break;
    case DKIM_PERMERROR:
        answer = check->selector.len ? key_answer(facts, check) : NULL;
        if (answer && (answer->status == ANSWER_NODATA || answer->status == ANSWER_NXDOMAIN))
            print_line("remedy: publish TXT there: v=DKIM1; k=%s; p=KEY",
                       bytes_starts(check->algorithm, BYTES("ed25519")) ? "ed25519" : "rsa");
        break;
    case DKIM_PASS:
        if (check->is_partial)
            print_line("remedy: sign without l=, as anybody can add to such a message");
        break;
    case DKIM_NONE:
    case DKIM_NEUTRAL: break;
    }
}

static void print_signature(struct facts *facts, const struct dkim_check *check)
{
    if (check->domain.len)
        print_head("DKIM", dkim_result_name(check->result), "d=%.*s s=%.*s %.*s",
                   BYTES_ARGS(check->domain), BYTES_ARGS(check->selector),
                   BYTES_ARGS(check->algorithm));
    else
        print_head("DKIM", dkim_result_name(check->result), "a signature that cannot be read");
    if (check->domain.len && check->selector.len)
        print_key(facts, check);
    if (check->reason.len)
        print_line("%.*s", BYTES_ARGS(check->reason));
    print_signature_remedy(facts, check);
}

static void print_dkim(struct facts *facts, const struct dkim_report *report)
{
    if (report->count == 0) {
        print_head("DKIM", "none", "the message has no signature");
        print_line("remedy: the domain in From: should sign its mail");
    }
    for (size_t i = 0; i < report->count; i++)
        print_signature(facts, &report->checks[i]);
    if (report->is_cut)
        print_line("there are more signatures, which were not looked at");
}

static void print_arc(const struct arc_report *report)
{
    if (report->result == ARC_NONE) {
        print_head("ARC", "none", "nobody on the way has sealed the message");
        return;
    }
    print_head("ARC", arc_result_name(report->result), "%u instance%s", report->instances,
               report->instances == 1 ? "" : "s");
    if (report->reason.len)
        print_line("%.*s", BYTES_ARGS(report->reason));
    for (unsigned i = 0; report->result == ARC_PASS && i < report->instances; i++)
        print_line("%u sealed by %.*s", i + 1, BYTES_ARGS(report->sets[i].sealer));
}

/* --- DMARC ------------------------------------------------------------------------------------ */

static void print_alignment(const struct dmarc_query *query, const struct dmarc_answer *dmarc)
{
    if (dmarc->spf != DMARC_UNALIGNED)
        print_line("SPF passes in its name (%s)", dmarc_alignment_name(dmarc->spf));
    if (dmarc->dkim != DMARC_UNALIGNED)
        print_line("DKIM passes in its name (%s)", dmarc_alignment_name(dmarc->dkim));
    if (dmarc->result == DMARC_PASS)
        return;
    if (query->identifier_count == 0)
        print_line("neither SPF nor DKIM passes for any domain");
    for (size_t i = 0; i < query->identifier_count; i++) {
        const struct dmarc_identifier *identifier = &query->identifiers[i];
        print_line("%s %s for %.*s", identifier->method == DMARC_BY_SPF ? "SPF" : "DKIM",
                   identifier->is_unsure ? "might pass" : "passes", BYTES_ARGS(identifier->domain));
    }
}

static void print_dmarc_remedy(const struct dmarc_answer *dmarc)
{
    struct bytes author = dmarc->author;
    switch (dmarc->result) {
    case DMARC_NONE:
        if (author.len && !dmarc->has_record)
            print_line("remedy: publish TXT at _dmarc.%.*s: v=DMARC1; p=none; "
                       "rua=mailto:dmarc@%.*s; when its reports look good, p=reject",
                       BYTES_ARGS(author), BYTES_ARGS(author));
        break;
    case DMARC_FAIL:
        print_line("remedy: sign with DKIM as d=%.*s, or send with a reverse-path in that domain "
                   "for which SPF passes",
                   BYTES_ARGS(author));
        break;
    case DMARC_TEMPERROR:
        print_line("remedy: mend the name servers that do not answer, then try again");
        break;
    case DMARC_PERMERROR:
        print_line("remedy: a message needs one From: field with an address");
        break;
    case DMARC_PASS:
    case DMARC_NEEDS_FACTS: break;
    }
}

static void print_dmarc(const struct verify_findings *findings)
{
    const struct dmarc_answer *dmarc = &findings->dmarc;
    const char *result = dmarc_result_name(dmarc->result);
    if (findings->author.status != AUTHOR_FOUND)
        print_head("DMARC", result, "%s", author_problem(&findings->author));
    else if (dmarc->result == DMARC_FAIL)
        print_head("DMARC", result, "%.*s; its owner wants: %s", BYTES_ARGS(dmarc->author),
                   dmarc_policy_name(dmarc->disposition));
    else
        print_head("DMARC", result, "%.*s", BYTES_ARGS(dmarc->author));
    if (findings->author.shown.len)
        print_line("From shows %.*s to people; many mail programs hide the address behind it",
                   BYTES_ARGS(findings->author.shown));
    if (dmarc->has_record)
        print_line("record at _dmarc.%.*s: %.*s", BYTES_ARGS(dmarc->domain),
                   BYTES_ARGS(dmarc->record.text));
    if (dmarc->reason)
        print_line("%s%s%.*s", dmarc->reason, dmarc->reason_name.len ? ": " : "",
                   BYTES_ARGS(dmarc->reason_name));
    if (dmarc->organizational.len)
        print_line("organization: %.*s", BYTES_ARGS(dmarc->organizational));
    if (dmarc->has_record)
        print_alignment(&findings->dmarc_query, dmarc);
    print_dmarc_remedy(dmarc);
}

void verify_print_text(const struct verify_findings *findings)
{
    if (findings->has_spf)
        print_spf(&findings->spf_query, &findings->spf);
    if (findings->has_helo)
        print_spf(&findings->helo_query, &findings->helo);
    if (findings->has_iprev)
        print_name(findings);
    if (findings->has_message) {
        print_dkim(findings->facts, &findings->dkim);
        print_arc(&findings->arc);
    }
    if (findings->has_dmarc)
        print_dmarc(findings);
}
