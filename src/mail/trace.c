#include "mail/trace.h"

#include <inttypes.h>

#include "base/id.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/fold.h"
#include "mail/header.h"

enum { WORD_LIMIT = 600 }; /* a word is a name and its literal at most */

static void add_helo(struct buf *out, struct bytes helo, enum address_charset charset)
{
    if (domain_is_valid(helo, charset) || address_literal_is_valid(helo)) {
        buf_add(out, helo);
        return;
    }
    if (helo.len == 0)
        buf_add(out, BYTES("unknown"));
    helo = bytes_sub(helo, 0, DOMAIN_LIMIT);
    for (size_t i = 0; i < helo.len; i++) {
        uint8_t byte = helo.at[i];
        bool is_good = ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '-' || byte == '_' ||
                       (byte == '.' && i > 0 && i + 1 < helo.len && helo.at[i - 1] != '.');
        buf_add_byte(out, is_good ? byte : '?');
    }
}

/* "(name [address])" or "([address])", as two words where there is a name; "(uid 1000)" for a
 * program on this host. Any other client without an address is not named. */
static void fold_client(struct fold *fold, struct buf *word, const struct trace *trace)
{
    struct bytes client = trace->envelope->client;
    bool has_name = domain_is_valid(trace->reverse_name, ADDRESS_ASCII);
    uint64_t uid;
    buf_clear(word);
    if (bytes_starts(client, BYTES("uid:")) && scan_u64(bytes_from(client, 4), UINT32_MAX, &uid)) {
        fold_word(fold, BYTES("(uid"));
        buf_addf(word, "%" PRIu64 ")", uid);
        fold_word(fold, buf_view(word));
        return;
    }
    buf_add_byte(word, '(');
    buf_add(word, bytes_find(client, ':') < client.len ? BYTES("[IPv6:") : BYTES("["));
    buf_add(word, client);
    buf_add(word, BYTES("]"));
    if (!address_literal_is_valid(bytes_from(buf_view(word), 1)))
        return;
    buf_add_byte(word, ')');
    if (!has_name) {
        fold_word(fold, buf_view(word));
        return;
    }
    struct buf name;
    buf_init(&name, WORD_LIMIT);
    buf_add_byte(&name, '(');
    buf_add(&name, trace->reverse_name);
    fold_word(fold, buf_view(&name));
    fold_word(fold, bytes_from(buf_view(word), 1));
    buf_done(&name);
}

static void fold_recipient(struct fold *fold, struct buf *word, const struct envelope *envelope)
{
    if (envelope->recipient_count != 1)
        return;
    struct bytes address = envelope->recipients[0].address;
    if (!envelope->is_smtputf8 && !bytes_is_ascii(address))
        return;
    fold_line(fold, BYTES("for"));
    buf_clear(word);
    buf_add_byte(word, '<');
    buf_add(word, address);
    buf_add_byte(word, '>');
    fold_word(fold, buf_view(word));
}

/* As a comment, on a line of its own, for people. */
static void fold_tls(struct fold *fold, struct buf *word, struct bytes tls)
{
    struct bytes version, rest, cipher, bits;
    if (!bytes_cut(tls, ' ', &version, &rest) || !bytes_cut(rest, ' ', &cipher, &bits))
        return;
    buf_clear(word);
    buf_addf(word, "(%.*s", BYTES_ARGS(version));
    fold_line(fold, buf_view(word));
    fold_word(fold, BYTES("cipher"));
    fold_word(fold, cipher);
    buf_clear(word);
    buf_addf(word, "%.*s bits)", BYTES_ARGS(bits));
    fold_word(fold, buf_view(word));
}

void trace_received(struct buf *out, const struct trace *trace)
{
    const struct envelope *envelope = trace->envelope;
    struct fold fold = fold_field(out, BYTES("Received: from"));
    struct buf word;
    buf_init(&word, WORD_LIMIT);
    add_helo(&word, envelope->helo, envelope->is_smtputf8 ? ADDRESS_UTF8 : ADDRESS_ASCII);
    fold_word(&fold, buf_view(&word));
    fold_client(&fold, &word, trace);
    fold_line(&fold, BYTES("by"));
    fold_word(&fold, trace->hostname);
    fold_word(&fold, BYTES("with"));
    fold_word(&fold, trace->protocol);
    fold_word(&fold, BYTES("id"));
    buf_clear(&word);
    id_print(&word, envelope->id);
    fold_word(&fold, buf_view(&word));
    fold_tls(&fold, &word, trace->tls);
    fold_recipient(&fold, &word, envelope);
    buf_add_byte(out, ';');
    buf_clear(&word);
    date_print(&word, envelope->received_ms);
    fold_line(&fold, buf_view(&word));
    buf_add(out, BYTES("\r\n"));
    buf_done(&word);
}

static bool is_gap(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

void trace_received_local(struct buf *out, struct bytes hostname, uint64_t id, int64_t at_ms)
{
    struct fold fold = fold_field(out, BYTES("Received: by"));
    struct buf word;
    buf_init(&word, WORD_LIMIT);
    fold_word(&fold, hostname);
    fold_word(&fold, BYTES("id"));
    id_print(&word, id);
    buf_add_byte(&word, ';');
    fold_word(&fold, buf_view(&word));
    buf_clear(&word);
    date_print(&word, at_ms);
    fold_line(&fold, buf_view(&word));
    buf_add(out, BYTES("\r\n"));
    buf_done(&word);
}

void trace_return_path(struct buf *out, struct bytes reverse_path)
{
    buf_add(out, BYTES("Return-Path: <"));
    buf_add(out, reverse_path);
    buf_add(out, BYTES(">\r\n"));
}

void trace_junk(struct buf *out, const char *rule)
{
    buf_addf(out, "X-Postrider-Junk: yes (%s)\r\n", rule);
}

bool trace_is_junk_name(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("X-Postrider-Junk"));
}

bool trace_is_junk(struct bytes text)
{
    struct bytes line;
    bool has_more = bytes_cut(text, '\n', &line, &text);
    while (has_more && text.len && (text.at[0] == ' ' || text.at[0] == '\t'))
        has_more = bytes_cut(text, '\n', &line, &text);
    return bytes_starts(text, BYTES("X-Postrider-Junk: yes"));
}

/* Cuts the next word off; false when the text ends before or in it, so that it may be cut. */
static bool next_word(struct bytes *rest, struct bytes *word)
{
    while (rest->len && (is_gap(rest->at[0]) || rest->at[0] == ';'))
        *rest = bytes_from(*rest, 1);
    size_t len = 0;
    while (len < rest->len && !is_gap(rest->at[len]) && rest->at[len] != ';')
        len++;
    *word = bytes_sub(*rest, 0, len);
    *rest = bytes_from(*rest, len);
    return rest->len > 0;
}

bool trace_id(struct bytes text, uint64_t *out)
{
    enum { WORDS = 12 }; /* "from helo (name [address]) by us with protocol id it" are ten */
    struct bytes start = BYTES("Received: from"), local = BYTES("Received: by");
    struct bytes rest = bytes_from(text, start.len);
    struct bytes word, before = BYTES_NONE, before_that = BYTES_NONE;
    if (bytes_starts(text, local)) {
        rest = bytes_from(text, local.len);
        (void)next_word(&rest, &word); /* our name */
        return next_word(&rest, &word) && bytes_equal(word, BYTES("id")) &&
               next_word(&rest, &word) && id_scan(word, out);
    }
    if (!bytes_starts(text, start))
        return false;
    for (size_t i = 0; i < WORDS && next_word(&rest, &word); i++) {
        /* What the client said is one word, and cannot pass for these. */
        if (bytes_equal(before_that, BYTES("with")) && bytes_equal(word, BYTES("id")))
            return next_word(&rest, &word) && id_scan(word, out);
        before_that = before;
        before = word;
    }
    return false;
}

size_t trace_hops(struct bytes section)
{
    return header_count(section, BYTES("Received"));
}
