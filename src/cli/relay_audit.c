#include "cli/relay_audit_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "cli/paint.h"

enum {
    CONNECT_MS = 5 * 1000,
    REPLY_MS = 20 * 1000, /* some let strangers wait before they answer */
    AUDIT_MS = 120 * 1000,
    OUTCOMES = ATTACK_BROKEN + 1,
    TLS_FIRST_PORT = 465,
    SUBMISSION_PORT = 587,
};

/* What came of the attacks. */
struct tally {
    size_t of[OUTCOMES], tried;
    struct buf open_words; /* the conversation of the first that was taken */
    struct buf open_names; /* of those that were taken */
    struct buf unclear_names;
    struct buf list; /* a line each, with its reply */
    bool is_plain_open;
};

/* --- Talking ---------------------------------------------------------------------------------- */

static void on_line(void *context, enum dialogue_side side, struct bytes line)
{
    struct audit *audit = context;
    struct buf *words = &audit->words;
    if (words->len > AUDIT_WORDS_LIMIT)
        return;
    buf_addf(words, "%s: ", side == DIALOGUE_SAID ? "C" : "S");
    paint_add(words, bytes_sub(line, 0, AUDIT_WORDS_LIMIT / 4));
    buf_add_byte(words, '\n');
}

void audit_forget_words(struct audit *audit)
{
    buf_clear(&audit->words);
}

struct finding *audit_find(struct audit *audit, enum severity severity, const char *code)
{
    struct finding *finding = findings_add(audit->findings, severity, AUDIT_AREA, code);
    if (audit->target->from) {
        buf_addf(&finding->how, "from ");
        ip_print(&finding->how, audit->target->from);
        buf_add_byte(&finding->how, '\n');
    }
    buf_add(&finding->how, buf_view(&audit->words));
    return finding;
}

static bool is_tls_first(const struct audit *audit)
{
    const struct relay_target *target = audit->target;
    return target->listener ? target->listener->smtp.tls == SERVER_TLS_IMPLICIT
                            : target->port == TLS_FIRST_PORT;
}

static bool wants_tls(const struct audit *audit)
{
    const struct relay_target *target = audit->target;
    return target->listener ? target->listener->smtp.tls == SERVER_TLS_REQUIRED
                            : target->port == SUBMISSION_PORT;
}

bool audit_start_tls(struct audit *audit, struct error *err)
{
    if (!audit->tls)
        audit->tls =
            tls_client_context_new(&(struct tls_client_settings){.peers = TLS_PEERS_OLD}, err);
    if (!audit->tls)
        return false;
    struct tls_target target = {.server_name = audit->terms.host};
    return dialogue_start_tls(audit->dialogue, tls_client_new(audit->tls, &target), err);
}

static bool connect_from(struct audit *audit, struct error *err)
{
    const struct relay_target *target = audit->target;
    if (target->space && !origin_space_enter(target->space, err))
        return false;
    bool is_there = dialogue_connect(audit->dialogue, &target->to, target->port, target->from, err);
    if (target->space)
        origin_space_leave(target->space);
    return is_there;
}

/* The name that a server greets with. */
static void take_host(struct audit *audit, const struct reply_scan *reply)
{
    struct bytes name, rest;
    bytes_cut(bytes_from(reply_scan_text(reply), 4), ' ', &name, &rest);
    if (audit->target->config || name.len == 0 || name.len >= sizeof audit->host)
        return;
    snprintf(audit->host, sizeof audit->host, "%.*s", BYTES_ARGS(name));
    audit->terms.host = bytes_of(audit->host);
}

bool audit_connect(struct audit *audit, struct bytes first, struct error *err)
{
    audit->greeted[0] = 0;
    if (!connect_from(audit, err) ||
        (first.len && !dialogue_say_raw(audit->dialogue, first, err)) ||
        (is_tls_first(audit) && !audit_start_tls(audit, err)))
        return false;
    const struct reply_scan *reply = dialogue_hear(audit->dialogue, err);
    if (!reply)
        return false;
    if (reply->code != 220)
        return error_set(err, 0, "it greets with %.*s", BYTES_ARGS(reply_scan_text(reply)));
    take_host(audit, reply);
    return true;
}

static bool hello(struct audit *audit, const char *name, struct error *err)
{
    const struct reply_scan *reply = dialogue_ehlo(audit->dialogue, name, err);
    return reply && (reply->code == 250 || error_set(err, 0, "EHLO is answered %.*s",
                                                     BYTES_ARGS(reply_scan_text(reply))));
}

bool audit_greet(struct audit *audit, const char *name, enum audit_tls tls, struct error *err)
{
    if (!audit_connect(audit, BYTES_NONE, err) || !hello(audit, name, err))
        return false;
    if (tls == AUDIT_AS_USUAL && wants_tls(audit) &&
        dialogue_extensions(audit->dialogue)->offers & OFFERS_STARTTLS) {
        const struct reply_scan *reply = dialogue_say(audit->dialogue, err, "STARTTLS");
        if (!reply ||
            (reply->code == 220 && (!audit_start_tls(audit, err) || !hello(audit, name, err))))
            return false;
    }
    snprintf(audit->greeted, sizeof audit->greeted, "%s", name);
    return true;
}

int audit_say(struct audit *audit, struct bytes line)
{
    struct buf whole;
    struct error err;
    buf_init(&whole, SIZE_MAX);
    buf_add(&whole, line);
    buf_add(&whole, BYTES("\r\n"));
    const struct reply_scan *reply = dialogue_say_raw(audit->dialogue, buf_view(&whole), &err)
                                         ? dialogue_hear(audit->dialogue, &err)
                                         : NULL;
    buf_done(&whole);
    return reply ? reply->code : 0;
}

/* --- Transactions ----------------------------------------------------------------------------- */

static int say_path(struct audit *audit, const char *command, struct bytes path)
{
    struct buf line;
    buf_init(&line, SIZE_MAX);
    buf_add(&line, bytes_of(command));
    buf_add(&line, path);
    int code = audit_say(audit, buf_view(&line));
    buf_done(&line);
    return code;
}

/* MAIL and RCPT; the code of RCPT, or of MAIL where that was not taken. */
static int transact(struct audit *audit, struct bytes mail, struct bytes rcpt)
{
    int code = say_path(audit, "MAIL FROM:", mail);
    return code / 100 == 2 ? say_path(audit, "RCPT TO:", rcpt) : code;
}

int audit_try_stranger(struct audit *audit)
{
    struct buf path;
    buf_init(&path, SIZE_MAX);
    attack_print(&path, "<{user}@{far}>", &audit->terms);
    int code = transact(audit, buf_view(&path), buf_view(&path));
    buf_done(&path);
    return code;
}

/* A session with nothing in it that greeted with that name; false: there is none to be had. */
static bool begin(struct audit *audit, const char *name)
{
    struct error err;
    bool is_usable = dialogue_is_connected(audit->dialogue) && strcmp(audit->greeted, name) == 0 &&
                     audit_say(audit, BYTES("RSET")) == 250;
    return is_usable || audit_greet(audit, name, AUDIT_AS_USUAL, &err);
}

static int attempt(struct audit *audit, const char *name, struct bytes mail, struct bytes rcpt)
{
    /* Servers end sessions with many errors: once more, in a new one. */
    for (int round = 0; round < 2; round++) {
        if (!begin(audit, name))
            return 0;
        audit_forget_words(audit);
        int code = transact(audit, mail, rcpt);
        if (code != 0 && code != 421)
            return code;
        dialogue_disconnect(audit->dialogue);
    }
    return 0;
}

/* What our own configuration says of the recipient; of other servers, what was tried. */
static enum attack_knowledge knowledge_of(const struct audit *audit, const struct attack *attack,
                                          struct bytes rcpt)
{
    enum { ARENA = 1 << 20 };
    const struct config *config = audit->target->config;
    struct address address;
    if (!config)
        return audit->takes_anybody[attack->form] ? ATTACK_KNOWS_ANYTHING : ATTACK_KNOWS_NOTHING;
    if (path_parse(&rcpt, ADDRESS_UTF8, &address) != PATH_OK)
        return ATTACK_KNOWS_FOREIGN;
    struct arena *arena = arena_new(ARENA);
    struct recipient_query query = {.address = &address, .hostname = bytes_of(config->hostname)};
    struct recipient_verdict verdict = recipients_check(config->recipients, &query, arena);
    /* Who is in the directory the server alone knows. */
    bool is_local =
        (verdict.is_accepted && verdict.is_local) || bytes_equal(verdict.rule, BYTES("directory"));
    arena_free(arena);
    return is_local ? ATTACK_KNOWS_LOCAL : ATTACK_KNOWS_FOREIGN;
}

static void add_name(struct buf *names, const struct attack *attack)
{
    buf_addf(names, "%s%s (%s)", names->len ? ", " : "", attack->name, attack->does);
}

static void count(struct audit *audit, struct tally *tally, const struct attack *attack,
                  enum attack_outcome outcome)
{
    tally->tried++;
    tally->of[outcome]++;
    if (outcome == ATTACK_UNCLEAR)
        add_name(&tally->unclear_names, attack);
    if (outcome != ATTACK_OPEN)
        return;
    if (!tally->open_words.len)
        buf_add(&tally->open_words, buf_view(&audit->words));
    add_name(&tally->open_names, attack);
    tally->is_plain_open |= strcmp(attack->name, "stranger") == 0;
}

static void try_attack(struct audit *audit, const struct attack *attack, struct tally *tally)
{
    static const char *const words[OUTCOMES] = {
        [ATTACK_REFUSED] = "refused",
        [ATTACK_LATER] = "put off",
        [ATTACK_LOCAL] = "taken as a mailbox of its own",
        [ATTACK_OPEN] = "taken",
        [ATTACK_UNCLEAR] = "taken, perhaps as a mailbox of its own",
        [ATTACK_BROKEN] = "ended the connection",
    };
    struct buf helo, mail, rcpt;
    buf_init(&helo, AUDIT_NAME_LIMIT);
    buf_init(&mail, 2048);
    buf_init(&rcpt, 2048);
    attack_print(&helo, attack->helo ? attack->helo : AUDIT_GREETING, &audit->terms);
    buf_add_byte(&helo, 0);
    attack_print(&mail, attack->mail, &audit->terms);
    attack_print(&rcpt, attack->rcpt, &audit->terms);
    int code = attempt(audit, (const char *)helo.at, buf_view(&mail), buf_view(&rcpt));
    enum attack_outcome outcome =
        attack_judge(attack, code, knowledge_of(audit, attack, buf_view(&rcpt)));
    count(audit, tally, attack, outcome);
    buf_addf(&tally->list, "%s: ", attack->name);
    paint_add(&tally->list, buf_view(&rcpt));
    buf_addf(&tally->list, " %s (%d)\n", words[outcome], code);
    buf_done(&helo);
    buf_done(&mail);
    buf_done(&rcpt);
}

/* --- What came of it -------------------------------------------------------------------------- */

static void remedy_of_open(const struct audit *audit, const struct tally *tally, struct buf *out)
{
    const struct relay_target *target = audit->target;
    if (!target->config)
        buf_addf(out, "let only those relay who log in, and your own networks (Postfix: "
                      "mynetworks, smtpd_relay_restrictions; Exim: relay_from_hosts)");
    else if (tally->is_plain_open)
        buf_addf(out,
                 "%s: take the network that this address is in out of relay.networks, then: "
                 "postrider reload; if it is not there any more, the server has not read its "
                 "configuration since",
                 target->config->path);
    else
        buf_addf(out, "this is a fault in Postrider: stop it, and report this finding");
}

static void tell_open(struct audit *audit, const struct tally *tally)
{
    audit_forget_words(audit);
    struct finding *finding = audit_find(audit, SEVERITY_PROBLEM, "relay-open");
    buf_addf(&finding->what, "%s is an open relay: it takes mail from strangers to strangers",
             audit->target->name);
    buf_addf(&finding->meaning,
             "spammers find such servers within hours; then other servers refuse "
             "all mail from this address, for weeks");
    buf_add(&finding->how, buf_view(&tally->open_words));
    buf_addf(&finding->how, "taken, of %zu attempts: %.*s", tally->tried,
             BYTES_ARGS(buf_view(&tally->open_names)));
    remedy_of_open(audit, tally, &finding->remedy);
}

static void tell_unclear(struct audit *audit, const struct tally *tally)
{
    audit_forget_words(audit);
    struct finding *finding = audit_find(audit, SEVERITY_NOTE, "relay-unclear");
    buf_addf(&finding->what,
             "%s takes any address of its own (%s), and so those that look like routes",
             audit->target->name, audit->near);
    buf_addf(&finding->meaning, "mailboxes of odd names most likely; what becomes of them the "
                                "replies do not tell");
    buf_add(&finding->how, buf_view(&tally->unclear_names));
    buf_addf(&finding->remedy, "look into the server's log where this mail goes, or send one such "
                               "message to an address of your own elsewhere");
}

static void tell_rest(struct audit *audit, const struct tally *tally)
{
    bool is_known = tally->of[ATTACK_REFUSED] + tally->of[ATTACK_LOCAL] > 0;
    audit_forget_words(audit);
    struct finding *finding = audit_find(audit, is_known ? SEVERITY_GOOD : SEVERITY_UNKNOWN,
                                         is_known ? "relay-closed" : "relay-unknown");
    if (is_known)
        buf_addf(&finding->what, "%s is no open relay: none of %zu attempts came through%s",
                 audit->target->name, tally->tried,
                 tally->of[ATTACK_UNCLEAR] ? ", as far as its replies tell" : "");
    else
        buf_addf(&finding->what, "%s puts off whatever strangers send", audit->target->name);
    if (!is_known)
        buf_addf(&finding->remedy, "try again when it takes mail");
    if (tally->tried < attack_count)
        buf_addf(&finding->how, "in two minutes %zu of %zu attempts could be made\n", tally->tried,
                 attack_count);
    buf_add(&finding->how, buf_view(&tally->list));
}

static void tell(struct audit *audit, const struct tally *tally)
{
    if (tally->of[ATTACK_OPEN])
        tell_open(audit, tally);
    else
        tell_rest(audit, tally);
    if (tally->of[ATTACK_UNCLEAR])
        tell_unclear(audit, tally);
}

static void tell_unreachable(struct audit *audit, const struct error *err)
{
    struct finding *finding = audit_find(audit, SEVERITY_UNKNOWN, "relay-unreachable");
    buf_addf(&finding->what, "%s: whether it relays cannot be tried: %s", audit->target->name,
             err->text);
    buf_addf(&finding->remedy, "see that it runs and may be reached from there (postrider check "
                               "ports; a firewall)");
}

/* --- From start to end ------------------------------------------------------------------------ */

/* Whom does a server take that we know nothing of? */
static void try_nobodies(struct audit *audit)
{
    for (size_t form = 0; form < ATTACK_FORMS; form++) {
        struct buf nobody;
        if (!attack_nobodies[form])
            continue;
        buf_init(&nobody, 2048);
        attack_print(&nobody, attack_nobodies[form], &audit->terms);
        int code = attempt(audit, AUDIT_GREETING, BYTES("<>"), buf_view(&nobody));
        audit->takes_anybody[form] = code / 100 == 2;
        buf_done(&nobody);
    }
}

static void choose_terms(struct audit *audit)
{
    const struct relay_target *target = audit->target;
    struct bytes stranger = bytes_of(target->stranger ? target->stranger : "stranger@example.net");
    struct bytes domain = bytes_of(target->domain);
    size_t at = bytes_find_last(stranger, '@'), place = 0;
    audit->terms = (struct attack_terms){
        .user = bytes_sub(stranger, 0, at), .far = bytes_from(stranger, at + 1), .ip = target->to};
    if (target->config) {
        snprintf(audit->host, sizeof audit->host, "%s", target->config->hostname);
        /* One that is not the server's own. */
        if (recipients_is_local_domain(target->config->recipients, audit->terms.far) ||
            recipients_is_relayed_domain(target->config->recipients, audit->terms.far))
            audit->terms.far = BYTES("relay-audit.example.com");
        if (!domain.len && !recipients_next_domain(target->config->recipients, &place, &domain))
            domain = bytes_of(audit->host);
    }
    audit->terms.host = bytes_of(audit->host);
    snprintf(audit->near, sizeof audit->near, "%.*s", BYTES_ARGS(domain));
}

static void run(struct audit *audit, struct tally *tally)
{
    struct error err;
    if (!audit_greet(audit, AUDIT_GREETING, AUDIT_AS_USUAL, &err)) {
        tell_unreachable(audit, &err);
        return;
    }
    if (!audit->near[0])
        memcpy(audit->near, audit->host, sizeof audit->near);
    audit->terms.near = bytes_of(audit->near);
    if (!audit->target->config)
        try_nobodies(audit);
    for (size_t i = 0; i < attack_count && instant_steady_ms() < audit->until_ms; i++)
        try_attack(audit, &attacks[i], tally);
    tell(audit, tally);
    audit_special(audit);
}

void relay_audit(const struct relay_target *target, struct findings *findings)
{
    struct error err;
    struct tally tally = {.tried = 0};
    struct audit audit = {
        .target = target, .findings = findings, .until_ms = instant_steady_ms() + AUDIT_MS};
    struct buf *const texts[] = {&audit.words, &tally.open_words, &tally.open_names,
                                 &tally.unclear_names, &tally.list};
    for (size_t i = 0; i < COUNT(texts); i++)
        buf_init(texts[i], FINDING_TEXT_LIMIT / 2 + AUDIT_WORDS_LIMIT);
    choose_terms(&audit);
    audit.dialogue = dialogue_new(
        &(struct dialogue_settings){
            .connect_ms = CONNECT_MS, .reply_ms = REPLY_MS, .watch = on_line, .context = &audit},
        &err);
    if (audit.dialogue)
        run(&audit, &tally);
    else
        tell_unreachable(&audit, &err);
    dialogue_free(audit.dialogue);
    tls_context_free(audit.tls);
    for (size_t i = 0; i < COUNT(texts); i++)
        buf_done(texts[i]);
}
