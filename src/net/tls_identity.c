#include "net/tls_state.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { CHAIN_LIMIT = 16, NAMES_ROOM = 200, WARN_DAYS = 14 };

/* Keys with a passphrase would ask for it at the terminal. */
static int no_passphrase(char *text, int size, int is_writing, void *context)
{
    return -1;
}

/* PEM from a buffer, perhaps an empty one. */
static BIO *open_pem(struct bytes pem)
{
    ASSERT(pem.len <= INT_MAX);
    BIO *from = BIO_new_mem_buf(pem.len ? (const void *)pem.at : "", (int)pem.len);
    ASSERT(from);
    return from;
}

static X509 *read_certificate(OSSL_LIB_CTX *library, BIO *from)
{
    X509 *certificate = X509_new_ex(library, NULL);
    if (certificate && PEM_read_bio_X509(from, &certificate, no_passphrase, NULL))
        return certificate;
    X509_free(certificate);
    return NULL;
}

/* Was the end of the text why the last certificate could not be read? */
static bool is_at_end(void)
{
    unsigned long code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

bool tls_chain_read(OSSL_LIB_CTX *library, struct bytes pem, struct tls_chain *out,
                    struct error *err)
{
    struct tls_chain chain = {NULL, sk_X509_new_null()};
    BIO *from = open_pem(pem);
    ASSERT(chain.issuers);
    ERR_clear_error();
    chain.certificate = read_certificate(library, from);
    for (X509 *issuer; chain.certificate && (issuer = read_certificate(library, from));)
        if (sk_X509_num(chain.issuers) == CHAIN_LIMIT || !sk_X509_push(chain.issuers, issuer))
            X509_free(issuer);
    bool is_whole = is_at_end();
    ERR_clear_error();
    BIO_free(from);
    if (!chain.certificate || !is_whole) {
        tls_chain_done(&chain);
        return error_set(err, 0,
                         is_whole ? "there is no certificate in it (PEM, the server's own "
                                    "first, then its issuers)"
                                  : "a certificate in it is damaged");
    }
    *out = chain;
    return true;
}

bool tls_trust_read(OSSL_LIB_CTX *library, struct bytes pem, X509_STORE *store, struct error *err)
{
    BIO *from = open_pem(pem);
    size_t count = 0;
    bool is_good = true;
    ERR_clear_error();
    for (X509 *trusted; is_good && (trusted = read_certificate(library, from)); count++) {
        is_good = X509_STORE_add_cert(store, trusted) == 1;
        X509_free(trusted);
    }
    is_good &= count > 0 && is_at_end();
    ERR_clear_error();
    BIO_free(from);
    return is_good || error_set(err, 0, "there is no certificate in it, or a damaged one");
}

void tls_chain_done(struct tls_chain *chain)
{
    X509_free(chain->certificate);
    sk_X509_pop_free(chain->issuers, X509_free);
}

EVP_PKEY *tls_key_read(OSSL_LIB_CTX *library, struct bytes pem, struct error *err)
{
    BIO *from = open_pem(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(from, NULL, no_passphrase, NULL, library, NULL);
    ERR_clear_error();
    BIO_free(from);
    if (!key)
        error_set(err, 0,
                  "there is no private key in it that can be read (PEM, without passphrase)");
    return key;
}

/* --- Names ---------------------------------------------------------------------------------- */

static GENERAL_NAMES *names_of(X509 *certificate)
{
    return X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
}

static struct bytes dns_name(GENERAL_NAMES *names, int place)
{
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, place);
    if (name->type != GEN_DNS)
        return BYTES_NONE;
    return (struct bytes){ASN1_STRING_get0_data(name->d.dNSName),
                          (size_t)ASN1_STRING_length(name->d.dNSName)};
}

static bool has_all(GENERAL_NAMES *whole, GENERAL_NAMES *part)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(part); i++) {
        struct bytes name = dns_name(part, i);
        bool is_there = name.len == 0;
        for (int j = 0; j < sk_GENERAL_NAME_num(whole) && !is_there; j++)
            is_there = bytes_equal_nocase(name, dns_name(whole, j));
        if (!is_there)
            return false;
    }
    return true;
}

bool tls_same_names(X509 *a, X509 *b)
{
    GENERAL_NAMES *of_a = names_of(a), *of_b = names_of(b);
    bool is_same = of_a && of_b
                       ? has_all(of_a, of_b) && has_all(of_b, of_a)
                       : !of_a && !of_b &&
                             X509_NAME_cmp(X509_get_subject_name(a), X509_get_subject_name(b)) == 0;
    GENERAL_NAMES_free(of_a);
    GENERAL_NAMES_free(of_b);
    return is_same;
}

void tls_print_names(X509 *certificate, struct buf *out)
{
    GENERAL_NAMES *names = names_of(certificate);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && out->len < NAMES_ROOM; i++) {
        struct bytes name = dns_name(names, i);
        if (!name.len)
            continue;
        if (out->len)
            buf_add(out, BYTES(", "));
        buf_add(out, name);
    }
    if (!out->len)
        buf_add(out, BYTES("none"));
    GENERAL_NAMES_free(names);
}

/* --- Checking ------------------------------------------------------------------------------- */

static bool check_time(X509 *certificate, int64_t now_ms, struct error *warning, struct error *err)
{
    time_t now = (time_t)(now_ms / 1000), soon = now + WARN_DAYS * 86400;
    if (X509_cmp_time(X509_get0_notBefore(certificate), &now) > 0)
        return error_set(err, 0,
                         "the certificate is not valid yet; see whether the clock is right");
    if (X509_cmp_time(X509_get0_notAfter(certificate), &now) < 0)
        return error_set(err, 0, "the certificate has expired; renew it, then: postrider reload");
    if (warning && X509_cmp_time(X509_get0_notAfter(certificate), &soon) < 0)
        error_set(warning, 0, "the certificate expires within %d days; renew it", WARN_DAYS);
    return true;
}

bool tls_identity_check(struct bytes chain_pem, struct bytes key_pem, int64_t now_ms,
                        struct error *warning, struct error *err)
{
    struct tls_chain chain;
    if (!tls_chain_read(NULL, chain_pem, &chain, err))
        return false;
    EVP_PKEY *key = NULL;
    bool is_good = check_time(chain.certificate, now_ms, warning, err);
    if (is_good && key_pem.len) {
        key = tls_key_read(NULL, key_pem, err);
        is_good = key && (X509_check_private_key(chain.certificate, key) == 1 ||
                          error_set(err, 0,
                                    "the key is not the certificate's; they are a pair: name "
                                    "the two that were made together"));
    }
    ERR_clear_error();
    EVP_PKEY_free(key);
    tls_chain_done(&chain);
    return is_good;
}
