#include "cli/bench_sink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/instant.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"
#include "cli/bench_tls.h"
#include "cli/bench_token.h"
#include "daemon/session.h"

enum {
    BACKLOG = 4096,
    LINE_LIMIT = 4096,
    GREYLIST_PLACES =
        1 << 16,              /* sender and recipient pairs remembered; newer ones push out older */
    PEER_TIMEOUT_MS = 300000, /* RFC 5321, 4.5.3.2.7 */
};
static const uint64_t SIZE_LIMIT = UINT64_C(1) << 40;

struct bench_sink {
    struct bench_sink_settings settings;
    struct listener *listener;
    struct session_host host;
    struct smtp_server_settings smtp;
    struct tls_context *tls; /* NULL: not offered */
    struct list visits;
    uint64_t seed;
    struct greylisted {
        uint64_t pair; /* its hash */
        int64_t since_ms;
    } * greylist; /* NULL: none */
};

/* One session and its message. */
struct visit {
    struct list link;
    struct bench_sink *sink;
    struct session *session;
    struct timer delay; /* of the answer to the end of data */
    bool is_dropping;
    struct bench_token_search search;
};

static bool happens(struct bench_sink *sink, uint64_t chance)
{
    return chance && random_next(&sink->seed) % (100 * BENCH_PERCENT) < chance;
}

/* --- The envelope ------------------------------------------------------------------------------
 */

static struct smtp_answer on_mail(void *context, struct session *session)
{
    return (struct smtp_answer){250, BYTES("2.1.0"), BYTES("sender ok")};
}

/* Was the pair first seen too short a while ago? */
static bool is_too_early(struct bench_sink *sink, struct session *session)
{
    const struct smtp_server *smtp = session_smtp(session);
    struct bytes from = smtp_server_transaction(smtp)->reverse_path;
    struct bytes to = smtp_server_recipient(smtp)->address;
    uint64_t pair = XXH3_64bits_withSeed(to.at, to.len, XXH3_64bits(from.at, from.len));
    struct greylisted *place = &sink->greylist[pair % GREYLIST_PLACES];
    int64_t now_ms = loop_now_ms(sink->settings.loop);
    if (place->pair != pair)
        *place = (struct greylisted){pair, now_ms};
    return now_ms - place->since_ms < sink->settings.plan->greylist_ms;
}

static struct smtp_answer on_rcpt(void *context, struct session *session)
{
    struct bench_sink *sink = context;
    const struct bench_plan *plan = sink->settings.plan;
    if (sink->greylist && is_too_early(sink, session)) {
        sink->settings.tally->greylisted++;
        return (struct smtp_answer){451, BYTES("4.3.0"), BYTES("greylisted, as the test wants")};
    }
    if (happens(sink, plan->tempfail)) {
        sink->settings.tally->tempfailed++;
        return (struct smtp_answer){451, BYTES("4.3.0"), BYTES("not now, as the test wants")};
    }
    if (happens(sink, plan->reject)) {
        sink->settings.tally->rejected++;
        return (struct smtp_answer){550, BYTES("5.1.1"), BYTES("not here, as the test wants")};
    }
    return (struct smtp_answer){250, BYTES("2.1.5"), BYTES("recipient ok")};
}

/* --- The text ----------------------------------------------------------------------------------
 */

static struct smtp_answer on_begin(void *context, struct session *session)
{
    struct bench_sink *sink = context;
    struct visit *visit = session_data(session);
    visit->search = (struct bench_token_search){.seen = 0};
    visit->is_dropping = happens(sink, sink->settings.plan->drop);
    return (struct smtp_answer){250, BYTES("2.0.0"), BYTES("go on")};
}

static bool on_text(void *context, struct session *session, struct bytes text)
{
    struct bench_sink *sink = context;
    struct visit *visit = session_data(session);
    sink->settings.tally->bytes += text.len;
    if (sink->settings.ids)
        bench_token_look(&visit->search, sink->settings.run, text);
    if (visit->is_dropping) {
        sink->settings.tally->dropped++;
        visit->is_dropping = false;
        session_kill(session);
    }
    return true;
}

/* Counts each recipient of a message that bears our token. */
static void account(struct bench_sink *sink, const struct visit *visit,
                    const struct envelope *transaction, int64_t now_us)
{
    struct bench_ids *ids = sink->settings.ids;
    const struct bench_plan *plan = sink->settings.plan;
    uint64_t id = visit->search.number, number;
    if (!visit->search.has_number || id >= ids->limit)
        return;
    bool is_first = false;
    for (size_t i = 0; i < transaction->recipient_count; i++) {
        size_t place;
        if (bench_pattern_number(&plan->to, transaction->recipients[i].address, &number) &&
            bench_plan_place(plan, id, number, &place))
            is_first |= bench_ids_arrive(ids, id, place);
        else
            ids->unknown++;
    }
    if (is_first && ids->since_us[id])
        histogram_add(sink->settings.arrival, now_us - ids->since_us[id]);
}

static void answer(struct visit *visit)
{
    static const struct smtp_answer taken = {250, BYTES_INIT("2.0.0"), BYTES_INIT("discarded")};
    const struct smtp_server *smtp = session_smtp(visit->session);
    const struct envelope *transaction = smtp_server_transaction(smtp);
    size_t count =
        visit->sink->smtp.role == ROLE_LMTP && transaction ? transaction->recipient_count : 1;
    struct smtp_answer answers[BENCH_RECIPIENTS_MOST];
    for (size_t i = 0; i < count; i++)
        answers[i] = taken;
    session_answer(visit->session, answers, count);
}

static void on_delayed(void *context)
{
    answer(context);
}

static void on_store(void *context, struct session *session)
{
    struct bench_sink *sink = context;
    struct visit *visit = session_data(session);
    struct bench_sink_tally *tally = sink->settings.tally;
    const struct envelope *transaction = smtp_server_transaction(session_smtp(session));
    tally->ended_us = instant_steady_us();
    tally->messages++;
    tally->recipients += transaction->recipient_count;
    if (sink->settings.ids)
        account(sink, visit, transaction, tally->ended_us);
    int64_t delay_ms = sink->settings.plan->delay_ms;
    if (delay_ms)
        timer_set(&visit->delay, loop_now_ms(sink->settings.loop) + delay_ms);
    else
        answer(visit);
    sink->settings.arrived(sink->settings.context);
}

static void on_drop(void *context, struct session *session)
{
}

/* --- Sessions ----------------------------------------------------------------------------------
 */

static void on_closed(void *context, struct session *session)
{
    struct visit *visit = session_data(session);
    list_remove(&visit->link);
    timer_clear(&visit->delay);
    free(visit);
}

static struct tls *on_tls(void *context, struct session *session)
{
    struct bench_sink *sink = context;
    return tls_server_new(sink->tls, TLS_CLIENT_CERTIFICATE_NONE);
}

static void on_accept(void *context, int fd_owned)
{
    struct bench_sink *sink = context;
    struct error err;
    struct visit *visit = NEW(struct visit);
    visit->sink = sink;
    timer_init(&visit->delay, sink->settings.loop, on_delayed, visit);
    visit->session = session_open(&sink->host, fd_owned, &sink->smtp, visit, &err);
    if (!visit->session) {
        free(visit);
        return;
    }
    list_append(&sink->visits, &visit->link);
    if (!sink->settings.tally->connections++)
        sink->settings.tally->began_us = instant_steady_us();
}

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t make_place(const struct bench_place *sink, union place *out, bool *is_loopback)
{
    const char *host = strcmp(sink->host, "localhost") == 0 ? "127.0.0.1" : sink->host;
    *out = (union place){.any.sa_family = AF_UNSPEC};
    if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(sink->port);
        *is_loopback = ntohl(out->v4.sin_addr.s_addr) >> 24 == 127;
        return sizeof out->v4;
    }
    if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(sink->port);
        *is_loopback = IN6_IS_ADDR_LOOPBACK(&out->v6.sin6_addr);
        return sizeof out->v6;
    }
    return 0;
}

int bench_sink_bind(const struct bench_plan *plan, bool is_shared, uint16_t *port,
                    struct error *err)
{
    union place place;
    bool is_loopback = false;
    const int yes = 1;
    socklen_t len = make_place(&plan->sink, &place, &is_loopback);
    if (!len || (!is_loopback && !plan->is_ours)) {
        error_set(err, 0,
                  len ? "%s is not on the loopback: a sink takes all mail there is, so --i-own-it "
                        "has to say that the network is yours"
                      : "%s: write an address, such as 127.0.0.1:2525",
                  plan->sink.text);
        return -1;
    }
    int fd = socket(place.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0;
    if (is_good && is_shared)
        is_good = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof yes) == 0;
    if (is_good && bind(fd, &place.any, len) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, &place.any, &len) == 0) {
        *port = ntohs(place.any.sa_family == AF_INET ? place.v4.sin_port : place.v6.sin6_port);
        return fd;
    }
    error_set(err, errno, "listen on %s", plan->sink.text);
    if (fd >= 0)
        close(fd);
    return -1;
}

struct bench_sink *bench_sink_open(const struct bench_sink_settings *settings, int listener_owned,
                                   struct error *err)
{
    const struct bench_plan *plan = settings->plan;
    struct bench_sink *sink = NEW(struct bench_sink);
    sink->settings = *settings;
    sink->seed = plan->seed + settings->share;
    sink->host = (struct session_host){.context = sink,
                                       .loop = settings->loop,
                                       .mail = on_mail,
                                       .rcpt = on_rcpt,
                                       .begin = on_begin,
                                       .text = on_text,
                                       .store = on_store,
                                       .drop = on_drop,
                                       .closed = on_closed,
                                       .tls = on_tls};
    sink->smtp = (struct smtp_server_settings){
        .hostname = BYTES("sink.invalid"),
        .role = plan->is_lmtp && plan->mode == BENCH_SINK ? ROLE_LMTP : ROLE_MX,
        .size_limit = SIZE_LIMIT,
        .line_limit = LINE_LIMIT,
        .recipient_limit = BENCH_RECIPIENTS_MOST,
        .error_limit = SIZE_MAX,
        .transaction_limit = (size_t)plan->max_messages,
        .command_timeout_ms = PEER_TIMEOUT_MS,
        .data_timeout_ms = PEER_TIMEOUT_MS,
        .tls = plan->has_tls ? SERVER_TLS_OFFERED : SERVER_TLS_NONE,
        .handshake_timeout_ms = PEER_TIMEOUT_MS,
        .hidden = plan->hidden,
    };
    if (plan->greylist_ms)
        sink->greylist = memory_new(GREYLIST_PLACES, sizeof *sink->greylist);
    list_init(&sink->visits);
    if (plan->has_tls && !(sink->tls = bench_tls_server(err)))
        close(listener_owned);
    else
        sink->listener = listener_open(settings->loop, listener_owned, on_accept, sink, err);
    if (sink->listener)
        return sink;
    tls_context_free(sink->tls);
    free(sink->greylist);
    free(sink);
    return NULL;
}

void bench_sink_close(struct bench_sink *sink)
{
    if (!sink)
        return;
    listener_close(sink->listener);
    LIST_EACH (&sink->visits, struct visit, link, visit) {
        bool is_owed = visit->delay.due_ms != INT64_MAX;
        session_kill(visit->session);
        if (is_owed)
            answer(visit);
    }
    tls_context_free(sink->tls);
    free(sink->greylist);
    free(sink);
}
