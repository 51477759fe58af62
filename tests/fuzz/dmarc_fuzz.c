/* DMARC over any records: the input is an author domain, an identifier, and the texts of records
 * that the DNS answers with, a line each, over and over. It ends after few rounds and questions;
 * what it says fits together; a record is read the same twice. */
#include "auth/dmarc.h"
#include "base/buf.h"
#include "facts/facts.h"
#include "mail/idna.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_record(struct bytes text)
{
    struct dmarc_record record;
    struct bytes list, uri;
    if (!dmarc_record_parse(text, &record))
        return;
    ASSERT(record.reports != 0 && record.reports < 16);
    ASSERT(record.is_usable || record.rua.len == 0);
    list = record.rua;
    for (size_t count = 0; dmarc_uri_next(&list, &uri); count++)
        ASSERT(uri.len > 0 && uri.at >= text.at && uri.at + uri.len <= text.at + text.len);
    ASSERT(record.has_sp || record.sp == record.p);
    ASSERT(record.has_np || record.np == record.sp);
}

static struct bytes next_line(struct bytes *rest)
{
    struct bytes line;
    bytes_cut(*rest, '\n', &line, rest);
    return line;
}

static void answer_all(struct facts *facts, struct bytes records)
{
    struct question question;
    struct bytes rest = records;
    size_t place = 0;
    while (facts_next_open(facts, &place, &question)) {
        if (rest.len == 0)
            rest = records;
        struct bytes line = next_line(&rest);
        struct answer_record record = {.data = line};
        struct answer answer = {.status = ANSWER_FOUND, .records = &record, .count = 1};
        if (line.len < 2)
            answer = (struct answer){.status = line.len ? ANSWER_TIMEOUT : ANSWER_NXDOMAIN};
        facts_answer(facts, question.type, question.name, &answer);
    }
}

static void check_answer(const struct dmarc_query *query, const struct dmarc_answer *answer)
{
    bool is_aligned = answer->spf != DMARC_UNALIGNED || answer->dkim != DMARC_UNALIGNED;
    ASSERT(is_aligned == (answer->result == DMARC_PASS));
    ASSERT(answer->disposition <= answer->policy);
    ASSERT(answer->result == DMARC_FAIL || answer->disposition == DMARC_POLICY_NONE);
    if (answer->result == DMARC_PASS || answer->result == DMARC_FAIL)
        ASSERT(answer->has_record && bytes_ends_nocase(query->authors[0], answer->domain));
    ASSERT(bytes_ends_nocase(query->authors[0], answer->organizational));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes rest = {data, size};
    uint8_t room[HOST_NAME_LIMIT];
    struct buf author = {.at = room, .cap = sizeof room, .limit = sizeof room};
    bool has_author = idna_to_ascii(next_line(&rest), &author);
    struct bytes authors[] = {buf_view(&author)};
    struct dmarc_identifier identifiers[] = {{DMARC_BY_SPF, next_line(&rest), size % 7 == 0},
                                             {DMARC_BY_DKIM, next_line(&rest), false}};
    struct dmarc_query query = {authors, has_author, identifiers, COUNT(identifiers)};
    struct dmarc_answer answer;
    struct facts *facts = facts_new();
    unsigned rounds = 0;
    for (struct bytes lines = rest; lines.len;)
        check_record(next_line(&lines));
    while (dmarc_check(&query, facts, NULL, &answer) == DMARC_NEEDS_FACTS) {
        ASSERT(++rounds <= 3);
        answer_all(facts, rest);
    }
    if (has_author)
        check_answer(&query, &answer);
    else
        ASSERT(answer.result == DMARC_PERMERROR);
    facts_free(facts);
    return 0;
}
