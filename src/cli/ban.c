/* postrider ban: who may not log in for a while, as the keeper has decided. */
#include <stdlib.h>
#include <string.h>

#include "base/instant.h"
#include "cli/server_user.h"
#include "daemon/failures.h"

/* Opens the file as the server's user, and does what is to be done. */
static int run(const struct options *options,
               int (*act)(const struct options *options, struct failures *failures,
                          struct error *err))
{
    struct error err;
    struct config *config = command_config(options);
    struct failures *failures = NULL;
    int status = config ? server_user_become(config) : EXIT_CONFIG;
    if (status == EXIT_GOOD) {
        failures = failures_open(config->accounts_folder, &err);
        status = failures ? act(options, failures, &err) : EXIT_LATER;
    }
    if (status == EXIT_LATER)
        fprintf(stderr, "postrider: %s\n", err.text);
    failures_close(failures);
    config_free(config);
    return status;
}

/* --- The list --------------------------------------------------------------------------------- */

struct listing {
    json_t *list;
    int64_t now_ms;
};

static void note(void *context, const struct ban_entry *entry)
{
    struct listing *listing = context;
    uint8_t room[32];
    struct buf until = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (entry->until_ms <= listing->now_ms)
        return;
    instant_print(&until, entry->until_ms);
    json_array_append_new(
        listing->list,
        json_pack("{s:s, s:o, s:s%, s:I}", "kind", ban_kind_word(entry->kind), "key",
                  json_stringn_nocheck((const char *)entry->key.at, entry->key.len), "until",
                  (const char *)until.at, until.len, "bans", (json_int_t)entry->count));
}

static void print_ban(const json_t *ban)
{
    json_int_t count = json_integer_value(json_object_get(ban, "bans"));
    printf("%-8s %-40s until %s", json_string_value(json_object_get(ban, "kind")),
           json_string_value(json_object_get(ban, "key")),
           json_string_value(json_object_get(ban, "until")));
    if (count > 1)
        printf(", %" JSON_INTEGER_FORMAT " bans so far", count);
    putchar('\n');
}

static int list(const struct options *options, struct failures *failures, struct error *err)
{
    struct listing listing = {json_array(), instant_now_ms()};
    size_t index;
    json_t *ban;
    bool is_good = failures_each_of(failures, note, &listing, err);
    if (is_good && options->is_json) {
        json_dumpf(listing.list, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (is_good) {
        json_array_foreach(listing.list, index, ban) print_ban(ban);
    }
    json_decref(listing.list);
    return is_good ? EXIT_GOOD : EXIT_LATER;
}

int command_ban_list(const struct options *options)
{
    return run(options, list);
}

/* --- Lifting ---------------------------------------------------------------------------------- */

static int lift(const struct options *options, struct failures *failures, struct error *err)
{
    const char *key = options->words[0];
    bool is_all = strcmp(key, "all") == 0;
    uint64_t count;
    if (!failures_lift(failures, is_all ? BYTES_NONE : bytes_of(key), &count, err))
        return EXIT_LATER;
    if (options->is_json)
        printf("{\"count\": %llu}\n", (unsigned long long)count);
    if (count == 0 && !is_all) {
        fprintf(stderr, "postrider: nothing is known of %s; see: postrider ban list\n", key);
        return EXIT_BAD;
    }
    if (!options->is_json)
        printf("%s may log in again, within a second.\n", is_all ? "All" : key);
    return EXIT_GOOD;
}

int command_ban_lift(const struct options *options)
{
    return run(options, lift);
}
