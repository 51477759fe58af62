#include "mail/downgrade.h"

#include <stdlib.h>

#include "base/memory.h"
#include "mail/mime.h"
#include "mail/transfer.h"

enum { REASON_LIMIT = 256, NAME_SHOWN = 40 };

/* What becomes of an entity. */
struct part {
    size_t parent;
    enum transfer_form form;        /* of its content */
    enum transfer_form filler_form; /* of what stands between its parts */
    enum mime_encoding label;       /* what Content-Transfer-Encoding is to say */
    bool is_labelled;               /* the label differs from what is there */
    bool has_changes;               /* it, or a part of it, is encoded anew */
};

/* What a run of content holds. */
struct survey {
    uint64_t total, coded; /* bytes; of those, that quoted-printable would encode */
    size_t line;
    bool has_cr, has_8bit, has_nul;
    bool has_odd_lines; /* a CR or LF alone, or a line too long */
};

struct downgrade {
    struct downgrade_goal goal;
    struct mime *mime;
    enum downgrade_verdict verdict;
    struct buf reason;
    struct part *parts;
    size_t part_count, part_room;
    struct survey survey; /* of the content or filler under way */
    enum mime_event run;  /* MIME_CONTENT or MIME_FILLER while one is under way */
    struct transfer_writer writer;
    bool has_label; /* the header section's first Content-Transfer-Encoding was seen */
};

struct downgrade *downgrade_new(const struct downgrade_goal *goal)
{
    ASSERT(goal->body != BODY_BINARYMIME && !(goal->has_8bit_fields && goal->body == BODY_7BIT));
    struct downgrade *downgrade = NEW(struct downgrade);
    downgrade->goal = *goal;
    downgrade->mime = mime_new();
    downgrade->run = MIME_MORE;
    buf_init(&downgrade->reason, REASON_LIMIT);
    return downgrade;
}

void downgrade_free(struct downgrade *downgrade)
{
    if (!downgrade)
        return;
    mime_free(downgrade->mime);
    buf_done(&downgrade->reason);
    free(downgrade->parts);
    free(downgrade);
}

struct bytes downgrade_reason(const struct downgrade *downgrade)
{
    return buf_view(&downgrade->reason);
}

/* The first thing that cannot be done is the verdict. name: of the header field, if it is one. */
static void give_up(struct downgrade *downgrade, enum downgrade_verdict verdict, struct bytes name)
{
    static const char *const reasons[] = {
        [DOWNGRADE_GOOD] = "",
        [DOWNGRADE_FIELD] = "a header field cannot be written in ASCII",
        [DOWNGRADE_SIGNED] = "the message is signed, and encoding it would break the signature",
        [DOWNGRADE_CODED] = "a part of the message is of a form that cannot be encoded for it",
        [DOWNGRADE_LIMIT] = "the message has too many parts or too long a field to be encoded",
    };
    if (downgrade->verdict != DOWNGRADE_GOOD)
        return;
    downgrade->verdict = verdict;
    buf_add(&downgrade->reason, bytes_of(reasons[verdict]));
    if (name.len)
        buf_addf(&downgrade->reason, ": %.*s", BYTES_ARGS(bytes_sub(name, 0, NAME_SHOWN)));
}

/* --- Pass one: what there is -------------------------------------------------------------------
 */

static void survey_newline(struct survey *survey)
{
    survey->line = 0;
    survey->has_cr = false;
}

static void survey_byte(struct survey *survey, uint8_t byte)
{
    if (survey->has_cr && byte == '\n') {
        survey_newline(survey);
        return;
    }
    survey->has_odd_lines |= survey->has_cr || byte == '\n';
    survey->has_cr = byte == '\r';
    if (byte != '\r')
        survey->line++;
    survey->has_odd_lines |= survey->line > TRANSFER_LINE_MOST;
    survey->has_8bit |= byte > 127;
    survey->has_nul |= byte == 0;
    bool is_plain = (byte >= ' ' && byte < 0x7F && byte != '=') || byte == '\t' || byte == '\r';
    survey->coded += !is_plain;
}

static void survey_run(struct survey *survey, struct bytes run)
{
    survey->total += run.len;
    for (size_t i = 0; i < run.len; i++)
        survey_byte(survey, run.at[i]);
}

static bool is_fit(const struct downgrade *downgrade, const struct survey *survey)
{
    bool is_binary = survey->has_nul || survey->has_odd_lines || survey->has_cr;
    return !is_binary && (downgrade->goal.body == BODY_8BITMIME || !survey->has_8bit);
}

static enum transfer_form form_for(struct downgrade *downgrade, const struct mime_entity *entity)
{
    const struct survey *survey = &downgrade->survey;
    switch (entity->encoding) {
    case MIME_ENCODING_7BIT:
    case MIME_ENCODING_8BIT:
    case MIME_ENCODING_BINARY:
        if (entity->kind == MIME_OPAQUE)
            break;
        /* Where most is code nobody can read it anyway, and base64 is shorter. */
        return entity->kind == MIME_TEXT && survey->coded <= survey->total / 3 ? TRANSFER_QUOTED
                                                                               : TRANSFER_BASE64;
    case MIME_ENCODING_QUOTED: return TRANSFER_MEND_QUOTED;
    case MIME_ENCODING_BASE64:
        if (survey->has_8bit || survey->has_nul)
            break;
        return TRANSFER_MEND_BASE64;
    case MIME_ENCODING_OTHER: break;
    }
    give_up(downgrade, DOWNGRADE_CODED, BYTES_NONE);
    return TRANSFER_AS_IS;
}

/* Has the multipart a part, or does one begin now? Without any, readers show all there is. */
static bool has_parts(const struct downgrade *downgrade, const struct mime_entity *multipart)
{
    const struct mime_entity *now = mime_entity(downgrade->mime);
    bool is_beginning = now->number == downgrade->part_count && now->parent == multipart->number;
    return is_beginning || downgrade->part_count > multipart->number + 1;
}

/* A run of content or filler has ended. */
static void run_ended(struct downgrade *downgrade, const struct mime_entity *entity)
{
    bool is_filler = downgrade->run == MIME_FILLER;
    if (downgrade->run != MIME_MORE && !is_fit(downgrade, &downgrade->survey)) {
        struct part *part = &downgrade->parts[entity->number];
        if (entity->is_signed)
            give_up(downgrade, DOWNGRADE_SIGNED, BYTES_NONE);
        else if (is_filler && !has_parts(downgrade, entity))
            give_up(downgrade, DOWNGRADE_CODED, BYTES_NONE);
        else if (is_filler)
            part->filler_form = TRANSFER_QUOTED;
        else
            part->form = form_for(downgrade, entity);
    }
    downgrade->survey = (struct survey){.total = 0};
    downgrade->run = MIME_MORE;
}

static void part_add(struct downgrade *downgrade, const struct mime_entity *entity)
{
    ASSERT(entity->number == downgrade->part_count);
    if (downgrade->part_count == downgrade->part_room) {
        downgrade->part_room = downgrade->part_room * 2 + 4;
        downgrade->parts =
            memory_resize(downgrade->parts, downgrade->part_room, sizeof *downgrade->parts);
    }
    struct part part = {.parent = entity->parent, .label = entity->encoding};
    bool has_label = entity->encoding == MIME_ENCODING_BINARY ||
                     (entity->encoding == MIME_ENCODING_8BIT && downgrade->goal.body == BODY_7BIT);
    if (has_label && !entity->is_signed) {
        part.label = downgrade->goal.body == BODY_7BIT ? MIME_ENCODING_7BIT : MIME_ENCODING_8BIT;
        part.is_labelled = true;
    }
    downgrade->parts[downgrade->part_count++] = part;
}

/* Can the field's lines be sent at all? */
static bool has_odd_bytes(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_end = text.at[i] == '\r' && i + 1 < text.len && text.at[i + 1] == '\n';
        if (is_end)
            i++;
        else if (text.at[i] == 0 || text.at[i] == '\r' || text.at[i] == '\n')
            return true;
    }
    return false;
}

static bool is_rewritten(const struct downgrade *downgrade, const struct header_field *field)
{
    return ascii_field_is_needed(field, downgrade->goal.has_8bit_fields);
}

static void field_check(struct downgrade *downgrade, const struct header_field *field)
{
    bool has_odd = has_odd_bytes(field->whole);
    if (!has_odd && !is_rewritten(downgrade, field))
        return;
    if (mime_entity(downgrade->mime)->is_signed) {
        give_up(downgrade, DOWNGRADE_SIGNED, field->name);
        return;
    }
    struct buf trial;
    buf_init(&trial, field->whole.len * ASCII_FIELD_GROWTH + ASCII_FIELD_MORE);
    if (has_odd || !ascii_field_print(&trial, field))
        give_up(downgrade, DOWNGRADE_FIELD, field->name);
    buf_done(&trial);
}

static void scan_event(struct downgrade *downgrade, enum mime_event event,
                       const struct mime_piece *piece, const struct mime_entity *before)
{
    switch (event) {
    case MIME_FIELD: field_check(downgrade, &piece->field); return;
    case MIME_HEADER_END: part_add(downgrade, mime_entity(downgrade->mime)); return;
    case MIME_CONTENT:
    case MIME_FILLER:
        downgrade->run = event;
        survey_run(&downgrade->survey, piece->text);
        return;
    case MIME_FAULT: give_up(downgrade, DOWNGRADE_LIMIT, BYTES_NONE); return;
    case MIME_DELIMITER:
    case MIME_END: run_ended(downgrade, before); return;
    case MIME_MORE: return;
    }
}

void downgrade_scan(struct downgrade *downgrade, struct bytes text)
{
    struct mime_piece piece;
    enum mime_event event;
    while (downgrade->verdict == DOWNGRADE_GOOD) {
        struct mime_entity before = *mime_entity(downgrade->mime);
        event = mime_next(downgrade->mime, &text, &piece);
        if (event == MIME_MORE)
            return;
        scan_event(downgrade, event, &piece, &before);
    }
}

enum downgrade_verdict downgrade_decide(struct downgrade *downgrade)
{
    struct mime_piece piece;
    enum mime_event event = MIME_MORE;
    while (downgrade->verdict == DOWNGRADE_GOOD && event != MIME_END) {
        struct mime_entity before = *mime_entity(downgrade->mime);
        event = mime_finish(downgrade->mime, &piece);
        scan_event(downgrade, event, &piece, &before);
    }
    /* Parts come after what they are parts of. */
    for (size_t i = downgrade->part_count; i-- > 0;) {
        struct part *part = &downgrade->parts[i];
        if (part->form == TRANSFER_QUOTED || part->form == TRANSFER_BASE64) {
            part->label =
                part->form == TRANSFER_QUOTED ? MIME_ENCODING_QUOTED : MIME_ENCODING_BASE64;
            part->is_labelled = part->has_changes = true;
        }
        downgrade->parts[part->parent].has_changes |= part->has_changes;
    }
    return downgrade->verdict;
}

/* --- Pass two ----------------------------------------------------------------------------------
 */

void downgrade_begin(struct downgrade *downgrade)
{
    ASSERT(downgrade->verdict == DOWNGRADE_GOOD);
    mime_free(downgrade->mime);
    downgrade->mime = mime_new();
    downgrade->run = MIME_MORE;
    downgrade->has_label = false;
}

static void add_label(struct buf *out, enum mime_encoding label)
{
    static const char *const names[] = {
        [MIME_ENCODING_7BIT] = "7bit",     [MIME_ENCODING_8BIT] = "8bit",
        [MIME_ENCODING_BINARY] = "binary", [MIME_ENCODING_QUOTED] = "quoted-printable",
        [MIME_ENCODING_BASE64] = "base64", [MIME_ENCODING_OTHER] = "",
    };
    buf_addf(out, "Content-Transfer-Encoding: %s\r\n", names[label]);
}

static void write_field(struct downgrade *downgrade, const struct header_field *field,
                        const struct part *part, struct buf *out)
{
    bool is_label = bytes_equal_nocase(field->name, BYTES("Content-Transfer-Encoding"));
    if (is_label && part->is_labelled) {
        /* Readers differ in which of two they believe: one is left. */
        if (!downgrade->has_label)
            add_label(out, part->label);
        downgrade->has_label = true;
        return;
    }
    if (!is_rewritten(downgrade, field)) {
        buf_add(out, field->whole);
        return;
    }
    bool is_good = ascii_field_print(out, field);
    ASSERT(is_good || out->overflowed);
}

/* What the header section lacks goes to its end. */
static void write_header_end(struct downgrade *downgrade, struct bytes blank,
                             const struct part *part, struct buf *out)
{
    const struct mime_entity *entity = mime_entity(downgrade->mime);
    bool is_encoded = part->form == TRANSFER_QUOTED || part->form == TRANSFER_BASE64;
    if (entity->is_message && !entity->has_version && part->has_changes)
        buf_add(out, BYTES("MIME-Version: 1.0\r\n"));
    /* RFC 1428, 3: what nobody said is not guessed. */
    if (is_encoded && !entity->has_type)
        buf_add(out, BYTES("Content-Type: text/plain; charset=unknown-8bit\r\n"));
    if (is_encoded && !entity->has_encoding)
        add_label(out, part->label);
    /* A line that was no field could become one. */
    bool needs_blank = part->form != TRANSFER_AS_IS || part->filler_form != TRANSFER_AS_IS;
    buf_add(out, needs_blank && !blank.len ? BYTES("\r\n") : blank);
    downgrade->has_label = false;
}

static void write_run(struct downgrade *downgrade, enum mime_event event, struct bytes run,
                      const struct part *part, struct buf *out)
{
    if (downgrade->run != event)
        transfer_init(&downgrade->writer, event == MIME_FILLER ? part->filler_form : part->form);
    downgrade->run = event;
    transfer_add(&downgrade->writer, out, run);
}

static void write_run_end(struct downgrade *downgrade, bool is_text_end, struct buf *out)
{
    if (downgrade->run == MIME_MORE)
        return;
    transfer_end(&downgrade->writer, out);
    downgrade->run = MIME_MORE;
    if (!is_text_end || !downgrade->writer.column)
        return;
    /* Lines end with CRLF on the way; that this one is not the content's is told where it can
     * be. */
    bool is_quoted =
        downgrade->writer.form == TRANSFER_QUOTED || downgrade->writer.form == TRANSFER_MEND_QUOTED;
    buf_add(out, is_quoted ? BYTES("=\r\n") : BYTES("\r\n"));
}

static void write_event(struct downgrade *downgrade, enum mime_event event,
                        const struct mime_piece *piece, struct buf *out)
{
    const struct part *part = &downgrade->parts[mime_entity(downgrade->mime)->number];
    switch (event) {
    case MIME_FIELD: write_field(downgrade, &piece->field, part, out); return;
    case MIME_HEADER_END: write_header_end(downgrade, piece->text, part, out); return;
    case MIME_CONTENT:
    case MIME_FILLER: write_run(downgrade, event, piece->text, part, out); return;
    case MIME_DELIMITER:
        write_run_end(downgrade, false, out);
        buf_add(out, piece->text);
        return;
    case MIME_END: write_run_end(downgrade, true, out); return;
    case MIME_MORE:
    case MIME_FAULT: return;
    }
}

void downgrade_write(struct downgrade *downgrade, struct bytes text, struct buf *out)
{
    struct mime_piece piece;
    enum mime_event event;
    while ((event = mime_next(downgrade->mime, &text, &piece)) != MIME_MORE)
        write_event(downgrade, event, &piece, out);
}

void downgrade_end(struct downgrade *downgrade, struct buf *out)
{
    struct mime_piece piece;
    enum mime_event event;
    do {
        event = mime_finish(downgrade->mime, &piece);
        write_event(downgrade, event, &piece, out);
    } while (event != MIME_END);
}

bool downgrade_whole(const struct downgrade_goal *goal, const struct bytes *parts, size_t count,
                     struct buf *out)
{
    struct downgrade *downgrade = downgrade_new(goal);
    for (size_t i = 0; i < count; i++)
        downgrade_scan(downgrade, parts[i]);
    bool is_good = downgrade_decide(downgrade) == DOWNGRADE_GOOD;
    if (is_good) {
        downgrade_begin(downgrade);
        for (size_t i = 0; i < count; i++)
            downgrade_write(downgrade, parts[i], out);
        downgrade_end(downgrade, out);
    }
    downgrade_free(downgrade);
    return is_good;
}
