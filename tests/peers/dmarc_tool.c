/* dmarc_tool: what DMARC makes of many messages in one run, for test_dmarc_peers.py.
 *
 * A line on standard input is a case, by tabs: author domain, domain that SPF passed for (or ""),
 * domain that DKIM passed for (or ""), domain with a record, its text. Prints for each: result,
 * disposition, alignment of SPF and of DKIM (0 or 1). */
#include <libpsl.h>
#include <stdio.h>
#include <string.h>

#include "auth/dmarc.h"
#include "base/buf.h"
#include "facts/facts.h"

enum { LINE = 1 << 16 };

static void answer_all(struct facts *facts, struct bytes domain, struct bytes record)
{
    struct question question;
    struct buf name;
    buf_init(&name, 1000);
    buf_addf(&name, "_dmarc.%.*s", BYTES_ARGS(domain));
    for (size_t place = 0; facts_next_open(facts, &place, &question);) {
        struct answer_record found = {.data = record};
        struct answer answer = {.status = ANSWER_NODATA};
        if (question.type == FACT_TXT && bytes_equal(question.name, buf_view(&name)))
            answer = (struct answer){.status = ANSWER_FOUND, .records = &found, .count = 1};
        facts_answer(facts, question.type, question.name, &answer);
    }
    buf_done(&name);
}

static void check(struct bytes line)
{
    struct bytes author, spf, dkim, domain, record;
    bytes_cut(line, '\t', &author, &line);
    bytes_cut(line, '\t', &spf, &line);
    bytes_cut(line, '\t', &dkim, &line);
    bytes_cut(line, '\t', &domain, &record);
    struct dmarc_identifier identifiers[2];
    struct dmarc_query query = {.authors = &author, .author_count = 1, .identifiers = identifiers};
    struct dmarc_answer answer;
    struct facts *facts = facts_new();
    if (spf.len)
        identifiers[query.identifier_count++] =
            (struct dmarc_identifier){.method = DMARC_BY_SPF, .domain = spf};
    if (dkim.len)
        identifiers[query.identifier_count++] =
            (struct dmarc_identifier){.method = DMARC_BY_DKIM, .domain = dkim};
    while (dmarc_check(&query, facts, NULL, &answer) == DMARC_NEEDS_FACTS)
        answer_all(facts, domain, record);
    printf("%s\t%s\t%d\t%d\n", dmarc_result_name(answer.result),
           dmarc_policy_name(answer.disposition), answer.spf != DMARC_UNALIGNED,
           answer.dkim != DMARC_UNALIGNED);
    facts_free(facts);
}

int main(void)
{
    static char line[LINE];
    while (fgets(line, sizeof line, stdin)) {
        struct bytes text = bytes_of(line);
        if (text.len && text.at[text.len - 1] == '\n')
            text.len--;
        check(text);
    }
    return 0;
}
