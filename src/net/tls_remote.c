/* A provider for OpenSSL whose keys have a public half only: what they sign, they have signed by a
 * struct tls_signer, while the handshake that needs it rests as an ASYNC job. */
#include "net/tls_state.h"

#include <openssl/async.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

/* The parameter by which tls_remote_key() hands its key over. */
#define KEY_PARAMETER "postrider-key"

enum kind { KIND_RSA, KIND_EC, KIND_ED25519 };
static const char *const kind_words[] = {"RSA", "EC", "ED25519"};

struct remote_key {
    struct tls_context *context; /* NULL: a public key that came in to be compared */
    EVP_PKEY *public;
    enum kind kind;
    struct bytes name; /* owned */
};

struct operation {
    struct remote_key *key;
    const char *digest; /* one of schemes[].digest; NULL: none was set */
    bool is_pss;
};

/* A signature under way; goes when both the job and the signer are through with it. */
struct tls_signing {
    struct tls *tls;        /* NULL: the connection is gone */
    struct bytes key, data; /* of the job, which rests */
    uint16_t scheme;
    bool is_asked, is_asking, is_answered, is_left;
    size_t len; /* 0: not signed */
    uint8_t signature[1024];
};

/* SignatureScheme (RFC 8446, 4.2.3). TLS 1.0 and 1.1 sign the MD5 and the SHA-1 hash with RSA,
 * which has no number; ours is of the private range. */
static const struct {
    enum kind kind;
    bool is_pss;
    const char *digest, *other_name;
    uint16_t scheme;
} schemes[] = {
    {KIND_RSA, true, "SHA2-256", "SHA256", 0x0804},
    {KIND_RSA, true, "SHA2-384", "SHA384", 0x0805},
    {KIND_RSA, true, "SHA2-512", "SHA512", 0x0806},
    {KIND_RSA, false, "SHA2-256", "SHA256", 0x0401},
    {KIND_RSA, false, "SHA2-384", "SHA384", 0x0501},
    {KIND_RSA, false, "SHA2-512", "SHA512", 0x0601},
    {KIND_RSA, false, "SHA1", "SHA-1", 0x0201},
    {KIND_RSA, false, "MD5-SHA1", "MD5-SHA1", 0xfe01},
    {KIND_EC, false, "SHA2-256", "SHA256", 0x0403},
    {KIND_EC, false, "SHA2-384", "SHA384", 0x0503},
    {KIND_EC, false, "SHA2-512", "SHA512", 0x0603},
    {KIND_EC, false, "SHA1", "SHA-1", 0x0203},
    {KIND_ED25519, false, "", "", 0x0807},
};

/* --- Signing -------------------------------------------------------------------------------- */

static void release(struct tls_signing *signing)
{
    if (signing->is_left && (signing->is_answered || !signing->is_asked))
        free(signing);
}

static void on_signed(void *context, struct bytes signature)
{
    struct tls_signing *signing = context;
    ASSERT(!signing->is_answered);
    signing->is_answered = true;
    if (signature.len && signature.len <= sizeof signing->signature) {
        memcpy(signing->signature, signature.at, signature.len);
        signing->len = signature.len;
    }
    struct tls *tls = signing->is_asking ? NULL : signing->tls;
    release(signing);
    if (tls)
        tls->wake(tls->wake_context);
}

/* Not from within the job, whose stack is small. */
bool tls_remote_ask(struct tls *tls)
{
    struct tls_signing *signing = tls->signing;
    const struct tls_signer *signer = tls->context->signer;
    if (!signing || signing->is_asked)
        return false;
    signing->is_asked = signing->is_asking = true;
    signer->sign(signer->context, signing->key, signing->scheme, signing->data, on_signed, signing);
    signing->is_asking = false;
    return signing->is_answered;
}

static bool find_scheme(const struct operation *operation, uint16_t *out)
{
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (schemes[i].kind == operation->key->kind && schemes[i].is_pss == operation->is_pss &&
            operation->digest && strcmp(schemes[i].digest, operation->digest) == 0) {
            *out = schemes[i].scheme;
            return true;
        }
    return false;
}

static int operation_sign(void *context, unsigned char *signature, size_t *len, size_t room,
                          const unsigned char *data, size_t data_len)
{
    struct operation *operation = context;
    struct remote_key *key = operation->key;
    uint16_t scheme;
    if (!signature) {
        *len = (size_t)EVP_PKEY_get_size(key->public);
        return 1;
    }
    struct tls *tls = key->context ? key->context->current : NULL;
    if (!tls || !ASYNC_get_current_job() || !find_scheme(operation, &scheme))
        return 0;
    struct tls_signing *signing = NEW(struct tls_signing);
    *signing = (struct tls_signing){
        .tls = tls, .key = key->name, .data = {data, data_len}, .scheme = scheme};
    tls->signing = signing;
    while (!signing->is_answered && signing->tls)
        if (!ASYNC_pause_job())
            break;
    if (signing->tls)
        tls->signing = NULL;
    bool is_good = signing->tls && signing->len && signing->len <= room;
    if (is_good) {
        memcpy(signature, signing->signature, signing->len);
        *len = signing->len;
    }
    signing->is_left = true;
    release(signing);
    return is_good;
}

void tls_remote_abandon(struct tls *tls)
{
    struct tls_signing *signing = tls->signing;
    if (!signing)
        return;
    /* A job can only be ended by running it to its end: it fails, as it is not signed. */
    tls->signing = NULL;
    signing->tls = NULL;
    tls->context->current = tls;
    (void)SSL_do_handshake(tls->ssl);
    tls->context->current = NULL;
    ERR_clear_error();
}

static void *operation_new(void *provider, const char *properties)
{
    return NEW(struct operation);
}

static void operation_free(void *context)
{
    free(context);
}

static int operation_set(void *context, const OSSL_PARAM params[])
{
    struct operation *operation = context;
    const OSSL_PARAM *mode =
        params ? OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE) : NULL;
    if (!mode)
        return 1;
    int number = 0;
    const char *word = NULL;
    if (mode->data_type == OSSL_PARAM_UTF8_STRING)
        operation->is_pss = OSSL_PARAM_get_utf8_string_ptr(mode, &word) &&
                            strcmp(word, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0;
    else
        operation->is_pss = OSSL_PARAM_get_int(mode, &number) && number == RSA_PKCS1_PSS_PADDING;
    return 1;
}

static int operation_init(void *context, const char *digest, void *key, const OSSL_PARAM params[])
{
    struct operation *operation = context;
    operation->key = key;
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (strcasecmp(digest ? digest : "", schemes[i].digest) == 0 ||
            strcasecmp(digest ? digest : "", schemes[i].other_name) == 0)
            operation->digest = schemes[i].digest;
    return operation->digest && operation_set(context, params);
}

/* The salt is always as long as the digest, which is what TLS asks for. */
static const OSSL_PARAM *operation_settable(void *context, void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
        OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
        OSSL_PARAM_END,
    };
    return params;
}

/* --- Keys ----------------------------------------------------------------------------------- */

static void *new_key(enum kind kind)
{
    struct remote_key *key = NEW(struct remote_key);
    key->kind = kind;
    return key;
}

static void *key_new_rsa(void *provider)
{
    return new_key(KIND_RSA);
}

static void *key_new_ec(void *provider)
{
    return new_key(KIND_EC);
}

static void *key_new_ed25519(void *provider)
{
    return new_key(KIND_ED25519);
}

static void key_free(void *key)
{
    struct remote_key *remote = key;
    EVP_PKEY_free(remote->public);
    free((void *)(uintptr_t)remote->name.at);
    free(remote);
}

static int key_has(const void *key, int selection)
{
    const struct remote_key *remote = key;
    return remote->public && (remote->context || !(selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY));
}

static int key_match(const void *a, const void *b, int selection)
{
    return EVP_PKEY_eq(((const struct remote_key *)a)->public,
                       ((const struct remote_key *)b)->public) == 1;
}

static int key_get(void *key, OSSL_PARAM params[])
{
    return EVP_PKEY_get_params(((struct remote_key *)key)->public, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
        OSSL_PARAM_END,
    };
    return params;
}

static const OSSL_PARAM *key_types(int selection)
{
    static const OSSL_PARAM params[] = {
        OSSL_PARAM_octet_ptr(KEY_PARAMETER, NULL, 0),
        OSSL_PARAM_END,
    };
    return params;
}

/* A certificate's public key comes in, to be compared with ours. */
static int import_public(struct remote_key *key, const OSSL_PARAM params[])
{
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, kind_words[key->kind], NULL);
    OSSL_PARAM *copy = OSSL_PARAM_dup(params);
    bool is_good = maker && copy && EVP_PKEY_fromdata_init(maker) == 1 &&
                   EVP_PKEY_fromdata(maker, &key->public, EVP_PKEY_PUBLIC_KEY, copy) == 1;
    OSSL_PARAM_free(copy);
    EVP_PKEY_CTX_free(maker);
    return is_good;
}

static int key_import(void *into, int selection, const OSSL_PARAM params[])
{
    struct remote_key *key = into;
    const OSSL_PARAM *ours = OSSL_PARAM_locate_const(params, KEY_PARAMETER);
    const void *at;
    size_t len;
    if (!ours)
        return import_public(key, params);
    if (!OSSL_PARAM_get_octet_ptr(ours, &at, &len) || len != sizeof *key)
        return 0;
    const struct remote_key *from = at;
    uint8_t *name = memory_new(from->name.len + 1, 1);
    if (from->name.len)
        memcpy(name, from->name.at, from->name.len);
    key->context = from->context;
    key->name = (struct bytes){name, from->name.len};
    key->public = from->public;
    return EVP_PKEY_up_ref(key->public);
}

/* A private half does not leave, as there is none: where OpenSSL then has no other way, it signs
 * by this provider. */
static int key_export(void *key, int selection, OSSL_CALLBACK *take, void *context)
{
    OSSL_PARAM *params = NULL;
    if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ||
        EVP_PKEY_todata(((struct remote_key *)key)->public, selection, &params) != 1)
        return 0;
    int is_good = take(params, context);
    OSSL_PARAM_free(params);
    return is_good;
}

static const char *ec_operation(int operation)
{
    return "ECDSA";
}

/* --- The provider --------------------------------------------------------------------------- */

/* The tables want all functions as one type. */
#define ENTRY(id, function)                                                                        \
    {                                                                                              \
        id, (void (*)(void))function                                                               \
    }

static const OSSL_DISPATCH signature_functions[] = {
    ENTRY(OSSL_FUNC_SIGNATURE_NEWCTX, operation_new),
    ENTRY(OSSL_FUNC_SIGNATURE_FREECTX, operation_free),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, operation_init),
    ENTRY(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, operation_sign),
    ENTRY(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, operation_set),
    ENTRY(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, operation_settable),
    {0, NULL},
};

#define KEY_FUNCTIONS(new_function)                                                                \
    ENTRY(OSSL_FUNC_KEYMGMT_NEW, new_function), ENTRY(OSSL_FUNC_KEYMGMT_FREE, key_free),           \
        ENTRY(OSSL_FUNC_KEYMGMT_HAS, key_has), ENTRY(OSSL_FUNC_KEYMGMT_MATCH, key_match),          \
        ENTRY(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get),                                              \
        ENTRY(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),                                    \
        ENTRY(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                                               \
        ENTRY(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, key_types),                                          \
        ENTRY(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                                               \
        ENTRY(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, key_types)

static const OSSL_DISPATCH rsa_functions[] = {KEY_FUNCTIONS(key_new_rsa), {0, NULL}};
static const OSSL_DISPATCH ed25519_functions[] = {KEY_FUNCTIONS(key_new_ed25519), {0, NULL}};
static const OSSL_DISPATCH ec_functions[] = {
    KEY_FUNCTIONS(key_new_ec),
    ENTRY(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, ec_operation),
    {0, NULL},
};

static const OSSL_ALGORITHM key_algorithms[] = {
    {"RSA", "provider=postrider", rsa_functions, NULL},
    {"EC", "provider=postrider", ec_functions, NULL},
    {"ED25519", "provider=postrider", ed25519_functions, NULL},
    {NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM signature_algorithms[] = {
    {"RSA", "provider=postrider", signature_functions, NULL},
    {"ECDSA", "provider=postrider", signature_functions, NULL},
    {"ED25519", "provider=postrider", signature_functions, NULL},
    {NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
    *no_cache = 0;
    if (operation == OSSL_OP_KEYMGMT)
        return key_algorithms;
    return operation == OSSL_OP_SIGNATURE ? signature_algorithms : NULL;
}

static const OSSL_DISPATCH provider_functions[] = {
    ENTRY(OSSL_FUNC_PROVIDER_QUERY_OPERATION, query),
    {0, NULL},
};

static int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
                         const OSSL_DISPATCH **out, void **context)
{
    *out = provider_functions;
    *context = (void *)(uintptr_t)core;
    return 1;
}

bool tls_remote_open(struct tls_context *context, struct error *err)
{
    /* The standard provider comes first, so that it has all keys but those that are asked for by
     * their provider's name. */
    context->library = OSSL_LIB_CTX_new();
    if (!context->library ||
        !(context->standard = OSSL_PROVIDER_load(context->library, "default")) ||
        !OSSL_PROVIDER_add_builtin(context->library, "postrider", provider_init) ||
        !(context->remote = OSSL_PROVIDER_load(context->library, "postrider")))
        return tls_error(err, "OpenSSL's providers");
    return true;
}

void tls_remote_close(struct tls_context *context)
{
    OSSL_PROVIDER_unload(context->remote);
    OSSL_PROVIDER_unload(context->standard);
    OSSL_LIB_CTX_free(context->library);
}

static bool kind_of(const EVP_PKEY *key, enum kind *out)
{
    for (size_t i = 0; i < COUNT(kind_words); i++)
        if (EVP_PKEY_is_a(key, kind_words[i])) {
            *out = (enum kind)i;
            return true;
        }
    return false;
}

EVP_PKEY *tls_remote_key(struct tls_context *context, X509 *certificate, struct bytes name,
                         struct error *err)
{
    struct remote_key from = {.context = context, .name = name};
    from.public = X509_get0_pubkey(certificate);
    if (!from.public || !kind_of(from.public, &from.kind)) {
        error_set(err, 0,
                  "the certificate's key is of a kind not known; use RSA, ECDSA or Ed25519");
        return NULL;
    }
    void *at = &from;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_ptr(KEY_PARAMETER, &at, sizeof from),
                           OSSL_PARAM_construct_end()};
    EVP_PKEY_CTX *maker =
        EVP_PKEY_CTX_new_from_name(context->library, kind_words[from.kind], "provider=postrider");
    EVP_PKEY *key = NULL;
    if (!maker || EVP_PKEY_fromdata_init(maker) != 1 ||
        EVP_PKEY_fromdata(maker, &key, EVP_PKEY_KEYPAIR, params) != 1)
        tls_error(err, "a key that is elsewhere");
    EVP_PKEY_CTX_free(maker);
    return key;
}
