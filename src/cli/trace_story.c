#include "cli/trace_story.h"

#include <string.h>

#include "cli/paint.h"
#include "cli/trace_lines.h"

/* In a sentence {name} is a field's value, {name|word} has a word for an empty or missing one,
 * {name#noun} counts ("2 recipients"), {name~} is a duration in ms. What stands in [ ] is left out
 * when a field in it is empty or missing. */
static const struct {
    const char *event, *sentence;
} stories[] = {
    {"accepted", "accepted[ from {client}][ (helo {helo})] as {from|<>} for {nrcpt#recipient}, "
                 "{size#byte}[, {protocol}][ by {tls}][ on {listener}][, logged in as {user}]"},
    {"verdict",
     "checked whether it is from {author|anybody}: DMARC {dmarc}[ ({reason})][ (the owner's "
     "policy is {policy})], SPF {spf}[ for {spf_domain}], DKIM {dkim}[ for {dkim_domain}], "
     "ARC {arc}, reverse name {iprev}; {action}[ (rule {rule})][, overridden: {override}]"},
    {"recipient", "for {to}[, expanded from {orig}]"},
    {"refused", "refused[ {client}][ (helo {helo})][ from {from}][ to {to}]: {code}[ {status}][ "
                "{text}][ (rule {rule})]"},
    {"delivered", "delivered to {to}[ by {lane}]: {reply|no words}[, after "
                  "{delay_ms~}]"},
    {"deferred", "deferred for {to}[ by {lane}]: {reply|no words}[; attempt "
                 "{attempts}][, next at {next}]"},
    {"failed", "failed for {to}[ by {lane}]: {reply|no words}[; after "
               "{attempts#attempt}]"},
    {"connection-ended", "the connection to {lane} ended before it: {reason}; by another now"},
    {"connect-failed", "could not connect to {lane}: {reason}"},
    {"report", "reported to its sender[ {to}] in message {dsn}"},
    {"report-failed", "its report could not be made: {reason}"},
    {"held", "held back by the operator"},
    {"released", "released by the operator"},
    {"deleted", "deleted from the queue by the operator"},
    {"mailbox-stored", "stored for {to}[ as {path}][, {size#byte}]"},
    {"mailbox-failed", "could not be stored for {to}: {reason}"},
    {"mailbox-unknown", "the mailbox agent knows no {to}"},
    {"lost", "{client} (helo {helo|none}) broke off in the middle of a message"},
    {"spool-error", "the spool failed: {reason}"},
    {"peer-odd", "{client} (helo {helo|none}) broke the protocol's rules"},
    {"session-failed", "a session with {client} failed: {reason}"},
};

enum { VALUE_LIMIT = 65536 };

/* The value of a field; false when the line has none, or an empty one. */
static bool find_field(struct bytes line, struct bytes wanted, struct buf *value)
{
    struct bytes name;
    while (trace_field(&line, &name, value))
        if (bytes_equal(name, wanted))
            return value->len > 0;
    return false;
}

static void add_counted(struct buf *out, struct bytes digits, struct bytes noun)
{
    uint64_t number;
    if (!scan_u64(digits, UINT64_MAX, &number)) {
        paint_add(out, digits);
        return;
    }
    paint_number(out, number);
    buf_add_byte(out, ' ');
    buf_add(out, noun);
    if (number != 1)
        buf_add_byte(out, 's');
}

static void add_duration(struct buf *out, struct bytes digits)
{
    uint64_t number;
    if (scan_u64(digits, INT64_MAX, &number))
        paint_duration(out, (int64_t)number);
    else
        paint_add(out, digits);
}

/* One {…}, given without its braces. False: the field is empty or missing. */
static bool add_place(struct buf *out, struct bytes place, struct bytes line)
{
    static const uint8_t marks[] = "|#~";
    size_t name_len = 0;
    while (name_len < place.len && !memchr(marks, place.at[name_len], sizeof marks - 1))
        name_len++;
    uint8_t mark = name_len < place.len ? place.at[name_len] : 0;
    struct bytes word = bytes_from(place, name_len + 1);
    struct buf value;
    buf_init(&value, VALUE_LIMIT);
    bool is_there = find_field(line, bytes_sub(place, 0, name_len), &value);
    if (!is_there && mark == '|')
        buf_add(out, word);
    else if (mark == '#')
        add_counted(out, buf_view(&value), word);
    else if (mark == '~')
        add_duration(out, buf_view(&value));
    else
        paint_add(out, buf_view(&value));
    buf_done(&value);
    return is_there || mark == '|';
}

static void add_sentence(struct buf *out, struct bytes sentence, struct bytes line)
{
    size_t group_start = 0;
    bool is_whole = true; /* the group, so far */
    for (size_t i = 0; i < sentence.len; i++) {
        uint8_t byte = sentence.at[i];
        if (byte == '[') {
            group_start = out->len;
            is_whole = true;
        } else if (byte == ']') {
            if (!is_whole)
                out->len = group_start;
        } else if (byte == '{') {
            struct bytes rest = bytes_from(sentence, i + 1);
            size_t len = bytes_find(rest, '}');
            is_whole &= add_place(out, bytes_sub(rest, 0, len), line);
            i += len + 1;
        } else {
            buf_add_byte(out, byte);
        }
    }
}

/* An event without a sentence: its name and fields. */
static void add_fields(struct buf *out, struct bytes line)
{
    static const char *const shown_elsewhere[] = {"time", "level", "process", "event", "id"};
    struct bytes name;
    struct buf value;
    buf_init(&value, VALUE_LIMIT);
    if (find_field(line, BYTES("event"), &value))
        paint_add(out, buf_view(&value));
    while (trace_field(&line, &name, &value)) {
        bool is_shown = true;
        for (size_t i = 0; i < COUNT(shown_elsewhere); i++)
            is_shown &= !bytes_equal(name, bytes_of(shown_elsewhere[i]));
        if (!is_shown)
            continue;
        buf_add_byte(out, ' ');
        paint_add(out, name);
        buf_add_byte(out, '=');
        paint_add(out, buf_view(&value));
    }
    buf_done(&value);
}

void trace_story(struct buf *out, struct bytes line)
{
    struct buf event;
    buf_init(&event, VALUE_LIMIT);
    const char *sentence = NULL;
    if (find_field(line, BYTES("event"), &event))
        for (size_t i = 0; i < COUNT(stories); i++)
            if (bytes_equal(buf_view(&event), bytes_of(stories[i].event)))
                sentence = stories[i].sentence;
    if (sentence)
        add_sentence(out, bytes_of(sentence), line);
    else
        add_fields(out, line);
    buf_done(&event);
}
