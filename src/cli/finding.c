#include "cli/finding.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "cli/command.h"
#include "cli/paint.h"

enum { SEVERITIES = SEVERITY_GOOD + 1 };

static const struct {
    const char *word;             /* for programs */
    const char *label;            /* for people; padded to one width */
    const char *single, *several; /* in the last line */
    enum paint paint;
} severities[SEVERITIES] = {
    [SEVERITY_PROBLEM] = {"problem", "problem", "problem", "problems", PAINT_RED},
    [SEVERITY_WARNING] = {"warning", "warning", "warning", "warnings", PAINT_YELLOW},
    [SEVERITY_UNKNOWN] = {"unknown", "unknown", "unknown", "unknown", PAINT_YELLOW},
    [SEVERITY_NOTE] = {"note", "note   ", "note", "notes", PAINT_BOLD},
    [SEVERITY_GOOD] = {"good", "good   ", "good", "good", PAINT_GREEN},
};

struct findings {
    struct finding *list;
    size_t count, room;
    size_t of[SEVERITIES];
    size_t *ranks; /* numbers in list, the worst first; made when it is needed */
    size_t ranked; /* how many of list are in it */
};

struct findings *findings_new(void)
{
    return NEW(struct findings);
}

static void forget(struct finding *finding)
{
    buf_done(&finding->what);
    buf_done(&finding->meaning);
    buf_done(&finding->how);
    buf_done(&finding->remedy);
}

void findings_free(struct findings *findings)
{
    if (!findings)
        return;
    for (size_t i = 0; i < findings->count; i++)
        forget(&findings->list[i]);
    free(findings->list);
    free(findings->ranks);
    free(findings);
}

static struct finding *next_place(struct findings *findings)
{
    if (findings->count == FINDINGS_LIMIT) {
        struct finding *last = &findings->list[FINDINGS_LIMIT - 1];
        findings->of[last->severity]--;
        forget(last);
        return last;
    }
    if (findings->count == findings->room) {
        findings->room = findings->room ? 2 * findings->room : 32;
        findings->list = memory_resize(findings->list, findings->room, sizeof *findings->list);
    }
    return &findings->list[findings->count++];
}

struct finding *findings_add(struct findings *findings, enum severity severity, const char *area,
                             const char *code)
{
    struct finding *finding = next_place(findings);
    *finding = (struct finding){.severity = severity, .area = area, .code = code};
    buf_init(&finding->what, FINDING_TEXT_LIMIT);
    buf_init(&finding->meaning, FINDING_TEXT_LIMIT);
    buf_init(&finding->how, FINDING_TEXT_LIMIT);
    buf_init(&finding->remedy, FINDING_TEXT_LIMIT);
    findings->of[severity]++;
    findings->ranked = 0;
    return finding;
}

size_t findings_count(const struct findings *findings, enum severity severity)
{
    return findings->of[severity];
}

/* Stable: one severity after the other. */
static void rank(struct findings *findings)
{
    if (findings->ranked == findings->count)
        return;
    findings->ranks = memory_resize(findings->ranks, findings->count, sizeof *findings->ranks);
    findings->ranked = 0;
    for (size_t severity = 0; severity < SEVERITIES; severity++)
        for (size_t i = 0; i < findings->count; i++)
            if (findings->list[i].severity == severity)
                findings->ranks[findings->ranked++] = i;
}

const struct finding *findings_view(struct findings *findings, size_t number)
{
    rank(findings);
    ASSERT(number < findings->count);
    return &findings->list[findings->ranks[number]];
}

/* Each line of the text is indented. */
static void print_text(const char *label, const struct buf *text)
{
    struct bytes rest = buf_view(text), line;
    while (rest.len) {
        bytes_cut(rest, '\n', &line, &rest);
        printf("         %s%.*s\n", label, BYTES_ARGS(line));
        label = "  ";
    }
}

static void print_finding(const struct finding *finding)
{
    paint_print(severities[finding->severity].paint, severities[finding->severity].label);
    printf("  %.*s\n", BYTES_ARGS(buf_view(&finding->what)));
    print_text("", &finding->meaning);
    print_text("found: ", &finding->how);
    print_text("do: ", &finding->remedy);
}

static void print_sum(const struct findings *findings)
{
    const char *between = "";
    for (size_t i = 0; i < SEVERITIES; i++) {
        if (!findings->of[i])
            continue;
        printf("%s%zu %s", between, findings->of[i],
               findings->of[i] == 1 ? severities[i].single : severities[i].several);
        between = ", ";
    }
    printf("%s\n", *between ? "" : "nothing was looked at");
}

void findings_print(struct findings *findings, enum findings_detail detail)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = findings_view(findings, i);
        if (detail == FINDINGS_ALL || finding->severity < SEVERITY_NOTE)
            print_finding(finding);
    }
    print_sum(findings);
}

static json_t *text_of(const struct buf *text)
{
    json_t *string = json_stringn(text->at ? (const char *)text->at : "", text->len);
    return string ? string : json_string("a text that is not UTF-8");
}

json_t *findings_json(struct findings *findings)
{
    json_t *list = json_array();
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = findings_view(findings, i);
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:o}", "severity",
                            severities[finding->severity].word, "area", finding->area, "code",
                            finding->code, "what", text_of(&finding->what), "meaning",
                            text_of(&finding->meaning), "how", text_of(&finding->how), "remedy",
                            text_of(&finding->remedy)));
    }
    return list;
}

int findings_status(const struct findings *findings)
{
    if (findings->of[SEVERITY_PROBLEM])
        return EXIT_BAD;
    return findings->of[SEVERITY_UNKNOWN] ? EXIT_LATER : EXIT_GOOD;
}
