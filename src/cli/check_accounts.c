/* Whether those who shall can log in, and the addresses that each domain must have. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/ip.h"
#include "cli/check.h"

#define AREA "accounts"

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
    struct ip ip;
    return ip_scan(bytes_of(listener->host), &ip) && ip_is_loopback(&ip);
}

static void complain_of_clear(struct check *check, const struct config_listener *listener)
{
    struct finding *finding =
        findings_add(check->findings, SEVERITY_WARNING, AREA, "login-impossible");
    buf_addf(&finding->what, "%s: nobody can log in at %s, as it has no TLS", check->config_path,
             listener->address);
    buf_addf(&finding->meaning, "passwords are not taken in clear text, and so nobody can send");
    buf_addf(&finding->remedy, "write \"tls\" with a certificate");
}

/* Is there a listener where people may log in? */
static bool check_listeners(struct check *check)
{
    const struct config *config = check->config;
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
            complain_of_clear(check, listener);
    }
    return is_used;
}

static void check_directory(struct check *check)
{
    if (has_accounts(check->config))
        return;
    struct finding *finding = findings_add(check->findings, SEVERITY_WARNING, AREA, "no-accounts");
    buf_addf(&finding->what, "%s: people may log in, and there are no accounts",
             check->config_path);
    buf_addf(&finding->how, "%s has no accounts.db", check->config->accounts_folder);
    buf_addf(&finding->remedy, "postrider user add ADDRESS");
}

/* Logins are verified by Dovecot: does it answer? */
static void check_dovecot(struct check *check)
{
    const char *path = check->config->auth.dovecot;
    struct sockaddr_un place = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(place.sun_path, sizeof place.sun_path, "%s", path);
    bool is_there = fd >= 0 && connect(fd, (struct sockaddr *)&place, sizeof place) == 0;
    int os = errno;
    if (fd >= 0)
        close(fd);
    if (is_there || os == EACCES)
        return;
    struct finding *finding = findings_add(check->findings, SEVERITY_WARNING, AREA, "dovecot");
    buf_addf(&finding->what, "%s: nobody answers there, and auth.dovecot says that Dovecot does",
             path);
    buf_addf(&finding->meaning, "logins are answered \"try again later\" until it does");
    buf_addf(&finding->how, "connect: %s", strerror(os));
    buf_addf(&finding->remedy, "start Dovecot, with service auth { unix_listener … } of that path");
}

static struct recipient_verdict ask(const struct config *config, const char *local,
                                    struct bytes domain, struct arena *arena)
{
    struct address address;
    struct buf text;
    buf_init(&text, PATH_LIMIT);
    buf_addf(&text, "%s@%.*s", local, BYTES_ARGS(domain));
    struct recipient_verdict verdict = {.is_accepted = true};
    if (address_parse(buf_view(&text), ADDRESS_UTF8, &address) == PATH_OK) {
        struct recipient_query query = {.address = &address,
                                        .hostname = bytes_of(config->hostname)};
        verdict = recipients_check(config->recipients, &query, arena);
    }
    buf_done(&text);
    return verdict;
}

/* RFC 5321, 4.5.1; RFC 2142, 2 and 4: where complaints arrive. */
static void check_roles(struct check *check)
{
    enum { ARENA = 1 << 20 };
    const struct config *config = check->config;
    struct arena *arena = arena_new(ARENA);
    struct bytes domain;
    for (size_t place = 0; recipients_next_domain(config->recipients, &place, &domain);) {
        struct recipient_verdict verdict = ask(config, "postmaster", domain, arena);
        bool is_refused = !verdict.is_accepted && verdict.code / 100 == 5;
        if (is_refused) {
            struct finding *finding =
                findings_add(check->findings, SEVERITY_WARNING, AREA, "no-postmaster");
            buf_addf(&finding->what, "%.*s has no postmaster", BYTES_ARGS(domain));
            buf_addf(&finding->meaning,
                     "each domain must have one (RFC 5321, 4.5.1); others look for it, and refuse "
                     "mail of domains without");
            buf_addf(&finding->how, "by the rules of the configuration: %.*s",
                     BYTES_ARGS(verdict.text));
            buf_addf(&finding->remedy, "add the mailbox or an alias postmaster to the domain");
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

void check_accounts(struct check *check)
{
    if (check_listeners(check)) {
        if (check->config->auth.dovecot)
            check_dovecot(check);
        else
            check_directory(check);
    }
    check_roles(check);
}
