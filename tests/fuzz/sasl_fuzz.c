/* The server's side of SASL under any messages. The first byte chooses the mechanism, the second
 * what the driver answers and was offered; the rest is messages, each ended by the byte 0xfe.
 *
 * Nobody gets in without having been granted it; challenges are bounded; questions hold what they
 * must. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "smtp/sasl.h"
#include "smtp/scram.h"

static const uint8_t signature[SCRAM_HASH];

static void check_question(const struct sasl_question *question)
{
    ASSERT(bytes_is_utf8(question->user) && question->user.len <= SASL_NAME_LIMIT);
    ASSERT(bytes_find(question->user, 0) == question->user.len);
    ASSERT(question->secret.len <= SASL_MESSAGE_LIMIT);
    switch (question->kind) {
    case SASL_ASK_PASSWORD:
    case SASL_ASK_SCRAM_SALT: ASSERT(question->user.len); break;
    case SASL_ASK_SCRAM_PROOF:
        ASSERT(question->user.len && question->auth_message.len);
        ASSERT(bytes_starts(question->auth_message, BYTES("n=")));
        break;
    case SASL_ASK_TOKEN: ASSERT(question->secret.len); break;
    case SASL_ASK_CERTIFICATE: break;
    }
}

static struct sasl_answer judge(const struct sasl_question *question, uint8_t seed)
{
    struct sasl_answer answer = {.verdict = (enum sasl_verdict)(seed % 4 % 3),
                                 .account = BYTES("ann@example.org"),
                                 .salt = BYTES("salt"),
                                 .nonce = BYTES("0123456789"),
                                 .iterations = 4096,
                                 .signature = {signature, SCRAM_HASH}};
    if (question->kind == SASL_ASK_SCRAM_SALT && seed & 64)
        answer.verdict = SASL_GRANTED;
    if (question->binding == SASL_TLS_EXPORTER)
        answer.binding = BYTES("exported");
    return answer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct bytes rest = {data + 2, size - 2}, message;
    struct sasl *sasl =
        sasl_new((enum sasl_mechanism)(data[0] % SASL_MECHANISM_COUNT), data[1] & 128 ? 127 : 0);
    bool was_granted = false;
    enum sasl_step step = data[0] & 128 ? sasl_begin(sasl) : SASL_CHALLENGE;
    for (bool has_more = true; step == SASL_CHALLENGE && has_more;) {
        ASSERT(sasl_challenge(sasl).len < SASL_MESSAGE_LIMIT);
        has_more = bytes_cut(rest, 0xfe, &message, &rest);
        step = sasl_respond(sasl, message);
        if (step != SASL_ASK)
            continue;
        const struct sasl_question *question = sasl_question(sasl);
        check_question(question);
        struct sasl_answer answer = judge(question, data[1]);
        was_granted = question->kind != SASL_ASK_SCRAM_SALT && answer.verdict == SASL_GRANTED;
        step = sasl_answer(sasl, &answer);
        ASSERT(step != SASL_ASK);
    }
    ASSERT(step != SASL_SUCCESS || was_granted);
    ASSERT(step != SASL_FAILURE || sasl_failure(sasl).why);
    sasl_free(sasl);
    return 0;
}
