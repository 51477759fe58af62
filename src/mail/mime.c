#include "mail/mime.h"

#include <stdlib.h>

#include "base/memory.h"
#include "mail/mime_parameter.h"

enum {
    BOUNDARY_LIMIT = 256, /* RFC 2046, 5.1.1 allows 70 */
    /* "--", the boundary, "--", some padding and CRLF: a longer line delimits nothing. */
    CANDIDATE_LIMIT = BOUNDARY_LIMIT + 256,
};

enum place { IN_HEADER, IN_CONTENT, IN_FILLER };

/* An entity that has entities in it. */
struct frame {
    struct mime_entity entity;
    bool is_signed; /* its parts are */
    bool is_digest; /* its parts are messages unless they say otherwise (RFC 2046, 5.1.5) */
    uint8_t boundary[BOUNDARY_LIMIT];
    size_t boundary_len; /* 0: message/rfc822 */
};

struct mime {
    struct mime_entity entity;
    struct frame frames[MIME_DEPTH];
    size_t depth, entities;
    enum place place;
    bool is_ended, has_failed;

    /* In a header section: the line being read. In a body: what cannot be told yet, a CRLF and the
     * beginning of a line that may be a delimiter. */
    struct buf held;
    size_t spent;       /* bytes of held that came out with the last event */
    bool is_line_whole; /* header: held is a line, or the last of the text */
    bool is_candidate;  /* body: held ends with (the beginning of) a line */
    struct buf field;   /* the field so far, its continuations still to come */
    bool is_field_out;
    bool is_begun; /* the entity's header section has been begun */

    /* Of the header section under way. */
    struct buf boundary;
    bool is_digest, is_signed_multipart, is_child_due;
};

struct mime *mime_new(void)
{
    struct mime *mime = NEW(struct mime);
    mime->entities = 1;
    mime->entity.is_message = true;
    buf_init(&mime->held, MIME_FIELD_LIMIT);
    buf_init(&mime->field, MIME_FIELD_LIMIT);
    buf_init(&mime->boundary, BOUNDARY_LIMIT);
    return mime;
}

void mime_free(struct mime *mime)
{
    if (!mime)
        return;
    buf_done(&mime->held);
    buf_done(&mime->field);
    buf_done(&mime->boundary);
    free(mime);
}

const struct mime_entity *mime_entity(const struct mime *mime)
{
    return &mime->entity;
}

/* --- Delimiters ------------------------------------------------------------------------------- */

/* The innermost frame whose delimiter the line is; false when it is nobody's. Trailing blanks are
 * padding by gateways (RFC 2046, 5.1.1). */
static bool delimiter_find(const struct mime *mime, struct bytes line, size_t *frame,
                           bool *is_closing)
{
    if (!bytes_starts(line, BYTES("--")))
        return false;
    struct bytes name = bytes_from(line, 2);
    if (bytes_ends_nocase(name, BYTES("\r\n")))
        name.len -= 2;
    while (name.len && (name.at[name.len - 1] == ' ' || name.at[name.len - 1] == '\t'))
        name.len--;
    for (size_t i = mime->depth; i-- > 0;) {
        struct bytes boundary = {mime->frames[i].boundary, mime->frames[i].boundary_len};
        if (!boundary.len || !bytes_starts(name, boundary))
            continue;
        struct bytes tail = bytes_from(name, boundary.len);
        *frame = i;
        *is_closing = bytes_equal(tail, BYTES("--"));
        if (!tail.len || *is_closing)
            return true;
    }
    return false;
}

/* --- Entities --------------------------------------------------------------------------------- */

static void entity_begin(struct mime *mime, bool is_message)
{
    const struct frame *frame = &mime->frames[mime->depth - 1];
    mime->entity = (struct mime_entity){.number = mime->entities++,
                                        .parent = frame->entity.number,
                                        .is_message = is_message,
                                        .is_signed = frame->is_signed};
    mime->entity.kind = frame->is_digest && !is_message ? MIME_MESSAGE : MIME_TEXT;
    mime->place = IN_HEADER;
    buf_clear(&mime->boundary);
    mime->is_digest = mime->is_signed_multipart = false;
    mime->has_failed |= mime->entities > MIME_ENTITIES;
}

static enum mime_encoding encoding_of(struct bytes value)
{
    static const struct {
        struct bytes name;
        enum mime_encoding encoding;
    } names[] = {
        {BYTES_INIT("7bit"), MIME_ENCODING_7BIT},
        {BYTES_INIT("8bit"), MIME_ENCODING_8BIT},
        {BYTES_INIT("binary"), MIME_ENCODING_BINARY},
        {BYTES_INIT("7-bit"), MIME_ENCODING_7BIT}, /* common slips */
        {BYTES_INIT("7bits"), MIME_ENCODING_7BIT},
        {BYTES_INIT("8-bit"), MIME_ENCODING_8BIT},
        {BYTES_INIT("8bits"), MIME_ENCODING_8BIT},
        {BYTES_INIT("quoted-printable"), MIME_ENCODING_QUOTED},
        {BYTES_INIT("base64"), MIME_ENCODING_BASE64},
    };
    struct bytes word = mime_token(value);
    for (size_t i = 0; i < COUNT(names); i++)
        if (bytes_equal_nocase(word, names[i].name))
            return names[i].encoding;
    return word.len ? MIME_ENCODING_OTHER : MIME_ENCODING_7BIT;
}

static enum mime_kind message_kind(struct bytes subtype)
{
    if (bytes_equal_nocase(subtype, BYTES("rfc822")))
        return MIME_MESSAGE;
    /* RFC 2046, 5.2.2 and 5.2.3: these are 7bit, always. */
    if (bytes_equal_nocase(subtype, BYTES("partial")) ||
        bytes_equal_nocase(subtype, BYTES("external-body")))
        return MIME_OPAQUE;
    return MIME_TEXT;
}

static void type_read(struct mime *mime, struct bytes value)
{
    struct bytes rest, type, subtype;
    struct mime_entity *entity = &mime->entity;
    entity->has_type = true;
    /* What cannot be read counts as plain text (RFC 2045, 5.2). */
    entity->kind = MIME_TEXT;
    if (!media_type_scan(mime_parameters_head(value, &rest), &type, &subtype) ||
        bytes_equal_nocase(type, BYTES("text")))
        return;
    entity->kind = MIME_OTHER;
    if (bytes_equal_nocase(type, BYTES("message"))) {
        entity->kind = message_kind(subtype);
    } else if (bytes_equal_nocase(type, BYTES("multipart"))) {
        bool is_found = mime_parameters_find(value, BYTES("boundary"), &mime->boundary);
        while (mime->boundary.len && mime->boundary.at[mime->boundary.len - 1] == ' ')
            mime->boundary.len--;
        bool is_good = is_found && mime->boundary.len && !mime->boundary.overflowed;
        entity->kind = is_good ? MIME_MULTIPART : MIME_OPAQUE;
        mime->is_digest = bytes_equal_nocase(subtype, BYTES("digest"));
        mime->is_signed_multipart = bytes_equal_nocase(subtype, BYTES("signed"));
    }
}

/* The first of several fields of a name counts, as for most readers. */
static void field_read(struct mime *mime, const struct header_field *field)
{
    struct mime_entity *entity = &mime->entity;
    if (!entity->has_type && bytes_equal_nocase(field->name, BYTES("Content-Type"))) {
        type_read(mime, field->value);
    } else if (!entity->has_encoding &&
               bytes_equal_nocase(field->name, BYTES("Content-Transfer-Encoding"))) {
        entity->has_encoding = true;
        entity->encoding = encoding_of(field->value);
    } else if (bytes_equal_nocase(field->name, BYTES("MIME-Version"))) {
        entity->has_version = true;
    }
}

/* All of the header section has been read: what follows it. */
static void header_settle(struct mime *mime)
{
    struct mime_entity *entity = &mime->entity;
    bool is_composite = entity->kind == MIME_MULTIPART || entity->kind == MIME_MESSAGE;
    bool is_encoded = entity->encoding > MIME_ENCODING_BINARY;
    mime->place = IN_CONTENT;
    /* RFC 2045, 6.4 forbids to encode these: nobody could say how its reader sees it. */
    if (is_composite && (is_encoded || mime->depth == MIME_DEPTH))
        entity->kind = MIME_OPAQUE;
    else if (is_composite) {
        struct frame *frame = &mime->frames[mime->depth++];
        *frame = (struct frame){.entity = *entity, .is_digest = mime->is_digest};
        frame->is_signed = entity->is_signed || mime->is_signed_multipart;
        if (entity->kind == MIME_MULTIPART) {
            struct buf name = {
                .at = frame->boundary, .cap = BOUNDARY_LIMIT, .limit = BOUNDARY_LIMIT};
            buf_add(&name, buf_view(&mime->boundary));
            frame->boundary_len = name.len;
            mime->place = IN_FILLER;
        } else {
            mime->is_child_due = true;
        }
    }
}

/* --- The header section ----------------------------------------------------------------------- */

static struct bytes as_held(struct mime *mime, size_t count)
{
    mime->spent = count;
    return bytes_sub(buf_view(&mime->held), 0, count);
}

/* Reads on to the end of the line; false when it is not here. */
static bool line_read(struct mime *mime, struct bytes *input)
{
    while (!mime->is_line_whole && input->len) {
        size_t at = bytes_find(*input, '\n');
        size_t count = at < input->len ? at + 1 : input->len;
        buf_add(&mime->held, bytes_sub(*input, 0, count));
        *input = bytes_from(*input, count);
        mime->is_line_whole = bytes_ends_nocase(buf_view(&mime->held), BYTES("\r\n"));
    }
    mime->has_failed |= mime->held.overflowed;
    return mime->is_line_whole || mime->is_ended;
}

/* Does a field begin with the line? "From " lines are there by mistake, and readers pass over
 * them. */
static bool is_field_start(struct bytes line)
{
    struct header_field field;
    struct bytes rest = line;
    if (bytes_starts(line, BYTES("From ")) || bytes_starts(line, BYTES(">From ")))
        return true;
    return header_next(&rest, &field) && !field.is_odd;
}

static enum mime_event field_out(struct mime *mime, struct mime_piece *out)
{
    struct bytes rest = buf_view(&mime->field);
    bool is_field = header_next(&rest, &out->field);
    ASSERT(is_field);
    out->text = out->field.whole;
    mime->is_field_out = true;
    field_read(mime, &out->field);
    return MIME_FIELD;
}

/* The header section ends in front of the held line, or with it. */
static enum mime_event header_end_out(struct mime *mime, bool is_blank, struct mime_piece *out)
{
    out->text = is_blank ? as_held(mime, mime->held.len) : BYTES_NONE;
    header_settle(mime);
    mime->is_line_whole = mime->is_line_whole && !is_blank;
    mime->is_candidate = true;
    return MIME_HEADER_END;
}

static enum mime_event header_next_event(struct mime *mime, struct bytes *input,
                                         struct mime_piece *out)
{
    if (mime->is_field_out)
        buf_clear(&mime->field);
    mime->is_field_out = false;
    for (;;) {
        if (!line_read(mime, input) || mime->has_failed)
            return mime->has_failed ? MIME_FAULT : MIME_MORE;
        struct bytes line = buf_view(&mime->held);
        size_t frame;
        bool is_closing;
        bool is_delimiter = delimiter_find(mime, line, &frame, &is_closing);
        bool is_blank = bytes_equal(line, BYTES("\r\n"));
        bool goes_on = line.len && (line.at[0] == ' ' || line.at[0] == '\t') && mime->field.len;
        bool is_start = !is_delimiter && !is_blank && !goes_on && is_field_start(line);
        if (!goes_on && mime->field.len)
            return field_out(mime, out);
        if (!goes_on && !is_start)
            return header_end_out(mime, is_blank, out);
        buf_add(&mime->field, line);
        mime->has_failed |= mime->field.overflowed;
        buf_clear(&mime->held);
        mime->is_line_whole = false;
    }
}

/* --- The body --------------------------------------------------------------------------------- */

static enum mime_event run_event(const struct mime *mime)
{
    return mime->place == IN_FILLER ? MIME_FILLER : MIME_CONTENT;
}

/* The held line is a delimiter of this frame: what is inside of it has ended. */
static enum mime_event delimiter_out(struct mime *mime, size_t frame, bool is_closing,
                                     struct mime_piece *out)
{
    out->text = as_held(mime, mime->held.len);
    mime->is_candidate = false;
    mime->is_line_whole = false;
    mime->depth = frame + 1;
    if (is_closing) {
        mime->entity = mime->frames[frame].entity;
        mime->depth = frame;
        mime->place = IN_FILLER;
        /* Another delimiter may follow at once, its line end this one's. */
        mime->is_candidate = bytes_ends_nocase(out->text, BYTES("\r\n"));
        if (mime->is_candidate) {
            out->text.len -= 2;
            mime->spent -= 2;
        }
    } else {
        entity_begin(mime, false);
    }
    return MIME_DELIMITER;
}

/* Where the held line begins: behind the CRLF of the line before. */
static struct bytes candidate_of(const struct mime *mime)
{
    struct bytes held = buf_view(&mime->held);
    return bytes_starts(held, BYTES("\r\n")) && !mime->is_line_whole ? bytes_from(held, 2) : held;
}

/* Reads on until it is clear whether the held line can be a delimiter; false when it is not. What
 * does not begin with a dash stays in the input. */
static bool candidate_read(struct mime *mime, struct bytes *input)
{
    for (;;) {
        struct bytes line = candidate_of(mime);
        bool is_possible =
            bytes_starts(BYTES("--"), bytes_sub(line, 0, 2)) && line.len < CANDIDATE_LIMIT;
        bool is_whole = mime->is_line_whole || bytes_ends_nocase(line, BYTES("\r\n"));
        if (!is_possible || is_whole)
            return true;
        if (!input->len)
            return mime->is_ended;
        if (!line.len && input->at[0] != '-')
            return true;
        buf_add_byte(&mime->held, input->at[0]);
        *input = bytes_from(*input, 1);
    }
}

static enum mime_event held_out(struct mime *mime, size_t kept, struct mime_piece *out)
{
    mime->is_line_whole = false;
    mime->is_candidate = kept == 2;
    out->text = as_held(mime, mime->held.len - kept);
    return run_event(mime);
}

/* The held line is content, but for a line end behind it that may be the next delimiter's. */
static enum mime_event candidate_out(struct mime *mime, struct mime_piece *out)
{
    struct bytes line = candidate_of(mime);
    size_t kept = 0;
    if (!mime->is_ended && bytes_ends_nocase(line, BYTES("\r\n")))
        kept = 2;
    else if (!mime->is_ended && bytes_ends_nocase(line, BYTES("\r")))
        kept = 1;
    return held_out(mime, kept, out);
}

/* In the midst of a line: a run up to the line end that may belong to a delimiter. */
static bool run_take(struct mime *mime, struct bytes *input, struct bytes *run)
{
    size_t at = bytes_search(*input, BYTES("\r\n-"));
    size_t kept = 2;
    if (at == input->len) {
        kept = bytes_ends_nocase(*input, BYTES("\r\n")) ? 2
               : bytes_ends_nocase(*input, BYTES("\r")) ? 1
                                                        : 0;
        at = input->len - kept;
    }
    *run = bytes_sub(*input, 0, at);
    buf_add(&mime->held, bytes_sub(*input, at, kept));
    mime->is_candidate = kept == 2;
    *input = bytes_from(*input, at + kept);
    return run->len > 0;
}

static enum mime_event body_next_event(struct mime *mime, struct bytes *input,
                                       struct mime_piece *out)
{
    for (;;) {
        if (mime->is_candidate) {
            size_t frame;
            bool is_closing;
            if (!candidate_read(mime, input))
                return MIME_MORE;
            if (delimiter_find(mime, candidate_of(mime), &frame, &is_closing))
                return delimiter_out(mime, frame, is_closing, out);
            mime->is_candidate = false;
            if (mime->held.len)
                return candidate_out(mime, out);
        }
        if (!input->len && !mime->is_ended)
            return MIME_MORE;
        if (mime->held.len) { /* a CR */
            if (!input->len || input->at[0] != '\n')
                return held_out(mime, 0, out);
            buf_add_byte(&mime->held, '\n');
            *input = bytes_from(*input, 1);
            mime->is_candidate = true;
        } else if (!input->len) {
            return MIME_END;
        } else if (run_take(mime, input, &out->text)) {
            return run_event(mime);
        }
    }
}

static enum mime_event next_event(struct mime *mime, struct bytes *input, struct mime_piece *out)
{
    *out = (struct mime_piece){.text = BYTES_NONE};
    buf_drop(&mime->held, mime->spent);
    mime->spent = 0;
    if (mime->is_child_due) {
        mime->is_child_due = false;
        mime->is_candidate = false;
        entity_begin(mime, true);
    }
    if (mime->has_failed)
        return MIME_FAULT;
    if (mime->place == IN_HEADER)
        return header_next_event(mime, input, out);
    return body_next_event(mime, input, out);
}

enum mime_event mime_next(struct mime *mime, struct bytes *input, struct mime_piece *out)
{
    return next_event(mime, input, out);
}

enum mime_event mime_finish(struct mime *mime, struct mime_piece *out)
{
    struct bytes none = BYTES_NONE;
    mime->is_ended = true;
    return next_event(mime, &none, out);
}
