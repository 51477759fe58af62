#include "smtp/client_state.h"

enum {
    /* BDAT commands unanswered where PIPELINING is offered. */
    CHUNK_WINDOW = 4
};

bool client_text_is_wanted(const struct smtp_client *client)
{
    if (client->stage == STAGE_TEXT)
        return client->input.len == client->input_at;
    if (client->stage != STAGE_CHUNKS || !client->transfer->open)
        return false;
    /* In LMTP a chunk is never sent behind one that may be refused: how many replies the last one
     * has then is not said (RFC 2033, 4.3). */
    bool is_pipelined =
        client->extensions.offers & OFFERS_PIPELINING && client->settings.dialect == DIALECT_SMTP;
    return client->awaited < (is_pipelined ? CHUNK_WINDOW : 1);
}

/* The text is handed in: what is awaited now. */
static void text_ended(struct smtp_client *client)
{
    client->stage = STAGE_END;
    client->awaited += client->settings.dialect == DIALECT_LMTP ? client->transfer->accepted : 1;
}

void smtp_client_text(struct smtp_client *client, struct bytes text, bool is_last, int64_t now_ms)
{
    ASSERT(client->stage == STAGE_TEXT || client->stage == STAGE_CHUNKS);
    struct transfer *transfer = client->transfer;
    client->progress_ms = now_ms;
    buf_drop(&client->output, client->output_at);
    client->output_at = 0;
    if (client->stage == STAGE_CHUNKS) {
        if (text.len || is_last)
            buf_addf(&client->output, "BDAT %zu%s\r\n", text.len, is_last ? " LAST" : "");
        buf_add(&client->output, text);
        if (text.len && !is_last)
            client->awaited++;
    } else if (client->input.len > client->input_at) {
        /* The server spoke up while the text was being read: the next step hears what it said,
         * and nothing is sent before. */
        return;
    } else {
        stuff_add(&transfer->stuff, &client->output, text);
        if (is_last)
            stuff_end(&transfer->stuff, &client->output);
    }
    if (is_last)
        text_ended(client);
}

void smtp_client_abort(struct smtp_client *client, struct bytes reason)
{
    ASSERT(client->stage == STAGE_TEXT || client->stage == STAGE_CHUNKS ||
           client->stage == STAGE_DOWNGRADE);
    client_break(client, "4.3.0", reason);
    /* It is our fault: no other host could help. */
    client->result.was_connection = false;
}

/* The server does not wait for the end of the text. */
static void reply_amid_text(struct smtp_client *client)
{
    if (client->scan.code < 400) {
        client_breach(client, "a reply before the end of the message",
                      reply_scan_text(&client->scan));
        return;
    }
    struct delivery_result verdict = client_judge(client, AT_END);
    buf_free(&client->output);
    client->output_at = 0;
    client_end(client, &verdict);
}

static void chunk_refused(struct smtp_client *client)
{
    if (!client->transfer->open)
        return;
    struct delivery_result verdict = client_judge(client, AT_END);
    client_settle_all(client, &verdict);
}

bool client_text_has_others(const struct smtp_client *client)
{
    return client->stage == STAGE_END && client->settings.dialect == DIALECT_LMTP &&
           client->transfer->open > 1;
}

/* 421 for one recipient of several (RFC 2033, 4.2): the server goes (RFC 5321, 3.8), but has
 * perhaps decided on the others. Who is answered 250 has the message, and must not get it again. */
static void note_farewell(struct smtp_client *client, struct delivery_result *verdict)
{
    /* The text has been sent: no other host is to be tried at once. */
    verdict->was_connection = false;
    if (client->is_leaving)
        return;
    client->is_leaving = true;
    buf_add(&client->farewell_text, verdict->reply);
    client->farewell = *verdict;
    client->farewell.reply = buf_view(&client->farewell_text);
}

/* The reply to the whole message; in LMTP, to the next recipient's. */
static void end_answered(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    struct delivery_result verdict = client_judge(client, AT_END);
    if (client->settings.dialect != DIALECT_LMTP) {
        client_settle_all(client, &verdict);
    } else {
        size_t place = 0;
        if (client->scan.code == 421)
            note_farewell(client, &verdict);
        while ((transfer->marks[place] & (RCPT_ACCEPTED | RCPT_DONE)) != RCPT_ACCEPTED)
            place++;
        client_settle(client, place, &verdict);
    }
}

void client_text_reply(struct smtp_client *client)
{
    struct transfer *transfer = client->transfer;
    bool is_ending = client->stage == STAGE_END;
    if (client->stage == STAGE_TEXT) {
        reply_amid_text(client);
        return;
    }
    if (client->scan.code / 100 == 3) {
        client_breach(client, "code 3xx where it has no meaning", reply_scan_text(&client->scan));
        return;
    }
    client->awaited--;
    bool is_final = is_ending && (client->settings.dialect == DIALECT_LMTP || !client->awaited);
    if (is_final && transfer->open)
        end_answered(client);
    else if (!is_final && client->scan.code >= 400)
        chunk_refused(client);
    /* The end of DATA ends the transaction whatever its reply; after a BDAT that failed, its
     * state is not known (RFC 3030, 4.1). */
    if (client->scan.code >= 400 && transfer->uses_chunks)
        transfer->is_in_doubt = true;
    if (client->stage != STAGE_CHUNKS && !client->awaited)
        transfer->is_kept = transfer->is_in_doubt;
}
