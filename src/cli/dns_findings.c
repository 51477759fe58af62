#include "cli/dns_findings.h"

#include <string.h>

#include "cli/dkim_store.h"
#include "cli/paint.h"

static const struct {
    const char *code;
    enum severity severity; /* of what is missing or different, and not optional */
    const char *meaning;
} parts[] = {
    [DNS_PART_MX] = {"dns-mx", SEVERITY_PROBLEM,
                     "other servers do not bring the domain's mail to this one"},
    [DNS_PART_HOST] = {"dns-host", SEVERITY_PROBLEM, "nobody finds this server by its name"},
    [DNS_PART_PTR] = {"dns-ptr", SEVERITY_PROBLEM,
                      "many servers refuse mail from an address without a name that leads back"},
    [DNS_PART_SPF] = {"dns-spf", SEVERITY_WARNING,
                      "others cannot tell that mail from this server is the domain's, and may "
                      "refuse it or take it for junk"},
    [DNS_PART_HELO] = {"dns-helo", SEVERITY_WARNING, "reports from this server pass no SPF check"},
    [DNS_PART_DKIM] = {"dns-dkim", SEVERITY_WARNING,
                       "others cannot verify the signature, and may refuse the mail or take it for "
                       "junk"},
    [DNS_PART_DMARC] = {"dns-dmarc", SEVERITY_WARNING,
                        "anybody can write in the domain's name, and large providers want the "
                        "record"},
    [DNS_PART_SUBMISSION] = {"dns-submission", SEVERITY_WARNING,
                             "mail programs have to be told the server's name and port by hand"},
    [DNS_PART_TLS_REPORT] = {"dns-tlsrpt", SEVERITY_WARNING,
                             "nobody tells when TLS towards this server fails"},
};

static enum severity severity_of(const struct dns_record *record)
{
    switch (record->state) {
    case DNS_GOOD: return SEVERITY_GOOD;
    case DNS_UNKNOWN: return record->is_optional ? SEVERITY_NOTE : SEVERITY_UNKNOWN;
    case DNS_MISSING:
    case DNS_DIFFERENT: break;
    }
    if (!record->is_optional)
        return parts[record->part].severity;
    /* What is there and wrong misleads; what is not there is only not there. */
    return record->state == DNS_DIFFERENT ? SEVERITY_WARNING : SEVERITY_NOTE;
}

static const char *words_of(const struct dns_record *record)
{
    switch (record->state) {
    case DNS_GOOD: return "is as it should be";
    case DNS_MISSING: return "is missing";
    case DNS_DIFFERENT: return "is not what it should be";
    case DNS_UNKNOWN: return "could not be looked up";
    }
    return "";
}

/* The line to publish, and a word about it. */
static void add_remedy(const struct dns_record *record, struct buf *out)
{
    buf_addf(out, "%s", record->remedy);
    if (record->value.len == 0)
        return;
    buf_addf(out, "\n%.*s. IN %s ", BYTES_ARGS(buf_view(&record->name)), record->type);
    if (strcmp(record->type, "TXT") == 0)
        dkim_store_strings(out, buf_view(&record->value));
    else
        buf_add(out, buf_view(&record->value));
}

void dns_findings_add_record(const struct dns_record *record, struct findings *findings)
{
    struct finding *finding =
        findings_add(findings, severity_of(record), "dns", parts[record->part].code);
    buf_addf(&finding->what, "the %s record of ", record->type);
    paint_add(&finding->what, buf_view(&record->name));
    buf_addf(&finding->what, " %s", words_of(record));
    if (record->found.len) {
        buf_add(&finding->how, BYTES("the DNS says: "));
        paint_add(&finding->how, buf_view(&record->found));
    } else if (record->state == DNS_MISSING) {
        buf_add(&finding->how, BYTES("the DNS has none"));
    } else if (record->state == DNS_UNKNOWN) {
        buf_add(&finding->how, BYTES("the DNS did not answer"));
    }
    if (record->state == DNS_GOOD)
        return;
    if (record->state != DNS_UNKNOWN)
        buf_add(&finding->meaning, bytes_of(parts[record->part].meaning));
    add_remedy(record, &finding->remedy);
}

void dns_findings_add(const struct dns_survey *survey, struct findings *findings)
{
    for (size_t i = 0; i < dns_survey_count(survey); i++)
        dns_findings_add_record(dns_survey_view(survey, i), findings);
}
