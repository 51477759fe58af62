#include "daemon/intake.h"

#include <errno.h>
#include <stdlib.h>

#include "auth/authres.h"
#include "auth/header_hash.h"
#include "base/memory.h"
#include "daemon/recoding.h"
#include "daemon/sealing.h"
#include "daemon/signing.h"
#include "daemon/spending.h"
#include "mail/downgrade.h"
#include "daemon/verify.h"
#include "mail/header.h"
#include "mail/submission.h"
#include "mail/trace.h"
#include "mail/transfer.h"
#include "policy/forged.h"

/* What an envelope of EXPANSION_LIMIT recipients times recipients allowed can need at most. */
_Static_assert(FIELD_INDEX_LIMIT == 2048, "a refusal's text says so");
enum {
    INTAKE_ARENA = 64 << 20,
    META_LIMIT = 64 << 20,
    WARNING_LIMIT = 200,
    TRACE_LIMIT = 4096 + VERIFY_FIELDS,
    SIGNATURES_LIMIT = 128 * 1024,
    LOGGED_RECIPIENTS = 50 /* of a refused message */
};

struct intake {
    struct commit_owner owner;
    struct worker *worker;
    struct session *session;
    const struct config_listener *listener;
    struct generation *generation;
    const struct login *login;
    struct buf warning;    /* for the reply: the account's quota is nearly used up */
    struct verify *verify; /* NULL: the message is not checked */
    bool is_junk;
    struct spool_body *body;
    uint64_t id;
    /* Settled when the header section is complete. */
    bool has_header;
    size_t body_skip; /* bytes of the body's front that `section` replaces */
    struct buf section;
    bool is_whole;               /* all of the text is in memory */
    bool is_7bit;                /* it was encoded to be signed */
    bool is_recodable;           /* it may be once it is complete, when it lies in a file */
    bool has_blank;              /* `section` ends in the blank line */
    struct transfer_lines lines; /* of what is to be signed */
    struct recoding *recoding;   /* NULL: none under way */
    struct smtp_answer refusal;  /* code 0: none */
    struct signing *signing;     /* NULL: nobody's to sign, or done */
    struct sealing *sealing;     /* NULL: none under way */
    struct buf signatures;       /* fields for the front of the section, ARC's too */
    const char *rule;            /* of the refusal */
    /* A write of the body on another thread. */
    enum spool_body_write how;
    bool was_written;
    struct error err;
    struct arena *arena;
    struct buf meta;
};

const struct smtp_answer intake_disk_full = {
    452, BYTES_INIT("4.3.1"), BYTES_INIT("not enough disk space here; please try again later")};
static const struct smtp_answer disk_failed = {
    451, BYTES_INIT("4.3.0"),
    BYTES_INIT("the message could not be stored; nothing is lost on your side, please try again")};
static const struct smtp_answer not_signed = {
    451, BYTES_INIT("4.3.0"),
    BYTES_INIT("the message could not be signed just now; nothing is lost on your side, please try "
               "again")};
static const struct smtp_answer taken = {250, BYTES_INIT("2.0.0"), BYTES_INIT("go ahead")};

struct smtp_answer intake_begin(struct worker *worker, struct session *session,
                                const struct config_listener *listener,
                                struct generation *generation, const struct login *login,
                                struct intake **out)
{
    if (!spool_has_room(worker->spool, loop_now_ms(worker->loop)))
        return intake_disk_full;
    struct intake *intake = NEW(struct intake);
    intake->worker = worker;
    intake->session = session;
    intake->listener = listener;
    intake->generation = generation_use(generation);
    intake->login = login;
    intake->id = worker_id(worker);
    intake->body = spool_body_new(worker->spool, intake->id);
    buf_init(&intake->section, generation->config->limits.header_bytes + SUBMISSION_GROWTH);
    buf_init(&intake->meta, META_LIMIT);
    buf_init(&intake->warning, WARNING_LIMIT);
    buf_init(&intake->signatures, SIGNATURES_LIMIT);
    *out = intake;
    return taken;
}

void intake_give_verify(struct intake *intake, struct verify *verify_owned)
{
    intake->verify = verify_owned;
}

static void intake_free(struct intake *intake)
{
    verify_free(intake->verify);
    spool_body_free(intake->body);
    recoding_free(intake->recoding);
    signing_free(intake->signing);
    sealing_free(intake->sealing);
    generation_leave(intake->generation);
    buf_done(&intake->section);
    buf_done(&intake->warning);
    buf_done(&intake->meta);
    buf_done(&intake->signatures);
    arena_free(intake->arena);
    free(intake);
}

void intake_drop(struct intake *intake)
{
    intake_free(intake);
}

static struct arena *intake_arena(struct intake *intake)
{
    if (!intake->arena)
        intake->arena = arena_new(INTAKE_ARENA);
    return intake->arena;
}

static void refuse(struct intake *intake, const char *rule, int code, struct bytes status,
                   struct bytes text)
{
    intake->rule = rule;
    intake->refusal = (struct smtp_answer){code, status, text};
}

/* Does an account write in its own name? The answer's texts are in the intake's arena. */
static void check_author(struct intake *intake, struct bytes section)
{
    const struct config *config = intake->generation->config;
    const struct sender_rights *rights = login_rights(intake->login);
    if (!rights || config->auth.allows_any_sender)
        return;
    struct sender_verdict verdict =
        sender_check_section(config->recipients, rights, section, intake_arena(intake));
    if (!verdict.is_accepted)
        refuse(intake, verdict.rule, verdict.code, verdict.status, verdict.text);
}

/* Is what it says about itself only a claim (RFC 8601, 5), whether or not the message is checked?
 * Servers of ours may have found it out before; a mail program never has. */
static bool is_foreign(const struct intake *intake)
{
    return login_rights(intake->login) ||
           verify_is_stranger(intake->generation->config, session_peer(intake->session));
}

/* RFC 6409, 8: what a submission lacks is added. */
static void fix_submission(struct intake *intake, struct bytes section)
{
    struct bytes authserv_id = bytes_of(intake->generation->config->hostname);
    struct buf honest;
    buf_init(&honest, section.len);
    size_t length = section.len;
    if (forged_cut(&honest, section, authserv_id))
        section = buf_view(&honest);
    const struct envelope *envelope = smtp_server_transaction(session_smtp(intake->session));
    struct submission submission = {
        .now_ms = loop_wall_ms(intake->worker->loop),
        .id = intake->id,
        .hostname = authserv_id,
        .reverse_path = envelope->reverse_path,
    };
    enum submission_result result = submission_check(&submission, section, &intake->section);
    switch (result) {
    case SUBMISSION_UNCHANGED:
        if (section.len == length)
            break;
        buf_add(&intake->section, section);
        intake->body_skip = length;
        break;
    case SUBMISSION_REWRITTEN: intake->body_skip = length; break;
    case SUBMISSION_NO_FROM:
    case SUBMISSION_SEVERAL_FROM:
        refuse(intake, "from", 554, BYTES("5.6.0"), submission_reason(result));
        break;
    }
    buf_done(&honest);
}

/* What is to be signed goes out in seven bits, and in lines that all take, as a host on the way
 * that takes no more would break the signature (RFC 6376, 5.3). Appends the whole text; false: it
 * is so already, or has no such form, and is signed as it is. */
static bool encode(const struct intake *intake, struct bytes section, struct bytes body,
                   struct buf *out)
{
    static const struct downgrade_goal goal = {.body = BODY_7BIT};
    const struct envelope *envelope = smtp_server_transaction(session_smtp(intake->session));
    const struct bytes parts[] = {section, BYTES("\r\n"), body};
    bool is_fit = envelope->body != BODY_BINARYMIME && bytes_is_ascii(section) &&
                  bytes_is_ascii(body) && !intake->lines.has_long;
    return !is_fit && downgrade_whole(&goal, parts, COUNT(parts), out);
}

/* Is the section one that can be signed? If not, the message is refused: no key ever could. */
static bool check_fields(struct intake *intake)
{
    if (signing_is_possible(intake->signing))
        return true;
    refuse(intake, "signing", 552, BYTES("5.3.4"),
           BYTES("The header section has more than 2048 fields, which is more than can be signed "
                 "for your domain; send it with fewer"));
    return false;
}

/* Signs the text in `text_owned`, all of it, in place of what came. */
static void sign_encoded(struct intake *intake, struct buf text_owned, size_t length)
{
    struct bytes text = buf_view(&text_owned);
    signing_free(intake->signing);
    intake->signing = signing_new(intake->worker, intake->generation, bytes_sub(text, 0, length));
    if (intake->signing)
        signing_add(intake->signing, bytes_from(text, length + 2));
    buf_done(&intake->section);
    intake->section = text_owned;
    intake->body_skip = spool_body_size(intake->body);
    intake->is_7bit = true;
}

/* Prepares to sign what a client submits. What is there of the body is hashed at once; what comes
 * later goes through intake_text(). A large message is encoded, if need be, when it is complete:
 * its section is kept until then. */
static void begin_signing(struct intake *intake, struct bytes section, struct bytes body)
{
    struct buf text;
    size_t length;
    intake->signing = signing_new(intake->worker, intake->generation, section);
    if (!intake->signing || !check_fields(intake))
        return;
    transfer_measure(&intake->lines, section);
    transfer_measure(&intake->lines, body);
    buf_init(&text, SIZE_MAX);
    if (intake->is_whole && encode(intake, section, body, &text) &&
        header_end(buf_view(&text), &length)) {
        sign_encoded(intake, text, length);
        return;
    }
    buf_done(&text);
    signing_add(intake->signing, body);
    intake->is_recodable = !intake->is_whole;
    if (intake->is_whole || intake->section.len)
        return;
    buf_add(&intake->section, section);
    intake->body_skip = section.len;
}

/* Looks at the header section while it is still in memory: at the end of the text, or before the
 * body's first write to a file. */
static void settle_header(struct intake *intake)
{
    if (intake->has_header)
        return;
    intake->has_header = true;
    const struct config *config = intake->generation->config;
    struct bytes text = spool_body_view(intake->body);
    struct header_field first;
    struct bytes rest = text;
    size_t length;
    bool is_body_only = header_next(&rest, &first) && first.is_odd;
    if (is_body_only)
        length = 0;
    else if (!header_end(text, &length))
        length = text.len;
    if (length > config->limits.header_bytes) {
        refuse(intake, "header-size", 552, BYTES("5.3.4"),
               BYTES("the header section is too large"));
        return;
    }
    struct bytes section = bytes_sub(text, 0, length);
    /* RFC 5321, 6.3: a message that was received so often goes round in circles. */
    if (trace_hops(section) > config->limits.hops) {
        refuse(intake, "hops", 554, BYTES("5.4.6"),
               BYTES("too many Received fields: this message is in a loop"));
        return;
    }
    check_author(intake, section);
    if (intake->refusal.code)
        return;
    if (intake->listener->role != ROLE_SUBMISSION) {
        if (is_foreign(intake) && forged_cut(&intake->section, section, bytes_of(config->hostname)))
            intake->body_skip = section.len;
        return;
    }
    fix_submission(intake, section);
    if (intake->refusal.code)
        return;
    begin_signing(intake, intake->section.len ? buf_view(&intake->section) : section,
                  bytes_from(text, is_body_only ? 0 : length + 2));
    /* Text without any header section: a blank line keeps it from becoming one. */
    if (is_body_only && !intake->is_7bit) {
        buf_add(&intake->section, BYTES("\r\n"));
        intake->has_blank = true;
    }
}

static void body_written(void *context);

static void write_body(void *context)
{
    struct intake *intake = context;
    intake->was_written = spool_body_write(intake->body, intake->how, &intake->err);
}

static void begin_write(struct intake *intake, enum spool_body_write how)
{
    intake->how = how;
    loop_job(intake->worker->loop, write_body, body_written, intake);
}

bool intake_text(struct intake *intake, struct bytes text)
{
    if (intake->signing) {
        signing_add(intake->signing, text);
        transfer_measure(&intake->lines, text);
    }
    /* Refused already: the rest is read to its end and forgotten. */
    if (intake->refusal.code)
        return true;
    if (intake->verify)
        verify_text(intake->verify, text);
    if (spool_body_add(intake->body, text))
        return true;
    settle_header(intake);
    if (intake->refusal.code)
        return true;
    begin_write(intake, SPOOL_BODY_MORE);
    return false;
}

static void answer(struct intake *intake, const struct smtp_answer *answer_)
{
    /* Its words may be the intake's. */
    session_answer(intake->session, answer_, 1);
    verify_free(intake->verify);
    intake->verify = NULL;
    intake_free(intake);
}

static void log_refusal(struct intake *intake, const struct smtp_answer *refusal)
{
    const struct smtp_server *smtp = session_smtp(intake->session);
    const struct envelope *transaction = smtp_server_transaction(smtp);
    size_t count = transaction->recipient_count;
    log_info("refused", LOG_ID(intake->id), LOG_SESSION(session_number(intake->session)),
             LOG_BYTES("client", session_peer(intake->session)),
             LOG_BYTES("helo", smtp_server_helo(smtp)),
             LOG_BYTES("from", transaction->reverse_path),
             LOG_BYTES("to", count ? transaction->recipients[0].address : BYTES_NONE),
             LOG_INT("nrcpt", count), LOG_INT("code", refusal->code),
             LOG_BYTES("status", refusal->status),
             LOG_TEXT("rule", intake->rule ? intake->rule : "store"),
             LOG_BYTES("text", refusal->text), LOG_TEXT("listener", intake->listener->address),
             LOG_OPTIONAL_BYTES("user", smtp_server_user(smtp)));
    /* Each of them may ask why nothing came. */
    for (size_t i = 1; i < count && i < LOGGED_RECIPIENTS; i++)
        log_info("recipient", LOG_ID(intake->id),
                 LOG_BYTES("to", transaction->recipients[i].address));
}

static void answer_refused(struct intake *intake, const struct smtp_answer *refusal)
{
    log_refusal(intake, refusal);
    answer(intake, refusal);
}

/* Where a final address gets junk: another program's LMTP server may be told by a detail
 * ("ann+Junk@example.org"), in place of the one that is there. */
static struct bytes junk_address(struct intake *intake, struct bytes text)
{
    const struct config *config = intake->generation->config;
    struct address address;
    struct bytes local, rest, copy;
    if (!config->junk_detail || address_parse(text, ADDRESS_UTF8, &address) != PATH_OK ||
        address.local.at[0] == '"' ||
        !recipients_is_local_domain(config->recipients, address.domain))
        return text;
    struct bytes detail = bytes_of(config->junk_detail);
    uint8_t room[LOCAL_PART_LIMIT * 2 + 1 + DOMAIN_LIMIT];
    struct buf junk = {.at = room, .cap = sizeof room, .limit = sizeof room};
    bytes_cut(address.local, detail.at[0], &local, &rest);
    buf_add(&junk, local);
    buf_add(&junk, detail);
    buf_add_byte(&junk, '@');
    buf_add(&junk, address.domain);
    bool fits = local.len > 0 && local.len + detail.len <= LOCAL_PART_LIMIT;
    return fits && arena_copy(intake->arena, buf_view(&junk), &copy) ? copy : text;
}

/* Adds one final recipient, unless the address is there already. */
static void add_final(struct intake *intake, const struct envelope_recipient *original,
                      struct bytes address, struct map *seen, struct envelope *to, size_t *room)
{
    if (seen && map_add(seen, address, to))
        return;
    if (to->recipient_count == *room) {
        *room = *room * 2 + 8;
        to->recipients = memory_resize(to->recipients, *room, sizeof *to->recipients);
    }
    struct envelope_recipient *final = &to->recipients[to->recipient_count++];
    *final = *original;
    if (bytes_equal(address, original->address))
        return;
    final->address = address;
    log_info("recipient", LOG_ID(intake->id), LOG_BYTES("to", address),
             LOG_BYTES("orig", original->address));
}

/* The final recipients: each accepted one, expanded, each address once. False: too many. The
 * array is the caller's to free. */
static bool expand(struct intake *intake, const struct envelope *from, struct envelope *to)
{
    const struct config *config = intake->generation->config;
    bool is_good = true;
    size_t room = from->recipient_count;
    struct map *seen = NULL;
    to->recipients = memory_new(room, sizeof *to->recipients);
    to->recipient_count = 0;
    for (size_t i = 0; is_good && i < from->recipient_count; i++) {
        const struct envelope_recipient *recipient = &from->recipients[i];
        struct address address;
        /* Without a domain it is <postmaster>, the only such address that a RCPT takes. */
        if (address_parse(recipient->address, ADDRESS_UTF8, &address) != PATH_OK)
            address = (struct address){.local = recipient->address, .whole = recipient->address};
        struct bytes *targets;
        size_t count = 0;
        is_good = recipients_expand(config->recipients, &address, bytes_of(config->hostname),
                                    intake_arena(intake), &targets, &count);
        /* Most messages have one recipient, which cannot be there twice. */
        if (!seen && (from->recipient_count > 1 || count > 1))
            seen = map_new(config->queue.seed);
        for (size_t k = 0; is_good && k < count; k++)
            add_final(intake, recipient,
                      intake->is_junk ? junk_address(intake, targets[k]) : targets[k], seen, to,
                      &room);
    }
    map_free(seen);
    return is_good;
}

static void stored(struct commit_owner *owner, const struct spool_result *result)
{
    struct intake *intake = CONTAINER(owner, struct intake, owner);
    if (result->outcome != SPOOL_STORED) {
        answer_refused(intake, result->outcome == SPOOL_FULL ? &intake_disk_full : &disk_failed);
        return;
    }
    struct worker *worker = intake->worker;
    struct envelope envelope;
    arena_reset(intake->arena);
    bool is_good = envelope_scan(buf_view(&intake->meta), intake->arena, &envelope);
    ASSERT(is_good);
    bool is_new = queue_add(worker->queue, &envelope, loop_wall_ms(worker->loop));
    ASSERT(is_new);
    log_info(
        "accepted", LOG_ID(intake->id), LOG_SESSION(session_number(intake->session)),
        LOG_BYTES("from", envelope.reverse_path), LOG_BYTES("to", envelope.recipients[0].address),
        LOG_INT("nrcpt", envelope.recipient_count), LOG_INT("size", envelope.size),
        LOG_BYTES("client", envelope.client), LOG_BYTES("helo", envelope.helo),
        LOG_BYTES("protocol", smtp_server_protocol(session_smtp(intake->session))),
        LOG_OPTIONAL_BYTES("tls", session_tls(intake->session)),
        LOG_TEXT("listener", intake->listener->address), LOG_OPTIONAL_BYTES("user", envelope.user));
    uint8_t text_bytes[64 + WARNING_LIMIT];
    struct buf text = {.at = text_bytes, .cap = sizeof text_bytes, .limit = sizeof text_bytes};
    buf_add(&text, BYTES("kept safe as "));
    id_print(&text, intake->id);
    buf_add(&text, buf_view(&intake->warning));
    struct smtp_answer accepted = {250, BYTES("2.0.0"), buf_view(&text)};
    answer(intake, &accepted);
}

/* Who logged in, for those who read the message (RFC 8601, 2.7.4). */
static void print_login(const struct intake *intake, struct bytes user, struct buf *out)
{
    struct authres_result login = {
        .method = "auth", .result = "pass", .properties = {{"smtp.auth", user}}};
    authres_print(out, bytes_of(intake->generation->config->hostname), &login, 1);
}

/* Everything is there: the record goes to the spool. */
static void append(struct intake *intake)
{
    struct worker *worker = intake->worker;
    const struct smtp_server *smtp = session_smtp(intake->session);
    const struct envelope *transaction = smtp_server_transaction(smtp);
    struct envelope envelope = *transaction;
    envelope.id = intake->id;
    envelope.received_ms = loop_wall_ms(worker->loop);
    envelope.client = session_peer(intake->session);
    envelope.helo = smtp_server_helo(smtp);
    envelope.user = smtp_server_user(smtp);

    struct buf prefix;
    buf_init(&prefix, TRACE_LIMIT + intake->signatures.len + intake->section.len);
    struct trace trace = {.envelope = &envelope,
                          .hostname = bytes_of(intake->generation->config->hostname),
                          .protocol = smtp_server_protocol(smtp),
                          .tls = session_tls(intake->session)};
    if (intake->verify)
        trace.reverse_name = verify_client_name(intake->verify);
    trace_received(&prefix, &trace);
    if (intake->verify)
        verify_print(intake->verify, &prefix);
    if (intake->generation->config->auth.has_results && envelope.user.len)
        print_login(intake, envelope.user, &prefix);
    buf_add(&prefix, buf_view(&intake->signatures));
    buf_add(&prefix, buf_view(&intake->section));
    ASSERT(!prefix.overflowed);
    if (intake->is_7bit)
        envelope.body = BODY_7BIT;
    /* What came was looked at as it came; what is put in front may name a UTF-8 address. */
    if (envelope.is_smtputf8 && envelope.body == BODY_7BIT && !bytes_is_ascii(buf_view(&prefix)))
        envelope.body = BODY_8BITMIME;

    struct envelope final = envelope;
    final.size = prefix.len + spool_body_size(intake->body) - intake->body_skip;
    bool is_expanded = expand(intake, &envelope, &final);
    if (is_expanded)
        envelope_print(&intake->meta, &final);
    free(final.recipients);
    if (!is_expanded || intake->meta.overflowed) {
        buf_done(&prefix);
        struct smtp_answer too_many = {452, BYTES("4.5.3"),
                                       BYTES("the aliases expand to too many recipients")};
        answer_refused(intake, &too_many);
        return;
    }
    struct spool_message message = {.id = intake->id,
                                    .meta = buf_view(&intake->meta),
                                    .prefix = buf_view(&prefix),
                                    .body_skip = intake->body_skip};
    intake->owner.stored = stored;
    struct spool_body *body = intake->body;
    intake->body = NULL;
    spool_append(worker->spool, &message, body, &intake->owner);
    buf_done(&prefix);
}

static void refuse_failed(struct intake *intake, const struct error *err)
{
    log_error("spool-error", LOG_ID(intake->id), LOG_TEXT("reason", err->text));
    bool is_full = err->os == ENOSPC || err->os == EDQUOT;
    intake->refusal = is_full ? intake_disk_full : disk_failed;
}

static void body_written(void *context)
{
    struct intake *intake = context;
    if (!intake->was_written)
        refuse_failed(intake, &intake->err);
    if (intake->how == SPOOL_BODY_MORE)
        session_go_on(intake->session);
    else if (intake->refusal.code)
        answer_refused(intake, &intake->refusal);
    else
        append(intake);
}

static void store(struct intake *intake)
{
    if (intake->refusal.code)
        answer_refused(intake, &intake->refusal);
    else if (spool_body_has_file(intake->body))
        begin_write(intake, SPOOL_BODY_FINISH);
    else
        append(intake);
}

/* Does it go on to elsewhere? */
static bool is_passed_on(struct intake *intake)
{
    const struct config *config = intake->generation->config;
    const struct envelope *envelope = smtp_server_transaction(session_smtp(intake->session));
    for (size_t i = 0; i < envelope->recipient_count; i++) {
        struct address address;
        struct bytes *targets;
        size_t count = 0;
        if (address_parse(envelope->recipients[i].address, ADDRESS_UTF8, &address) != PATH_OK ||
            !recipients_expand(config->recipients, &address, bytes_of(config->hostname),
                               intake_arena(intake), &targets, &count))
            continue;
        for (size_t k = 0; k < count; k++)
            if (address_parse(targets[k], ADDRESS_UTF8, &address) == PATH_OK &&
                !recipients_is_local_domain(config->recipients, address.domain))
                return true;
    }
    return false;
}

/* Without a seal it goes as it is: those behind may doubt it more, and that is all. */
static void was_sealed(void *context, struct bytes fields)
{
    struct intake *intake = context;
    buf_add(&intake->signatures, fields);
    sealing_free(intake->sealing);
    intake->sealing = NULL;
    store(intake);
}

/* All copies are alike: those that stay here have the seal, too. */
static void seal(struct intake *intake)
{
    struct sealing_message message;
    struct buf results;
    buf_init(&results, VERIFY_FIELDS);
    if (intake->generation->config->verify.seal && is_passed_on(intake) &&
        verify_seals(intake->verify, &results, &message)) {
        message.id = intake->id;
        intake->sealing = sealing_new(intake->worker, intake->generation, &message);
    }
    buf_done(&results);
    if (intake->sealing)
        sealing_finish(intake->sealing, was_sealed, intake);
    else
        store(intake);
}

static void verified(void *context)
{
    struct intake *intake = context;
    struct smtp_answer refusal;
    verify_log(intake->verify, intake->id);
    switch (verify_verdict(intake->verify, &refusal, &intake->rule)) {
    case VERDICT_JUNK:
        intake->is_junk = true;
        seal(intake);
        return;
    case VERDICT_ACCEPT: seal(intake); return;
    case VERDICT_REFUSE: answer_refused(intake, &refusal); return;
    }
}

/* Unsigned, mail of a domain that signs may be thrown away by those who get it: better to have the
 * client come again. */
static void was_signed(void *context, struct bytes fields)
{
    struct intake *intake = context;
    buf_add(&intake->signatures, fields);
    signing_free(intake->signing);
    intake->signing = NULL;
    if (fields.len == 0) {
        intake->refusal = not_signed;
        intake->rule = "signing";
    }
    store(intake);
}

static void was_recoded(void *context, enum recoding_outcome outcome)
{
    struct intake *intake = context;
    if (outcome == RECODING_FAILED)
        refuse_failed(intake, recoding_error(intake->recoding));
    intake->is_7bit = outcome == RECODING_DONE;
    recoding_free(intake->recoding);
    intake->recoding = NULL;
    if (intake->refusal.code)
        store(intake);
    else
        signing_finish(intake->signing, intake->id, was_signed, intake);
}

/* What was hashed as it came is forgotten: what is signed is what will be sent. */
static void was_scanned(void *context, enum recoding_outcome outcome)
{
    struct intake *intake = context;
    struct bytes section =
        outcome == RECODING_DONE ? recoding_section(intake->recoding) : BYTES_NONE;
    if (section.len == 0) {
        was_recoded(intake, outcome == RECODING_DONE ? RECODING_NONE : outcome);
        return;
    }
    signing_free(intake->signing);
    intake->signing = signing_new(intake->worker, intake->generation, section);
    ASSERT(intake->signing);
    if (!check_fields(intake)) {
        store(intake);
        return;
    }
    buf_done(&intake->section);
    buf_init(&intake->section, section.len);
    buf_add(&intake->section, section);
    intake->body_skip = 0;
    recoding_write(intake->recoding, intake->signing, was_recoded, intake);
}

/* Must a message in a file be encoded before it is signed? */
static bool needs_recoding(const struct intake *intake)
{
    const struct envelope *envelope = smtp_server_transaction(session_smtp(intake->session));
    return intake->is_recodable && spool_body_has_file(intake->body) &&
           (envelope->body != BODY_7BIT || intake->lines.has_long ||
            !bytes_is_ascii(buf_view(&intake->section)));
}

static void sign_text(struct intake *intake)
{
    if (!needs_recoding(intake)) {
        signing_finish(intake->signing, intake->id, was_signed, intake);
        return;
    }
    struct recoding_text text = {.body = intake->body,
                                 .section = buf_view(&intake->section),
                                 .skip = intake->body_skip,
                                 .has_blank = intake->has_blank};
    intake->recoding = recoding_new(intake->worker, &text);
    recoding_scan(intake->recoding, was_scanned, intake);
}

static void sign(struct intake *intake)
{
    if (intake->signing && !intake->refusal.code)
        sign_text(intake);
    else if (intake->verify && !intake->refusal.code)
        verify_finish(intake->verify, verified, intake);
    else
        store(intake);
}

static void was_spent(void *context, const struct spending_result *result)
{
    struct intake *intake = context;
    const struct smtp_answer *refusal = result->refusal;
    if (refusal)
        refuse(intake, result->rule, refusal->code, refusal->status, refusal->text);
    buf_add(&intake->warning, result->warning);
    sign(intake);
}

void intake_store(struct intake *intake)
{
    intake->is_whole = !spool_body_has_file(intake->body);
    if (!intake->refusal.code)
        settle_header(intake);
    const struct spending spending = {
        .worker = intake->worker,
        .login = intake->login,
        .envelope = smtp_server_transaction(session_smtp(intake->session)),
        .client = session_peer(intake->session),
        .arena = intake_arena(intake),
        .done = was_spent,
        .context = intake,
    };
    if (intake->refusal.code || !spending_begin(&spending))
        sign(intake);
}
