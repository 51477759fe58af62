#include "cli/bench_plan.h"

#include <string.h>

#include "daemon/schema.h"
#include "smtp/extensions.h"

static const int64_t DURATION_MOST_MS = INT64_C(24) * 3600 * 1000;
enum {
    COUNT_DEFAULT = 10000,
    USERS_MOST = 10000000,
    DURATION_DEFAULT_MS = 10 * 60 * 1000,
    FOR_SENDERS = BENCH_SEND | BENCH_RELAY,
    FOR_SINKS = BENCH_SINK | BENCH_RELAY,
    FOR_ALL = FOR_SENDERS | FOR_SINKS,
};

/* What only some defaults need to know. */
struct reading {
    struct bench_plan plan;
    const char *from, *to, *domains, *size;
    bool has_count, has_duration;
    struct error *err;
};

enum kind { FLAG, NUMBER, DURATION, CHANCE, TEXT, RATE, ARRIVALS, PLACE, EXTENSIONS };

#define PLAN(member) offsetof(struct reading, plan.member)
#define OWN(member) offsetof(struct reading, member)

static const struct option {
    const char *name, *argument; /* argument NULL: a flag */
    unsigned modes;
    enum kind kind;
    size_t offset;
    uint64_t least, most; /* NUMBER, and DURATION in ms */
    const char *help;
} options[] = {
    {"--server", "HOST:PORT|unix:PATH", FOR_SENDERS, PLACE, PLAN(server), 0, 0, "where to send"},
    {"--listen", "HOST:PORT", BENCH_SINK, PLACE, PLAN(sink), 0, 0,
     "where to listen; port 0 takes a free one"},
    {"--sink", "HOST:PORT", BENCH_RELAY, PLACE, PLAN(sink), 0, 0,
     "where to listen for what the server relays"},
    {"--i-own-it", NULL, FOR_ALL, FLAG, PLAN(is_ours), 0, 0,
     "go beyond the loopback: the hosts are mine to load"},
    {"--lmtp", NULL, FOR_ALL, FLAG, PLAN(is_lmtp), 0, 0,
     "speak LMTP; in relay, what is sent (the sink speaks SMTP)"},
    {"--tls", NULL, FOR_ALL, FLAG, PLAN(has_tls), 0, 0,
     "by STARTTLS, a full handshake each time, whatever the certificate; a sink offers it"},
    {"--count", "N", FOR_ALL, NUMBER, PLAN(count), 1, BENCH_COUNT_MOST,
     "end after so many messages (10000; with --duration and for a sink: any)"},
    {"--duration", "T", FOR_ALL, DURATION, PLAN(duration_ms), 1, 86400000,
     "end after this time (10m; for a sink and --idle the most: 24h)"},
    {"--sessions", "N", FOR_SENDERS, NUMBER, PLAN(sessions), 1, BENCH_SESSIONS_MOST,
     "connections at a time, at most (20)"},
    {"--messages-per-session", "N", FOR_SENDERS, NUMBER, PLAN(messages_per_session), 0,
     BENCH_COUNT_MOST, "then connect anew (0: as many as the server takes)"},
    {"--recipients", "N", FOR_SENDERS, NUMBER, PLAN(recipients), 1, BENCH_RECIPIENTS_MOST,
     "recipients a message (1)"},
    {"--to", "PATTERN", FOR_SENDERS, TEXT, OWN(to), 0, 0,
     "recipients; %d becomes a number (user%d@example.org)"},
    {"--users", "N", FOR_SENDERS, NUMBER, PLAN(users), 1, USERS_MOST,
     "how many numbers take turns in --to and --from (100)"},
    {"--domains", "A,B,…", FOR_SENDERS, TEXT, OWN(domains), 0, 0,
     "domains that take turns, message by message, instead of the one in --to"},
    {"--from", "PATTERN", FOR_SENDERS, TEXT, OWN(from), 0, 0, "sender (bench@example.org)"},
    {"--size", "SIZE", FOR_SENDERS, TEXT, OWN(size), 0, 0,
     "of a message: 4K, 1K-64K, or weights 70:2K,25:8K-32K,5:1M (4K)"},
    {"--letter", "FILE", FOR_SENDERS, TEXT, PLAN(letter), 0, 0,
     "a message to send as it is, over and over, its number in front (-: standard input)"},
    {"--rate", "R", FOR_SENDERS, RATE, PLAN(rate_milli), 0, 0,
     "messages a second by schedule, whatever the server does (as fast as it goes)"},
    {"--arrivals", "poisson|even", FOR_SENDERS, ARRIVALS, PLAN(arrivals), 0, 0,
     "the gaps of the schedule (poisson)"},
    {"--idle", "N", BENCH_SEND, NUMBER, PLAN(idle), 1, BENCH_SESSIONS_MOST,
     "open N sessions, send nothing, and hold them until interrupted"},
    {"--timeout", "T", FOR_SENDERS, DURATION, PLAN(timeout_ms), 100, 600000,
     "how long to wait for any reply (60s)"},
    {"--wait", "T", BENCH_RELAY, DURATION, PLAN(wait_ms), 1, 3600000,
     "how long nothing may arrive before the rest counts as lost (30s)"},
    {"--delay-data", "T", FOR_SINKS, DURATION, PLAN(delay_ms), 0, 600000,
     "answer the end of each message so much later"},
    {"--tempfail", "PERCENT", FOR_SINKS, CHANCE, PLAN(tempfail), 0, 0,
     "of recipients answered 451"},
    {"--reject", "PERCENT", FOR_SINKS, CHANCE, PLAN(reject), 0, 0, "of recipients answered 550"},
    {"--greylist", "T", FOR_SINKS, DURATION, PLAN(greylist_ms), 0, 86400000,
     "answer 451 to a sender and recipient not seen before, for so long"},
    {"--drop", "PERCENT", FOR_SINKS, CHANCE, PLAN(drop), 0, 0,
     "of messages in whose midst the connection is closed"},
    {"--max-messages", "N", FOR_SINKS, NUMBER, PLAN(max_messages), 0, BENCH_COUNT_MOST,
     "a session, then 421 (0: any)"},
    {"--hide", "A,B,…", FOR_SINKS, EXTENSIONS, PLAN(hidden), 0, 0,
     "extensions not to offer: PIPELINING, SIZE, 8BITMIME, BINARYMIME, CHUNKING, SMTPUTF8, DSN"},
    {"--processes", "N", BENCH_SEND | BENCH_SINK, NUMBER, PLAN(processes), 1, BENCH_PROCESSES_MOST,
     "share the work among so many (1)"},
    {"--seed", "N", FOR_ALL, NUMBER, PLAN(seed), 0, UINT64_MAX, "the same sizes and chances (1)"},
    {"--json", NULL, FOR_ALL, FLAG, PLAN(is_json), 0, 0, "print JSON for programs"},
};

void bench_plan_print_options(enum bench_mode mode, FILE *out)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (options[i].modes & mode)
            fprintf(out, "  %s%s%s\n      %s\n", options[i].name, options[i].argument ? " " : "",
                    options[i].argument ? options[i].argument : "", options[i].help);
}

/* --- Values ------------------------------------------------------------------------------------
 */

static bool scan_place(const char *text, struct bench_place *out)
{
    struct bench_place place = {.text = text};
    struct bytes whole = bytes_of(text);
    if (bytes_starts(whole, BYTES("unix:"))) {
        place.unix_path = text + 5;
        *out = place;
        return whole.len > 5;
    }
    size_t colon = bytes_find_last(whole, ':');
    struct bytes host = bytes_sub(whole, 0, colon);
    uint64_t port;
    bool is_literal = host.len > 2 && host.at[0] == '[' && host.at[host.len - 1] == ']';
    if (is_literal)
        host = bytes_sub(host, 1, host.len - 2);
    /* Without brackets, a colon more is an IPv6 address without its port. */
    if (!host.len || host.len > BENCH_HOST_LIMIT ||
        (!is_literal && bytes_find(host, ':') < host.len) ||
        !scan_u64(bytes_from(whole, colon + 1), UINT16_MAX, &port))
        return false;
    memcpy(place.host, host.at, host.len);
    place.port = (uint16_t)port;
    *out = place;
    return true;
}

/* A percentage, as thousandths of a percent. */
static bool scan_chance(struct bytes text, uint64_t *out)
{
    if (bytes_equal(text, BYTES("0"))) {
        *out = 0;
        return true;
    }
    uint64_t chance;
    if (!bench_rate_scan(text, &chance) || chance > 100 * BENCH_PERCENT)
        return false;
    *out = chance;
    return true;
}

static bool scan_extensions(struct bytes text, unsigned *out)
{
    struct extensions extensions;
    extensions_init(&extensions);
    bool has_more = true;
    for (struct bytes name; has_more;) {
        unsigned before = extensions.offers;
        has_more = bytes_cut(text, ',', &name, &text);
        extensions_add(&extensions, name);
        if (extensions.offers == before)
            return false;
    }
    *out = extensions.offers;
    return true;
}

static bool read_number(struct reading *reading, const struct option *option, struct bytes value)
{
    uint64_t number;
    if (!scan_u64(value, option->most, &number) || number < option->least)
        return error_set(reading->err, 0, "%s takes a number from %llu to %llu", option->name,
                         (unsigned long long)option->least, (unsigned long long)option->most);
    memcpy((char *)reading + option->offset, &number, sizeof number);
    return true;
}

static bool read_duration(struct reading *reading, const struct option *option, struct bytes value)
{
    int64_t duration_ms;
    if (!schema_scan_duration(value, &duration_ms) || duration_ms < (int64_t)option->least ||
        duration_ms > (int64_t)option->most)
        return error_set(reading->err, 0, "%s takes a time such as 250ms, 30s or 5m, at most %llus",
                         option->name, (unsigned long long)option->most / 1000);
    memcpy((char *)reading + option->offset, &duration_ms, sizeof duration_ms);
    return true;
}

static bool read_value(struct reading *reading, const struct option *option, const char *text)
{
    void *place = (char *)reading + option->offset;
    struct bytes value = bytes_of(text);
    struct error *err = reading->err;
    switch (option->kind) {
    case FLAG: *(bool *)place = true; return true;
    case NUMBER: return read_number(reading, option, value);
    case DURATION: return read_duration(reading, option, value);
    case TEXT: *(const char **)place = text; return true;
    case CHANCE:
        return scan_chance(value, place) ||
               error_set(err, 0, "%s takes a percentage from 0 to 100, such as 2.5", option->name);
    case RATE:
        return bench_rate_scan(value, place) ||
               error_set(err, 0, "%s takes messages a second, from 0.001 to 1000000", option->name);
    case ARRIVALS:
        *(enum bench_arrivals *)place =
            bytes_equal(value, BYTES("even")) ? ARRIVALS_EVEN : ARRIVALS_POISSON;
        return bytes_equal(value, BYTES("even")) || bytes_equal(value, BYTES("poisson")) ||
               error_set(err, 0, "%s takes poisson or even", option->name);
    case PLACE:
        return scan_place(text, place) ||
               error_set(err, 0, "%s takes %s, not %s", option->name, option->argument, text);
    case EXTENSIONS:
        return scan_extensions(value, place) ||
               error_set(err, 0, "%s takes %s", option->name, strchr(option->help, ':') + 2);
    }
    return false;
}

static const struct option *find_option(enum bench_mode mode, struct bytes name)
{
    for (size_t i = 0; i < COUNT(options); i++)
        if (options[i].modes & mode && bytes_equal(bytes_of(options[i].name), name))
            return &options[i];
    return NULL;
}

static bool read_arguments(struct reading *reading, char **arguments, size_t count)
{
    struct bench_plan *plan = &reading->plan;
    for (size_t i = 0; i < count; i++) {
        struct bytes name, value;
        bool has_value = bytes_cut(bytes_of(arguments[i]), '=', &name, &value);
        const struct option *option = find_option(plan->mode, name);
        if (!option)
            return error_set(reading->err, 0, "there is no option %s", arguments[i]);
        if (has_value && !option->argument)
            return error_set(reading->err, 0, "%s takes no value", option->name);
        if (!has_value && option->argument && ++i == count)
            return error_set(reading->err, 0, "%s needs a value: %s", option->name,
                             option->argument);
        /* The value is the argument's tail either way, so it ends in NUL. */
        if (!read_value(reading, option, has_value ? (const char *)value.at : arguments[i]))
            return false;
        reading->has_count |= option->offset == PLAN(count);
        reading->has_duration |= option->offset == PLAN(duration_ms);
    }
    return true;
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

static bool check_address(const struct bench_pattern *pattern, size_t turn)
{
    struct buf text;
    struct address address;
    buf_init(&text, PATH_LIMIT);
    bench_pattern_print(pattern, USERS_MOST, turn, &text);
    bool is_good =
        !text.overflowed && address_parse(buf_view(&text), ADDRESS_ASCII, &address) == PATH_OK;
    buf_done(&text);
    return is_good;
}

static bool scan_pattern(const char *text, const char *domains, struct bench_pattern *out,
                         struct error *err)
{
    struct bytes whole = bytes_of(text);
    size_t at = bytes_find_last(whole, '@');
    struct bench_pattern pattern = {.before = bytes_sub(whole, 0, at)};
    size_t mark = bytes_search(pattern.before, BYTES("%d"));
    pattern.has_number = mark < pattern.before.len;
    if (pattern.has_number)
        pattern.after = bytes_from(pattern.before, mark + 2);
    pattern.before = bytes_sub(pattern.before, 0, mark);
    struct bytes rest = domains ? bytes_of(domains) : bytes_from(whole, at + 1);
    for (bool has_more = true; has_more;) {
        if (pattern.domain_count == BENCH_DOMAINS_MOST)
            return error_set(err, 0, "--domains takes at most 64 of them");
        has_more = bytes_cut(rest, ',', &pattern.domains[pattern.domain_count++], &rest);
    }
    for (size_t i = 0; i < pattern.domain_count; i++)
        if (!check_address(&pattern, i))
            return error_set(err, 0, "%s%s%s: write addresses such as user%%d@example.org", text,
                             domains ? " with domains " : "", domains ? domains : "");
    *out = pattern;
    return true;
}

void bench_pattern_print(const struct bench_pattern *pattern, uint64_t number, uint64_t turn,
                         struct buf *out)
{
    buf_add(out, pattern->before);
    if (pattern->has_number)
        buf_add_u64(out, number);
    buf_add(out, pattern->after);
    buf_add_byte(out, '@');
    buf_add(out, pattern->domains[turn % pattern->domain_count]);
}

bool bench_pattern_number(const struct bench_pattern *pattern, struct bytes address, uint64_t *out)
{
    struct bytes local = bytes_sub(address, 0, bytes_find_last(address, '@'));
    size_t around = pattern->before.len + pattern->after.len;
    if (!pattern->has_number) {
        *out = 0;
        return bytes_equal_nocase(local, pattern->before);
    }
    return local.len > around && bytes_starts_nocase(local, pattern->before) &&
           bytes_ends_nocase(local, pattern->after) &&
           scan_u64(bytes_sub(local, pattern->before.len, local.len - around), USERS_MOST, out);
}

uint64_t bench_plan_number(const struct bench_plan *plan, uint64_t id, size_t place)
{
    return plan->to.has_number ? (id * plan->recipients + place) % plan->users : 0;
}

bool bench_plan_place(const struct bench_plan *plan, uint64_t id, uint64_t number, size_t *out)
{
    uint64_t first = bench_plan_number(plan, id, 0);
    uint64_t modulus = plan->to.has_number ? plan->users : 1;
    if (number >= modulus)
        return false;
    uint64_t place = (number + modulus - first) % modulus;
    if (place >= plan->recipients)
        return false;
    *out = (size_t)place;
    return true;
}

/* --- The whole ---------------------------------------------------------------------------------
 */

static bool check_senders(struct reading *reading)
{
    struct bench_plan *plan = &reading->plan;
    struct error *err = reading->err;
    if (!plan->server.text)
        return error_set(err, 0, "--server HOST:PORT says where to send");
    if (!scan_pattern(reading->to, reading->domains, &plan->to, err) ||
        !scan_pattern(reading->from, NULL, &plan->from, err) ||
        !bench_sizes_scan(bytes_of(reading->size), &plan->sizes, err))
        return false;
    if (plan->recipients > 1 && !plan->to.has_number)
        return error_set(err, 0, "several recipients need a %%d in --to, to be different");
    if (plan->users < plan->recipients)
        plan->users = plan->recipients;
    if (plan->mode == BENCH_RELAY &&
        (plan->count > BENCH_COUNTED_MOST || plan->count * plan->recipients > BENCH_BITS_MOST))
        return error_set(err, 0,
                         "relay keeps account of at most %d messages and %d recipients in all",
                         BENCH_COUNTED_MOST, BENCH_BITS_MOST);
    if (plan->sessions < plan->processes)
        plan->sessions = plan->processes;
    return true;
}

static bool settle(struct reading *reading)
{
    struct bench_plan *plan = &reading->plan;
    bool is_sender = plan->mode != BENCH_SINK;
    if (!reading->has_count) {
        plan->count = is_sender && !reading->has_duration ? COUNT_DEFAULT : BENCH_COUNT_MOST;
        if (plan->mode == BENCH_RELAY && reading->has_duration) {
            uint64_t room = BENCH_BITS_MOST / plan->recipients;
            plan->count = room < BENCH_COUNTED_MOST ? room : BENCH_COUNTED_MOST;
        }
    }
    if (!reading->has_duration && (!is_sender || plan->idle))
        plan->duration_ms = DURATION_MOST_MS;
    if (plan->mode != BENCH_SEND && (!plan->sink.text || plan->sink.unix_path))
        return error_set(reading->err, 0, "%s HOST:PORT says where to listen",
                         plan->mode == BENCH_SINK ? "--listen" : "--sink");
    return !is_sender || check_senders(reading);
}

bool bench_plan_read(enum bench_mode mode, char **arguments, size_t count, struct bench_plan *out,
                     struct error *err)
{
    struct reading reading = {
        .plan = {.mode = mode,
                 .sessions = 20,
                 .recipients = 1,
                 .users = 100,
                 .processes = 1,
                 .seed = 1,
                 .arrivals = ARRIVALS_POISSON,
                 .duration_ms = DURATION_DEFAULT_MS,
                 .timeout_ms = 60 * 1000,
                 .wait_ms = 30 * 1000},
        .from = "bench@example.org",
        .to = "user%d@example.org",
        .size = "4K",
        .err = err,
    };
    if (!read_arguments(&reading, arguments, count) || !settle(&reading))
        return false;
    *out = reading.plan;
    return true;
}
