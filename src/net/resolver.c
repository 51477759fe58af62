#include "net/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unbound.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "facts/cache.h"
#include "facts/facts.h"
#include "facts/hosts.h"
#include "facts/rdata.h"
#include "net/turns.h"

enum {
    CLASS_IN = 1,
    RCODE_NOERROR = 0,
    RCODE_SERVFAIL = 2,
    RCODE_REFUSED = 5,
    /* Of these, names whose servers are silent keep their places for long, also when nobody waits
     * for them any more: libunbound cannot be told to leave one. */
    RUNNING_LIMIT = 2048,
    WAITING_LIMIT = 10000,
    /* An answer has at most 64 KiB; names can grow a little as text. */
    ANSWER_ARENA = 256 * 1024,
    /* In front of libunbound's own caches, which cost two switches of threads for a question. */
    CACHE_BYTES = 4 << 20,
    FILE_LIMIT = 1 << 20,       /* of hosts and resolv.conf; what is behind is not read */
    ESCAPED_NAME = 253 * 4 + 1, /* each byte as \DDD */
    PATH_ROOM = 4096,
    KEY_ROOM = 1 + 256, /* a type and a name */
    ANCHOR_LINE = 32 * 1024,
};
static const int64_t TIMEOUT_MS = 10000;

/* A system has one of them, or none. */
static const char *const system_anchors[] = {"/usr/share/dns/root.key", "/var/lib/unbound/root.key",
                                             "/etc/unbound/root.key"};

/* The types' numbers in the DNS. */
static const int type_numbers[] = {
    [FACT_A] = 1,    [FACT_AAAA] = 28, [FACT_MX] = 15,   [FACT_TXT] = 16,
    [FACT_PTR] = 12, [FACT_CNAME] = 5, [FACT_TLSA] = 52, [FACT_SRV] = 33,
};

/* libunbound's own settings. A value that this version does not know is passed over. */
static const struct {
    const char *name, *value;
} options[] = {
    /* The caches' bounds: memory of each worker. */
    {"msg-cache-size:", "1m"},
    {"rrset-cache-size:", "2m"},
    {"key-cache-size:", "512k"},
    {"neg-cache-size:", "256k"},
    {"msg-cache-slabs:", "1"},
    {"rrset-cache-slabs:", "1"},
    {"key-cache-slabs:", "1"},
    {"infra-cache-slabs:", "1"},
    {"infra-cache-numhosts:", "1000"},
    /* As many as RUNNING_LIMIT, each on a socket of its own: the library's default of 16 would let
     * a few names whose servers are silent hold up all others. */
    {"outgoing-range:", "2048"},
    {"num-queries-per-thread:", "2048"},
    {"outgoing-num-tcp:", "10"},
    /* How long a server takes, doubled with each silence, is forgotten before it comes to 12 s:
     * from there on libunbound takes the server for dead, and with silent names enough that would
     * be the configured one, and all names with it. So is one that was away noticed soon after it
     * is back. How often one is asked stays as libunbound has it. */
    {"infra-host-ttl:", "10"},
    {"infra-keep-probing:", "yes"},
    /* The operator's servers are right about their own: loopback, private networks, and names that
     * the public DNS does not have (see private_zones). */
    {"do-not-query-localhost:", "no"},
    {"unblock-lan-zones:", "yes"},
    {"insecure-lan-zones:", "yes"},
    {"domain-insecure:", "test."},
    {"domain-insecure:", "invalid."},
    {"domain-insecure:", "home.arpa."},
    /* Says nothing to root servers about us. */
    {"trust-anchor-signaling:", "no"},
};

/* libunbound would answer for them itself (RFC 6761, 6.2 and 6.4; RFC 8375, 4). */
static const char *const private_zones[] = {"test.", "invalid.", "home.arpa."};

/* What a resolver was made of, files read. */
struct ground {
    struct buf servers; /* "127.0.0.1:5353 [::1]:53" */
    struct buf hosts;   /* the file's text */
    char anchor[PATH_ROOM];
    struct buf anchor_records;
    int64_t timeout_ms;
    size_t running_limit, waiting_limit;
};

struct resolver {
    struct loop *loop;
    struct ub_ctx *unbound;
    struct cache *cache;
    struct watch *watch;
    struct timer timer;
    struct ground ground;
    struct list orders;   /* struct resolving, by deadline */
    struct list finished; /* struct resolving: done is to be called */
    struct turns *turns;  /* struct query: those that run, or wait for that */
    struct list running;  /* struct query: libunbound has them, also those nobody waits for */
    struct map *orphans;  /* the latter, by type and name, for who asks the same again */
    bool is_calling;      /* done functions: the resolver must not go */
    bool is_retired, is_freed;
};

struct resolving {
    struct list link; /* orders or finished */
    struct resolver *resolver;
    struct facts *facts;
    struct list queries; /* struct query that are open */
    int64_t deadline_ms;
    resolver_done *done;
    void *context;
};

struct query {
    struct turn turn;
    struct list link;       /* running */
    struct list order_link; /* the order's queries; in none: nobody waits for it any more */
    struct resolver *resolver;
    struct resolving *order;
    enum fact_type type;
    size_t len;
    char name[]; /* ends with a NUL */
};

/* --- What it is made of ----------------------------------------------------------------------- */

/* The text of a file, up to a limit; empty without the file. */
static void read_text(const char *path, struct buf *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return;
    uint8_t *room;
    while (text->len < FILE_LIMIT && (room = buf_reserve(text, 4096))) {
        ssize_t got = read(fd, room, 4096);
        if (got <= 0)
            break;
        buf_grow(text, (size_t)got);
    }
    close(fd);
}

static void add_server(struct buf *servers, struct bytes server)
{
    if (servers->len)
        buf_add_byte(servers, ' ');
    buf_add(servers, server);
}

/* The servers of resolv.conf(5); without any it is the one of this machine, as there. */
static void system_servers(const char *path, struct buf *servers)
{
    struct buf text;
    size_t count = 0;
    buf_init(&text, FILE_LIMIT + 4096);
    read_text(path, &text);
    struct bytes rest = buf_view(&text), line, word;
    while (rest.len && count < RESOLVER_SERVER_LIMIT) {
        bytes_cut(rest, '\n', &line, &rest);
        line = bytes_trim(line);
        if (!bytes_starts(line, BYTES("nameserver")))
            continue;
        word = bytes_trim(bytes_from(line, sizeof "nameserver" - 1));
        word = bytes_sub(word, 0, bytes_find(word, ' '));
        word = bytes_sub(word, 0, bytes_find(word, '\t'));
        if (word.len == 0 || word.len > 64)
            continue;
        const char *form = bytes_find(word, ':') < word.len ? "[%.*s]:53" : "%.*s:53";
        char server[80];
        snprintf(server, sizeof server, form, BYTES_ARGS(word));
        add_server(servers, bytes_of(server));
        count++;
    }
    if (count == 0)
        add_server(servers, BYTES("127.0.0.1:53"));
    buf_done(&text);
}

static void ground_init(struct ground *ground, const struct resolver_settings *settings)
{
    *ground = (struct ground){
        .timeout_ms = settings->timeout_ms ? settings->timeout_ms : TIMEOUT_MS,
        .running_limit = settings->running_limit ? settings->running_limit : RUNNING_LIMIT,
        .waiting_limit = settings->waiting_limit ? settings->waiting_limit : WAITING_LIMIT,
    };
    buf_init(&ground->servers, 4096);
    buf_init(&ground->hosts, FILE_LIMIT + 4096);
    buf_init(&ground->anchor_records, FILE_LIMIT);
    for (size_t i = 0; i < settings->server_count && i < RESOLVER_SERVER_LIMIT; i++)
        add_server(&ground->servers, bytes_of(settings->servers[i]));
    if (settings->server_count == 0)
        system_servers(settings->resolv_conf ? settings->resolv_conf : "/etc/resolv.conf",
                       &ground->servers);
    read_text(settings->hosts ? settings->hosts : "/etc/hosts", &ground->hosts);
    const char *anchor = settings->trust_anchor;
    for (size_t i = 0; !anchor && i < COUNT(system_anchors); i++)
        if (access(system_anchors[i], R_OK) == 0)
            anchor = system_anchors[i];
    if (settings->is_validating && anchor)
        snprintf(ground->anchor, sizeof ground->anchor, "%s", anchor);
    if (ground->anchor[0] && settings->trust_anchor)
        buf_add(&ground->anchor_records, settings->anchor_records);
}

static void ground_done(struct ground *ground)
{
    buf_done(&ground->servers);
    buf_done(&ground->hosts);
    buf_done(&ground->anchor_records);
}

bool resolver_is_like(const struct resolver *resolver, const struct resolver_settings *settings)
{
    const struct ground *have = &resolver->ground;
    struct ground want;
    ground_init(&want, settings);
    bool is_like = bytes_equal(buf_view(&have->servers), buf_view(&want.servers)) &&
                   bytes_equal(buf_view(&have->hosts), buf_view(&want.hosts)) &&
                   strcmp(have->anchor, want.anchor) == 0 &&
                   bytes_equal(buf_view(&have->anchor_records), buf_view(&want.anchor_records)) &&
                   have->timeout_ms == want.timeout_ms &&
                   have->running_limit == want.running_limit &&
                   have->waiting_limit == want.waiting_limit;
    ground_done(&want);
    return is_like;
}

struct bytes resolver_servers(const struct resolver *resolver)
{
    return buf_view(&resolver->ground.servers);
}

const char *resolver_anchor(const struct resolver *resolver)
{
    return resolver->ground.anchor[0] ? resolver->ground.anchor : NULL;
}

/* --- Answers ------------------------------------------------------------------------------------
 */

static void order_finish(struct resolving *order)
{
    struct resolver *resolver = order->resolver;
    list_remove(&order->link);
    list_append(&resolver->finished, &order->link);
    timer_set(&resolver->timer, loop_now_ms(resolver->loop));
}

/* The question is no longer its order's. */
static void query_leave(struct query *query)
{
    list_remove(&query->order_link);
    query->order = NULL;
}

/* What tells a question from others, in the room given. Empty for a name that is too long for the
 * DNS: nobody answers for it. */
static struct bytes orphan_key(enum fact_type type, struct bytes name, uint8_t room[KEY_ROOM])
{
    if (name.len >= KEY_ROOM)
        return BYTES_NONE;
    room[0] = (uint8_t)type;
    if (name.len)
        memcpy(room + 1, name.at, name.len);
    return (struct bytes){room, name.len + 1};
}

static struct bytes query_name(const struct query *query)
{
    return (struct bytes){(const uint8_t *)query->name, query->len};
}

/* It runs, and nobody waits for it any more. */
static void orphan_add(struct query *query)
{
    uint8_t room[KEY_ROOM];
    struct bytes key = orphan_key(query->type, query_name(query), room);
    if (key.len && !map_find(query->resolver->orphans, key))
        map_add(query->resolver->orphans, key, query);
}

static void orphan_remove(struct query *query)
{
    uint8_t room[KEY_ROOM];
    struct bytes key = orphan_key(query->type, query_name(query), room);
    if (key.len && map_find(query->resolver->orphans, key) == query)
        map_take(query->resolver->orphans, key);
}

static void query_free(struct query *query)
{
    struct resolver *resolver = query->resolver;
    orphan_remove(query);
    turns_leave(resolver->turns, &query->turn);
    list_remove(&query->link);
    list_remove(&query->order_link);
    free(query);
}

static void query_answer(struct query *query, const struct answer *answer)
{
    struct resolving *order = query->order;
    facts_answer(order->facts, query->type, query_name(query), answer);
    query_leave(query);
    if (list_is_empty(&order->queries))
        order_finish(order);
}

static void query_fail(struct query *query, const char *reason)
{
    query_answer(query, &(struct answer){.status = ANSWER_SERVFAIL, .reason = bytes_of(reason)});
}

/* "name.example." of what libunbound prints; empty when that is the name that was asked for. */
static struct bytes canonical_name(const struct query *query, const char *printed)
{
    struct bytes name = bytes_of(printed);
    if (name.len && name.at[name.len - 1] == '.')
        name.len--;
    return bytes_equal_nocase(name, query_name(query)) ? BYTES_NONE : name;
}

/* Records that cannot be read are passed over; false when there is none that can. */
static bool read_records(enum fact_type type, const struct ub_result *result, struct arena *arena,
                         struct answer *answer)
{
    static const size_t room = FACTS_RECORD_LIMIT;
    struct answer_record *records = arena_alloc(arena, room * sizeof *records);
    for (size_t i = 0; records && result->data[i]; i++) {
        if (answer->count == room) {
            answer->is_cut = true;
            break;
        }
        struct bytes rdata = {(const uint8_t *)result->data[i], (size_t)result->len[i]};
        if (result->len[i] >= 0 && rdata_scan(type, rdata, arena, &records[answer->count]))
            answer->count++;
    }
    answer->records = records;
    return answer->count > 0;
}

static void read_failure(int error, const struct ub_result *result, struct answer *answer)
{
    answer->status = ANSWER_SERVFAIL;
    answer->reason = error                             ? bytes_of(ub_strerror(error))
                     : result->rcode == RCODE_SERVFAIL ? BYTES("its name servers do not answer, or "
                                                               "only with failures (SERVFAIL)")
                     : result->rcode == RCODE_REFUSED  ? BYTES("its name servers refuse to answer "
                                                                "(REFUSED)")
                                                       : BYTES("its name servers answer with an "
                                                                "error");
}

static void read_result(const struct query *query, int error, const struct ub_result *result,
                        struct arena *arena, struct answer *answer)
{
    if (error || !result) {
        read_failure(error ? error : UB_SERVFAIL, NULL, answer);
        return;
    }
    if (result->bogus) {
        answer->status = ANSWER_SERVFAIL;
        answer->is_bogus = true;
        answer->reason =
            result->why_bogus ? bytes_of(result->why_bogus) : BYTES("DNSSEC validation failed");
        return;
    }
    answer->is_secure = result->secure;
    answer->ttl_s = result->ttl > 0 ? (uint32_t)result->ttl : 0;
    answer->canonical = canonical_name(query, result->canonname);
    if (result->nxdomain)
        answer->status = ANSWER_NXDOMAIN;
    else if (result->rcode != RCODE_NOERROR)
        read_failure(0, result, answer);
    else if (!result->havedata)
        answer->status = ANSWER_NODATA;
    else if (read_records(query->type, result, arena, answer))
        answer->status = ANSWER_FOUND;
    else
        *answer = (struct answer){.status = ANSWER_SERVFAIL,
                                  .reason = BYTES("the answer's records cannot be read")};
}

static void on_result(void *context, int error, struct ub_result *result)
{
    struct query *query = context;
    if (query->order) {
        struct arena *arena = arena_new(ANSWER_ARENA);
        struct answer answer = {.status = ANSWER_SERVFAIL};
        read_result(query, error, result, arena, &answer);
        cache_add(query->resolver->cache, query->type,
                  (struct bytes){(const uint8_t *)query->name, query->len}, &answer,
                  loop_now_ms(query->resolver->loop));
        query_answer(query, &answer);
        arena_free(arena);
    }
    query_free(query);
    ub_resolve_free(result);
}

/* --- Questions -------------------------------------------------------------------------------- */

/* As libunbound reads names: what is not plain is escaped (RFC 1035, 5.1). */
static void print_escaped(const struct query *query, char out[ESCAPED_NAME])
{
    size_t len = 0;
    for (size_t i = 0; i < query->len; i++) {
        uint8_t byte = (uint8_t)query->name[i];
        if (byte > ' ' && byte < 0x7F && byte != '\\')
            out[len++] = (char)byte;
        else
            len += (size_t)snprintf(out + len, ESCAPED_NAME - len, "\\%03u", byte);
    }
    out[len] = 0;
}

static void query_run(struct query *query)
{
    struct resolver *resolver = query->resolver;
    char name[ESCAPED_NAME];
    print_escaped(query, name);
    list_append(&resolver->running, &query->link);
    int failed = ub_resolve_async(resolver->unbound, name, type_numbers[query->type], CLASS_IN,
                                  query, on_result, NULL);
    if (!failed)
        return;
    query_fail(query, ub_strerror(failed));
    query_free(query);
}

static void run_waiting(struct resolver *resolver)
{
    for (struct turn *turn; (turn = turns_next(resolver->turns));)
        query_run(CONTAINER(turn, struct query, turn));
}

/* A name that is tried again and again, and whose servers are silent, takes one place, not one
 * each time: what runs already is waited for once more. */
static bool adopt(struct resolving *order, const struct question *question)
{
    uint8_t room[KEY_ROOM];
    struct bytes key = orphan_key(question->type, question->name, room);
    struct query *query = key.len ? map_take(order->resolver->orphans, key) : NULL;
    if (!query)
        return false;
    query->order = order;
    list_append(&order->queries, &query->order_link);
    return true;
}

static bool answer_here(struct resolver *resolver, struct facts *facts,
                        const struct question *question)
{
    return hosts_answer(buf_view(&resolver->ground.hosts), facts, question->type, question->name) ||
           cache_answer(resolver->cache, facts, question, loop_now_ms(resolver->loop));
}

bool resolver_answer(struct resolver *resolver, struct facts *facts)
{
    struct question question;
    bool is_complete = true;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        is_complete &= answer_here(resolver, facts, &question);
    return is_complete;
}

static void add_query(struct resolving *order, const struct question *question)
{
    struct resolver *resolver = order->resolver;
    if (answer_here(resolver, order->facts, question) || adopt(order, question))
        return;
    struct query *query = memory_new(1, sizeof *query + question->name.len + 1);
    if (!turns_wait(resolver->turns, &query->turn, question->name)) {
        struct answer busy = {.status = ANSWER_SERVFAIL,
                              .reason = BYTES("too many questions wait for the DNS already")};
        facts_answer(order->facts, question->type, question->name, &busy);
        free(query);
        return;
    }
    query->resolver = resolver;
    query->order = order;
    query->type = question->type;
    query->len = question->name.len;
    memcpy(query->name, question->name.at, question->name.len);
    list_init(&query->order_link);
    list_append(&order->queries, &query->order_link);
    list_init(&query->link);
}

static void order_expire(struct resolving *order)
{
    char reason[64];
    snprintf(reason, sizeof reason, "nobody in the DNS answered within %lld ms",
             (long long)order->resolver->ground.timeout_ms);
    struct answer late = {.status = ANSWER_TIMEOUT, .reason = bytes_of(reason)};
    LIST_EACH (&order->queries, struct query, order_link, query) {
        query_answer(query, &late);
        if (query->turn.is_running)
            orphan_add(query);
        else
            query_free(query);
    }
}

/* --- Turns ------------------------------------------------------------------------------------ */

static void set_timer(struct resolver *resolver)
{
    struct resolving *first = LIST_FIRST(&resolver->orders, struct resolving, link);
    timer_set(&resolver->timer, !list_is_empty(&resolver->finished) ? loop_now_ms(resolver->loop)
                                : first                             ? first->deadline_ms
                                                                    : INT64_MAX);
}

static void release(struct resolver *resolver);

/* The resolver may be gone behind it. */
static void call_finished(struct resolver *resolver)
{
    resolver->is_calling = true;
    for (struct resolving *order;
         (order = LIST_FIRST(&resolver->finished, struct resolving, link));) {
        resolver_done *done = order->done;
        void *context = order->context;
        list_remove(&order->link);
        free(order);
        done(context);
    }
    resolver->is_calling = false;
    bool is_over = resolver->is_retired && list_is_empty(&resolver->orders);
    if (resolver->is_freed || is_over)
        release(resolver);
    else
        set_timer(resolver);
}

static void on_timer(void *context)
{
    struct resolver *resolver = context;
    LIST_EACH (&resolver->orders, struct resolving, link, order) {
        if (order->deadline_ms > loop_now_ms(resolver->loop))
            break;
        order_expire(order);
    }
    run_waiting(resolver);
    call_finished(resolver);
}

static void on_ready(void *context, unsigned events)
{
    struct resolver *resolver = context;
    ub_process(resolver->unbound);
    run_waiting(resolver);
    call_finished(resolver);
}

struct resolving *resolver_resolve(struct resolver *resolver, struct facts *facts,
                                   resolver_done *done, void *context)
{
    ASSERT(!resolver->is_retired && !resolver->is_freed);
    struct resolving *order = NEW(struct resolving);
    *order =
        (struct resolving){.resolver = resolver,
                           .facts = facts,
                           .deadline_ms = loop_now_ms(resolver->loop) + resolver->ground.timeout_ms,
                           .done = done,
                           .context = context};
    list_init(&order->queries);
    list_init(&order->link);
    list_append(&resolver->orders, &order->link);
    struct question question;
    for (size_t place = 0; facts_next_open(facts, &place, &question);)
        add_query(order, &question);
    if (list_is_empty(&order->queries))
        order_finish(order);
    run_waiting(resolver);
    set_timer(resolver);
    return order;
}

void resolver_cancel(struct resolving *resolving_owned)
{
    if (!resolving_owned)
        return;
    struct resolver *resolver = resolving_owned->resolver;
    LIST_EACH (&resolving_owned->queries, struct query, order_link, query) {
        query_leave(query);
        if (query->turn.is_running)
            orphan_add(query);
        else
            query_free(query);
    }
    list_remove(&resolving_owned->link);
    free(resolving_owned);
    if (resolver->is_retired && !resolver->is_calling)
        timer_set(&resolver->timer, loop_now_ms(resolver->loop));
}

/* --- Life ---------------------------------------------------------------------------------------
 */

/* libunbound has "::1@53" for "[::1]:53". */
static bool add_forward(struct ub_ctx *unbound, struct bytes server, struct error *err)
{
    char text[128];
    size_t colon = bytes_find_last(server, ':');
    struct bytes host = bytes_sub(server, 0, colon), port = bytes_from(server, colon + 1);
    if (host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']')
        host = bytes_sub(host, 1, host.len - 2);
    if (host.len + port.len + 2 > sizeof text || port.len == 0)
        return error_set(err, 0, "\"%.*s\" is no address with its port", BYTES_ARGS(server));
    snprintf(text, sizeof text, "%.*s@%.*s", BYTES_ARGS(host), BYTES_ARGS(port));
    int failed = ub_ctx_set_fwd(unbound, text);
    return !failed || error_set(err, 0, "server %.*s: %s", BYTES_ARGS(server), ub_strerror(failed));
}

/* By opening it: access() knows nothing of Landlock. */
static bool is_readable(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool add_anchor(struct resolver *resolver, struct error *err)
{
    const char *path = resolver_anchor(resolver);
    struct bytes record, rest = buf_view(&resolver->ground.anchor_records);
    int failed = 0;
    if (!path)
        return true;
    if (rest.len == 0) {
        if (!is_readable(path))
            return error_set(err, errno, "trust anchor %s", path);
        failed = ub_ctx_add_ta_file(resolver->unbound, path);
    }
    while (rest.len && !failed) {
        char line[ANCHOR_LINE];
        bytes_cut(rest, '\n', &record, &rest);
        int len = snprintf(line, sizeof line, "%.*s", BYTES_ARGS(record));
        if ((size_t)len >= sizeof line)
            return error_set(err, 0, "trust anchor %s: a record is too long", path);
        failed = ub_ctx_add_ta(resolver->unbound, line);
    }
    return !failed || error_set(err, 0, "trust anchor %s: %s", path, ub_strerror(failed));
}

static bool set_up(struct resolver *resolver, struct error *err)
{
    struct ub_ctx *unbound = resolver->unbound;
    /* What it would print is said by its answers. */
    ub_ctx_debugout(unbound, NULL);
    for (size_t i = 0; i < COUNT(options); i++)
        (void)ub_ctx_set_option(unbound, options[i].name, options[i].value);
    struct bytes server, rest = buf_view(&resolver->ground.servers);
    while (rest.len) {
        bytes_cut(rest, ' ', &server, &rest);
        if (!add_forward(unbound, server, err))
            return false;
    }
    if (!add_anchor(resolver, err))
        return false;
    int failed = ub_ctx_async(unbound, 1);
    return !failed || error_set(err, 0, "libunbound: %s", ub_strerror(failed));
}

static void on_first(void *context, int error, struct ub_result *result)
{
    ub_resolve_free(result);
}

/* Changing zones makes libunbound read its files, the first question starts its thread: what is
 * wrong shows now. The question is answered without the network (RFC 6761, 6.3). */
static bool begin(struct resolver *resolver, struct error *err)
{
    sigset_t all, before;
    int failed = 0;
    for (size_t i = 0; !failed && i < COUNT(private_zones); i++)
        failed = ub_ctx_zone_remove(resolver->unbound, private_zones[i]);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's thread's */
    if (!failed)
        failed = ub_resolve_async(resolver->unbound, "localhost.", type_numbers[FACT_A], CLASS_IN,
                                  NULL, on_first, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed && resolver_anchor(resolver))
        return error_set(err, 0, "trust anchor %s: it is no list of DS or DNSKEY records",
                         resolver_anchor(resolver));
    return !failed || error_set(err, 0, "libunbound: %s", ub_strerror(failed));
}

static bool open_watch(struct resolver *resolver, struct error *err)
{
    /* A watch closes its descriptor, and so does libunbound. */
    int fd = dup(ub_fd(resolver->unbound));
    if (fd < 0)
        return error_set(err, errno, "resolver");
    resolver->watch = watch_open(resolver->loop, fd, on_ready, resolver, err);
    if (!resolver->watch)
        return false;
    watch_want(resolver->watch, WATCH_READ);
    return true;
}

/* For hash maps: not for peers to know. */
static uint64_t random_seed(const struct resolver *resolver)
{
    return (uintptr_t)resolver ^ (uint64_t)loop_now_ms(resolver->loop);
}

struct resolver *resolver_new(struct loop *loop, const struct resolver_settings *settings,
                              struct error *err)
{
    struct resolver *resolver = NEW(struct resolver);
    resolver->loop = loop;
    timer_init(&resolver->timer, loop, on_timer, resolver);
    list_init(&resolver->orders);
    list_init(&resolver->finished);
    list_init(&resolver->running);
    resolver->orphans = map_new(random_seed(resolver));
    ground_init(&resolver->ground, settings);
    resolver->turns = turns_new(resolver->ground.running_limit, resolver->ground.waiting_limit,
                                random_seed(resolver));
    resolver->cache = cache_new(CACHE_BYTES, random_seed(resolver));
    resolver->unbound = ub_ctx_create();
    bool is_good = resolver->unbound || error_set(err, errno, "libunbound");
    if (is_good && set_up(resolver, err) && begin(resolver, err) && open_watch(resolver, err))
        return resolver;
    release(resolver);
    return NULL;
}

static void release(struct resolver *resolver)
{
    if (resolver->watch)
        watch_close(resolver->watch);
    if (resolver->unbound)
        ub_ctx_delete(resolver->unbound);
    /* Their callbacks never come now. */
    LIST_EACH (&resolver->running, struct query, link, query) {
        query_free(query);
    }
    turns_free(resolver->turns);
    map_free(resolver->orphans);
    timer_clear(&resolver->timer);
    cache_free(resolver->cache);
    ground_done(&resolver->ground);
    free(resolver);
}

void resolver_free(struct resolver *resolver)
{
    if (!resolver)
        return;
    LIST_EACH (&resolver->orders, struct resolving, link, order) {
        resolver_cancel(order);
    }
    LIST_EACH (&resolver->finished, struct resolving, link, done) {
        resolver_cancel(done);
    }
    if (resolver->is_calling)
        resolver->is_freed = true;
    else
        release(resolver);
}

void resolver_retire(struct resolver *resolver_owned)
{
    if (!resolver_owned)
        return;
    resolver_owned->is_retired = true;
    timer_set(&resolver_owned->timer, loop_now_ms(resolver_owned->loop));
}
