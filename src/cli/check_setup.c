#include "cli/check_setup.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void check_secrets(const struct config *config, struct buf *warnings)
{
    struct stat status;
    for (size_t i = 0; i < config->secret_count; i++)
        if (stat(config->secrets[i], &status) == 0 && status.st_mode & S_IROTH)
            buf_addf(warnings,
                     "%s: everybody on this host can read it; chmod o= %s, as the supervisor opens "
                     "it with its own rights\n",
                     config->secrets[i], config->secrets[i]);
}

/* Is one of the certificates for the server's own name? */
static bool has_own_name(const struct config *config)
{
    bool is_found = false;
    for (size_t i = 0; !is_found && i < config->tls.certificate_count; i++) {
        struct bytes chain = config->tls.certificates[i].chain;
        BIO *pem = BIO_new_mem_buf(chain.at, (int)chain.len);
        X509 *certificate = pem ? PEM_read_bio_X509(pem, NULL, NULL, NULL) : NULL;
        is_found = certificate && X509_check_host(certificate, config->hostname, 0, 0, NULL) == 1;
        X509_free(certificate);
        BIO_free(pem);
    }
    ERR_clear_error();
    return is_found;
}

/* Others meet the server by its name in MX records, and mail programs mostly do. */
static void check_names(const struct config *config, struct buf *warnings)
{
    if (config->tls.certificate_count && !has_own_name(config))
        buf_addf(warnings,
                 "%s: no certificate is for the host's own name, %s; whoever verifies it turns "
                 "away, unless it was told another name that one is for\n",
                 config->path, config->hostname);
}

static bool has_accounts(const struct config *config)
{
    char path[PATH_MAX];
    struct stat status;
    int len = snprintf(path, sizeof path, "%s/accounts.db", config->accounts_folder);
    /* What may not be looked at may be there. */
    return len >= (int)sizeof path || stat(path, &status) == 0 || errno != ENOENT;
}

static bool is_loopback(const struct config_listener *listener)
{
    return strncmp(listener->host, "127.", 4) == 0 || strcmp(listener->host, "::1") == 0;
}

static void check_logins(const struct config *config, struct buf *warnings)
{
    bool is_used = false;
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];
        if (!listener->has_auth)
            continue;
        /* Programs on this host may submit without. */
        bool is_local = is_loopback(listener);
        if (listener->smtp.tls != SERVER_TLS_NONE ||
            (is_local && config->auth.allows_clear_loopback))
            is_used = true;
        else if (!is_local)
            buf_addf(warnings,
                     "%s: nobody can log in at %s, as it has no TLS; write \"tls\" with a "
                     "certificate\n",
                     config->path, listener->address);
    }
    if (is_used && !config->auth.dovecot && !has_accounts(config))
        buf_addf(warnings,
                 "%s: people may log in, and there are no accounts; postrider user add ADDRESS\n",
                 config->path);
}

void check_setup(const struct config *config, struct buf *warnings)
{
    check_secrets(config, warnings);
    check_names(config, warnings);
    check_logins(config, warnings);
}
