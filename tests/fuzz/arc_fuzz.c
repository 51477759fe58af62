/* ARC: any message, by a key that is there for every selector. The result is the same however the
 * body is cut; a failure says why. */
#include "auth/arc.h"
#include "facts/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer_all(struct facts *facts)
{
    struct answer_record records[] = {
        {.data =
             BYTES("k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk"
                   "08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lx"
                   "j+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB")}};
    struct answer answer = {.status = ANSWER_FOUND, .records = records, .count = 1};
    struct question question;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        facts_answer(facts, question.type, question.name, &answer);
}

static void run(struct bytes section, struct bytes text, size_t piece, struct arc_report *out)
{
    struct body_hash *body = body_hash_new();
    struct facts *facts = facts_new();
    struct arc_verify *verify = arc_verify_new(section, body, NULL);
    for (; text.len; text = bytes_from(text, piece))
        body_hash_add(body, bytes_sub(text, 0, piece));
    body_hash_end(body);
    if (arc_verify_finish(verify, facts, 1600000000, out) == ARC_NEEDS_FACTS) {
        answer_all(facts);
        ASSERT(arc_verify_finish(verify, facts, 1600000000, out) == ARC_DONE);
    }
    ASSERT((out->result == ARC_FAIL) == (out->reason.len > 0));
    ASSERT(out->instances <= ARC_SETS_MOST && out->oldest_pass <= out->instances);
    for (unsigned i = 0; out->result == ARC_PASS && i < out->instances; i++)
        ASSERT(out->sets[i].sealer.len);
    arc_verify_free(verify);
    facts_free(facts);
    body_hash_free(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes whole = {data, size};
    struct arc_report first, second;
    size_t length = size;
    if (!header_end(whole, &length))
        length = size;
    struct bytes section = bytes_sub(whole, 0, length), text = bytes_from(whole, length + 2);
    run(section, text, SIZE_MAX, &first);
    run(section, text, 3, &second);
    ASSERT(first.result == second.result && first.instances == second.instances);
    return 0;
}
