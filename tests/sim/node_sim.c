/* A whole node under a seed: the daemon's worker with its sessions, queue and spool; clients that
 * submit letters, hosts that take them or not; a network and a disk that fail, and crashes at any
 * point. In the end the faults stop, and when the queue is empty every promise must have been kept
 * (ledger.h).
 *
 *   node_sim --seed N [-v]    replays exactly; -v tells the story
 *   node_sim --seeds A..B [--first]    with --first up to the first bad seed */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "client.h"
#include "log_sim.h"
#include "node.h"
#include "peer.h"
#include "seeds.h"

enum { HOSTS = 5, GONE = HOSTS - 1, OPTION_TEXT = 160, CONFIG_TEXT = 2048 };
enum { STEP_LIMIT = 2000000, FINISH_LIMIT = 4 };
#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)

/* By a local socket, by a route, by MX records, by an address alone, and nowhere. */
static const struct host {
    const char *domain, *place;
} hosts[HOSTS] = {
    {"home.example", "unix:/sim/lmtp"}, {"a.example", "10.0.0.1:25"}, {"b.example", "10.0.0.2:25"},
    {"c.example", "10.0.0.3:25"},       {"gone.example", NULL},
};

/* What the DNS says, when it is well; names not here do not exist. No host has 10.9.9.9 or an
 * IPv6 address that leads anywhere. */
static const struct zone_row {
    const char *name;
    enum fact_type type;
    uint16_t preference;
    const char *data;
    uint8_t address[16];
} zone[] = {
    {"b.example", FACT_MX, 10, "mx1.b.example", {0}},
    {"b.example", FACT_MX, 20, "mx2.b.example", {0}},
    {"b.example", FACT_MX, 20, "mx3.b.example", {0}},
    {"mx1.b.example", FACT_A, 0, NULL, {10, 9, 9, 9}},
    {"mx2.b.example", FACT_A, 0, NULL, {10, 0, 0, 2}},
    {"mx2.b.example", FACT_AAAA, 0, NULL, {0x20, 1, 0xd, 0xb8, 1}},
    {"mx3.b.example", FACT_A, 0, NULL, {10, 0, 0, 2}},
    {"c.example", FACT_A, 0, NULL, {10, 0, 0, 3}},
    {"c.example", FACT_AAAA, 0, NULL, {0x20, 1, 0xd, 0xb8, 2}},
    {"gone.example", FACT_MX, 0, "", {0}},
};

struct options {
    char mail[OPTION_TEXT], rcpt[LETTER_RECIPIENTS][OPTION_TEXT];
};

struct run {
    uint64_t seed, random;
    struct world *world;
    struct ledger *ledger;
    struct node node;
    struct loop *outside;
    struct peer *peers[GONE];
    struct options options[LETTER_LIMIT];
    char config[CONFIG_TEXT];
    struct list clients;
    unsigned wire_trouble; /* how often in a thousand a connection has a bad fate, */
    unsigned dns_trouble;  /* or a question no answer */
    struct disk_sim_faults faults;
    int64_t expire_ms, trouble_ms; /* until when there are faults */
    uint64_t crash_step;           /* the node dies at the next one; 0: not by itself */
    unsigned crashes_left, lives;
    bool is_calm, is_verbose;
};

static uint64_t draw(struct run *run, uint64_t below)
{
    return random_next(&run->random) % below;
}

/* --- The story -------------------------------------------------------------------------------- */

static void print_field(const struct log_field *field)
{
    switch (field->kind) {
    case LOG_KIND_NUMBER: printf(" %s=%" PRId64, field->name, field->number); return;
    case LOG_KIND_ID: printf(" %s=%" PRIx64, field->name, (uint64_t)field->number); return;
    case LOG_KIND_OPTIONAL:
    case LOG_KIND_TEXT:
        printf(" %s=\"%.*s\"", field->name, BYTES_ARGS(bytes_sub(field->text, 0, 120)));
        return;
    }
}

static void on_log(void *context, enum log_level level, const char *name,
                   const struct log_field *fields, size_t count)
{
    struct run *run = context;
    if (run->node.is_dying)
        return;
    if (strcmp(name, "report") == 0)
        ledger_reported(run->ledger, log_sim_field(fields, count, "to")->text);
    else if (strcmp(name, "report-failed") == 0)
        ledger_report_failed(run->ledger, (uint64_t)log_sim_field(fields, count, "id")->number);
    else if (strcmp(name, "accepted") == 0)
        ledger_took(run->ledger, log_sim_field(fields, count, "from")->text,
                    (uint64_t)log_sim_field(fields, count, "id")->number);
    if (!run->is_verbose)
        return;
    int64_t now_ms = world_now_ms(run->world);
    printf("%4" PRId64 ":%02d:%02d.%03d %8" PRIu64 " %s", now_ms / HOUR_MS,
           (int)(now_ms / MINUTE_MS % 60), (int)(now_ms / SECOND_MS % 60),
           (int)(now_ms % SECOND_MS), world_steps(run->world), name);
    for (size_t i = 0; i < count; i++)
        print_field(&fields[i]);
    printf("\n");
}

/* --- What is drawn ---------------------------------------------------------------------------- */

static void draw_fate(void *context, const char *place, struct wire_fate *out)
{
    struct run *run = context;
    out->latency_ms = (int64_t)draw(run, 100);
    if (draw(run, 1000) >= run->wire_trouble)
        return;
    switch (draw(run, 6)) {
    case 0: out->is_refused = true; return;
    case 1: out->is_silent = true; return;
    case 2: out->is_crumbled = true; return;
    case 3: out->latency_ms = (int64_t)draw(run, 20 * SECOND_MS); return;
    case 4: out->window = 1 + draw(run, 300); return;
    case 5: break;
    }
    out->cut_after[draw(run, 2)] = (int64_t)draw(run, draw(run, 3) ? 400 : 6000);
}

static void answer_dns(void *context, const struct question *question,
                       struct answer_record *records, struct answer *answer)
{
    static const enum answer_status bad[] = {ANSWER_SERVFAIL, ANSWER_TIMEOUT};
    struct run *run = context;
    bool is_known = false;
    answer->ttl_s = (uint32_t)draw(run, 3600);
    for (size_t i = 0; i < COUNT(zone); i++) {
        const struct zone_row *row = &zone[i];
        if (!bytes_equal(question->name, bytes_of(row->name)))
            continue;
        is_known = true;
        if (row->type != question->type)
            continue;
        struct answer_record *record = &records[answer->count++];
        record->preference = row->preference;
        record->data = row->data ? bytes_of(row->data)
                                 : (struct bytes){row->address, row->type == FACT_A ? 4 : 16};
    }
    answer->status = answer->count ? ANSWER_FOUND : is_known ? ANSWER_NODATA : ANSWER_NXDOMAIN;
    if (draw(run, 1000) < run->dns_trouble) {
        answer->status = bad[draw(run, COUNT(bad))];
        answer->count = 0;
    }
}

static const struct world_hooks hooks = {draw_fate, answer_dns};

static void draw_faults(struct run *run)
{
    struct disk_sim_faults faults = {0};
    if (draw(run, 3) == 0)
        faults.write_permille = (unsigned)draw(run, 40);
    if (draw(run, 3) == 0)
        faults.sync_permille = (unsigned)draw(run, 60);
    if (draw(run, 3) == 0)
        faults.read_permille = (unsigned)draw(run, 40);
    if (draw(run, 8) == 0)
        faults.capacity = (2 + draw(run, 4)) * run->node.segment_bytes + draw(run, 20000);
    run->faults = faults;
}

/* When and how the life at hand ends, if by itself. */
static void draw_crash(struct run *run)
{
    run->crash_step = 0;
    run->faults.crash_at = 0;
    if (!run->crashes_left || run->is_calm)
        return;
    run->crashes_left--;
    if (draw(run, 2))
        run->crash_step = world_steps(run->world) + 1 + draw(run, draw(run, 2) ? 300 : 3000);
    else
        run->faults.crash_at = disk_sim_operations(run->node.disk) + 1 + draw(run, 60);
}

static void draw_party(struct run *run, struct party *party, const char *letter, size_t number)
{
    size_t host = draw(run, HOSTS);
    snprintf(party->address, sizeof party->address, "%s%zu@%s", letter, number, hosts[host].domain);
    party->was_refused = host == GONE; /* by its null MX (RFC 7505) */
    party->is_bad = draw(run, 8) == 0;
    party->is_full = draw(run, 24) == 0;
}

static void draw_recipient(struct run *run, struct letter *letter, size_t i)
{
    static const struct {
        const char *words;
        uint8_t notify;
    } choices[] = {
        {"", 0},
        {"", 0},
        {" NOTIFY=NEVER", NOTIFY_NEVER},
        {" NOTIFY=FAILURE", NOTIFY_FAILURE},
        {" NOTIFY=SUCCESS", NOTIFY_SUCCESS},
        {" NOTIFY=SUCCESS,FAILURE,DELAY", NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY}};
    struct letter_recipient *recipient = &letter->recipients[i];
    char name[16];
    size_t choice = draw(run, COUNT(choices));
    snprintf(name, sizeof name, "r%zux", letter->number);
    draw_party(run, &recipient->party, name, i);
    recipient->notify = choices[choice].notify;
    snprintf(run->options[letter->number].rcpt[i], OPTION_TEXT, "%s%s", choices[choice].words,
             draw(run, 4) ? "" : " ORCPT=rfc822;somebody@elsewhere.example");
}

static void draw_mail_options(struct run *run, struct letter *letter, bool is_submission)
{
    char *text = run->options[letter->number].mail;
    size_t len = 0;
    if (draw(run, 3) == 0)
        len += (size_t)snprintf(text + len, OPTION_TEXT - len, " SIZE=%zu", letter->text.len);
    if (draw(run, 3) == 0)
        len += (size_t)snprintf(text + len, OPTION_TEXT - len, " RET=%s ENVID=sim%zu",
                                draw(run, 2) ? "FULL" : "HDRS", letter->number);
    if (draw(run, 3) == 0)
        len += (size_t)snprintf(text + len, OPTION_TEXT - len, " BODY=8BITMIME");
    if (is_submission && draw(run, 4) == 0)
        len += (size_t)snprintf(text + len, OPTION_TEXT - len, " HOLDFOR=%" PRIu64,
                                1 + draw(run, 7200));
    else if (draw(run, 6) == 0) {
        uint64_t by_s = 60 + draw(run, 7200);
        bool is_return = draw(run, 2);
        letter->has_by = true;
        letter->by_ms = is_return ? 1 : 0;
        (void)snprintf(text + len, OPTION_TEXT - len, " BY=%" PRIu64 ";%c", by_s,
                       is_return ? 'R' : 'N');
    }
}

static void draw_text(struct run *run, struct letter *letter)
{
    static const uint32_t sizes[] = {0, 300, 300, 3000, 9000, 30000};
    struct buf *text = &letter->text;
    size_t want = draw(run, sizes[draw(run, COUNT(sizes))] + 1);
    if (draw(run, 50) == 0)
        want += 300000; /* more than is read from the spool at a time */
    buf_addf(text,
             "From: <%s>\r\nDate: Tue, 24 Nov 2026 03:07:04 +0000\r\nMessage-ID: "
             "<%zu@client.example>\r\nSubject: letter %zu\r\n\r\n",
             letter->sender.address[0] ? letter->sender.address : "daemon@client.example",
             letter->number, letter->number);
    for (size_t line = 0; text->len < want; line++)
        buf_addf(text, "%zu of letter %zu: what stands here says nothing but that it is here\r\n",
                 line, letter->number);
}

static void begin_letter(struct run *run, int64_t delay_ms)
{
    struct letter *letter = ledger_draft(run->ledger);
    bool is_submission = draw(run, 2);
    if (draw(run, 8))
        draw_party(run, &letter->sender, "s", letter->number);
    letter->recipient_count = 1 + draw(run, draw(run, 2) ? 1 : LETTER_RECIPIENTS);
    for (size_t i = 0; i < letter->recipient_count; i++)
        draw_recipient(run, letter, i);
    draw_text(run, letter);
    draw_mail_options(run, letter, is_submission);
    struct client_plan plan = {.letter = letter,
                               .mail_options = run->options[letter->number].mail,
                               .is_pipelined = draw(run, 2)};
    for (size_t i = 0; i < letter->recipient_count; i++)
        plan.rcpt_options[i] = run->options[letter->number].rcpt[i];
    client_begin(run->outside, &run->clients, &plan, is_submission ? NODE_SUBMISSION : NODE_MX,
                 delay_ms);
}

static void write_config(struct run *run)
{
    static const int expire_h[] = {2, 4, 4, 12, 24, 24, 48, 120};
    int hours = expire_h[draw(run, COUNT(expire_h))];
    run->expire_ms = hours * HOUR_MS;
    snprintf(run->config, sizeof run->config,
             "hostname: node.example\n"
             "listen:\n"
             "  - {address: \"" NODE_MX "\", role: mx}\n"
             "  - {address: \"" NODE_SUBMISSION "\", role: submission}\n"
             "domains: [{name: home.example, mailboxes: any}]\n"
             "deliver: {lmtp: \"unix:/sim/lmtp\"}\n"
             "relay: {networks: [\"198.51.100.0/24\"]}\n"
             "routes:\n"
             "  - {to: a.example, via: \"smtp://10.0.0.1:25\"}\n"
             "queue: {retry_first: %" PRIu64 "s, retry_max: 1h, expire: %dh, "
             "delay_notice: %" PRIu64 "h, messages_per_connection: %" PRIu64
             ", recipients_per_transaction: %" PRIu64 "}\n"
             "spool: {path: /sim, inline_body: 4K, low_water: 0}\n",
             30 + draw(run, 600), hours, draw(run, 2) * 2, 1 + draw(run, 5), 1 + draw(run, 4));
}

/* --- Lives ------------------------------------------------------------------------------------ */

static bool start(struct run *run)
{
    struct error err;
    disk_sim_set(run->node.disk, &run->faults);
    if (node_start(&run->node, &err))
        return true;
    /* Recovery itself may crash, or meet a disk that fails; then the next one must not. */
    log_info("sim-start-failed", LOG_TEXT("reason", err.text));
    if (disk_sim_is_down(run->node.disk))
        disk_sim_restart(run->node.disk, draw(run, 2) ? DISK_SIM_POWER : DISK_SIM_KILL);
    run->faults = (struct disk_sim_faults){0};
    disk_sim_set(run->node.disk, &run->faults);
    if (node_start(&run->node, &err))
        return true;
    ledger_violated(run->ledger, "the spool does not open: %s", err.text);
    return false;
}

static bool restart(struct run *run)
{
    run->lives++;
    if (!run->is_calm)
        draw_faults(run);
    draw_crash(run);
    return start(run);
}

static bool crash(struct run *run)
{
    node_crash(&run->node, draw(run, 3) ? DISK_SIM_POWER : DISK_SIM_KILL);
    return restart(run);
}

static void become_calm(struct run *run)
{
    log_info("sim-calm", LOG_INT("lives", run->lives));
    run->is_calm = true;
    run->wire_trouble = run->dns_trouble = 0;
    run->crash_step = 0;
    run->faults = (struct disk_sim_faults){0};
    disk_sim_set(run->node.disk, &run->faults);
    for (size_t i = 0; i < GONE; i++)
        peer_set_trouble(run->peers[i], 0);
}

static bool is_over(const struct run *run)
{
    return run->is_calm && list_is_empty(&run->clients) && node_is_empty(&run->node);
}

/* Until the queue is empty. */
static bool live(struct run *run)
{
    int64_t end_ms = run->trouble_ms + run->expire_ms * 3 + 24 * HOUR_MS;
    while (!run->ledger->has_failed && !is_over(run)) {
        int64_t next_ms = world_next_ms(run->world);
        if (!run->is_calm && next_ms >= run->trouble_ms)
            become_calm(run);
        if (!world_step(run->world) || next_ms > end_ms || world_steps(run->world) > STEP_LIMIT) {
            ledger_violated(run->ledger, "something is stuck: %zu messages in the queue",
                            queue_stats(run->node.worker.queue).messages);
            return false;
        }
        bool is_time = disk_sim_is_down(run->node.disk) ||
                       (run->crash_step && world_steps(run->world) >= run->crash_step);
        if (is_time && !crash(run))
            return false;
    }
    return !run->ledger->has_failed;
}

/* Stops the node in order, and begins a new life. */
static bool restart_in_order(struct run *run)
{
    node_stop(&run->node);
    while (!run->node.is_done && world_step(run->world))
        continue;
    if (!run->node.is_done) {
        ledger_violated(run->ledger, "the node does not end");
        return false;
    }
    node_end(&run->node);
    disk_sim_restart(run->node.disk, DISK_SIM_POWER);
    return restart(run);
}

/* Nothing that was finished comes back. (What was answered 4xx after a failed write may: it is as
 * if its client had been quick to try again.) */
static void finish(struct run *run)
{
    for (int i = 0; i < FINISH_LIMIT; i++) {
        if (!restart_in_order(run) || !live(run))
            return;
        if (run->node.found == 0) {
            ledger_settle(run->ledger);
            return;
        }
    }
    ledger_violated(run->ledger, "mail comes back at every start");
}

static void set_up(struct run *run)
{
    struct error err;
    list_init(&run->clients);
    run->world = world_new(run->seed * 3 + 1, &hooks, run);
    run->ledger = ledger_new(run->world);
    run->outside = world_loop(run->world);
    write_config(run);
    run->node = (struct node){.world = run->world,
                              .ledger = run->ledger,
                              .disk = disk_sim_new(run->seed * 3 + 2),
                              .config = run->config,
                              .seed = run->seed,
                              .segment_bytes = draw(run, 2) ? 65536 : 131072};
    bool is_made = disk_make_folder(run->node.disk, "/sim", &err) &&
                   disk_sync_folder(run->node.disk, "", &err);
    ASSERT(is_made);
    static const unsigned troubles[] = {0, 50, 200, 500};
    unsigned trouble = troubles[draw(run, COUNT(troubles))];
    run->wire_trouble = troubles[draw(run, COUNT(troubles))];
    run->dns_trouble = troubles[draw(run, COUNT(troubles))];
    for (size_t i = 0; i < GONE; i++) {
        struct peer_settings settings = {
            .place = hosts[i].place, .is_lmtp = i == 0, .is_greylisting = draw(run, 5) == 0};
        run->peers[i] = peer_new(run->outside, run->ledger, &settings);
        peer_set_trouble(run->peers[i], trouble);
    }
    run->trouble_ms = (int64_t)(1 + draw(run, draw(run, 2) ? 3 : 30)) * HOUR_MS;
    run->ledger->expire_ms = run->expire_ms;
    run->ledger->calm_ms = run->trouble_ms + 2 * HOUR_MS;
    run->crashes_left = (unsigned)draw(run, 5);
    size_t letters = 1 + draw(run, 12);
    int64_t spread_ms = draw(run, 2) ? 2 * SECOND_MS : HOUR_MS;
    for (size_t i = 0; i < letters; i++)
        begin_letter(run, (int64_t)draw(run, (uint64_t)spread_ms));
}

static void tear_down(struct run *run)
{
    for (size_t i = 0; i < GONE; i++)
        peer_free(run->peers[i]);
    /* A violation stops it anywhere. */
    if (run->node.loop)
        node_crash(&run->node, DISK_SIM_KILL);
    disk_free(run->node.disk);
}

struct plan {
    uint64_t first, last;
    bool is_verbose, is_first;
    size_t letters, copies, notices, lives;
    uint64_t steps;
};

static bool run_seed(struct plan *plan, uint64_t seed)
{
    struct run *run = NEW(struct run);
    run->seed = seed;
    run->random = seed * 3;
    run->is_verbose = plan->is_verbose;
    log_sim_listen(on_log, run);
    set_up(run);
    if (restart(run) && live(run))
        finish(run);
    bool has_failed = run->ledger->has_failed;
    if (has_failed)
        printf("--seed %" PRIu64 ": %s\n", seed, run->ledger->violation);
    plan->letters += run->ledger->count;
    plan->copies += run->ledger->copies;
    plan->notices += run->ledger->notices;
    plan->lives += run->lives;
    plan->steps += world_steps(run->world);
    tear_down(run);
    clients_end(&run->clients);
    loop_free(run->outside);
    world_free(run->world);
    ledger_free(run->ledger);
    free(run);
    return !has_failed;
}

/* --- The program ------------------------------------------------------------------------------ */

static volatile uint64_t seed_at_hand;

/* An assertion that fails says where; this says how to come there again. */
static void on_abort(int signal_number)
{
    char text[64];
    int len = snprintf(text, sizeof text, "--seed %" PRIu64 ": aborted\n", seed_at_hand);
    (void)!write(STDOUT_FILENO, text, (size_t)len);
}

int main(int argc, char **argv)
{
    struct plan plan = {.first = 1, .last = 100};
    for (int i = 1; i < argc; i++) {
        bool has_value = i + 1 < argc;
        if (strcmp(argv[i], "-v") == 0) {
            plan.is_verbose = true;
        } else if (strcmp(argv[i], "--first") == 0) {
            plan.is_first = true;
        } else if (strncmp(argv[i], "--seed", 6) == 0 && has_value &&
                   seeds_scan(argv[i + 1], &plan.first, &plan.last)) {
            i++;
        } else {
            fprintf(stderr, "usage: node_sim [--seed N [-v] | --seeds A..B [--first]]\n");
            return 2;
        }
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)signal(SIGABRT, on_abort);
    uint64_t bad = 0;
    for (uint64_t seed = plan.first; seed <= plan.last; seed++) {
        seed_at_hand = seed;
        bad += !run_seed(&plan, seed);
        if (bad && plan.is_first)
            break;
    }
    printf("%" PRIu64 " seeds, %zu letters, %zu copies, %zu notices, %zu lives, %" PRIu64
           " steps, %" PRIu64 " bad seeds\n",
           plan.last - plan.first + 1, plan.letters, plan.copies, plan.notices, plan.lives,
           plan.steps, bad);
    return bad > 0;
}
