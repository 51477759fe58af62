#include "mail/submission.h"

#include "base/id.h"
#include "mail/date.h"
#include "mail/header.h"

/* What there is in a header section. */
struct survey {
    size_t dates, message_ids, froms, hidden;
};

/* Blind carbon copies are for the eyes of their recipients alone (RFC 5322, 3.6.3 and 5). */
static bool is_hidden(struct bytes name)
{
    return bytes_equal_nocase(name, BYTES("Bcc")) || bytes_equal_nocase(name, BYTES("Resent-Bcc"));
}

static struct survey survey_of(struct bytes section)
{
    struct survey survey = {0};
    struct header_field field;
    while (header_next(&section, &field)) {
        survey.dates += bytes_equal_nocase(field.name, BYTES("Date"));
        survey.message_ids += bytes_equal_nocase(field.name, BYTES("Message-ID"));
        survey.froms += bytes_equal_nocase(field.name, BYTES("From"));
        survey.hidden += is_hidden(field.name);
    }
    return survey;
}

static void add_missing(struct buf *out, const struct submission *submission,
                        const struct survey *survey)
{
    if (survey->froms == 0) {
        buf_add(out, BYTES("From: <"));
        buf_add(out, submission->reverse_path);
        buf_add(out, BYTES(">\r\n"));
    }
    if (survey->dates == 0) {
        buf_add(out, BYTES("Date: "));
        date_print(out, submission->now_ms);
        buf_add(out, BYTES("\r\n"));
    }
    if (survey->message_ids == 0) {
        buf_add(out, BYTES("Message-ID: <"));
        id_print(out, submission->id);
        buf_add_byte(out, '@');
        buf_add(out, submission->hostname);
        buf_add(out, BYTES(">\r\n"));
    }
}

/* New fields go behind the last one, but in front of the first line that is no field: readers
 * take that for the body's beginning. */
static void rewrite(struct buf *out, const struct submission *submission,
                    const struct survey *survey, struct bytes section)
{
    struct header_field field;
    bool has_added = false;
    while (header_next(&section, &field)) {
        if (field.is_odd && !has_added) {
            add_missing(out, submission, survey);
            has_added = true;
        }
        if (is_hidden(field.name))
            continue;
        buf_add(out, field.whole);
        if (section.len == 0 && !has_added && !bytes_ends_nocase(field.whole, BYTES("\r\n")))
            buf_add(out, BYTES("\r\n"));
    }
    if (!has_added)
        add_missing(out, submission, survey);
}

enum submission_result submission_check(const struct submission *submission, struct bytes section,
                                        struct buf *out)
{
    struct survey survey = survey_of(section);
    if (survey.froms > 1)
        return SUBMISSION_SEVERAL_FROM;
    if (survey.froms == 0 && submission->reverse_path.len == 0)
        return SUBMISSION_NO_FROM;
    if (survey.froms && survey.dates && survey.message_ids && !survey.hidden)
        return SUBMISSION_UNCHANGED;
    rewrite(out, submission, &survey, section);
    return SUBMISSION_REWRITTEN;
}

struct bytes submission_reason(enum submission_result result)
{
    switch (result) {
    case SUBMISSION_UNCHANGED:
    case SUBMISSION_REWRITTEN: break;
    case SUBMISSION_NO_FROM: return BYTES("The message has no From field; add one and send again");
    case SUBMISSION_SEVERAL_FROM:
        return BYTES("The message has more than one From field; keep one and send again");
    }
    return BYTES_NONE;
}
