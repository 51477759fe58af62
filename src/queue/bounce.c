#include "queue/bounce.h"

#include "mail/dsn.h"

static enum dsn_action action_of(const struct queue_report_recipient *recipient)
{
    switch (recipient->outcome) {
    case DELIVERED: return recipient->was_relayed ? DSN_RELAYED : DSN_DELIVERED;
    case DEFERRED: return DSN_DELAYED;
    case FAILED: return DSN_FAILED;
    }
    return DSN_FAILED;
}

/* To whom: the sender, who is told of no delivery of what tells of deliveries (RFC 3461, 5.2). */
static bool address_to_sender(const struct queue_report *report, const struct bounce_source *source,
                              struct arena *arena, struct envelope *out)
{
    struct envelope envelope = {
        .id = source->id, .received_ms = source->now_ms, .recipient_count = 1};
    envelope.recipients = arena_alloc(arena, sizeof *envelope.recipients);
    if (!envelope.recipients)
        return false;
    envelope.recipients[0] = (struct envelope_recipient){.address = report->envelope->reverse_path,
                                                         .notify = NOTIFY_NEVER};
    *out = envelope;
    return true;
}

bool bounce_compose(const struct queue_report *report, const struct bounce_source *source,
                    struct arena *arena, struct buf *text, struct envelope *out)
{
    struct envelope envelope;
    ASSERT(report->envelope->reverse_path.len && report->recipient_count);
    if (report->recipient_count > SIZE_MAX / sizeof(struct dsn_recipient))
        return false;
    struct dsn_recipient *recipients =
        arena_alloc(arena, report->recipient_count * sizeof *recipients);
    if (!recipients || !address_to_sender(report, source, arena, &envelope))
        return false;
    for (size_t i = 0; i < report->recipient_count; i++) {
        const struct queue_report_recipient *from = &report->recipients[i];
        recipients[i] = (struct dsn_recipient){
            .address = from->recipient->address,
            .orcpt = from->recipient->orcpt,
            .action = action_of(from),
            .status = from->status,
            .code = from->code,
            .reply = from->reply,
            .remote = from->remote,
            .last_attempt_ms = from->at_ms,
            .retry_until_ms = from->retry_until_ms,
        };
    }
    struct dsn_report dsn = {
        .id = source->id,
        .now_ms = source->now_ms,
        .hostname = source->hostname,
        .envelope = report->envelope,
        .recipients = recipients,
        .recipient_count = report->recipient_count,
        .original = source->original,
        .is_whole = source->is_whole,
    };
    struct dsn_needs needs = dsn_print(text, &dsn);
    if (text->overflowed)
        return false;
    envelope.body = needs.body;
    envelope.is_smtputf8 = needs.is_smtputf8;
    envelope.size = text->len;
    *out = envelope;
    return true;
}
