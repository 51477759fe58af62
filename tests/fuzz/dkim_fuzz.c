/* DKIM: any message, by a key that is there for every selector. The results are the same however
 * the body is cut; what is no pass says why. */
#include <string.h>

#include "auth/dkim.h"
#include "facts/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_all(struct facts *facts)
{
    struct answer_record records[] = {
        {.data = BYTES("v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")}};
    struct answer answer = {.status = ANSWER_FOUND, .records = records, .count = 1};
    struct question question;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        facts_answer(facts, question.type, question.name, &answer);
}

static void run(struct bytes section, struct bytes text, size_t piece, struct dkim_report *out)
{
    struct body_hash *body = body_hash_new();
    struct facts *facts = facts_new();
    struct dkim_verify *verify = dkim_verify_new(section, body, NULL);
    for (; text.len; text = bytes_from(text, piece))
        body_hash_add(body, bytes_sub(text, 0, piece));
    body_hash_end(body);
    if (dkim_verify_finish(verify, facts, 1600000000, out) == DKIM_NEEDS_FACTS) {
        answer_all(facts);
        ASSERT(dkim_verify_finish(verify, facts, 1600000000, out) == DKIM_DONE);
    }
    for (size_t i = 0; i < out->count; i++) {
        const struct dkim_check *check = &out->checks[i];
        ASSERT(check->result == DKIM_PASS || check->reason.len);
        ASSERT(bytes_is_ascii(check->domain) && bytes_is_ascii(check->selector));
    }
    dkim_verify_free(verify);
    facts_free(facts);
    body_hash_free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = {data, size};
    struct dkim_report first, second;
    size_t length = size;
    if (!header_end(whole, &length))
        length = size;
    struct bytes section = bytes_sub(whole, 0, length), text = bytes_from(whole, length + 2);
    run(section, text, SIZE_MAX, &first);
    run(section, text, 3, &second);
    ASSERT(first.count == second.count && first.result == second.result);
    for (size_t i = 0; i < first.count; i++)
        ASSERT(first.checks[i].result == second.checks[i].result);
    return 0;
}
