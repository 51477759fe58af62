#include "mail/transfer.h"

#include "mail/base64.h"

enum {
    QUOTED_COLUMNS = 75, /* and the "=" of a soft break (RFC 2045, 6.7, rule 5) */
    BASE64_COLUMNS = 76,
    MEND_COLUMNS = 900,      /* lines that are there already are cut only where they must be */
    MEND_COLUMNS_MOST = 990, /* and nothing but equal signs in the end anywhere */
};

void transfer_init(struct transfer_writer *writer, enum transfer_form form)
{
    *writer = (struct transfer_writer){.form = form, .since_equal = SIZE_MAX};
}

/* --- Quoted-printable ------------------------------------------------------------------------- */

static void soft_break(struct transfer_writer *writer, struct buf *out)
{
    buf_add(out, BYTES("=\r\n"));
    writer->column = 0;
    writer->is_continued = true;
    writer->from_match = 0;
    writer->since_equal = SIZE_MAX;
}

static void put_coded(struct transfer_writer *writer, struct buf *out, uint8_t byte)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t most = writer->form == TRANSFER_MEND_QUOTED ? MEND_COLUMNS : QUOTED_COLUMNS;
    if (writer->column + 3 > most)
        soft_break(writer, out);
    buf_add_byte(out, '=');
    buf_add_byte(out, (uint8_t)digits[byte >> 4]);
    buf_add_byte(out, (uint8_t)digits[byte & 15]);
    writer->column += 3;
    writer->since_equal = SIZE_MAX;
}

/* At the start of a line a dot is the end of the text to some hosts, "From " the next message to
 * some mailboxes, and two dashes behind a break of ours could be a delimiter. */
static bool is_risky(const struct transfer_writer *writer, uint8_t byte)
{
    if (writer->column == 0)
        return byte == '.' || (byte == '-' && writer->is_continued);
    return byte == ' ' && writer->column == 4 && writer->from_match == 4;
}

static void put_plain(struct transfer_writer *writer, struct buf *out, uint8_t byte)
{
    if (writer->column + 1 > QUOTED_COLUMNS)
        soft_break(writer, out);
    if (is_risky(writer, byte)) {
        put_coded(writer, out, byte);
        return;
    }
    if (writer->column < 4 && writer->from_match == writer->column &&
        byte == (uint8_t) "From"[writer->column])
        writer->from_match++;
    buf_add_byte(out, byte);
    writer->column++;
}

static void end_line(struct transfer_writer *writer, struct buf *out)
{
    buf_add(out, BYTES("\r\n"));
    writer->column = 0;
    writer->is_continued = false;
    writer->from_match = 0;
    writer->since_equal = SIZE_MAX;
}

/* A blank before the end of a line would be taken for padding (RFC 2045, 6.7, rule 3). */
static void put_held_blank(struct transfer_writer *writer, struct buf *out, bool is_at_end)
{
    if (!writer->held_count)
        return;
    writer->held_count = 0;
    if (is_at_end)
        put_coded(writer, out, writer->held[0]);
    else
        put_plain(writer, out, writer->held[0]);
}

static void quote_byte(struct transfer_writer *writer, struct buf *out, uint8_t byte)
{
    bool is_blank = byte == ' ' || byte == '\t';
    put_held_blank(writer, out, false);
    if (is_blank) {
        writer->held[0] = byte;
        writer->held_count = 1;
    } else if (byte > ' ' && byte < 0x7F && byte != '=') {
        put_plain(writer, out, byte);
    } else {
        put_coded(writer, out, byte);
    }
}

/* What is encoded already stays as it is, a code and a soft break in one piece. */
static void mend_byte(struct transfer_writer *writer, struct buf *out, uint8_t byte)
{
    if (byte > 0x7E || byte == 0 || byte == '\r' || byte == '\n') {
        /* The "=" before it begins no code, and readers show it: it is to be one itself. */
        if (writer->since_equal == 0) {
            buf_add(out, BYTES("3D"));
            writer->column += 2;
        }
        put_coded(writer, out, byte);
        return;
    }
    bool is_in_code = writer->since_equal < 2 && writer->column < MEND_COLUMNS_MOST;
    if (writer->column >= MEND_COLUMNS && !is_in_code)
        soft_break(writer, out);
    if (is_risky(writer, byte) && writer->is_continued) {
        put_coded(writer, out, byte);
        return;
    }
    if (byte == '=')
        writer->since_equal = 0;
    else if (writer->since_equal != SIZE_MAX)
        writer->since_equal++;
    buf_add_byte(out, byte);
    writer->column++;
}

static void quoted_step(struct transfer_writer *writer, struct buf *out, uint8_t byte)
{
    if (writer->form == TRANSFER_MEND_QUOTED)
        mend_byte(writer, out, byte);
    else
        quote_byte(writer, out, byte);
}

static void quoted_add(struct transfer_writer *writer, struct buf *out, struct bytes run)
{
    for (size_t i = 0; i < run.len; i++) {
        uint8_t byte = run.at[i];
        if (writer->has_cr) {
            writer->has_cr = false;
            if (byte == '\n') {
                put_held_blank(writer, out, true);
                end_line(writer, out);
                continue;
            }
            quoted_step(writer, out, '\r');
        }
        if (byte == '\r')
            writer->has_cr = true;
        else
            quoted_step(writer, out, byte);
    }
}

/* --- Base64 ----------------------------------------------------------------------------------- */

static void base64_break(struct transfer_writer *writer, struct buf *out)
{
    if (writer->column < BASE64_COLUMNS)
        return;
    buf_add(out, BYTES("\r\n"));
    writer->column = 0;
}

static void base64_add(struct transfer_writer *writer, struct buf *out, struct bytes run)
{
    while (run.len) {
        writer->held[writer->held_count++] = run.at[0];
        run = bytes_from(run, 1);
        if (writer->held_count < sizeof writer->held)
            continue;
        base64_break(writer, out);
        base64_print(out, (struct bytes){writer->held, sizeof writer->held});
        writer->column += 4;
        writer->held_count = 0;
    }
}

static void base64_mend(struct transfer_writer *writer, struct buf *out, struct bytes run)
{
    for (size_t i = 0; i < run.len; i++) {
        if (run.at[i] == '\r' || run.at[i] == '\n')
            continue;
        base64_break(writer, out);
        buf_add_byte(out, run.at[i]);
        writer->column++;
    }
}

void transfer_add(struct transfer_writer *writer, struct buf *out, struct bytes run)
{
    switch (writer->form) {
    case TRANSFER_AS_IS: buf_add(out, run); return;
    case TRANSFER_QUOTED:
    case TRANSFER_MEND_QUOTED: quoted_add(writer, out, run); return;
    case TRANSFER_BASE64: base64_add(writer, out, run); return;
    case TRANSFER_MEND_BASE64: base64_mend(writer, out, run); return;
    }
}

void transfer_end(struct transfer_writer *writer, struct buf *out)
{
    switch (writer->form) {
    case TRANSFER_AS_IS:
    case TRANSFER_MEND_BASE64: return;
    case TRANSFER_QUOTED:
    case TRANSFER_MEND_QUOTED:
        if (writer->has_cr)
            quoted_step(writer, out, '\r');
        put_held_blank(writer, out, true);
        writer->has_cr = false;
        return;
    case TRANSFER_BASE64:
        if (!writer->held_count)
            return;
        base64_break(writer, out);
        base64_print(out, (struct bytes){writer->held, writer->held_count});
        writer->column += 4;
        writer->held_count = 0;
        return;
    }
}

void transfer_measure(struct transfer_lines *lines, struct bytes text)
{
    while (text.len) {
        size_t end = bytes_find(text, '\n');
        bool has_end = end < text.len;
        bool has_cr = end ? text.at[end - 1] == '\r' : lines->has_cr;
        lines->length += end;
        if (lines->length - has_cr > TRANSFER_LINE_MOST && (has_end || !has_cr))
            lines->has_long = true;
        lines->has_cr = has_cr && !has_end;
        if (has_end)
            lines->length = 0;
        text = bytes_from(text, end + 1);
    }
}
