#include "mail/fold.h"

struct fold fold_field(struct buf *out, struct bytes start)
{
    buf_add(out, start);
    return (struct fold){
        .out = out, .indent = BYTES("\t"), .indent_columns = 8, .column = start.len};
}

struct fold fold_text(struct buf *out, size_t spaces)
{
    struct bytes indent = bytes_sub(BYTES("                "), 0, spaces);
    buf_add(out, indent);
    return (struct fold){.out = out,
                         .indent = indent,
                         .indent_columns = indent.len,
                         .column = indent.len,
                         .is_fresh = true};
}

void fold_line(struct fold *fold, struct bytes word)
{
    buf_add(fold->out, BYTES("\r\n"));
    buf_add(fold->out, fold->indent);
    buf_add(fold->out, word);
    fold->column = fold->indent_columns + word.len;
}

void fold_word(struct fold *fold, struct bytes word)
{
    size_t gap = fold->is_fresh ? 0 : 1;
    bool fits = word.len + gap <= FOLD_COLUMNS && fold->column <= FOLD_COLUMNS - word.len - gap;
    if (gap && !fits) {
        fold_line(fold, word);
        return;
    }
    if (gap)
        buf_add_byte(fold->out, ' ');
    buf_add(fold->out, word);
    fold->column += gap + word.len;
    fold->is_fresh = false;
}

void fold_words(struct fold *fold, struct bytes text)
{
    struct bytes word;
    while (text.len) {
        bytes_cut(text, ' ', &word, &text);
        if (word.len)
            fold_word(fold, word);
    }
}
