#include "daemon/server_tls.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"

/* What the keeper does for each SignatureScheme (RFC 8446, 4.2.3; the last as in net/tls_remote.c):
 * it signs digests, and MD5 with SHA-1 has no name there. */
static const struct {
    uint16_t number;
    enum keeper_scheme scheme;
    enum keeper_hash hash;
    const char *digest; /* NULL: the data itself */
} schemes[] = {
    {0x0804, KEEPER_RSA_PSS, KEEPER_SHA256, "SHA256"},
    {0x0805, KEEPER_RSA_PSS, KEEPER_SHA384, "SHA384"},
    {0x0806, KEEPER_RSA_PSS, KEEPER_SHA512, "SHA512"},
    {0x0401, KEEPER_RSA_PKCS1, KEEPER_SHA256, "SHA256"},
    {0x0501, KEEPER_RSA_PKCS1, KEEPER_SHA384, "SHA384"},
    {0x0601, KEEPER_RSA_PKCS1, KEEPER_SHA512, "SHA512"},
    {0x0201, KEEPER_RSA_PKCS1, KEEPER_SHA1, "SHA1"},
    {0x0403, KEEPER_ECDSA, KEEPER_SHA256, "SHA256"},
    {0x0503, KEEPER_ECDSA, KEEPER_SHA384, "SHA384"},
    {0x0603, KEEPER_ECDSA, KEEPER_SHA512, "SHA512"},
    {0x0203, KEEPER_ECDSA, KEEPER_SHA1, "SHA1"},
    {0x0807, KEEPER_ED25519, KEEPER_SHA512, NULL},
    {0xfe01, KEEPER_RSA_ENCODED, KEEPER_SHA1, "MD5-SHA1"},
};

struct signing {
    struct list link; /* of the signer's signings */
    struct keeper_call *call;
    tls_signed *done;
    void *context;
};

static void finish(struct signing *signing_owned, struct bytes signature)
{
    struct signing signing = *signing_owned;
    list_remove(&signing_owned->link);
    free(signing_owned);
    signing.done(signing.context, signature);
}

static void on_answer(void *context, const struct keeper_answer *answer)
{
    bool is_good = answer->status == KEEPER_OK;
    if (!is_good)
        log_error("tls-key", LOG_BYTES("reason", answer->reason));
    finish(context, is_good ? answer->signature : BYTES_NONE);
}

static void sign(void *context, struct bytes key, uint16_t scheme, struct bytes data,
                 tls_signed *done, void *done_context)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t i = 0;
    while (i < COUNT(schemes) && schemes[i].number != scheme)
        i++;
    if (i < COUNT(schemes) && schemes[i].digest &&
        EVP_Digest(data.at, data.len, digest, &len, EVP_get_digestbyname(schemes[i].digest),
                   NULL) != 1)
        i = COUNT(schemes);
    if (i == COUNT(schemes)) {
        done(done_context, BYTES_NONE);
        return;
    }
    struct keeper_request request = {.kind = KEEPER_SIGN,
                                     .user = key,
                                     .scheme = schemes[i].scheme,
                                     .hash = schemes[i].hash,
                                     .secret = len ? (struct bytes){digest, len} : data};
    struct keeper_signer *signer = context;
    struct signing *signing = NEW(struct signing);
    signing->done = done;
    signing->context = done_context;
    list_append(&signer->signings, &signing->link);
    signing->call = keeper_ask(signer->client, &request, on_answer, signing);
    if (!signing->call)
        finish(signing, BYTES_NONE);
}

void keeper_signer_init(struct keeper_signer *out, struct keeper_client *client)
{
    out->signer = (struct tls_signer){out, sign};
    out->client = client;
    list_init(&out->signings);
}

void keeper_signer_done(struct keeper_signer *signer)
{
    LIST_EACH (&signer->signings, struct signing, link, signing) {
        keeper_cancel(signing->call);
        finish(signing, BYTES_NONE);
    }
}

struct tls_context *server_tls_new(const struct config *config, const struct tls_signer *signer,
                                   struct error *err)
{
    struct tls_identity identities[CONFIG_CERTIFICATE_LIMIT];
    for (size_t i = 0; i < config->tls.certificate_count; i++)
        identities[i] =
            (struct tls_identity){.chain_pem = config->tls.certificates[i].chain,
                                  .key_name = bytes_of(config->tls.certificates[i].key)};
    struct tls_server_settings settings = {.peers = config->tls.peers,
                                           .identities = identities,
                                           .identity_count = config->tls.certificate_count,
                                           .signer = signer,
                                           .has_no_tickets = config->tls.has_no_tickets};
    struct tls_context *context = tls_server_context_new(&settings, err);
    if (!context)
        error_wrap(err, "TLS");
    return context;
}
