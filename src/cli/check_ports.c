/* Whether the server runs, and how its listeners answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cli/check.h"
#include "cli/dialogue.h"
#include "cli/paint.h"
#include "cli/port_holder.h"

#define AREA "ports"

enum { CONNECT_MS = 5 * 1000, REPLY_MS = 20 * 1000 };

/* A look at one listener. */
struct look {
    struct check *check;
    const struct config_listener *listener;
    struct dialogue *dialogue;
    struct tls_context *tls;
    struct ip to;
};

static struct finding *add(const struct look *look, enum severity severity, const char *code)
{
    struct finding *finding = findings_add(look->check->findings, severity, AREA, code);
    buf_addf(&finding->what, "%s: ", look->listener->address);
    return finding;
}

/* An address that is no other host's. */
static bool reach(const struct config_listener *listener, struct ip *out)
{
    struct ip v4_any, v6_any, v4, v6;
    bool is_good = ip_scan(BYTES("0.0.0.0"), &v4_any) && ip_scan(BYTES("::"), &v6_any) &&
                   ip_scan(BYTES("127.0.0.1"), &v4) && ip_scan(BYTES("::1"), &v6) &&
                   ip_scan(bytes_of(listener->host), out);
    if (is_good && memcmp(out, &v4_any, sizeof v4_any) == 0)
        *out = v4;
    else if (is_good && memcmp(out, &v6_any, sizeof v6_any) == 0)
        *out = v6;
    return is_good;
}

/* --- Nobody there ----------------------------------------------------------------------------- */

static void tell_down(struct check *check)
{
    struct finding *finding =
        findings_add(check->findings, check->is_named ? SEVERITY_PROBLEM : SEVERITY_WARNING, AREA,
                     "server-down");
    buf_addf(&finding->what, "the server is not running");
    buf_addf(&finding->meaning, "no mail comes in; what is in the queue waits");
    buf_addf(&finding->how, "nobody answers at %s", check->config->control_socket);
    buf_addf(&finding->remedy, "postrider serve --config %s (or systemctl start postrider)",
             check->config_path);
}

/* Somebody else's port: then the server cannot start. */
static void look_for_holder(const struct look *look)
{
    struct buf holder;
    struct ip ip;
    buf_init(&holder, 256);
    bool is_held = ip_scan(bytes_of(look->listener->host), &ip) &&
                   port_holder_find(&ip, look->listener->port, &holder);
    /* By socket activation, it holds them for the server until that starts. */
    if (is_held && !bytes_starts(buf_view(&holder), BYTES("systemd (process 1)"))) {
        struct finding *finding = add(look, SEVERITY_PROBLEM, "port-taken");
        buf_addf(&finding->what, "%.*s has this port", BYTES_ARGS(buf_view(&holder)));
        buf_addf(&finding->meaning, "the server cannot start as long as it does");
        buf_addf(&finding->how, "read in /proc/net/tcp and tcp6; as root also whose it is");
        buf_addf(&finding->remedy,
                 "stop that program and keep it from starting (systemctl disable "
                 "--now NAME), or write another port in %s",
                 look->check->config_path);
    }
    buf_done(&holder);
}

static void tell_dead(const struct look *look, const struct error *err)
{
    struct finding *finding = add(look, SEVERITY_PROBLEM, "port-dead");
    buf_addf(&finding->what, "nobody answers, though the server runs");
    buf_addf(&finding->meaning, "clients cannot connect there");
    buf_addf(&finding->how, "connected to it from this host: %s", err->text);
    if (err->os == ETIMEDOUT)
        buf_addf(&finding->remedy, "look for a firewall that drops packets (nft list ruleset)");
    else
        buf_addf(&finding->remedy, "a new listener needs a restart: postrider stop, then serve; "
                                   "else look into the log");
}

/* --- Somebody there --------------------------------------------------------------------------- */

static void tell_other(const struct look *look, const struct reply_scan *reply)
{
    struct finding *finding = add(look, SEVERITY_PROBLEM, "port-foreign");
    buf_addf(&finding->what, "another server than this one answers");
    buf_addf(&finding->meaning, "mail goes there, and not to here");
    buf_addf(&finding->how, "it greets with: ");
    paint_add(&finding->how, reply_scan_text(reply));
    if (!look->listener->is_local) {
        buf_add(&finding->how, BYTES("\nthe port is held by "));
        if (!port_holder_find(&look->to, look->listener->port, &finding->how))
            buf_add(&finding->how, BYTES("nobody on this host: something redirects it"));
    }
    buf_addf(&finding->remedy, "stop the other one; or, when it is this one under an older "
                               "hostname: postrider reload");
}

static bool is_ours(const struct look *look, const struct reply_scan *reply)
{
    struct bytes name, rest;
    bytes_cut(bytes_from(reply_scan_text(reply), 4), ' ', &name, &rest);
    return reply->code == 220 && bytes_equal_nocase(name, bytes_of(look->check->config->hostname));
}

/* Is it one of those on file now? */
static bool is_on_file(const struct config *config, const uint8_t served[TLS_HASH_SIZE])
{
    bool is_found = false;
    for (size_t i = 0; i < config->tls.certificate_count && !is_found; i++) {
        struct bytes chain = config->tls.certificates[i].chain;
        uint8_t own[EVP_MAX_MD_SIZE];
        BIO *pem = BIO_new_mem_buf(chain.at, (int)chain.len);
        X509 *certificate = pem ? PEM_read_bio_X509(pem, NULL, NULL, NULL) : NULL;
        is_found = certificate && X509_digest(certificate, EVP_sha256(), own, NULL) == 1 &&
                   memcmp(own, served, TLS_HASH_SIZE) == 0;
        X509_free(certificate);
        BIO_free(pem);
    }
    ERR_clear_error();
    return is_found;
}

static void look_at_certificate(const struct look *look)
{
    struct config *config = look->check->config;
    const struct tls_facts *facts = dialogue_tls(look->dialogue);
    struct buf unread;
    buf_init(&unread, 65536);
    bool is_read = (config->tls.certificate_count && config->tls.certificates[0].chain.len) ||
                   config_read_certificates(config, &unread, NULL);
    buf_done(&unread);
    if (!is_read || !facts || !facts->has_peer_certificate ||
        is_on_file(config, facts->peer_certificate))
        return;
    struct finding *finding = add(look, SEVERITY_WARNING, "certificate-stale");
    buf_addf(&finding->what, "shows another certificate than the one on file");
    buf_addf(&finding->meaning,
             "it was renewed, and the server shows the old one until it expires");
    buf_addf(&finding->how, "a handshake, with %s and %s; the certificate is for ", facts->version,
             facts->cipher);
    paint_add(&finding->how, bytes_of(facts->peer_name));
    buf_addf(&finding->remedy, "postrider reload (after each renewal: the deploy hook of certbot)");
}

static bool start_tls(struct look *look, struct error *err)
{
    if (!look->tls)
        look->tls =
            tls_client_context_new(&(struct tls_client_settings){.peers = TLS_PEERS_OLD}, err);
    struct tls_target target = {.server_name = bytes_of(look->check->config->hostname)};
    return look->tls && dialogue_start_tls(look->dialogue, tls_client_new(look->tls, &target), err);
}

static void tell_no_tls(const struct look *look, const char *why)
{
    struct finding *finding = add(look, SEVERITY_PROBLEM, "tls-failed");
    buf_addf(&finding->what, "TLS does not come about");
    buf_addf(&finding->meaning, "mail programs cannot send, and servers that want TLS do not "
                                "deliver");
    buf_addf(&finding->how, "%s", why);
    buf_addf(&finding->remedy, "postrider check certificates; the log has event=tls-failed or "
                               "event=tls-key with the reason");
}

static void tell_good(const struct look *look)
{
    const struct tls_facts *facts = dialogue_tls(look->dialogue);
    struct finding *good = add(look, SEVERITY_GOOD, "port");
    buf_addf(&good->what, "answers as %s", look->check->config->hostname);
    if (facts)
        buf_addf(&good->what, ", with %s", facts->version);
}

static bool hear_greeting(struct look *look, struct error *err)
{
    const struct reply_scan *reply = dialogue_hear(look->dialogue, err);
    if (!reply) {
        tell_dead(look, err);
        return false;
    }
    if (reply->code / 100 != 2) {
        struct finding *finding = add(look, SEVERITY_WARNING, "port-busy");
        buf_addf(&finding->what, "turns connections away: ");
        paint_add(&finding->what, reply_scan_text(reply));
        buf_addf(&finding->remedy, "it says why; mostly limits.sessions or the certificate");
        return false;
    }
    if (is_ours(look, reply))
        return true;
    tell_other(look, reply);
    return false;
}

/* After the greeting: EHLO, and TLS where the configuration offers it. */
static void converse(struct look *look)
{
    const struct config_listener *listener = look->listener;
    struct error err;
    bool is_upgrade =
        listener->smtp.tls == SERVER_TLS_OFFERED || listener->smtp.tls == SERVER_TLS_REQUIRED;
    const struct reply_scan *reply = dialogue_ehlo(look->dialogue, "check.invalid", &err);
    if (!reply || reply->code != 250) {
        tell_dead(look, &err);
        return;
    }
    if (is_upgrade) {
        bool is_offered = dialogue_extensions(look->dialogue)->offers & OFFERS_STARTTLS;
        reply = is_offered ? dialogue_say(look->dialogue, &err, "STARTTLS") : NULL;
        if (!is_offered || !reply || reply->code != 220) {
            tell_no_tls(look, is_offered ? "STARTTLS is not answered 220"
                                         : "the reply to EHLO does not offer STARTTLS");
            return;
        }
        if (!start_tls(look, &err)) {
            tell_no_tls(look, err.text);
            return;
        }
    }
    look_at_certificate(look);
    tell_good(look);
}

static void look_at(struct look *look)
{
    const struct config_listener *listener = look->listener;
    struct error err;
    bool is_there =
        listener->is_local
            ? dialogue_connect_unix(look->dialogue, look->check->config->submission_socket, &err)
            : dialogue_connect(look->dialogue, &look->to, listener->port, NULL, &err);
    /* Whom its folder lets in is the configuration's choice. */
    if (!is_there && listener->is_local && err.os == EACCES)
        return;
    if (!is_there) {
        tell_dead(look, &err);
        return;
    }
    if (listener->smtp.tls == SERVER_TLS_IMPLICIT && !start_tls(look, &err))
        tell_no_tls(look, err.text);
    else if (hear_greeting(look, &err))
        converse(look);
    dialogue_disconnect(look->dialogue);
}

/* Who is a proxy to a listener says first for whom it speaks. */
static bool is_proxy(const struct look *look)
{
    if (!look->listener->proxies || !networks_have(look->listener->proxies, &look->to))
        return false;
    struct finding *finding = add(look, SEVERITY_NOTE, "port-proxied");
    buf_addf(&finding->what, "not tried: this host is one of its proxies, and would have to speak "
                             "the PROXY protocol");
    return true;
}

void check_ports(struct check *check)
{
    const struct dialogue_settings settings = {.connect_ms = CONNECT_MS, .reply_ms = REPLY_MS};
    struct error err;
    struct look look = {.check = check, .dialogue = dialogue_new(&settings, &err)};
    if (!check->is_running)
        tell_down(check);
    for (size_t i = 0; look.dialogue && i < check->config->listener_count; i++) {
        look.listener = &check->config->listeners[i];
        bool is_local = look.listener->is_local;
        if (!is_local && !reach(look.listener, &look.to))
            continue;
        if (check->is_running && (is_local || !is_proxy(&look)))
            look_at(&look);
        else if (!check->is_running && !is_local)
            look_for_holder(&look);
    }
    dialogue_free(look.dialogue);
    tls_context_free(look.tls);
}
