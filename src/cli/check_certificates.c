/* The certificates' files: how long they hold, for whom, and by whom they are signed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/instant.h"
#include "cli/check.h"

#define AREA "certificates"

enum { WARN_DAYS = 14, LEAST_RSA_BITS = 2048, CHAIN_LIMIT = 16 };

/* A certificate's file, taken apart. */
struct chain {
    const char *path;
    X509 *own;
    STACK_OF(X509) * issuers;
};

static bool open_chain(const struct config_certificate *from, struct chain *chain)
{
    BIO *pem = BIO_new_mem_buf(from->chain.at, (int)from->chain.len);
    *chain = (struct chain){.path = from->certificate, .issuers = sk_X509_new_null()};
    chain->own = pem ? PEM_read_bio_X509(pem, NULL, NULL, NULL) : NULL;
    X509 *issuer;
    while (chain->own && sk_X509_num(chain->issuers) < CHAIN_LIMIT &&
           (issuer = PEM_read_bio_X509(pem, NULL, NULL, NULL)))
        if (!sk_X509_push(chain->issuers, issuer))
            X509_free(issuer);
    BIO_free(pem);
    ERR_clear_error();
    return chain->own != NULL;
}

static void close_chain(struct chain *chain)
{
    X509_free(chain->own);
    sk_X509_pop_free(chain->issuers, X509_free);
}

static void print_date(struct buf *out, const ASN1_TIME *time)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) == 1)
        buf_addf(out, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

/* That it has ended the server says itself, and does not start. */
static void check_end(struct check *check, const struct chain *chain)
{
    const ASN1_TIME *end = X509_get0_notAfter(chain->own);
    int days = 0, seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, NULL, end) != 1 || days < 0 || seconds < 0)
        return;
    bool is_soon = days < WARN_DAYS;
    struct finding *finding = findings_add(
        check->findings, is_soon ? SEVERITY_WARNING : SEVERITY_GOOD, AREA, "certificate-expires");
    if (!is_soon) {
        buf_addf(&finding->what, "%s: the certificate holds for %d days more, until ", chain->path,
                 days);
        print_date(&finding->what, end);
        return;
    }
    buf_addf(&finding->what, "%s: the certificate expires within %d days, on ", chain->path,
             WARN_DAYS);
    print_date(&finding->what, end);
    buf_addf(&finding->meaning, "then mail programs refuse to connect, and so do servers that "
                                "verify");
    buf_addf(&finding->how, "%d days and %d hours are left", days, seconds / 3600);
    buf_addf(&finding->remedy, "renew it, then: postrider reload");
}

static void check_strength(struct check *check, const struct chain *chain)
{
    EVP_PKEY *key = X509_get0_pubkey(chain->own);
    int hash = NID_undef;
    if (key && EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) < LEAST_RSA_BITS) {
        struct finding *finding =
            findings_add(check->findings, SEVERITY_WARNING, AREA, "certificate-key-short");
        buf_addf(&finding->what, "%s: its RSA key has %d bits", chain->path,
                 EVP_PKEY_get_bits(key));
        buf_addf(&finding->meaning, "most programs refuse fewer than %d", LEAST_RSA_BITS);
        buf_addf(&finding->remedy,
                 "make a new key, of ECDSA P-256 or of RSA with %d bits, and have "
                 "a certificate made for it",
                 LEAST_RSA_BITS);
    }
    if (X509_get_signature_info(chain->own, &hash, NULL, NULL, NULL) == 1 &&
        (hash == NID_sha1 || hash == NID_md5)) {
        struct finding *finding =
            findings_add(check->findings, SEVERITY_WARNING, AREA, "certificate-sha1");
        buf_addf(&finding->what, "%s: it is signed with %s", chain->path, OBJ_nid2sn(hash));
        buf_addf(&finding->meaning, "such signatures can be forged, and no program takes them");
        buf_addf(&finding->remedy, "have a new certificate made");
    }
}

/* What mail programs, and servers that verify, say to it. 0: it is good. */
static int verify(const struct chain *chain)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    int result = X509_V_ERR_UNSPECIFIED;
    if (store && context && X509_STORE_set_default_paths(store) == 1 &&
        X509_STORE_CTX_init(context, store, chain->own, chain->issuers) == 1) {
        X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
        result = X509_verify_cert(context) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(context);
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return result;
}

static bool is_self_signed(X509 *certificate)
{
    return X509_check_issued(certificate, certificate) == X509_V_OK;
}

static void check_trust(struct check *check, const struct chain *chain)
{
    int result = verify(chain);
    bool is_public = !check_is_reserved_name(bytes_of(check->config->hostname));
    if (result == X509_V_OK) {
        struct finding *good =
            findings_add(check->findings, SEVERITY_GOOD, AREA, "certificate-trust");
        buf_addf(&good->what, "%s: this system trusts who signed it", chain->path);
        return;
    }
    bool is_own = is_self_signed(chain->own);
    bool is_bare = !is_own && sk_X509_num(chain->issuers) == 0;
    struct finding *finding =
        findings_add(check->findings, is_public ? SEVERITY_WARNING : SEVERITY_NOTE, AREA,
                     is_bare ? "certificate-chain" : "certificate-trust");
    if (is_bare) {
        buf_addf(&finding->what,
                 "%s: who signed the certificate is not in the file, and not in "
                 "this system's trust store",
                 chain->path);
        buf_addf(&finding->remedy,
                 "put the issuer's certificates behind it in the file (Let's Encrypt: "
                 "fullchain.pem), then: postrider reload; for an authority of your own, tell each "
                 "mail program to trust it");
    } else {
        buf_addf(&finding->what, "%s: this system does not trust %s", chain->path,
                 is_own ? "the certificate, which signs itself" : "who signed the certificate");
        buf_addf(&finding->remedy,
                 "have one made by an authority that all trust (Let's Encrypt "
                 "does it for nothing), or tell each mail program to trust yours");
    }
    buf_addf(&finding->meaning, "mail programs warn or refuse to connect; other servers mostly "
                                "deliver all the same, but those that verify (MTA-STS) do not");
    buf_addf(&finding->how, "verified as a mail program would: %s",
             X509_verify_cert_error_string(result));
}

/* Others meet the server by its name in MX records, and mail programs mostly do. */
static void check_names(struct check *check, bool has_own_name)
{
    const struct config *config = check->config;
    if (config->tls.certificate_count == 0) {
        struct finding *finding = findings_add(check->findings, SEVERITY_NOTE, AREA, "no-tls");
        buf_addf(&finding->what, "there is no certificate, and so no TLS");
        buf_addf(&finding->meaning, "mail comes in clear text, and nobody can log in from outside");
        buf_addf(&finding->remedy, "%s: tls: {certificate: FILE, key: FILE}", check->config_path);
    } else if (!has_own_name) {
        struct finding *finding =
            findings_add(check->findings, SEVERITY_WARNING, AREA, "certificate-name");
        buf_addf(&finding->what, "%s: no certificate is for the host's own name, %s",
                 check->config_path, config->hostname);
        buf_addf(&finding->meaning, "whoever verifies it turns away, unless it was told another "
                                    "name that one is for");
        buf_addf(&finding->remedy, "have %s put among the names of the certificate",
                 config->hostname);
    }
}

/* That others may not read a key is as it should be. */
static bool is_only_denied(struct bytes line)
{
    return geteuid() != 0 && bytes_search(line, bytes_of(strerror(EACCES))) < line.len;
}

static void tell_denied(struct check *check, struct bytes line)
{
    struct finding *finding =
        findings_add(check->findings, SEVERITY_UNKNOWN, AREA, "certificate-denied");
    buf_add(&finding->what, line);
    buf_addf(&finding->meaning, "whether the certificate and its key are good cannot be seen");
    buf_addf(&finding->remedy, "run this as the server's user or as root");
}

static void add_problems(struct check *check, struct bytes problems)
{
    struct bytes line;
    while (problems.len) {
        bytes_cut(problems, '\n', &line, &problems);
        if (is_only_denied(line)) {
            tell_denied(check, line);
            continue;
        }
        size_t cut = bytes_search(line, BYTES("; "));
        struct finding *finding =
            findings_add(check->findings, SEVERITY_PROBLEM, AREA, "certificate");
        buf_add(&finding->what, bytes_sub(line, 0, cut));
        buf_addf(&finding->meaning, "the server does not start with it, and does not reload");
        buf_add(&finding->remedy, bytes_from(line, cut + 2));
    }
}

void check_certificates(struct check *check)
{
    enum { PROBLEMS_LIMIT = 65536 };
    struct config *config = check->config;
    struct buf problems;
    bool has_own_name = false;
    buf_init(&problems, PROBLEMS_LIMIT);
    bool is_read = config_read_certificates(config, &problems, NULL);
    add_problems(check, buf_view(&problems));
    buf_done(&problems);
    for (size_t i = 0; i < config->tls.certificate_count; i++) {
        struct chain chain;
        if (open_chain(&config->tls.certificates[i], &chain)) {
            check_end(check, &chain);
            check_strength(check, &chain);
            check_trust(check, &chain);
            has_own_name |= X509_check_host(chain.own, config->hostname, 0, 0, NULL) == 1;
        }
        close_chain(&chain);
    }
    if (is_read)
        check_names(check, has_own_name);
    if (config->tls.peers == TLS_PEERS_OLD) {
        struct finding *finding = findings_add(check->findings, SEVERITY_NOTE, AREA, "tls-old");
        buf_addf(&finding->what, "%s: tls.peers is old: TLS 1.0 and 1.1 are spoken",
                 check->config_path);
        buf_addf(&finding->meaning, "better than clear text for what knows nothing else, and weak");
    }
}
