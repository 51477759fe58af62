#include "daemon/inbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "daemon/intake.h"
#include "daemon/login.h"
#include "daemon/porch.h"
#include "daemon/verify.h"

/* A listening socket with its place in the configuration. */
struct gate {
    struct list link;
    struct worker *worker;
    struct listener *listener;
    size_t number;
    struct list porches; /* connections of proxies */
};

/* A session with what the worker knows of it. */
struct inbound {
    struct list link;
    struct worker *worker;
    struct generation *generation;
    const struct config_listener *listener;
    struct session *session;
    struct intake *intake;  /* the message under way; NULL: none */
    struct verify *verify;  /* of the transaction before its message; NULL: none */
    struct arena *verdicts; /* texts of the newest verdict */
    struct login *login;    /* NULL: nobody has tried */
    bool may_relay;         /* by its address */
    char peer[PEER_TEXT]; /* whom a proxy speaks for, or a local user; empty: as the socket says */
};

enum { VERDICT_ARENA = 1 << 20 };

static const struct smtp_answer fine = {250, BYTES_INIT("2.1.0"), BYTES_INIT("sender ok")};

/* How many sessions an address has is kept as the map's value itself. */
static size_t peer_count(const struct worker *worker, struct bytes peer)
{
    return (size_t)(uintptr_t)map_find(worker->inbounds_by_peer, peer);
}

static void peer_set_count(struct worker *worker, struct bytes peer, size_t count)
{
    if (count)
        (void)map_add(worker->inbounds_by_peer, peer, (void *)(uintptr_t)count);
    else
        (void)map_take(worker->inbounds_by_peer, peer);
}

static void log_refused(const struct inbound *inbound, struct bytes to, struct bytes rule,
                        const struct smtp_answer *answer)
{
    const struct smtp_server *smtp = session_smtp(inbound->session);
    const struct envelope *transaction = smtp_server_transaction(smtp);
    log_info("refused", LOG_SESSION(session_number(inbound->session)),
             LOG_BYTES("client", session_peer(inbound->session)),
             LOG_BYTES("helo", smtp_server_helo(smtp)),
             LOG_OPTIONAL_BYTES("from", transaction ? transaction->reverse_path : BYTES_NONE),
             LOG_OPTIONAL_BYTES("to", to), LOG_INT("code", answer->code),
             LOG_OPTIONAL_BYTES("status", answer->status), LOG_BYTES("rule", rule),
             LOG_BYTES("text", answer->text), LOG_TEXT("listener", inbound->listener->address),
             LOG_OPTIONAL_BYTES("user", smtp_server_user(smtp)));
}

static uint64_t on_number(void *context)
{
    return worker_id(context);
}

static void on_refused(void *context, struct session *session, struct bytes rule,
                       const struct smtp_answer *answer)
{
    log_refused(session_data(session), BYTES_NONE, rule, answer);
}

/* An account sends as itself (policy/sender.h). */
static struct smtp_answer check_sender(const struct inbound *inbound,
                                       const struct sender_rights *rights)
{
    const struct config *config = inbound->generation->config;
    struct bytes path = smtp_server_transaction(session_smtp(inbound->session))->reverse_path;
    if (config->auth.allows_any_sender)
        return fine;
    arena_reset(inbound->verdicts);
    struct sender_verdict verdict =
        sender_check_path(config->recipients, rights, path, inbound->verdicts);
    if (verdict.is_accepted)
        return fine;
    struct smtp_answer answer = {verdict.code, verdict.status, verdict.text};
    log_refused(inbound, BYTES_NONE, bytes_of(verdict.rule), &answer);
    return answer;
}

static struct smtp_answer on_mail(void *context, struct session *session)
{
    struct worker *worker = context;
    struct inbound *inbound = session_data(session);
    verify_free(inbound->verify);
    inbound->verify = NULL;
    if (!spool_has_room(worker->spool, loop_now_ms(worker->loop))) {
        log_refused(inbound, BYTES_NONE, BYTES("low-water"), &intake_disk_full);
        return intake_disk_full;
    }
    const struct sender_rights *rights = login_rights(inbound->login);
    if (rights)
        return check_sender(inbound, rights);
    /* RFC 6409, 4.3: submission is for those who are known. */
    if (inbound->listener->role == ROLE_SUBMISSION && !inbound->may_relay) {
        struct smtp_answer answer = {
            530, BYTES("5.7.0"),
            BYTES("submission is for those who log in (AUTH), and for relay.networks")};
        if (!inbound->listener->smtp.logins)
            answer = (struct smtp_answer){550, BYTES("5.7.1"),
                                          BYTES("submission is for this host and for "
                                                "relay.networks; your address is in neither")};
        log_refused(inbound, BYTES_NONE, BYTES("submission"), &answer);
        return answer;
    }
    return fine;
}

/* Whether the message is from whom it says is looked into once somebody takes it: mail to nobody
 * costs no questions. */
static void verify_for(struct inbound *inbound, struct bytes domain)
{
    const struct smtp_server *smtp = session_smtp(inbound->session);
    if (inbound->may_relay || login_rights(inbound->login))
        return;
    struct verify_claim claim = {.policy = &inbound->listener->verify,
                                 .client = session_peer(inbound->session),
                                 .helo = smtp_server_helo(smtp),
                                 .reverse_path = smtp_server_transaction(smtp)->reverse_path};
    if (!inbound->verify)
        inbound->verify = verify_begin(inbound->worker, inbound->generation, &claim);
    if (inbound->verify)
        verify_recipient(inbound->verify, domain);
}

static struct smtp_answer on_rcpt(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    const struct config *config = inbound->generation->config;
    struct bytes text = smtp_server_recipient(session_smtp(session))->address;
    struct address address;
    /* Without a domain it is <postmaster>: the machine lets no other such address through. */
    if (address_parse(text, ADDRESS_UTF8, &address) != PATH_OK)
        address = (struct address){.local = text, .whole = text};
    struct recipient_query query = {
        .address = &address,
        .hostname = bytes_of(config->hostname),
        .may_relay = inbound->may_relay || login_rights(inbound->login),
        .has_route = routes_find(config->routes, address.domain),
        .client = session_peer(session),
    };
    arena_reset(inbound->verdicts);
    struct recipient_verdict verdict =
        recipients_check(config->recipients, &query, inbound->verdicts);
    struct smtp_answer answer = {verdict.code, verdict.status, verdict.text};
    if (verdict.is_accepted)
        verify_for(inbound, address.domain);
    else
        log_refused(inbound, text, verdict.rule, &answer);
    return answer;
}

static struct smtp_answer on_begin(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    struct smtp_answer answer = intake_begin(inbound->worker, session, inbound->listener,
                                             inbound->generation, inbound->login, &inbound->intake);
    if (answer.code != 250)
        return answer;
    intake_give_verify(inbound->intake, inbound->verify);
    inbound->verify = NULL;
    return answer;
}

static bool on_text(void *context, struct session *session, struct bytes text)
{
    struct inbound *inbound = session_data(session);
    return intake_text(inbound->intake, text);
}

static void on_store(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    struct intake *intake = inbound->intake;
    inbound->intake = NULL;
    intake_store(intake);
}

static void on_drop(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    log_info("lost", LOG_SESSION(session_number(session)),
             LOG_BYTES("client", session_peer(session)),
             LOG_BYTES("helo", smtp_server_helo(session_smtp(session))));
    intake_drop(inbound->intake);
    inbound->intake = NULL;
}

static void on_login(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    if (!inbound->login)
        inbound->login = login_new(inbound->worker, session, inbound->generation);
    login_ask(inbound->login);
}

static void on_logged(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    /* What ended before anything had to be asked. */
    if (!inbound->login)
        inbound->login = login_new(inbound->worker, session, inbound->generation);
    login_ended(inbound->login);
}

static void on_closed(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    struct worker *worker = inbound->worker;
    peer_set_count(worker, session_peer(session), peer_count(worker, session_peer(session)) - 1);
    worker->inbound_count--;
    list_remove(&inbound->link);
    verify_free(inbound->verify);
    login_free(inbound->login);
    generation_leave(inbound->generation);
    arena_free(inbound->verdicts);
    free(inbound);
}

static struct tls *on_tls(void *context, struct session *session)
{
    const struct inbound *inbound = session_data(session);
    const struct generation *generation = inbound->generation;
    return tls_server_new(generation->tls, generation->config->tls.asked);
}

/* Inside TLS people may log in with all that the listener has: bound to the channel where that is
 * to be had, and by their certificate where it is somebody's. */
static void on_secured(void *context, struct session *session)
{
    struct inbound *inbound = session_data(session);
    struct tls_facts facts;
    unsigned without = 0;
    if (!session_tls_facts(session, &facts))
        return;
    if (facts.has_peer_certificate &&
        fingerprints_have(inbound->generation->config->relay_certificates, facts.peer_certificate))
        inbound->may_relay = true;
    if (!facts.exporter_len && !facts.end_point_len)
        without |= 1U << SASL_SCRAM_SHA_256_PLUS;
    if (!login_by_certificate(inbound->generation->config, &facts))
        without |= 1U << SASL_EXTERNAL;
    smtp_server_allow_login(session_smtp(session), ~without);
}

/* Says why in SMTP's words and closes: for those who get no session at all. */
static void turn_away(struct gate *gate, int fd_owned, struct bytes peer, const char *why,
                      const char *rule)
{
    char reply[256];
    struct worker *worker = gate->worker;
    int len = snprintf(reply, sizeof reply, "421 4.7.0 %s; please try again later\r\n", why);
    /* Whether it arrives does not matter to anyone but the peer. */
    (void)!send(fd_owned, reply, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd_owned);
    log_warning("refused", LOG_SESSION(worker_id(worker)), LOG_BYTES("client", peer),
                LOG_INT("code", 421), LOG_TEXT("status", "4.7.0"), LOG_TEXT("rule", rule),
                LOG_TEXT("text", why),
                LOG_TEXT("listener", worker->generation->config->listeners[gate->number].address));
}

static bool is_loopback(struct bytes peer)
{
    return bytes_starts(peer, BYTES("127.")) || bytes_equal(peer, BYTES("::1"));
}

/* A host's own submission may relay; anybody else by relay.networks alone. */
static bool may_relay(const struct config *config, const struct config_listener *listener,
                      struct bytes peer)
{
    struct ip ip;
    if (listener->is_local)
        return true;
    if (!ip_scan(peer, &ip))
        return false;
    if (networks_have(config->relay_networks, &ip))
        return true;
    return listener->role == ROLE_SUBMISSION && is_loopback(peer);
}

/* Logins that hold for one channel, or for one client certificate. */
enum { BOUND_LOGINS = 1 << SASL_SCRAM_SHA_256_PLUS | 1 << SASL_EXTERNAL };

/* With what one may log in before TLS: by default with nothing, as a password in clear text is
 * everybody's on the way. */
static unsigned clear_logins(const struct config *config, struct bytes peer)
{
    bool is_allowed = config->auth.allows_clear_loopback && is_loopback(peer);
    return is_allowed ? ~(unsigned)BOUND_LOGINS : 0;
}

static struct bytes on_peer(void *context, const void *data)
{
    const struct inbound *inbound = data;
    return bytes_of(inbound->peer);
}

static bool may_speak_for_others(const struct config_listener *listener, struct bytes peer)
{
    struct ip ip;
    return listener->xclients && ip_scan(peer, &ip) && networks_have(listener->xclients, &ip);
}

/* Which user of this host is at the other end of a Unix socket: "uid:1000". */
static void local_peer(int fd, char text[PEER_TEXT])
{
    struct ucred user;
    socklen_t len = sizeof user;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &len) == 0)
        snprintf(text, PEER_TEXT, "uid:%u", (unsigned)user.uid);
    else
        snprintf(text, PEER_TEXT, "unix");
}

/* Somebody connects; proxy: by one that has said for whom (NULL: by none). */
static void admit(struct gate *gate, int fd_owned, struct bytes peer, const struct proxy *proxy)
{
    struct worker *worker = gate->worker;
    const struct config *config = worker->generation->config;
    /* A proxy that does not say for whom it connects may do so for anybody: that it connects from
     * this host, or from a network that may relay, says nothing of the client. */
    bool is_known = !proxy || proxy->has_client;
    if (worker->inbound_count >= config->limits.sessions) {
        turn_away(gate, fd_owned, peer, "this server has as many sessions as it can serve",
                  "sessions");
        return;
    }
    if (peer_count(worker, peer) >= config->limits.sessions_per_address) {
        turn_away(gate, fd_owned, peer, "too many sessions from your address",
                  "sessions-per-address");
        return;
    }
    if (config->listeners[gate->number].smtp.tls != SERVER_TLS_NONE && !worker->generation->tls) {
        turn_away(gate, fd_owned, peer, "this server's certificate cannot be used at the moment",
                  "tls");
        return;
    }
    struct inbound *inbound = NEW(struct inbound);
    inbound->worker = worker;
    inbound->generation = generation_use(worker->generation);
    inbound->listener = &config->listeners[gate->number];
    inbound->may_relay = is_known && may_relay(config, inbound->listener, peer);
    inbound->verdicts = arena_new(VERDICT_ARENA);
    if (inbound->listener->is_local || (proxy && proxy->has_client))
        snprintf(inbound->peer, sizeof inbound->peer, "%.*s", BYTES_ARGS(peer));
    struct error err;
    inbound->session =
        session_open(&worker->host, fd_owned, &inbound->listener->smtp, inbound, &err);
    if (!inbound->session) {
        log_error("session-failed", LOG_BYTES("client", peer), LOG_TEXT("reason", err.text));
        generation_leave(inbound->generation);
        arena_free(inbound->verdicts);
        free(inbound);
        return;
    }
    smtp_server_allow_login(session_smtp(inbound->session),
                            clear_logins(config, is_known ? peer : BYTES_NONE));
    if (may_speak_for_others(inbound->listener, peer))
        smtp_server_allow_xclient(session_smtp(inbound->session));
    list_append(&worker->inbounds, &inbound->link);
    worker->inbound_count++;
    peer_set_count(worker, peer, peer_count(worker, peer) + 1);
}

/* A proxy that may say so speaks for another client now, or (empty) for nobody it knows, who then
 * has no rights. */
static struct smtp_answer on_new_peer(void *context, struct session *session, struct bytes peer)
{
    struct worker *worker = context;
    struct inbound *inbound = session_data(session);
    const struct config *config = inbound->generation->config;
    struct bytes old = session_peer(session);
    log_debug("proxied", LOG_BYTES("proxy", old), LOG_BYTES("client", peer));
    if (peer.len && peer_count(worker, peer) >= config->limits.sessions_per_address) {
        struct smtp_answer answer = {421, BYTES("4.7.0"),
                                     BYTES("too many sessions from your address; please try again "
                                           "later")};
        log_refused(inbound, BYTES_NONE, BYTES("sessions-per-address"), &answer);
        return answer;
    }
    if (peer.len) {
        peer_set_count(worker, old, peer_count(worker, old) - 1);
        peer_set_count(worker, peer, peer_count(worker, peer) + 1);
    }
    login_free(inbound->login);
    inbound->login = NULL;
    inbound->may_relay = peer.len && may_relay(config, inbound->listener, peer);
    /* The channel and the certificate are the proxy's, not the client's. */
    bool is_secure = smtp_server_is_secure(session_smtp(session));
    smtp_server_allow_login(session_smtp(session),
                            is_secure ? ~(unsigned)BOUND_LOGINS : clear_logins(config, peer));
    return fine;
}

static void on_porch_done(void *context, int fd_owned, const struct proxy *proxy)
{
    struct gate *gate = context;
    char own[PEER_TEXT];
    struct buf client;
    stream_peer(fd_owned, own);
    if (proxy->fault) {
        log_warning("proxy-failed", LOG_TEXT("proxy", own), LOG_TEXT("reason", proxy->fault));
        close(fd_owned);
        return;
    }
    buf_init(&client, PEER_TEXT);
    if (proxy->has_client)
        ip_print(&client, &proxy->ip);
    else
        buf_add(&client, bytes_of(own));
    log_debug("proxied", LOG_TEXT("proxy", own), LOG_BYTES("client", buf_view(&client)));
    admit(gate, fd_owned, buf_view(&client), proxy);
    buf_done(&client);
}

static void on_accept(void *context, int fd_owned)
{
    struct gate *gate = context;
    struct worker *worker = gate->worker;
    const struct config_listener *listener = &worker->generation->config->listeners[gate->number];
    char peer[PEER_TEXT];
    struct error err;
    struct ip ip;
    if (listener->is_local)
        local_peer(fd_owned, peer);
    else
        stream_peer(fd_owned, peer);
    bool is_proxy =
        listener->proxies && ip_scan(bytes_of(peer), &ip) && networks_have(listener->proxies, &ip);
    if (!is_proxy)
        admit(gate, fd_owned, bytes_of(peer), NULL);
    else if (!porch_open(worker->loop, fd_owned, &gate->porches, on_porch_done, gate, &err))
        log_error("session-failed", LOG_TEXT("client", peer), LOG_TEXT("reason", err.text));
}

bool gate_open(struct worker *worker, int fd_owned, size_t number, struct error *err)
{
    struct gate *gate = NEW(struct gate);
    gate->worker = worker;
    gate->number = number;
    list_init(&gate->porches);
    gate->listener = listener_open(worker->loop, fd_owned, on_accept, gate, err);
    if (!gate->listener) {
        free(gate);
        return error_wrap(err, "listener %s",
                          worker->generation->config->listeners[number].address);
    }
    list_append(&worker->gates, &gate->link);
    return true;
}

void gate_close_all(struct worker *worker)
{
    LIST_EACH (&worker->gates, struct gate, link, gate) {
        list_remove(&gate->link);
        porch_close_all(&gate->porches);
        listener_close(gate->listener);
        free(gate);
    }
}

void inbound_init(struct worker *worker)
{
    worker->host = (struct session_host){.context = worker,
                                         .loop = worker->loop,
                                         .number = on_number,
                                         .refused = on_refused,
                                         .mail = on_mail,
                                         .rcpt = on_rcpt,
                                         .login = on_login,
                                         .logged = on_logged,
                                         .begin = on_begin,
                                         .text = on_text,
                                         .store = on_store,
                                         .drop = on_drop,
                                         .closed = on_closed,
                                         .tls = on_tls,
                                         .secured = on_secured,
                                         .peer = on_peer,
                                         .new_peer = on_new_peer};
}

void inbound_shut_all(struct worker *worker)
{
    LIST_EACH (&worker->inbounds, struct inbound, link, inbound)
        session_shut(inbound->session);
}

void inbound_kill_all(struct worker *worker)
{
    LIST_EACH (&worker->inbounds, struct inbound, link, inbound)
        session_kill(inbound->session);
}
