/* Bearer tokens: OAUTHBEARER (RFC 7628) and XOAUTH2, its forerunner. What fails is told in JSON,
 * and the client has to answer that once before it hears the end (RFC 7628, 3.2.2 and 3.2.3). */
#include "smtp/sasl_state.h"

enum stage { CLIENT_TOKEN, CLIENT_END };
enum { KVSEP = 1 };

static enum sasl_step tell_failure(struct sasl *sasl)
{
    buf_add(&sasl->challenge, sasl->mechanism == SASL_XOAUTH2
                                  ? BYTES("{\"status\":\"401\",\"schemes\":\"bearer\"}")
                                  : BYTES("{\"status\":\"invalid_token\"}"));
    sasl->stage = CLIENT_END;
    return SASL_CHALLENGE;
}

/* "Bearer token" (RFC 6750, 2.1): printable ASCII. */
static bool cut_scheme(struct bytes *credentials)
{
    struct bytes scheme, token;
    bytes_cut(*credentials, ' ', &scheme, &token);
    if (!bytes_equal_nocase(scheme, BYTES("Bearer")) || !token.len)
        return false;
    for (size_t i = 0; i < token.len; i++)
        if (token.at[i] <= ' ' || token.at[i] > '~')
            return false;
    *credentials = token;
    return true;
}

/* Key and value pairs, each ended by KVSEP, and one KVSEP more. */
static bool find_credentials(struct bytes pairs, struct bytes *out)
{
    bool has_auth = false;
    while (pairs.len > 1) {
        struct bytes pair;
        if (!bytes_cut(pairs, KVSEP, &pair, &pairs) || !pair.len)
            return false;
        if (bytes_starts(pair, BYTES("auth="))) {
            if (has_auth)
                return false;
            has_auth = true;
            *out = bytes_from(pair, 5);
        }
    }
    return has_auth && pairs.len == 1 && pairs.at[0] == KVSEP;
}

/* RFC 7628, 3.1: the GS2 header names the account, or does not. */
static bool read_front(struct sasl *sasl, struct bytes *message)
{
    struct gs2 gs2;
    if (!gs2_cut(message, &gs2) || bytes_starts(gs2.flag, BYTES("p=")) || !message->len ||
        message->at[0] != KVSEP)
        return false;
    *message = bytes_from(*message, 1);
    struct buf user;
    buf_init(&user, SASL_NAME_LIMIT);
    bool is_good =
        gs2_name(&user, gs2.authzid) && (!user.len || sasl_keep_user(sasl, buf_view(&user)));
    buf_done(&user);
    return is_good;
}

/* "user=" name KVSEP "auth=Bearer " token KVSEP KVSEP */
static bool read_front_x(struct sasl *sasl, struct bytes *message)
{
    struct bytes user;
    return bytes_starts(*message, BYTES("user=")) &&
           bytes_cut(bytes_from(*message, 5), KVSEP, &user, message) && sasl_keep_user(sasl, user);
}

enum sasl_step oauth_read(struct sasl *sasl, struct bytes message)
{
    struct bytes token;
    /* Whatever it says: it has heard of the failure. */
    if (sasl->stage == CLIENT_END)
        return SASL_FAILURE;
    bool is_x = sasl->mechanism == SASL_XOAUTH2;
    if (!(is_x ? read_front_x(sasl, &message) : read_front(sasl, &message)) ||
        !find_credentials(message, &token))
        return sasl_malformed(sasl,
                              is_x ? "not a message of XOAUTH2" : "not a message of OAUTHBEARER");
    /* A client may ask like that which tokens are taken (RFC 7628, 3.2.2). */
    if (!cut_scheme(&token)) {
        (void)sasl_fail(sasl, SASL_REFUSED, "no bearer token");
        return tell_failure(sasl);
    }
    return sasl_ask(sasl, (struct sasl_question){.kind = SASL_ASK_TOKEN, .secret = token});
}

enum sasl_step oauth_answered(struct sasl *sasl, const struct sasl_answer *answer)
{
    enum sasl_step step = sasl_settle(sasl, answer);
    return answer->verdict == SASL_DENIED ? tell_failure(sasl) : step;
}
