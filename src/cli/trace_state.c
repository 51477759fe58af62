#include "cli/trace_state.h"

#include "base/id.h"
#include "base/instant.h"
#include "cli/talk.h"

static struct bytes text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return (struct bytes){(const uint8_t *)json_string_value(value), json_string_length(value)};
}

static void take_shown(void *context, const json_t *line)
{
    struct trace_state *state = context;
    json_t *recipients = json_object_get(json_object_get(line, "message"), "recipients");
    if (recipients && !state->recipients)
        state->recipients = json_incref(recipients);
}

bool trace_state_ask(const struct config *config, uint64_t id, struct trace_state *out)
{
    uint8_t room[ID_TEXT];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    id_print(&text, id);
    *out = (struct trace_state){.recipients = NULL};
    json_t *request =
        json_pack("{s:s,s:o}", "do", "show", "id", json_stringn((const char *)room, sizeof room));
    return talk_quietly(config, request, take_shown, out);
}

void trace_state_done(struct trace_state *state)
{
    json_decref(state->recipients);
    state->recipients = NULL;
}

bool trace_state_next(const struct trace_state *state, size_t *place, struct trace_waiting *out)
{
    while (*place < json_array_size(state->recipients)) {
        const json_t *recipient = json_array_get(state->recipients, (*place)++);
        struct bytes status = text_of(recipient, "status");
        /* What became of these, the journal tells. */
        if (bytes_equal(status, BYTES("delivered")) || bytes_equal(status, BYTES("failed")))
            continue;
        *out = (struct trace_waiting){
            .address = text_of(recipient, "address"),
            .lane = text_of(recipient, "lane"),
            .reply = text_of(recipient, "reply"),
            .is_active = bytes_equal(status, BYTES("active")),
            .is_held = bytes_equal(status, BYTES("held")),
            .is_deferred = bytes_equal(status, BYTES("deferred")),
        };
        if (!instant_scan(text_of(recipient, "next"), &out->next_ms))
            out->next_ms = 0;
        return true;
    }
    return false;
}
