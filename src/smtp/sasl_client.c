#include "smtp/sasl_client.h"

#include <stdlib.h>
#include <openssl/crypto.h>

#include "base/buf.h"
#include "base/memory.h"
#include "mail/base64.h"
#include "mail/precis.h"
#include "smtp/scram.h"

enum { CREDENTIAL_LIMIT = 4096, MESSAGE_LIMIT = SASL_MESSAGE_LIMIT };
enum stage { BEGINNING, SAID_FIRST, SAID_FINAL, DONE };

struct sasl_client {
    enum sasl_mechanism mechanism;
    enum stage stage;
    struct buf user, password, message;
    struct buf bound; /* SCRAM: the GS2 header, and behind it the binding */
    size_t header_len;
    struct buf transcript; /* SCRAM: the AuthMessage so far */
    struct buf nonce;      /* SCRAM: ours */
    uint8_t signature[SCRAM_HASH];
};

bool sasl_client_choose(unsigned offered, enum sasl_binding binding, enum sasl_mechanism *out)
{
    static const enum sasl_mechanism by_strength[] = {SASL_SCRAM_SHA_256_PLUS, SASL_SCRAM_SHA_256,
                                                      SASL_PLAIN, SASL_LOGIN};
    for (size_t i = 0; i < COUNT(by_strength); i++) {
        if (by_strength[i] == SASL_SCRAM_SHA_256_PLUS && binding == SASL_UNBOUND)
            continue;
        if (offered & 1U << by_strength[i]) {
            *out = by_strength[i];
            return true;
        }
    }
    return false;
}

/* A buffer that holds secrets never grows, since growing would leave a copy behind. */
static void secret_init(struct buf *buf, size_t limit)
{
    buf_init(buf, limit);
    (void)buf_reserve(buf, limit);
}

static void secret_done(struct buf *buf)
{
    OPENSSL_cleanse(buf->at, buf->cap);
    buf_done(buf);
}

/* RFC 5802, 6: a client that could bind says so even where the server does not seem to. */
static void add_gs2(struct sasl_client *client, const struct sasl_credential *credential)
{
    struct buf *out = &client->bound;
    if (client->mechanism == SASL_SCRAM_SHA_256_PLUS)
        buf_add(out, credential->binding == SASL_TLS_EXPORTER ? BYTES("p=tls-exporter,,")
                                                              : BYTES("p=tls-server-end-point,,"));
    else
        buf_add(out, credential->binding == SASL_UNBOUND ? BYTES("n,,") : BYTES("y,,"));
    client->header_len = out->len;
    if (client->mechanism == SASL_SCRAM_SHA_256_PLUS)
        buf_add(out, credential->binding_data);
}

struct sasl_client *sasl_client_new(enum sasl_mechanism mechanism,
                                    const struct sasl_credential *credential)
{
    struct sasl_client *client = NEW(struct sasl_client);
    client->mechanism = mechanism;
    secret_init(&client->password, CREDENTIAL_LIMIT);
    secret_init(&client->message, MESSAGE_LIMIT);
    buf_init(&client->user, CREDENTIAL_LIMIT);
    buf_init(&client->bound, MESSAGE_LIMIT);
    buf_init(&client->transcript, (size_t)3 * MESSAGE_LIMIT);
    buf_init(&client->nonce, SASL_NONCE_LIMIT);
    buf_add(&client->user, credential->user);
    buf_add(&client->nonce, credential->nonce);
    /* A password that PRECIS does not take goes as it is: the server may know it like that. */
    if (!precis_password(&client->password, credential->password))
        buf_add(&client->password, credential->password);
    add_gs2(client, credential);
    return client;
}

void sasl_client_free(struct sasl_client *client)
{
    if (!client)
        return;
    secret_done(&client->password);
    secret_done(&client->message);
    buf_done(&client->user);
    buf_done(&client->bound);
    buf_done(&client->transcript);
    buf_done(&client->nonce);
    OPENSSL_cleanse(client->signature, sizeof client->signature);
    free(client);
}

static bool send(struct sasl_client *client, struct bytes *out)
{
    *out = buf_view(&client->message);
    return !client->message.overflowed && !client->transcript.overflowed &&
           !client->password.overflowed;
}

/* --- SCRAM ----------------------------------------------------------------------------------- */

/* saslname (RFC 5802, 7). */
static void add_name(struct buf *out, struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.at[i] == ',')
            buf_add(out, BYTES("=2C"));
        else if (name.at[i] == '=')
            buf_add(out, BYTES("=3D"));
        else
            buf_add_byte(out, name.at[i]);
    }
}

static void say_first(struct sasl_client *client)
{
    struct buf *bare = &client->transcript;
    buf_add(bare, BYTES("n="));
    add_name(bare, buf_view(&client->user));
    buf_add(bare, BYTES(",r="));
    buf_add(bare, buf_view(&client->nonce));
    buf_add(&client->message, bytes_sub(buf_view(&client->bound), 0, client->header_len));
    buf_add(&client->message, buf_view(bare));
}

struct server_first {
    struct bytes nonce, salt_text;
    uint64_t iterations;
};

/* "r=…,s=…,i=…" and what extensions there are. */
static bool read_first(const struct sasl_client *client, struct bytes text,
                       struct server_first *out)
{
    struct bytes nonce, salt, iterations;
    bytes_cut(text, ',', &nonce, &text);
    bytes_cut(text, ',', &salt, &text);
    bytes_cut(text, ',', &iterations, &text);
    if (!bytes_starts(nonce, BYTES("r=")) || !bytes_starts(salt, BYTES("s=")) ||
        !bytes_starts(iterations, BYTES("i=")))
        return false;
    out->nonce = bytes_from(nonce, 2);
    out->salt_text = bytes_from(salt, 2);
    return bytes_starts(out->nonce, buf_view(&client->nonce)) &&
           out->nonce.len > client->nonce.len &&
           scan_u64(bytes_from(iterations, 2), UINT32_MAX, &out->iterations);
}

static bool prove(struct sasl_client *client, const struct server_first *first,
                  uint8_t proof[SCRAM_HASH])
{
    struct buf salt;
    buf_init(&salt, SCRAM_SALT_LIMIT + 3);
    bool is_good =
        base64_scan(&salt, first->salt_text, BASE64_PLAIN) && salt.len &&
        scram_prove(buf_view(&client->password), buf_view(&salt), (unsigned)first->iterations,
                    buf_view(&client->transcript), proof, client->signature);
    buf_done(&salt);
    return is_good;
}

static bool say_final(struct sasl_client *client, struct bytes challenge, const char **why)
{
    struct server_first first;
    uint8_t proof[SCRAM_HASH];
    if (!read_first(client, challenge, &first)) {
        *why = "the server's first message of SCRAM is none";
        return false;
    }
    if (first.iterations < SCRAM_ITERATIONS_LEAST || first.iterations > SCRAM_ITERATIONS_MOST) {
        *why = "the server asks for too few or too many iterations of SCRAM";
        return false;
    }
    struct buf *out = &client->message;
    buf_add(out, BYTES("c="));
    base64_print(out, buf_view(&client->bound));
    buf_add(out, BYTES(",r="));
    buf_add(out, first.nonce);
    buf_add_byte(&client->transcript, ',');
    buf_add(&client->transcript, challenge);
    buf_add_byte(&client->transcript, ',');
    buf_add(&client->transcript, buf_view(out));
    if (!prove(client, &first, proof)) {
        *why = "the server's salt cannot be read";
        return false;
    }
    buf_add(out, BYTES(",p="));
    base64_print(out, (struct bytes){proof, SCRAM_HASH});
    OPENSSL_cleanse(proof, sizeof proof);
    return true;
}

static bool hear_final(struct sasl_client *client, struct bytes challenge, const char **why)
{
    uint8_t room[SCRAM_HASH + 3];
    struct buf signature = {.at = room, .cap = sizeof room, .limit = sizeof room};
    struct bytes text, extensions;
    bytes_cut(challenge, ',', &text, &extensions);
    bool is_good = bytes_starts(text, BYTES("v=")) &&
                   base64_scan(&signature, bytes_from(text, 2), BASE64_PLAIN) &&
                   signature.len == SCRAM_HASH &&
                   CRYPTO_memcmp(signature.at, client->signature, SCRAM_HASH) == 0;
    if (!is_good)
        *why = "the server does not prove that it knows the account (SCRAM)";
    return is_good;
}

static bool scram_respond(struct sasl_client *client, struct bytes challenge, const char **why)
{
    switch (client->stage++) {
    case BEGINNING: say_first(client); return true; /* an empty challenge asked for it */
    case SAID_FIRST: return say_final(client, challenge, why);
    case SAID_FINAL: return hear_final(client, challenge, why);
    case DONE: break;
    }
    *why = "the server goes on after the end of SCRAM";
    return false;
}

/* --- The others ------------------------------------------------------------------------------ */

static bool plain_respond(struct sasl_client *client, const char **why)
{
    if (client->stage != BEGINNING) {
        *why = "the server goes on after the end of PLAIN";
        return false;
    }
    client->stage = DONE;
    buf_add_byte(&client->message, 0);
    buf_add(&client->message, buf_view(&client->user));
    buf_add_byte(&client->message, 0);
    buf_add(&client->message, buf_view(&client->password));
    return true;
}

/* Whatever the two questions are called, they come in this order. */
static bool login_respond(struct sasl_client *client, const char **why)
{
    switch (client->stage) {
    case BEGINNING:
        client->stage = SAID_FIRST;
        buf_add(&client->message, buf_view(&client->user));
        return true;
    case SAID_FIRST:
        client->stage = DONE;
        buf_add(&client->message, buf_view(&client->password));
        return true;
    case SAID_FINAL:
    case DONE: break;
    }
    *why = "the server goes on after the end of LOGIN";
    return false;
}

bool sasl_client_first(struct sasl_client *client, struct bytes *out)
{
    const char *why;
    if (client->mechanism == SASL_LOGIN)
        return false;
    bool is_said = client->mechanism == SASL_PLAIN ? plain_respond(client, &why)
                                                   : scram_respond(client, BYTES_NONE, &why);
    return is_said && send(client, out);
}

bool sasl_client_respond(struct sasl_client *client, struct bytes challenge, struct bytes *out,
                         const char **why)
{
    bool is_said = false;
    buf_clear(&client->message);
    *why = "name or password are too long";
    switch (client->mechanism) {
    case SASL_PLAIN: is_said = plain_respond(client, why); break;
    case SASL_LOGIN: is_said = login_respond(client, why); break;
    case SASL_SCRAM_SHA_256:
    case SASL_SCRAM_SHA_256_PLUS: is_said = scram_respond(client, challenge, why); break;
    case SASL_OAUTHBEARER:
    case SASL_XOAUTH2:
    case SASL_EXTERNAL: break; /* never chosen */
    }
    return is_said && send(client, out);
}

bool sasl_client_may_end(const struct sasl_client *client)
{
    return client->stage == DONE;
}
