/* The messages of SCRAM (RFC 5802, 5 and 7). */
#include "smtp/sasl_state.h"

#include "mail/base64.h"
#include "smtp/scram.h"

enum stage { CLIENT_FIRST, CLIENT_FINAL, CLIENT_DONE };

bool gs2_cut(struct bytes *message, struct gs2 *out)
{
    struct bytes rest, authzid;
    if (!bytes_cut(*message, ',', &out->flag, &rest) || !bytes_cut(rest, ',', &authzid, &rest))
        return false;
    bool is_flag = bytes_equal(out->flag, BYTES("n")) || bytes_equal(out->flag, BYTES("y")) ||
                   (bytes_starts(out->flag, BYTES("p=")) && out->flag.len > 2);
    if (!is_flag || (authzid.len && !(bytes_starts(authzid, BYTES("a=")) && authzid.len > 2)))
        return false;
    out->authzid = bytes_from(authzid, 2);
    out->header = bytes_sub(*message, 0, message->len - rest.len);
    *message = rest;
    return true;
}

bool gs2_name(struct buf *out, struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] != '=') {
            buf_add_byte(out, name.at[i]);
            continue;
        }
        bool is_comma = bytes_starts(bytes_from(name, i), BYTES("=2C"));
        if (!is_comma && !bytes_starts(bytes_from(name, i), BYTES("=3D")))
            return false;
        buf_add_byte(out, is_comma ? ',' : '=');
        i += 2;
    }
    return !out->overflowed;
}

/* Takes "x=value" off the front, and the comma behind it. */
static bool take_attribute(struct bytes *rest, const char *start, struct bytes *value)
{
    struct bytes item, after;
    bytes_cut(*rest, ',', &item, &after);
    if (!bytes_starts(item, bytes_of(start)))
        return false;
    *value = bytes_from(item, 2);
    *rest = after;
    return true;
}

/* RFC 5802, 7: printable ASCII but the comma. */
static bool nonce_is_valid(struct bytes nonce)
{
    for (size_t i = 0; i < nonce.len; i++)
        if (nonce.at[i] <= ' ' || nonce.at[i] > '~' || nonce.at[i] == ',')
            return false;
    return nonce.len > 0 && nonce.len <= SASL_NONCE_LIMIT;
}

static bool binding_find(struct bytes flag, enum sasl_binding *out)
{
    if (bytes_equal(flag, BYTES("p=tls-exporter")))
        *out = SASL_TLS_EXPORTER;
    else if (bytes_equal(flag, BYTES("p=tls-server-end-point")))
        *out = SASL_TLS_SERVER_END_POINT;
    else
        return false;
    return true;
}

static enum sasl_step read_first(struct sasl *sasl, struct bytes message)
{
    struct gs2 gs2;
    struct bytes name, nonce;
    enum sasl_binding binding = SASL_UNBOUND;
    bool is_plus = sasl->mechanism == SASL_SCRAM_SHA_256_PLUS;
    if (!gs2_cut(&message, &gs2))
        return sasl_malformed(sasl, "not a GS2 header");
    struct bytes rest = message;
    if (!take_attribute(&rest, "n=", &name) || !take_attribute(&rest, "r=", &nonce) ||
        !nonce_is_valid(nonce))
        return sasl_malformed(sasl, "not a first message of SCRAM");
    if (is_plus != bytes_starts(gs2.flag, BYTES("p=")))
        return sasl_malformed(sasl, "the GS2 header belongs to the other mechanism");
    if (is_plus && !binding_find(gs2.flag, &binding))
        return sasl_malformed(sasl, "a channel binding that is not known here");
    /* RFC 5802, 6: somebody took the mechanism from the list that the client got. */
    if (bytes_equal(gs2.flag, BYTES("y")) && sasl->offered & 1U << SASL_SCRAM_SHA_256_PLUS)
        return sasl_fail(sasl, SASL_REFUSED, "the list of mechanisms was tampered with");
    struct buf user;
    buf_init(&user, SASL_NAME_LIMIT);
    bool is_name = gs2_name(&user, name) && sasl_keep_user(sasl, buf_view(&user));
    buf_done(&user);
    if (!is_name)
        return sasl_malformed(sasl, "no name");
    if (gs2.authzid.len && !bytes_equal_nocase(gs2.authzid, name))
        return sasl_fail(sasl, SASL_REFUSED, "would act for another");
    buf_add(&sasl->bound, gs2.header);
    buf_add(&sasl->transcript, message);
    sasl->nonce_at = (size_t)(nonce.at - message.at);
    sasl->nonce_len = nonce.len;
    return sasl_ask(sasl, (struct sasl_question){.kind = SASL_ASK_SCRAM_SALT, .binding = binding});
}

static struct bytes nonce_view(const struct sasl *sasl)
{
    return bytes_sub(buf_view(&sasl->transcript), sasl->nonce_at, sasl->nonce_len);
}

/* server-first-message (RFC 5802, 7). */
static enum sasl_step salt_answered(struct sasl *sasl, const struct sasl_answer *answer)
{
    if (answer->verdict != SASL_GRANTED)
        return sasl_settle(sasl, answer);
    bool is_bound = sasl->question.binding != SASL_UNBOUND;
    if (is_bound && !answer->binding.len)
        return sasl_fail(sasl, SASL_REFUSED, "the channel has no such binding");
    ASSERT(nonce_is_valid(answer->nonce) && answer->salt.len && answer->iterations);
    if (is_bound)
        buf_add(&sasl->bound, answer->binding);
    struct buf *out = &sasl->challenge;
    buf_add(out, BYTES("r="));
    buf_add(out, nonce_view(sasl));
    buf_add(out, answer->nonce);
    sasl->nonce_len += answer->nonce.len;
    buf_add(out, BYTES(",s="));
    base64_print(out, answer->salt);
    buf_add(out, BYTES(",i="));
    buf_add_u64(out, answer->iterations);
    buf_add_byte(&sasl->transcript, ',');
    sasl->nonce_at = sasl->transcript.len + 2;
    buf_add(&sasl->transcript, buf_view(out));
    buf_add_byte(&sasl->transcript, ',');
    sasl->stage = CLIENT_FINAL;
    return SASL_CHALLENGE;
}

static bool binding_is_right(const struct sasl *sasl, struct bytes given)
{
    struct buf expected;
    buf_init(&expected, (size_t)2 * SASL_MESSAGE_LIMIT);
    base64_print(&expected, buf_view(&sasl->bound));
    bool is_right = bytes_equal(buf_view(&expected), given);
    buf_done(&expected);
    return is_right;
}

static enum sasl_step read_final(struct sasl *sasl, struct bytes message)
{
    /* The proof is the last attribute, and has no comma. */
    size_t comma = bytes_find_last(message, ',');
    struct bytes front = bytes_sub(message, 0, comma), rest = front, given, nonce, text;
    struct bytes proof = bytes_from(message, comma + 1);
    if (!take_attribute(&rest, "c=", &given) || !take_attribute(&rest, "r=", &nonce) ||
        !bytes_starts(proof, BYTES("p=")))
        return sasl_malformed(sasl, "not a final message of SCRAM");
    text = bytes_from(proof, 2);
    if (!bytes_equal(nonce, nonce_view(sasl)))
        return sasl_fail(sasl, SASL_REFUSED, "the nonce is another's");
    if (!binding_is_right(sasl, given))
        return sasl_fail(sasl, SASL_REFUSED, "the channel binding differs");
    buf_add(&sasl->transcript, front);
    size_t start = sasl->bound.len;
    if (!base64_scan(&sasl->bound, text, BASE64_PLAIN))
        return sasl_malformed(sasl, "the proof is not base64");
    return sasl_ask(sasl,
                    (struct sasl_question){.kind = SASL_ASK_SCRAM_PROOF,
                                           .auth_message = buf_view(&sasl->transcript),
                                           .proof = bytes_from(buf_view(&sasl->bound), start)});
}

static enum sasl_step proof_answered(struct sasl *sasl, const struct sasl_answer *answer)
{
    enum sasl_step step = sasl_settle(sasl, answer);
    if (step != SASL_SUCCESS)
        return step;
    ASSERT(answer->signature.len == SCRAM_HASH);
    buf_add(&sasl->challenge, BYTES("v="));
    base64_print(&sasl->challenge, answer->signature);
    sasl->stage = CLIENT_DONE;
    return SASL_CHALLENGE;
}

enum sasl_step scram_read(struct sasl *sasl, struct bytes message)
{
    switch ((enum stage)sasl->stage) {
    case CLIENT_FIRST: return read_first(sasl, message);
    case CLIENT_FINAL: return read_final(sasl, message);
    case CLIENT_DONE: break;
    }
    /* The client had the server's signature and has nothing more to say (RFC 4422, 5, item 2b). */
    return message.len ? sasl_malformed(sasl, "more messages than SCRAM has") : SASL_SUCCESS;
}

enum sasl_step scram_answered(struct sasl *sasl, const struct sasl_answer *answer)
{
    return sasl->stage == CLIENT_FIRST ? salt_answered(sasl, answer) : proof_answered(sasl, answer);
}
