#include "mail/ascii_field.h"

#include "mail/base64.h"
#include "mail/fold.h"
#include "mail/mime_parameter.h"

enum {
    LINE_MOST = 998,   /* RFC 5322, 2.1.1 */
    WORD_MOST = 75,    /* an encoded word (RFC 2047, 2) */
    LEAST_CODE = 20,   /* of an encoded word, so that it is worth its frame */
    PIECE_MOST = 40,   /* bytes of a parameter in one piece, before they are encoded */
    UTF8_SEQUENCE = 4, /* bytes of a character at most */
};

/* What may be written in the field's value, and where 8-bit text may stand in it. */
enum grammar {
    GRAMMAR_TEXT,       /* anywhere (RFC 5322, 3.6.5) */
    GRAMMAR_PHRASES,    /* in display names and comments */
    GRAMMAR_COMMENTS,   /* in comments */
    GRAMMAR_PARAMETERS, /* in the values of parameters */
};

static const struct {
    struct bytes name;
    enum grammar grammar;
} grammars[] = {
    {BYTES_INIT("From"), GRAMMAR_PHRASES},
    {BYTES_INIT("Sender"), GRAMMAR_PHRASES},
    {BYTES_INIT("Reply-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Cc"), GRAMMAR_PHRASES},
    {BYTES_INIT("Bcc"), GRAMMAR_PHRASES},
    {BYTES_INIT("Resent-From"), GRAMMAR_PHRASES},
    {BYTES_INIT("Resent-Sender"), GRAMMAR_PHRASES},
    {BYTES_INIT("Resent-Reply-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Resent-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Resent-Cc"), GRAMMAR_PHRASES},
    {BYTES_INIT("Resent-Bcc"), GRAMMAR_PHRASES},
    {BYTES_INIT("Mail-Followup-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Mail-Reply-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Disposition-Notification-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Return-Receipt-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Errors-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("Delivered-To"), GRAMMAR_PHRASES},
    {BYTES_INIT("List-Id"), GRAMMAR_PHRASES},
    {BYTES_INIT("Keywords"), GRAMMAR_PHRASES},
    {BYTES_INIT("Content-Type"), GRAMMAR_PARAMETERS},
    {BYTES_INIT("Content-Disposition"), GRAMMAR_PARAMETERS},
    {BYTES_INIT("Received"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Return-Path"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Date"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Resent-Date"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Message-ID"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Resent-Message-ID"), GRAMMAR_COMMENTS},
    {BYTES_INIT("In-Reply-To"), GRAMMAR_COMMENTS},
    {BYTES_INIT("References"), GRAMMAR_COMMENTS},
    {BYTES_INIT("MIME-Version"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Content-ID"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Content-Transfer-Encoding"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Auto-Submitted"), GRAMMAR_COMMENTS},
    {BYTES_INIT("DKIM-Signature"), GRAMMAR_COMMENTS},
    {BYTES_INIT("ARC-Seal"), GRAMMAR_COMMENTS},
    {BYTES_INIT("ARC-Message-Signature"), GRAMMAR_COMMENTS},
    {BYTES_INIT("ARC-Authentication-Results"), GRAMMAR_COMMENTS},
    {BYTES_INIT("Authentication-Results"), GRAMMAR_COMMENTS},
    {BYTES_INIT("List-Help"), GRAMMAR_COMMENTS},
    {BYTES_INIT("List-Unsubscribe"), GRAMMAR_COMMENTS},
    {BYTES_INIT("List-Unsubscribe-Post"), GRAMMAR_COMMENTS},
    {BYTES_INIT("List-Subscribe"), GRAMMAR_COMMENTS},
    {BYTES_INIT("List-Post"), GRAMMAR_COMMENTS},
    {BYTES_INIT("List-Owner"), GRAMMAR_COMMENTS},
    {BYTES_INIT("List-Archive"), GRAMMAR_COMMENTS},
};

static enum grammar grammar_of(struct bytes name)
{
    for (size_t i = 0; i < COUNT(grammars); i++)
        if (bytes_equal_nocase(name, grammars[i].name))
            return grammars[i].grammar;
    return GRAMMAR_TEXT;
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static size_t longest_line(struct bytes text)
{
    size_t longest = 0;
    while (text.len) {
        size_t at = bytes_search(text, BYTES("\r\n"));
        longest = at > longest ? at : longest;
        text = bytes_from(text, at + 2);
    }
    return longest;
}

bool ascii_field_is_needed(const struct header_field *field, bool takes_8bit)
{
    return (!takes_8bit && !bytes_is_ascii(field->whole)) || longest_line(field->whole) > LINE_MOST;
}

/* --- Writing --------------------------------------------------------------------------------- */

/* A field being written. */
struct writer {
    struct buf *out;
    size_t column;
    bool is_good;
};

static void put(struct writer *writer, struct bytes text)
{
    buf_add(writer->out, text);
    size_t newline = bytes_find_last(text, '\n');
    writer->column = newline < text.len ? text.len - newline - 1 : writer->column + text.len;
}

/* Writes a gap of blanks, and a fold in it where what follows would make the line too long. */
static void put_gap(struct writer *writer, struct bytes gap, size_t length, size_t most)
{
    bool has_fold = bytes_find(gap, '\n') < gap.len;
    if (gap.len && !has_fold && writer->column > 0 && writer->column + gap.len + length > most)
        put(writer, BYTES("\r\n"));
    put(writer, gap);
}

/* --- Encoded words -----------------------------------------------------------------------------
 */

/* What needs no code in "Q" wherever an encoded word may stand (RFC 2047, 5, rule 3). */
static bool is_q_plain(uint8_t byte)
{
    return ascii_is_alpha(byte) || ascii_is_digit(byte) || byte == '!' || byte == '*' ||
           byte == '+' || byte == '-' || byte == '/';
}

static size_t q_length(struct bytes text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.len; i++)
        length += is_q_plain(text.at[i]) || text.at[i] == ' ' ? 1 : 3;
    return length;
}

static void q_print(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_q_plain(text.at[i]))
            buf_add_byte(out, text.at[i]);
        else if (text.at[i] == ' ')
            buf_add_byte(out, '_');
        else
            buf_addf(out, "=%02X", text.at[i]);
    }
}

/* The length of the longest front that fits into room bytes of code and cuts no character. */
static size_t front_length(struct bytes text, bool is_utf8, bool is_q, size_t room)
{
    size_t fits = is_q ? 0 : room / 4 * 3, used = 0;
    while (is_q && fits < text.len && used + q_length(bytes_sub(text, fits, 1)) <= room)
        used += q_length(bytes_sub(text, fits++, 1));
    if (fits >= text.len)
        return text.len;
    for (size_t back = 0; is_utf8 && back < UTF8_SEQUENCE; back++)
        if ((text.at[fits - back] & 0xC0) != 0x80)
            return fits - back;
    return fits;
}

/* Writes the text as encoded words, each behind a gap: the one given, then folds. */
static void put_encoded(struct writer *writer, struct bytes gap, struct bytes text)
{
    bool is_utf8 = bytes_is_utf8(text);
    bool is_q = q_length(text) <= (text.len + 2) / 3 * 4;
    struct bytes charset = is_utf8 ? BYTES("utf-8") : BYTES("unknown-8bit");
    size_t frame = charset.len + 7; /* =?charset?Q??= */
    while (text.len) {
        /* What fits on the line goes there, if it is more than a few characters. */
        size_t room = WORD_MOST - frame, used = writer->column + gap.len + frame;
        if (used + LEAST_CODE <= FOLD_COLUMNS && FOLD_COLUMNS - used < room)
            room = FOLD_COLUMNS - used;
        size_t len = front_length(text, is_utf8, is_q, room);
        struct bytes front = bytes_sub(text, 0, len);
        size_t length = frame + (is_q ? q_length(front) : (len + 2) / 3 * 4);
        put_gap(writer, gap, length, FOLD_COLUMNS);
        size_t before = writer->out->len;
        buf_add(writer->out, BYTES("=?"));
        buf_add(writer->out, charset);
        buf_add(writer->out, is_q ? BYTES("?q?") : BYTES("?b?"));
        if (is_q)
            q_print(writer->out, front);
        else
            base64_print(writer->out, front);
        buf_add(writer->out, BYTES("?="));
        writer->column += writer->out->len - before;
        text = bytes_from(text, len);
        gap = BYTES(" ");
    }
}

/* --- Text, phrases and comments ----------------------------------------------------------------
 */

enum token_kind { TOKEN_END, TOKEN_GAP, TOKEN_WORD, TOKEN_QUOTED, TOKEN_SPECIAL };

struct token {
    enum token_kind kind;
    struct bytes text;
};

/* Reads a value token by token and writes it; 8-bit words wait until it is clear what follows. */
struct rewriting {
    struct writer writer;
    enum grammar grammar;
    struct bytes rest;
    size_t comment_depth;
    bool in_angle;
    struct bytes gap;                   /* read, not yet written */
    struct buf waiting;                 /* the text of 8-bit words, to be encoded together */
    struct bytes waiting_gap;           /* what stands before them */
    bool was_word, was_encoded, was_at; /* what the last token written was */
};

static bool is_special(const struct rewriting *now, uint8_t byte)
{
    if (now->comment_depth)
        return byte == '(' || byte == ')';
    if (now->grammar == GRAMMAR_TEXT)
        return false;
    return bytes_find(BYTES("()<>[]:;@,"), byte) < 10;
}

static size_t quoted_end(struct bytes text)
{
    size_t i = 1;
    while (i < text.len && text.at[i] != '"')
        i += text.at[i] == '\\' ? 2 : 1;
    return i < text.len ? i + 1 : text.len;
}

static struct token token_next(struct rewriting *now)
{
    struct bytes rest = now->rest;
    struct token token = {.kind = TOKEN_END};
    size_t len = 0;
    if (!rest.len)
        return token;
    if (is_blank(rest.at[0])) {
        token.kind = TOKEN_GAP;
        while (len < rest.len && is_blank(rest.at[len]))
            len++;
    } else if (is_special(now, rest.at[0])) {
        token.kind = TOKEN_SPECIAL;
        len = 1;
    } else if (rest.at[0] == '"' && now->grammar != GRAMMAR_TEXT && !now->comment_depth) {
        token.kind = TOKEN_QUOTED;
        len = quoted_end(rest);
    } else {
        token.kind = TOKEN_WORD;
        bool has_pairs = now->comment_depth > 0;
        while (len < rest.len && !is_blank(rest.at[len]) && !is_special(now, rest.at[len]) &&
               !(rest.at[len] == '"' && now->grammar != GRAMMAR_TEXT && !has_pairs))
            len += has_pairs && rest.at[len] == '\\' && len + 1 < rest.len ? 2 : 1;
    }
    token.text = bytes_sub(rest, 0, len);
    now->rest = bytes_from(rest, len);
    return token;
}

static bool is_encoded_word(struct bytes text)
{
    return text.len > 6 && bytes_starts(text, BYTES("=?")) && bytes_ends_nocase(text, BYTES("?="));
}

/* Writes the words that wait. Between two encoded words readers drop the gap (RFC 2047, 6.2): it
 * goes into the word where it is to be seen. */
static void flush_waiting(struct rewriting *now, bool is_encoded_next)
{
    if (!now->waiting.len)
        return;
    struct buf text;
    buf_init(&text, now->waiting.len + 2);
    if (now->was_encoded)
        buf_add_byte(&text, ' ');
    buf_add(&text, buf_view(&now->waiting));
    if (is_encoded_next)
        buf_add_byte(&text, ' ');
    struct bytes gap = now->waiting_gap;
    if (!gap.len && now->was_word)
        gap = BYTES(" ");
    put_encoded(&now->writer, gap, buf_view(&text));
    buf_done(&text);
    buf_clear(&now->waiting);
    now->was_word = now->was_encoded = true;
    now->was_at = false;
}

/* May 8-bit text stand here? */
static bool is_allowed(const struct rewriting *now)
{
    if (now->comment_depth || now->grammar == GRAMMAR_TEXT)
        return true;
    return now->grammar == GRAMMAR_PHRASES && !now->in_angle && !now->was_at;
}

static void add_unquoted(struct buf *out, struct bytes text, bool has_pairs)
{
    for (size_t i = 0; i < text.len; i++) {
        if (has_pairs && text.at[i] == '\\' && i + 1 < text.len)
            i++;
        if (text.at[i] != '\r' && text.at[i] != '\n')
            buf_add_byte(out, text.at[i] == '\t' ? ' ' : text.at[i]);
    }
}

/* An 8-bit word: joins those that wait, if only a gap is between them. */
static void wait_word(struct rewriting *now, const struct token *token)
{
    now->writer.is_good &= is_allowed(now);
    if (now->waiting.len)
        add_unquoted(&now->waiting, now->gap, false);
    else
        now->waiting_gap = now->gap;
    now->gap = BYTES_NONE;
    struct bytes text = token->text;
    if (token->kind == TOKEN_QUOTED)
        text =
            bytes_sub(text, 1, text.len - (text.at[text.len - 1] == '"' && text.len > 1 ? 2 : 1));
    add_unquoted(&now->waiting, text, token->kind == TOKEN_QUOTED || now->comment_depth > 0);
}

static void special_seen(struct rewriting *now, uint8_t byte)
{
    if (byte == '(')
        now->comment_depth++;
    else if (byte == ')' && now->comment_depth)
        now->comment_depth--;
    else if (byte == '<')
        now->in_angle = true;
    else if (byte == '>')
        now->in_angle = false;
}

/* Anything else: written as it is. */
static void put_token(struct rewriting *now, const struct token *token)
{
    bool is_special_ = token->kind == TOKEN_SPECIAL;
    bool is_encoded = token->kind == TOKEN_WORD && is_encoded_word(token->text);
    /* An address cannot be encoded, whatever comes before its @. */
    if (is_special_ && token->text.at[0] == '@' && now->waiting.len)
        now->writer.is_good = false;
    bool has_waited = now->waiting.len > 0;
    flush_waiting(now, is_encoded);
    struct bytes gap = now->gap;
    if (has_waited && !gap.len &&
        !(is_special_ && bytes_find(BYTES("),;:"), token->text.at[0]) < 4))
        gap = BYTES(" ");
    put_gap(&now->writer, gap, token->text.len, LINE_MOST);
    put(&now->writer, token->text);
    now->gap = BYTES_NONE;
    now->was_word = !is_special_;
    now->was_encoded = is_encoded;
    now->was_at = is_special_ && token->text.at[0] == '@';
    if (is_special_)
        special_seen(now, token->text.at[0]);
}

static void rewrite(struct rewriting *now)
{
    for (;;) {
        struct token token = token_next(now);
        bool is_high = !bytes_is_ascii(token.text);
        switch (token.kind) {
        case TOKEN_END:
            flush_waiting(now, false);
            put(&now->writer, now->gap);
            return;
        case TOKEN_GAP: now->gap = token.text; continue;
        case TOKEN_WORD:
        case TOKEN_QUOTED:
        case TOKEN_SPECIAL:
            if (is_high)
                wait_word(now, &token);
            else
                put_token(now, &token);
            continue;
        }
    }
}

static bool print_text(struct buf *out, struct bytes value, enum grammar grammar, size_t column)
{
    struct rewriting now = {.writer = {out, column, true}, .grammar = grammar, .rest = value};
    buf_init(&now.waiting, value.len + 1);
    rewrite(&now);
    buf_done(&now.waiting);
    return now.writer.is_good;
}

/* --- Parameters --------------------------------------------------------------------------------
 */

/* RFC 2231, 7: attribute-char. */
static bool is_attribute_char(uint8_t byte)
{
    return byte > ' ' && byte < 0x7F && bytes_find(BYTES("()<>@,;:\\\"/[]?=*'%"), byte) == 18;
}

static void print_piece(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (is_attribute_char(text.at[i]))
            buf_add_byte(out, text.at[i]);
        else
            buf_addf(out, "%%%02X", text.at[i]);
    }
}

/* The parameter in the extended form, in numbered pieces where it is long. */
static bool put_extended(struct writer *writer, const struct mime_parameter *parameter)
{
    struct bytes name = parameter->name;
    if (!name.len || !bytes_is_ascii(name) || bytes_find(name, '*') < name.len)
        return false;
    /* The delimiter lines would have to change with it. */
    if (bytes_equal_nocase(name, BYTES("boundary")))
        return false;
    struct buf value;
    buf_init(&value, parameter->value.len);
    mime_parameter_print(&value, parameter);
    struct bytes text = buf_view(&value);
    struct bytes charset = bytes_is_utf8(text) ? BYTES("utf-8''") : BYTES("unknown-8bit''");
    bool is_long = text.len > PIECE_MOST;
    for (size_t number = 0; number == 0 || text.len; number++) {
        buf_add(writer->out, BYTES(";\r\n\t"));
        buf_add(writer->out, name);
        if (is_long)
            buf_addf(writer->out, "*%zu", number);
        buf_add(writer->out, BYTES("*="));
        if (number == 0)
            buf_add(writer->out, charset);
        print_piece(writer->out, bytes_sub(text, 0, PIECE_MOST));
        text = bytes_from(text, PIECE_MOST);
    }
    writer->column = FOLD_COLUMNS;
    buf_done(&value);
    return true;
}

/* As it is; on a line of its own where that would be too long. */
static bool put_parameter(struct writer *writer, struct bytes whole)
{
    size_t end = bytes_find(whole, '\n');
    if (writer->column + (end < whole.len ? end : whole.len) > LINE_MOST) {
        put(writer, BYTES(";\r\n\t"));
        whole = bytes_from(whole, 1);
    }
    put(writer, whole);
    return bytes_is_ascii(whole) && longest_line(whole) < LINE_MOST;
}

static bool print_parameters(struct buf *out, struct bytes value, size_t column)
{
    struct writer writer = {out, column, true};
    struct bytes rest, head = mime_parameters_head(value, &rest);
    struct mime_parameter parameter;
    put(&writer, head);
    writer.is_good = bytes_is_ascii(head);
    while (mime_parameter_next(&rest, &parameter)) {
        bool is_plain = bytes_is_ascii(parameter.whole);
        writer.is_good &=
            is_plain ? put_parameter(&writer, parameter.whole) : put_extended(&writer, &parameter);
    }
    return writer.is_good;
}

bool ascii_field_print(struct buf *out, const struct header_field *field)
{
    size_t before = out->len;
    if (field->is_odd)
        return false;
    struct bytes front = {field->whole.at, (size_t)(field->value.at - field->whole.at)};
    enum grammar grammar = grammar_of(field->name);
    buf_add(out, front);
    bool is_good = grammar == GRAMMAR_PARAMETERS
                       ? print_parameters(out, field->value, front.len)
                       : print_text(out, field->value, grammar, front.len);
    buf_add(out, BYTES("\r\n"));
    struct bytes written = bytes_from(buf_view(out), before);
    return is_good && !out->overflowed && bytes_is_ascii(written) &&
           longest_line(written) <= LINE_MOST;
}
