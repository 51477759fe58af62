#include "daemon/keeper_request.h"

#include <openssl/crypto.h>

/* The strings of each, in the order of the wire; whoever changes it changes both ends, which are
 * one program. */
static const struct field {
    size_t offset, most;
} request_fields[] =
    {
        {offsetof(struct keeper_request, user), KEEPER_TEXT_LIMIT},
        {offsetof(struct keeper_request, secret), KEEPER_BYTES_LIMIT},
        {offsetof(struct keeper_request, message), KEEPER_BYTES_LIMIT},
        {offsetof(struct keeper_request, peer), KEEPER_TEXT_LIMIT},
        {offsetof(struct keeper_request, mechanism), KEEPER_TEXT_LIMIT},
},
  answer_fields[] = {
      {offsetof(struct keeper_answer, address), KEEPER_TEXT_LIMIT},
      {offsetof(struct keeper_answer, own), KEEPER_OWN_LIMIT},
      {offsetof(struct keeper_answer, salt), KEEPER_TEXT_LIMIT},
      {offsetof(struct keeper_answer, signature), KEEPER_BYTES_LIMIT},
      {offsetof(struct keeper_answer, reason), KEEPER_TEXT_LIMIT},
};

static bool fields_fit(const void *from, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (((const struct bytes *)((const char *)from + fields[i].offset))->len > fields[i].most)
            return false;
    return true;
}

static void print_fields(struct buf *out, const void *from, const struct field *fields,
                         size_t count)
{
    for (size_t i = 0; i < count; i++)
        packed_add_string(out, *(const struct bytes *)((const char *)from + fields[i].offset));
}

/* All of them, and nothing behind. */
static bool scan_fields(struct bytes rest, void *into, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!packed_take_string(&rest, fields[i].most,
                                (struct bytes *)((char *)into + fields[i].offset)))
            return false;
    return rest.len == 0;
}

bool keeper_request_print(struct buf *out, const struct keeper_request *request)
{
    if (!fields_fit(request, request_fields, COUNT(request_fields)))
        return false;
    buf_add_byte(out, (uint8_t)request->kind);
    buf_add_byte(out, (uint8_t)request->scheme);
    buf_add_byte(out, (uint8_t)request->hash);
    packed_add_number(out, request->messages_per_day);
    packed_add_number(out, request->recipients_per_day);
    packed_add_number(out, request->session);
    print_fields(out, request, request_fields, COUNT(request_fields));
    return !out->overflowed;
}

bool keeper_request_scan(struct bytes packet, struct keeper_request *out)
{
    uint8_t kind, scheme, hash;
    uint64_t messages, recipients, session;
    struct keeper_request request = {.kind = KEEPER_SIGN};
    if (!packed_take_byte(&packet, KEEPER_KIND_COUNT - 1, &kind) ||
        !packed_take_byte(&packet, KEEPER_RSA_RAW, &scheme) ||
        !packed_take_byte(&packet, KEEPER_SHA1, &hash) ||
        !packed_take_number(&packet, UINT32_MAX, &messages) ||
        !packed_take_number(&packet, UINT32_MAX, &recipients) ||
        !packed_take_number(&packet, UINT64_MAX, &session) ||
        !scan_fields(packet, &request, request_fields, COUNT(request_fields)))
        return false;
    request.kind = (enum keeper_kind)kind;
    request.scheme = (enum keeper_scheme)scheme;
    request.hash = (enum keeper_hash)hash;
    request.messages_per_day = (uint32_t)messages;
    request.recipients_per_day = (uint32_t)recipients;
    request.session = session;
    *out = request;
    return true;
}

bool keeper_answer_print(struct buf *out, const struct keeper_answer *answer)
{
    if (!fields_fit(answer, answer_fields, COUNT(answer_fields)))
        return false;
    buf_add_byte(out, (uint8_t)answer->status);
    packed_add_number(out, answer->messages_per_day);
    packed_add_number(out, answer->recipients_per_day);
    packed_add_number(out, answer->iterations);
    print_fields(out, answer, answer_fields, COUNT(answer_fields));
    return !out->overflowed;
}

bool keeper_answer_scan(struct bytes packet, struct keeper_answer *out)
{
    uint8_t status;
    uint64_t messages, recipients, iterations;
    struct keeper_answer answer = {.status = KEEPER_UNAVAILABLE};
    if (!packed_take_byte(&packet, KEEPER_STATUS_COUNT - 1, &status) ||
        !packed_take_number(&packet, UINT32_MAX, &messages) ||
        !packed_take_number(&packet, UINT32_MAX, &recipients) ||
        !packed_take_number(&packet, UINT32_MAX, &iterations) ||
        !scan_fields(packet, &answer, answer_fields, COUNT(answer_fields)))
        return false;
    answer.status = (enum keeper_status)status;
    answer.messages_per_day = (uint32_t)messages;
    answer.recipients_per_day = (uint32_t)recipients;
    answer.iterations = (uint32_t)iterations;
    *out = answer;
    return true;
}

bool keeper_kind_is_login(enum keeper_kind kind)
{
    switch (kind) {
    case KEEPER_VERIFY_PASSWORD:
    case KEEPER_SCRAM_PROOF:
    case KEEPER_VERIFY_TOKEN:
    case KEEPER_ACCOUNT: return true;
    case KEEPER_SCRAM_SALT:
    case KEEPER_SPEND:
    case KEEPER_SIGN:
    case KEEPER_PUBLIC_KEY:
    case KEEPER_CREDENTIAL: return false;
    }
    return false;
}

void keeper_add_own(struct buf *own, struct bytes address)
{
    packed_add_string(own, address);
}

bool keeper_next_own(struct bytes *own, struct bytes *address)
{
    return packed_take_string(own, KEEPER_TEXT_LIMIT, address);
}

void keeper_packet_init(struct buf *out)
{
    buf_init(out, KEEPER_PACKET_LIMIT);
    (void)buf_reserve(out, KEEPER_PACKET_LIMIT);
}

void keeper_packet_done(struct buf *out)
{
    OPENSSL_cleanse(out->at, out->cap);
    buf_done(out);
}
