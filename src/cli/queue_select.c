#include "cli/queue_select.h"

#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "daemon/schema.h"

bool queue_id_is_valid(const char *word)
{
    uint64_t id;
    if (id_scan(bytes_of(word), &id) && id)
        return true;
    fprintf(stderr, "postrider: \"%s\" is no message id; they look like 06fz3k8m0a1b2\n", word);
    return false;
}

int queue_id_unknown(const char *id)
{
    fprintf(stderr,
            "postrider: no message %s in the queue; its story, if it had one: postrider trace %s\n",
            id, id);
    return EXIT_BAD;
}

static bool complain(const char *option, const char *word, const char *takes)
{
    fprintf(stderr, "postrider: %s \"%s\": takes %s\n", option, word, takes);
    return false;
}

static bool add_text(json_t *select, const char *name, const char *word)
{
    json_t *text = word[0] ? json_string(word) : NULL;
    if (!text)
        return complain(name, word, "a text in UTF-8");
    json_object_set_new(select, name, text);
    return true;
}

static bool add_age(json_t *select, const char *name, const char *option, const char *word)
{
    int64_t age_ms;
    if (!schema_scan_duration(bytes_of(word), &age_ms) || age_ms <= 0)
        return complain(option, word, "a duration such as 90s, 5m, 4h or 5d");
    json_object_set_new(select, name, json_integer(age_ms));
    return true;
}

static bool add_status(json_t *select, const char *word)
{
    static const char *const words[] = {"queued", "active",    "deferred",
                                        "held",   "delivered", "failed"};
    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(word, words[i]) == 0)
            return json_object_set_new(select, "status", json_string(word)) == 0;
    return complain("--status", word, "queued, active, deferred, held, delivered or failed");
}

/* A domain, or "@domain" as --from takes it. */
static const char *without_at(const char *domain)
{
    return domain[0] == '@' ? domain + 1 : domain;
}

static bool add_criteria(json_t *select, const struct options_select *given)
{
    return (!given->from || add_text(select, "from", given->from)) &&
           (!given->to || add_text(select, "to", given->to)) &&
           (!given->domain || add_text(select, "domain", without_at(given->domain))) &&
           (!given->reply || add_text(select, "reply", given->reply)) &&
           (!given->lane || add_text(select, "lane", given->lane)) &&
           (!given->older || add_age(select, "older_ms", "--older", given->older)) &&
           (!given->younger || add_age(select, "younger_ms", "--younger", given->younger)) &&
           (!given->status || add_status(select, given->status));
}

bool queue_select_is_id(const struct options *options)
{
    return options->word_count > 0 && strcmp(options->words[0], "all") != 0;
}

json_t *queue_select_request(const struct options *options, const char *name)
{
    json_t *select = json_object();
    bool is_good = add_criteria(select, &options->select);
    bool has_criteria = json_object_size(select) > 0;
    json_t *request = json_pack("{s:s}", "do", name);
    if (is_good && has_criteria == (options->word_count > 0)) {
        fprintf(stderr, has_criteria
                            ? "postrider: an id, all, or options that select: one of them\n"
                            : "postrider: which messages? An id, all, or options that select\n");
        is_good = false;
    }
    if (is_good && queue_select_is_id(options)) {
        is_good = queue_id_is_valid(options->words[0]);
        json_object_set_new(request, "id", json_string(options->words[0]));
    } else {
        json_object_set(request, "select", select);
    }
    json_decref(select);
    if (is_good)
        return request;
    json_decref(request);
    return NULL;
}
