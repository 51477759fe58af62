#include "ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "mail/header.h"

enum { TEXT_LIMIT = 1 << 20 };

struct ledger *ledger_new(struct world *world)
{
    struct ledger *ledger = NEW(struct ledger);
    ledger->world = world;
    return ledger;
}

void ledger_free(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++)
        buf_done(&ledger->letters[i].text);
    free(ledger);
}

struct letter *ledger_draft(struct ledger *ledger)
{
    ASSERT(ledger->count < LETTER_LIMIT);
    struct letter *letter = &ledger->letters[ledger->count];
    letter->number = ledger->count++;
    buf_init(&letter->text, TEXT_LIMIT);
    for (size_t i = 0; i < LETTER_RECIPIENTS; i++) {
        struct letter_recipient *recipient = &letter->recipients[i];
        recipient->copies.ledger = ledger;
    }
    return letter;
}

void ledger_violated(struct ledger *ledger, const char *format, ...)
{
    if (ledger->has_failed)
        return;
    ledger->has_failed = true;
    va_list values;
    va_start(values, format);
    vsnprintf(ledger->violation, sizeof ledger->violation, format, values);
    va_end(values);
}

/* Reads the number at the front. */
static bool take_number(struct bytes *rest, size_t *out)
{
    size_t len = 0;
    uint64_t value;
    while (len < rest->len && ascii_is_digit(rest->at[len]))
        len++;
    if (!scan_u64(bytes_sub(*rest, 0, len), LETTER_LIMIT, &value))
        return false;
    *rest = bytes_from(*rest, len);
    *out = (size_t)value;
    return true;
}

/* "s7@…" is the sender of letter 7, "r7x2@…" its third recipient. */
static struct letter *find(struct ledger *ledger, struct bytes address,
                           struct letter_recipient **recipient)
{
    *recipient = NULL;
    if (address.len == 0 || (address.at[0] != 's' && address.at[0] != 'r'))
        return NULL;
    struct bytes rest = bytes_from(address, 1);
    size_t number, place = 0;
    if (!take_number(&rest, &number) || number >= ledger->count)
        return NULL;
    struct letter *letter = &ledger->letters[number];
    if (address.at[0] == 's')
        return bytes_equal(address, bytes_of(letter->sender.address)) ? letter : NULL;
    rest = bytes_from(rest, 1);
    if (!take_number(&rest, &place) || place >= letter->recipient_count)
        return NULL;
    *recipient = &letter->recipients[place];
    return bytes_equal(address, bytes_of((*recipient)->party.address)) ? letter : NULL;
}

struct party *ledger_party(struct ledger *ledger, struct bytes address)
{
    struct letter_recipient *recipient;
    struct letter *letter = find(ledger, address, &recipient);
    return recipient ? &recipient->party : letter ? &letter->sender : NULL;
}

void tally_reached(void *context)
{
    struct tally *tally = context;
    tally->is_certain = true;
    tally->certain_step = world_steps(tally->ledger->world);
}

/* One Received field in front of exactly what was handed in. */
static bool is_unchanged(const struct letter *letter, struct bytes text)
{
    struct bytes sent = buf_view(&letter->text);
    if (text.len < sent.len || !bytes_equal(bytes_from(text, text.len - sent.len), sent))
        return false;
    struct bytes trace = bytes_sub(text, 0, text.len - sent.len);
    struct header_field field;
    return header_next(&trace, &field) && bytes_equal_nocase(field.name, BYTES("Received")) &&
           trace.len == 0;
}

static struct tally *copy_arrived(struct ledger *ledger, struct letter *letter,
                                  struct letter_recipient *recipient, const struct arrival *arrival)
{
    const char *to = recipient->party.address;
    ledger->copies++;
    recipient->copies.total++;
    if (!is_unchanged(letter, arrival->text))
        ledger_violated(ledger, "what arrived at %s is not what was sent", to);
    if (letter->state == LETTER_DRAFT || letter->state == LETTER_REFUSED)
        ledger_violated(ledger, "%s got a message that was not taken", to);
    if (letter->state == LETTER_ACCEPTED && !recipient->is_accepted)
        ledger_violated(ledger, "%s was refused at RCPT, and got the message", to);
    if (recipient->copies.is_certain && !arrival->is_late)
        ledger_violated(ledger, "%s got the message twice", to);
    return &recipient->copies;
}

static bool wants_failures(const struct letter_recipient *recipient)
{
    return recipient->notify == 0 || (recipient->notify & NOTIFY_FAILURE);
}

/* May the node give this up at that instant? */
static bool may_fail(const struct ledger *ledger, const struct letter *letter,
                     const struct party *party, int64_t at_ms)
{
    int64_t since_ms = at_ms - letter->sent_ms;
    return party->was_refused || since_ms >= ledger->expire_ms ||
           (letter->by_ms && party != &letter->sender && at_ms >= letter->by_ms);
}

static void failure_told(struct ledger *ledger, struct letter *letter,
                         struct letter_recipient *recipient)
{
    const char *about = recipient->party.address;
    if (!wants_failures(recipient))
        ledger_violated(ledger, "a failure of %s was told, against NOTIFY", about);
    if (recipient->copies.is_certain)
        ledger_violated(ledger, "a failure of %s was told, which has the message", about);
    if (recipient->failures++ > letter->report_excuses)
        ledger_violated(ledger, "a failure of %s was told twice", about);
    if (letter->state == LETTER_ACCEPTED &&
        !may_fail(ledger, letter, &recipient->party, world_now_ms(ledger->world)))
        ledger_violated(ledger, "a failure of %s was told, without a cause", about);
}

/* The value of the field in a group of fields; empty: it is not there. */
static struct bytes group_field(struct bytes group, struct bytes name)
{
    struct header_field field;
    while (group.len && header_next(&group, &field))
        if (bytes_equal_nocase(field.name, name))
            return bytes_trim(field.value);
    return BYTES_NONE;
}

/* One group of a delivery-status part (RFC 3464, 2.3). */
static void group_told(struct ledger *ledger, struct letter *letter, struct bytes group)
{
    struct bytes final = group_field(group, BYTES("Final-Recipient")), kind, address;
    struct bytes action = group_field(group, BYTES("Action"));
    struct letter_recipient *recipient;
    (void)bytes_cut(final, ';', &kind, &address);
    if (find(ledger, bytes_trim(address), &recipient) != letter || !recipient) {
        ledger_violated(ledger, "s%zu was told of a stranger, %.*s", letter->number,
                        BYTES_ARGS(final));
        return;
    }
    if (bytes_equal(action, BYTES("failed"))) {
        failure_told(ledger, letter, recipient);
        return;
    }
    if (bytes_equal(action, BYTES("delayed")))
        return;
    if (!(recipient->notify & NOTIFY_SUCCESS) && !letter->has_by)
        ledger_violated(ledger, "a success of %s was told unasked", recipient->party.address);
    if (recipient->copies.total == 0)
        ledger_violated(ledger, "%s was said to have the message, and has not",
                        recipient->party.address);
}

static void notice_read(struct ledger *ledger, struct letter *letter, struct bytes text)
{
    static const struct bytes mark = BYTES_INIT("\r\nFinal-Recipient:");
    size_t at;
    if (letter->state == LETTER_DRAFT)
        ledger_violated(ledger, "s%zu was told of a message that was never sent", letter->number);
    if (bytes_search(text, mark) == text.len)
        ledger_violated(ledger, "s%zu got mail that is no notification", letter->number);
    /* What is read ends with the fields: the message that is returned follows. */
    while ((at = bytes_search(text, mark)) < text.len) {
        text = bytes_from(text, at + 2);
        size_t len = bytes_search(text, BYTES("\r\n\r\n"));
        group_told(ledger, letter, bytes_sub(text, 0, len + 2));
        text = bytes_from(text, len);
    }
}

static struct tally *notice_arrived(struct ledger *ledger, struct letter *letter,
                                    const struct arrival *arrival)
{
    struct bytes id = group_field(arrival->text, BYTES("Message-ID"));
    struct notice *notice = letter->notices, *end = notice + letter->notice_count;
    while (notice < end && !bytes_equal(id, bytes_of(notice->id)))
        notice++;
    if (notice == end) {
        ASSERT(letter->notice_count < LETTER_NOTICES);
        letter->notice_count++;
        ledger->notices++;
        notice->copies.ledger = ledger;
        snprintf(notice->id, sizeof notice->id, "%.*s", BYTES_ARGS(id));
        notice_read(ledger, letter, arrival->text);
    }
    if (notice->copies.is_certain && !arrival->is_late)
        ledger_violated(ledger, "s%zu got a notification twice", letter->number);
    notice->copies.total++;
    return &notice->copies;
}

struct tally *ledger_arrived(struct ledger *ledger, const struct arrival *arrival)
{
    struct letter_recipient *recipient;
    struct letter *letter = find(ledger, arrival->to, &recipient);
    log_info("sim-copy", LOG_BYTES("from", arrival->reverse_path), LOG_BYTES("to", arrival->to),
             LOG_INT("size", arrival->text.len), LOG_INT("late", arrival->is_late));
    if (!letter) {
        ledger_violated(ledger, "mail for a stranger, %.*s", BYTES_ARGS(arrival->to));
        return NULL;
    }
    if (!recipient) {
        if (arrival->reverse_path.len)
            ledger_violated(ledger, "a notification has a reverse-path");
        return notice_arrived(ledger, letter, arrival);
    }
    if (!bytes_equal(arrival->reverse_path, bytes_of(letter->sender.address)))
        ledger_violated(ledger, "%s got the message from <%.*s>", recipient->party.address,
                        BYTES_ARGS(arrival->reverse_path));
    return copy_arrived(ledger, letter, recipient, arrival);
}

static void tally_crashed(struct tally *tally, uint64_t clean_step)
{
    if (tally->certain_step > clean_step)
        tally->is_certain = false;
}

void ledger_crashed(struct ledger *ledger, uint64_t clean_step, bool is_reporting)
{
    for (size_t i = 0; i < ledger->count; i++) {
        struct letter *letter = &ledger->letters[i];
        letter->report_excuses += is_reporting || letter->report_step > clean_step;
        for (size_t k = 0; k < letter->recipient_count; k++)
            tally_crashed(&letter->recipients[k].copies, clean_step);
        for (size_t k = 0; k < letter->notice_count; k++)
            tally_crashed(&letter->notices[k].copies, clean_step);
    }
}

void ledger_took(struct ledger *ledger, struct bytes from, uint64_t id)
{
    struct letter_recipient *recipient;
    struct letter *letter = find(ledger, from, &recipient);
    if (letter && !recipient)
        letter->id = id;
}

void ledger_report_failed(struct ledger *ledger, uint64_t id)
{
    for (size_t i = 0; i < ledger->count; i++)
        ledger->letters[i].report_excuses += ledger->letters[i].id == id;
}

void ledger_reported(struct ledger *ledger, struct bytes to)
{
    struct letter_recipient *recipient;
    struct letter *letter = find(ledger, to, &recipient);
    if (letter && !recipient)
        letter->report_step = world_steps(ledger->world);
    else
        ledger_violated(ledger, "a report for <%.*s>, who sent nothing", BYTES_ARGS(to));
}

/* Nobody tells us when the node gives up without a report: could it rightly have done so? */
static bool may_be_given_up(const struct ledger *ledger, const struct letter *letter,
                            const struct party *party)
{
    return party->is_full || may_fail(ledger, letter, party, ledger->calm_ms);
}

static void settle_recipient(struct ledger *ledger, const struct letter *letter,
                             const struct letter_recipient *recipient)
{
    if (recipient->copies.total || recipient->failures)
        return;
    bool is_told = letter->sender.address[0] && wants_failures(recipient);
    if (!may_be_given_up(ledger, letter, &recipient->party))
        ledger_violated(ledger, "%s: answered 250, and lost", recipient->party.address);
    else if (is_told && !may_be_given_up(ledger, letter, &letter->sender))
        ledger_violated(ledger, "%s has failed, and the sender was not told",
                        recipient->party.address);
}

void ledger_settle(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        const struct letter *letter = &ledger->letters[i];
        for (size_t k = 0; letter->state == LETTER_ACCEPTED && k < letter->recipient_count; k++)
            if (letter->recipients[k].is_accepted)
                settle_recipient(ledger, letter, &letter->recipients[k]);
    }
}
