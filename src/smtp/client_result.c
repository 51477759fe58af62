#include "smtp/client_state.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)REPLY_LIMIT == (int)REPLY_TEXT_LIMIT, "a reply's text fits a result");
_Static_assert(sizeof((struct delivery_result){0}.status) == (size_t)STATUS_LIMIT,
               "so does its status");

enum { AT_ANY = -1 };

/* What a code means where the server does not say it itself (RFC 3463; the first row that fits).
 * A code without a row is "x.0.0". */
static const struct {
    int code, moment;
    const char *status;
} statuses[] = {
    {421, AT_ANY, "4.3.2"},  {450, AT_RCPT, "4.2.0"},    {451, AT_ANY, "4.3.0"},
    {452, AT_RCPT, "4.5.3"}, {452, AT_ANY, "4.3.1"},     {454, AT_ANY, "4.7.0"},
    {455, AT_ANY, "4.5.4"},  {500, AT_ANY, "5.5.2"},     {501, AT_MAIL, "5.1.7"},
    {501, AT_RCPT, "5.1.3"}, {501, AT_ANY, "5.5.4"},     {502, AT_ANY, "5.5.1"},
    {503, AT_ANY, "5.5.1"},  {504, AT_ANY, "5.5.4"},     {521, AT_ANY, "5.3.2"},
    {530, AT_ANY, "5.7.0"},  {550, AT_SESSION, "5.7.1"}, {550, AT_MAIL, "5.1.0"},
    {550, AT_RCPT, "5.1.1"}, {550, AT_ANY, "5.7.1"},     {551, AT_RCPT, "5.1.6"},
    {552, AT_RCPT, "4.5.3"}, {552, AT_END, "5.2.2"},     {552, AT_ANY, "5.3.4"},
    {553, AT_MAIL, "5.1.7"}, {553, AT_ANY, "5.1.3"},     {554, AT_SESSION, "5.3.2"},
    {554, AT_RCPT, "5.7.1"}, {555, AT_ANY, "5.5.4"},     {556, AT_ANY, "5.1.10"},
};

static void status_derive(char *status, int code, enum moment moment)
{
    for (size_t i = 0; i < COUNT(statuses); i++) {
        if (statuses[i].code == code &&
            (statuses[i].moment == AT_ANY || statuses[i].moment == (int)moment)) {
            snprintf(status, STATUS_LIMIT, "%s", statuses[i].status);
            return;
        }
    }
    snprintf(status, STATUS_LIMIT, "%d.0.0", code / 100);
}

struct delivery_result client_judge(const struct smtp_client *client, enum moment moment)
{
    const struct reply_scan *scan = &client->scan;
    struct delivery_result result = {
        .outcome = scan->code < 300   ? DELIVERED
                   : scan->code < 500 ? DEFERRED
                                      : FAILED,
        .code = scan->code,
        .reply = reply_scan_text(scan),
        /* 421 is about the connection, wherever it comes (RFC 5321, 3.8). */
        .was_connection = moment == AT_SESSION || scan->code == 421,
    };
    if (scan->status[0])
        memcpy(result.status, scan->status, STATUS_LIMIT);
    else
        status_derive(result.status, scan->code, moment);
    /* RFC 821 had 552 for too many recipients: it is to count as 452 (RFC 5321, 4.5.3.1.10). */
    if (scan->code == 552 && moment == AT_RCPT) {
        result.outcome = DEFERRED;
        result.status[0] = '4';
    }
    result.has_dsn = result.outcome == DELIVERED && client->extensions.offers & OFFERS_DSN;
    result.has_by = result.outcome == DELIVERED && client->transfer && client->transfer->passes_by;
    return result;
}

struct delivery_result client_verdict(enum delivery_outcome outcome, const char *status,
                                      const char *text)
{
    struct delivery_result result = {.outcome = outcome, .reply = bytes_of(text)};
    snprintf(result.status, sizeof result.status, "%s", status);
    return result;
}

static void mark_done(struct smtp_client *client, size_t place)
{
    struct transfer *transfer = client->transfer;
    transfer->marks[place] |= RCPT_DONE;
    transfer->open--;
    if (transfer->marks[place] & RCPT_ACCEPTED)
        transfer->accepted--;
    client->result.recipient = transfer->message.recipients[place];
}

void client_settle(struct smtp_client *client, size_t place, const struct delivery_result *result)
{
    ASSERT(!client->has_result && !client->is_sweeping);
    client->result = *result;
    client->has_result = true;
    mark_done(client, place);
}

void client_settle_all(struct smtp_client *client, const struct delivery_result *result)
{
    client->result = *result;
    client->is_sweeping = true;
    client->sweep_at = 0;
}

bool client_next_result(struct smtp_client *client)
{
    if (client->has_result) {
        client->has_result = false;
        return true;
    }
    const struct transfer *transfer = client->transfer;
    while (client->is_sweeping) {
        if (!transfer || client->sweep_at == transfer->message.recipient_count) {
            client->is_sweeping = false;
            break;
        }
        size_t place = client->sweep_at++;
        if (!(transfer->marks[place] & RCPT_DONE)) {
            mark_done(client, place);
            return true;
        }
    }
    return false;
}
