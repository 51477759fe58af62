#include "mail/mime_parameter.h"

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* The length of the quoted string or comment at the front, to the end of the text where its own
 * is missing. */
static size_t quoted_length(struct bytes text)
{
    uint8_t open = text.at[0], close = open == '(' ? ')' : '"';
    size_t depth = 1, i = 1;
    for (; i < text.len && depth; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == close)
            depth--;
        else if (text.at[i] == open)
            depth++;
    }
    return i < text.len ? i : text.len;
}

/* The length up to the next semicolon that is neither quoted nor in a comment. */
static size_t segment_length(struct bytes text)
{
    size_t i = 0;
    while (i < text.len && text.at[i] != ';') {
        bool is_quoted = text.at[i] == '"' || text.at[i] == '(';
        i += is_quoted ? quoted_length(bytes_from(text, i)) : 1;
    }
    return i < text.len ? i : text.len;
}

/* Without the blanks and comments at the front. */
static struct bytes skip_gap(struct bytes text)
{
    while (text.len && (is_blank(text.at[0]) || text.at[0] == '('))
        text = bytes_from(text, text.at[0] == '(' ? quoted_length(text) : 1);
    return text;
}

/* Takes what stands before a blank, a comment or one of the stops. */
static struct bytes take_word(struct bytes *text, uint8_t stop)
{
    size_t i = 0;
    while (i < text->len && !is_blank(text->at[i]) && text->at[i] != '(' && text->at[i] != ';' &&
           text->at[i] != stop)
        i++;
    struct bytes word = bytes_sub(*text, 0, i);
    *text = skip_gap(bytes_from(*text, i));
    return word;
}

struct bytes mime_parameters_head(struct bytes value, struct bytes *rest)
{
    size_t length = segment_length(value);
    *rest = bytes_from(value, length);
    return bytes_sub(value, 0, length);
}

/* A value that is not quoted: to the end of the segment, or to a comment behind a blank. */
static struct bytes plain_value(struct bytes text)
{
    for (size_t i = 1; i < text.len; i++)
        if (text.at[i] == '(' && is_blank(text.at[i - 1]))
            return bytes_trim(bytes_sub(text, 0, i));
    return bytes_trim(text);
}

bool mime_parameter_next(struct bytes *rest, struct mime_parameter *out)
{
    if (!rest->len)
        return false;
    size_t length = 1 + segment_length(bytes_from(*rest, 1));
    struct mime_parameter found = {.whole = bytes_sub(*rest, 0, length)};
    struct bytes text = skip_gap(bytes_from(found.whole, 1));
    struct bytes name = take_word(&text, '=');
    if (text.len && text.at[0] == '=') {
        found.name = name;
        text = skip_gap(bytes_from(text, 1));
        found.is_quoted = text.len && text.at[0] == '"';
        if (found.is_quoted) {
            size_t end = quoted_length(text);
            bool is_closed = end > 1 && text.at[end - 1] == '"';
            found.value = bytes_sub(text, 1, end - (is_closed ? 2 : 1));
        } else {
            found.value = plain_value(text);
        }
    }
    *rest = bytes_from(*rest, length);
    *out = found;
    return true;
}

void mime_parameter_print(struct buf *out, const struct mime_parameter *parameter)
{
    struct bytes value = parameter->value;
    for (size_t i = 0; i < value.len; i++) {
        if (parameter->is_quoted && value.at[i] == '\\' && i + 1 < value.len)
            buf_add_byte(out, value.at[++i]);
        else if (value.at[i] != '\r' && value.at[i] != '\n')
            buf_add_byte(out, value.at[i]);
    }
}

bool media_type_scan(struct bytes head, struct bytes *type, struct bytes *subtype)
{
    struct bytes text = skip_gap(head);
    struct bytes first = take_word(&text, '/');
    if (!first.len || !text.len || text.at[0] != '/')
        return false;
    text = skip_gap(bytes_from(text, 1));
    struct bytes second = take_word(&text, '/');
    if (!second.len)
        return false;
    *type = first;
    *subtype = second;
    return true;
}

struct bytes mime_token(struct bytes value)
{
    struct bytes text = skip_gap(value);
    return take_word(&text, ';');
}

static int hex_value(uint8_t byte)
{
    uint8_t lower = ascii_lower(byte);
    if (ascii_is_digit(byte))
        return byte - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static void print_percent(struct buf *out, struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        int high = -1, low = -1;
        if (value.at[i] == '%' && value.len - i > 2) {
            high = hex_value(value.at[i + 1]);
            low = hex_value(value.at[i + 2]);
        }
        bool is_coded = high >= 0 && low >= 0;
        buf_add_byte(out, is_coded ? (uint8_t)((unsigned)high << 4 | (unsigned)low) : value.at[i]);
        i += is_coded ? 2 : 0;
    }
}

/* Appends one piece; an encoded first one begins with charset'language'. */
static void print_piece(struct buf *out, const struct mime_parameter *parameter, bool is_first,
                        bool is_coded)
{
    if (!is_coded) {
        mime_parameter_print(out, parameter);
        return;
    }
    struct bytes charset, rest = parameter->value, language, text;
    if (is_first && bytes_cut(rest, '\'', &charset, &text) &&
        bytes_cut(text, '\'', &language, &text))
        rest = text;
    print_percent(out, rest);
}

/* Appends the piece "name*" or "name*N", either perhaps with a star behind it. */
static bool find_piece(struct bytes value, struct bytes name, const char *mark, struct buf *out)
{
    struct bytes rest, wanted = bytes_of(mark);
    struct mime_parameter parameter;
    mime_parameters_head(value, &rest);
    while (mime_parameter_next(&rest, &parameter)) {
        if (!bytes_starts_nocase(parameter.name, name))
            continue;
        struct bytes tail = bytes_from(parameter.name, name.len);
        bool is_coded = tail.len && tail.at[tail.len - 1] == '*';
        tail.len -= is_coded;
        if (!bytes_equal(tail, wanted))
            continue;
        bool is_first = !wanted.len || bytes_equal(wanted, BYTES("*0"));
        print_piece(out, &parameter, is_first, is_coded);
        return true;
    }
    return false;
}

bool mime_parameters_find(struct bytes value, struct bytes name, struct buf *out)
{
    enum { PIECES = 10 };
    static const char *const marks[PIECES] = {"*0", "*1", "*2", "*3", "*4",
                                              "*5", "*6", "*7", "*8", "*9"};
    if (find_piece(value, name, "", out))
        return true;
    size_t count = 0;
    while (count < PIECES && find_piece(value, name, marks[count], out))
        count++;
    return count > 0;
}
