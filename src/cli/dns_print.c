#include "cli/dns_print.h"

#include <stdio.h>
#include <string.h>

#include "cli/dkim_store.h"
#include "cli/paint.h"

enum { LINE_LIMIT = 4096, NAME_WIDTH = 30, TYPE_WIDTH = 4 };

/* --- A zone file ------------------------------------------------------------------------------ */

/* The data as zone files have it. */
static void add_data(const struct dns_record *record, struct buf *out)
{
    if (strcmp(record->type, "TXT") == 0)
        dkim_store_strings(out, buf_view(&record->value));
    else
        buf_add(out, buf_view(&record->value));
}

/* A text of several strings has a line for each, in parentheses. */
static void add_lines(struct buf *out, struct bytes data, const char *lead)
{
    size_t at;
    if (bytes_search(data, BYTES("\" \"")) == data.len) {
        buf_addf(out, "%.*s\n", BYTES_ARGS(data));
        return;
    }
    buf_add(out, BYTES("("));
    while ((at = bytes_search(data, BYTES("\" \""))) < data.len) {
        buf_addf(out, "\n%s    %.*s", lead, BYTES_ARGS(bytes_sub(data, 0, at + 1)));
        data = bytes_from(data, at + 2);
    }
    buf_addf(out, "\n%s    %.*s )\n", lead, BYTES_ARGS(data));
}

static void add_zone_line(const struct dns_record *record, struct buf *out)
{
    const char *lead = record->is_in_zone ? "" : ";   ";
    struct buf data;
    if (record->value.len == 0) {
        buf_addf(out, ";   %.*s: %s\n", BYTES_ARGS(buf_view(&record->name)), record->remedy);
        return;
    }
    buf_init(&data, LINE_LIMIT);
    add_data(record, &data);
    buf_addf(out, "%s%.*s. %d IN %s ", lead, BYTES_ARGS(buf_view(&record->name)), DNS_PRINT_TTL_S,
             record->type);
    add_lines(out, buf_view(&data), lead);
    buf_done(&data);
}

/* Does the comment of its kind not stand above it yet? */
static bool is_first(const struct dns_survey *survey, size_t number)
{
    const struct dns_record *record = dns_survey_view(survey, number);
    const struct dns_record *before = number ? dns_survey_view(survey, number - 1) : NULL;
    return !before || before->part != record->part || before->is_in_zone != record->is_in_zone;
}

void dns_print_zone(const struct dns_survey *survey, struct buf *out)
{
    buf_addf(out, "; %.*s: mail by %s\n", BYTES_ARGS(dns_survey_domain(survey)),
             dns_survey_hostname(survey));
    for (size_t i = 0; i < dns_survey_count(survey); i++) {
        const struct dns_record *record = dns_survey_view(survey, i);
        /* Of what is there and should not be, a list of what should says nothing. */
        if (record->state == DNS_DIFFERENT && record->value.len == 0)
            continue;
        if (is_first(survey, i))
            buf_addf(out, "; %s%s%s\n", dns_part_purpose(record->part),
                     record->is_optional ? " (good to have)" : "",
                     record->is_in_zone || record->part == DNS_PART_PTR ? "" : "; in another zone");
        add_zone_line(record, out);
    }
}

/* --- A table ---------------------------------------------------------------------------------- */

/* Without the domain, as the forms add it. */
static void add_short_name(const struct dns_survey *survey, const struct dns_record *record,
                           struct buf *out)
{
    struct bytes name = buf_view(&record->name), domain = dns_survey_domain(survey);
    if (!record->is_in_zone)
        buf_add(out, name);
    else if (name.len == domain.len)
        buf_add_byte(out, '@');
    else
        buf_add(out, bytes_sub(name, 0, name.len - domain.len - 1));
}

static void add_row(const struct dns_survey *survey, const struct dns_record *record,
                    struct buf *out)
{
    struct buf name;
    buf_init(&name, LINE_LIMIT);
    add_short_name(survey, record, &name);
    buf_addf(out, "%-*.*s  %-*s  ", NAME_WIDTH, BYTES_ARGS(buf_view(&name)), TYPE_WIDTH,
             record->type);
    if (record->value.len)
        buf_addf(out, "%.*s\n", BYTES_ARGS(buf_view(&record->value)));
    else
        buf_addf(out, "(%s)\n", record->remedy);
    buf_done(&name);
}

static void add_rows(const struct dns_survey *survey, bool is_in_zone, struct buf *out)
{
    buf_addf(out, "%-*s  %-*s  %s\n", NAME_WIDTH, "NAME", TYPE_WIDTH, "TYPE", "VALUE");
    for (size_t i = 0; i < dns_survey_count(survey); i++) {
        const struct dns_record *record = dns_survey_view(survey, i);
        if (record->is_in_zone == is_in_zone &&
            !(record->state == DNS_DIFFERENT && record->value.len == 0))
            add_row(survey, record, out);
    }
}

void dns_print_table(const struct dns_survey *survey, struct buf *out)
{
    bool has_others = false;
    for (size_t i = 0; i < dns_survey_count(survey); i++)
        has_others |= !dns_survey_view(survey, i)->is_in_zone;
    buf_addf(out, "In the zone of %.*s (\"@\" is the domain itself):\n",
             BYTES_ARGS(dns_survey_domain(survey)));
    add_rows(survey, true, out);
    if (!has_others)
        return;
    buf_add(out,
            BYTES("\nElsewhere: PTR at who gave you the address, others in their own zones:\n"));
    add_rows(survey, false, out);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *text_of(const struct buf *text)
{
    json_t *string = json_stringn(text->at ? (const char *)text->at : "", text->len);
    return string ? string : json_string("");
}

static json_t *make_row(const struct dns_record *record, bool has_asked)
{
    struct buf data, found;
    buf_init(&data, LINE_LIMIT);
    if (record->value.len)
        add_data(record, &data);
    json_t *row = json_pack("{s:o,s:s,s:o,s:o,s:s,s:b,s:b}", "name", text_of(&record->name), "type",
                            record->type, "record", text_of(&data), "value",
                            text_of(&record->value), "for", dns_part_word(record->part), "optional",
                            record->is_optional, "in_zone", record->is_in_zone);
    buf_done(&data);
    if (!has_asked)
        return row;
    buf_init(&found, 2 * LINE_LIMIT);
    paint_add(&found, buf_view(&record->found));
    json_object_set_new(row, "state", json_string(dns_state_word(record->state)));
    json_object_set_new(row, "found", text_of(&found));
    json_object_set_new(row, "remedy",
                        record->state == DNS_GOOD ? json_null() : json_string(record->remedy));
    buf_done(&found);
    return row;
}

json_t *dns_print_json(const struct dns_survey *survey)
{
    json_t *list = json_array();
    for (size_t i = 0; i < dns_survey_count(survey); i++)
        json_array_append_new(list,
                              make_row(dns_survey_view(survey, i), dns_survey_has_asked(survey)));
    return list;
}

/* --- What was found --------------------------------------------------------------------------- */

static void print_state(const struct dns_record *record)
{
    static const enum paint paints[] = {PAINT_GREEN, PAINT_RED, PAINT_RED, PAINT_YELLOW};
    bool is_good = record->state == DNS_GOOD;
    struct buf found, data;
    buf_init(&found, 2 * LINE_LIMIT);
    buf_init(&data, LINE_LIMIT);
    paint_add(&found, buf_view(&record->found));
    paint_print(record->is_optional && !is_good ? PAINT_YELLOW : paints[record->state],
                dns_state_word(record->state));
    printf("  %.*s %s%s\n", BYTES_ARGS(buf_view(&record->name)), record->type,
           record->is_optional && !is_good ? " (good to have)" : "");
    if (found.len)
        printf("    is: %.*s\n", BYTES_ARGS(buf_view(&found)));
    if (!is_good && record->value.len) {
        add_data(record, &data);
        printf("    should be: %.*s\n", BYTES_ARGS(buf_view(&data)));
    }
    if (!is_good)
        printf("    %s\n", record->remedy);
    buf_done(&found);
    buf_done(&data);
}

void dns_print_states(const struct dns_survey *survey)
{
    for (size_t i = 0; i < dns_survey_count(survey); i++)
        print_state(dns_survey_view(survey, i));
}
