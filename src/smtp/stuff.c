#include "smtp/stuff.h"

void stuff_init(struct stuff *stuff)
{
    *stuff = (struct stuff){.is_line_start = true, .is_ended = true};
}

static void position_move(struct stuff *stuff, struct bytes text)
{
    uint8_t last = text.at[text.len - 1];
    bool is_after_cr = text.len > 1 ? text.at[text.len - 2] == '\r' : stuff->is_after_cr;
    stuff->is_line_start = last == '\n';
    stuff->is_ended = last == '\n' && is_after_cr;
    stuff->is_after_cr = last == '\r';
}

void stuff_add(struct stuff *stuff, struct buf *out, struct bytes text)
{
    if (!text.len)
        return;
    size_t copied = 0, at = 0;
    buf_reserve(out, text.len);
    /* Dots are rarer than line ends, and absent from base64: look for them first. The text has
     * CRLF line ends; were there a lone LF, a dot behind it is doubled as well, so that no server
     * takes it for the end of data. */
    while ((at += bytes_find(bytes_from(text, at), '.')) < text.len) {
        if (at ? text.at[at - 1] == '\n' : stuff->is_line_start) {
            buf_add(out, bytes_sub(text, copied, at - copied));
            buf_add_byte(out, '.');
            copied = at;
        }
        /* The line's other dots are nothing: a line of them costs no more than another. */
        at += bytes_find(bytes_from(text, at), '\n');
    }
    buf_add(out, bytes_from(text, copied));
    position_move(stuff, text);
}

void stuff_end(struct stuff *stuff, struct buf *out)
{
    if (!stuff->is_ended)
        buf_add(out, BYTES("\r\n"));
    buf_add(out, BYTES(".\r\n"));
}
