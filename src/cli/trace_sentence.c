#include "cli/trace_sentence.h"

#include <string.h>
#include <time.h>

#include "base/instant.h"
#include "cli/paint.h"
#include "cli/trace_field.h"

/* In a sentence {name} is a field's value, {name|word} has a word for an empty or missing one,
 * {name#noun} counts ("2 recipients"), {name~} is a duration in ms, {name@} an instant,
 * {name!other} is empty when it names the same place as that field. What stands in [ ] is left out
 * when a field in it is empty or missing. */
static const struct {
    const char *event, *sentence;
} sentences[] = {
    {"accepted", "accepted[ from {client}][ (helo {helo})] as {from|<>} for {nrcpt#recipient}, "
                 "{size#byte}[, {protocol}][ by {tls}][ on {listener}][, logged in as {user}]"},
    {"verdict",
     "checked whether it is from {author|anybody}[ (From shows {shown})]: DMARC {dmarc}[ "
     "({reason})][ (the owner's "
     "policy is {policy})], SPF {spf}[ for {spf_domain}], DKIM {dkim}[ for {dkim_domain}], "
     "ARC {arc}, reverse name {iprev}; {action}[ (rule {rule})][, overridden: {override}]"},
    {"signed", "signed for {domain} by the key {selector} ({algorithm})"},
    {"sign-failed", "could not be signed[ for {domain}][ by the key {selector}]: {reason}"},
    {"sealed", "sealed for {domain} by the key {selector}, as it goes on to elsewhere"},
    {"seal-failed", "could not be sealed[ for {domain}]: {reason}"},
    {"recipient", "for {to}[, expanded from {orig}]"},
    {"refused",
     "refused[ {client}][ (helo {helo})][ from {from}][ to {to}][ on {listener}][, logged "
     "in as {user}]: {code}[ {status}][ {text}][ (rule {rule})]"},
    {"delivered", "delivered to {to}[ by {lane}][ at {host!lane}]: {reply|no words}[, after "
                  "{delay_ms~}][; TLS: {tls}][; it was {downgraded}, and went in another form]"},
    {"deferred", "not delivered to {to} yet[, by {lane}][ at {host!lane}]: {reply|no words}[; TLS: "
                 "{tls}]"},
    {"failed", "given up for {to}[, by {lane}][ at {host!lane}]: {reply|no words}[; "
               "TLS: {tls}]"},
    {"retry", "to be tried again at {next@}"},
    {"connection-ended",
     "the connection to {lane}[ at {host!lane}] ended before it: {reason}; by another now"},
    {"connect-failed", "could not connect to {lane}[ at {host!lane}]: {reason}"},
    {"host-failed", "{host|a host} of {lane} cannot be used, and the next one is tried: {reason}"},
    {"resolve-failed", "there is no way for mail to {domain}: {reason}[ ({status})]"},
    {"secured", "connected to {host} in TLS, {level} ({by}): {version} {cipher}[, {certificate}]"},
    {"in-clear", "connected to {host} without TLS: {reason}"},
    {"tls-failed",
     "[the TLS handshake with {client} failed: {reason}][the TLS handshake with {host} "
     "failed, and it is tried without TLS: {reason}]"},
    {"no-password", "waits, as the password for {lane} cannot be read from {file}: {reason}"},
    {"report", "told its sender[ {to}] so, in message {dsn}"},
    {"report-failed", "its sender could not be told yet: {reason}"},
    {"held", "held back by the operator"},
    {"released", "released by the operator"},
    {"deleted", "deleted from the queue by the operator"},
    {"mailbox-stored", "stored for {to}[ as {path}][, {size#byte}]"},
    {"mailbox-failed", "could not be stored for {to}: {reason}"},
    {"mailbox-unknown", "the mailbox process knows no {to}"},
    {"tls", "{client} went into TLS: {version} {cipher}[, asking for {sni}][, with the certificate "
            "{client_certificate}]"},
    {"login", "{client} logged in as {user} by {mechanism}"},
    {"login-failed", "{client} could not log in[ as {user}][ by {mechanism}]: {reason}"},
    {"login-banned",
     "{client} may not log in[ as {user}] until {until@}: the {banned} has failed too "
     "often"},
    {"banned", "{client} failed too often[ as {user}]: the {banned} may not log in until {until@}"},
    {"quota", "{user} is near or at what it may send in a day: {what}[ (limits: {messages_per_day} "
              "messages, {recipients_per_day} new recipients)]"},
    {"lost", "{client} (helo {helo|none}) broke off in the middle of a message, which is dropped"},
    {"spool-error", "the spool failed: {reason}"},
    {"peer-odd",
     "{client} (helo {helo|none}) broke the protocol's rules: talked before the greeting "
     "{talked_early}, sent commands unasked {pipelined_unasked}, ended lines by a bare "
     "CR or LF {bare_newline}"},
    {"proxy-failed", "the proxy {proxy} began with no PROXY header: {reason}"},
    {"session-failed", "a session with {client} failed: {reason}"},
};

enum { VALUE_LIMIT = 65536 };

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

void trace_add_local(struct buf *out, int64_t instant_ms)
{
    char text[64];
    struct tm parts;
    time_t instant = (time_t)(instant_ms / 1000);
    if (localtime_r(&instant, &parts) && strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts))
        buf_add(out, bytes_of(text));
}

static void add_instant(struct buf *out, struct bytes text)
{
    int64_t instant_ms;
    if (instant_scan(text, &instant_ms))
        trace_add_local(out, instant_ms);
    else
        paint_add(out, text);
}

/* "[127.0.0.1]:25" and "smtp://127.0.0.1:25" are. */
static bool is_same_place(struct bytes host, struct bytes line, struct bytes other)
{
    struct buf lane, bare;
    buf_init(&lane, VALUE_LIMIT);
    buf_init(&bare, VALUE_LIMIT);
    (void)trace_field_find(line, other, &lane);
    for (size_t i = 0; i < host.len; i++)
        if (host.at[i] != '[' && host.at[i] != ']')
            buf_add_byte(&bare, host.at[i]);
    bool is_same = bytes_equal(host, buf_view(&lane)) ||
                   (bare.len > 0 && bytes_ends_nocase(buf_view(&lane), buf_view(&bare)));
    buf_done(&bare);
    buf_done(&lane);
    return is_same;
}

/* One {…}, given without its braces. False: the field is empty or missing. */
static bool add_place(struct buf *out, struct bytes place, struct bytes line)
{
    static const uint8_t marks[] = "|#~@!";
    size_t name_len = 0;
    while (name_len < place.len && !memchr(marks, place.at[name_len], sizeof marks - 1))
        name_len++;
    uint8_t mark = name_len < place.len ? place.at[name_len] : 0;
    struct bytes word = bytes_from(place, name_len + 1);
    struct buf value;
    buf_init(&value, VALUE_LIMIT);
    bool is_there = trace_field_find(line, bytes_sub(place, 0, name_len), &value);
    if (is_there && mark == '!')
        is_there = !is_same_place(buf_view(&value), line, word);
    if (!is_there && mark == '|')
        buf_add(out, word);
    else if (mark == '#')
        add_counted(out, buf_view(&value), word);
    else if (mark == '~')
        add_duration(out, buf_view(&value));
    else if (mark == '@')
        add_instant(out, buf_view(&value));
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
    if (trace_field_find(line, BYTES("event"), &value))
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

void trace_sentence(struct buf *out, struct bytes line)
{
    struct buf event;
    buf_init(&event, VALUE_LIMIT);
    const char *sentence = NULL;
    if (trace_field_find(line, BYTES("event"), &event))
        for (size_t i = 0; i < COUNT(sentences); i++)
            if (bytes_equal(buf_view(&event), bytes_of(sentences[i].event)))
                sentence = sentences[i].sentence;
    if (sentence)
        add_sentence(out, bytes_of(sentence), line);
    else
        add_fields(out, line);
    buf_done(&event);
}
