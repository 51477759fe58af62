#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/instant.h"
#include "cli/dkim_published.h"
#include "cli/dkim_store.h"
#include "cli/paint.h"
#include "cli/talk.h"
#include "cli/dns_client.h"
#include "daemon/schema.h"
#include "mail/idna.h"

enum {
    RECORD_LIMIT = 4096,
    POLL_S = 10,        /* between two looks at the DNS */
    KEEP_RETIRED_D = 7, /* mail under way, and what is read late, still needs the record */
    DAY_S = 24 * 60 * 60,
};

/* One run of a command. */
struct work {
    const struct options *options;
    struct config *config;
    struct dkim_store store;
    struct buf domain; /* what the command is about; empty: all */
    int64_t now_s;
    int64_t wait_ms; /* for records to appear */
};

static int complain(const char *what)
{
    fprintf(stderr, "postrider: %s\n", what);
    return EXIT_BAD;
}

static void end(struct work *work)
{
    dkim_store_close(&work->store);
    config_free(work->config);
    buf_done(&work->domain);
}

/* Reads the configuration, the domain's name and the keys. False: it has complained. */
static bool begin(struct work *work, const struct options *options, int *status)
{
    struct error err;
    *work =
        (struct work){.options = options, .now_s = instant_now_ms() / 1000, .store.folder_fd = -1};
    buf_init(&work->domain, HOST_NAME_LIMIT);
    if (options->word_count && !idna_to_ascii(bytes_of(options->words[0]), &work->domain)) {
        fprintf(stderr, "postrider: %s is no domain\n", options->words[0]);
        *status = EXIT_USAGE;
    } else if (!(work->config = command_config(options))) {
        *status = EXIT_CONFIG;
    } else if (!dkim_store_open(&work->store, work->config, &err)) {
        *status = complain(err.text);
    } else {
        return true;
    }
    end(work);
    return false;
}

static bool is_of_domain(const struct work *work, const struct keyring_key *key)
{
    return work->domain.len == 0 || bytes_equal(key->domain, buf_view(&work->domain));
}

static size_t count_in(const struct work *work, enum keyring_state state)
{
    size_t count = 0;
    for (size_t i = 0; i < keyring_count(work->store.keyring); i++) {
        const struct keyring_key *key = keyring_view(work->store.keyring, i);
        count += is_of_domain(work, key) && key->state == state;
    }
    return count;
}

/* --- Printing --------------------------------------------------------------------------------- */

static json_t *json_of_key(struct work *work, const struct keyring_key *key)
{
    struct buf name, record, since;
    struct error err;
    buf_init(&name, RECORD_LIMIT);
    buf_init(&record, RECORD_LIMIT);
    buf_init(&since, 64);
    dkim_store_name(&name, key);
    instant_print(&since, key->since_s * 1000);
    bool has_record = dkim_store_record(&work->store, key, &record, &err);
    json_t *json = json_pack(
        "{s:s%,s:s%,s:s,s:s,s:s%,s:s%,s:s%}", "domain", key->domain.at, key->domain.len, "selector",
        key->selector.at, key->selector.len, "algorithm", key_algorithm_name(key->algorithm),
        "state", keyring_state_name(key->state), "since", since.at, since.len, "name", name.at,
        name.len, "record", has_record ? (const char *)record.at : "", has_record ? record.len : 0);
    buf_done(&name);
    buf_done(&record);
    buf_done(&since);
    return json;
}

/* The record as a line of a zone file. */
static void print_record(struct work *work, const struct keyring_key *key)
{
    struct buf line, record;
    struct error err;
    buf_init(&line, 2 * RECORD_LIMIT);
    buf_init(&record, RECORD_LIMIT);
    if (dkim_store_record(&work->store, key, &record, &err)) {
        dkim_store_name(&line, key);
        buf_add(&line, BYTES(". IN TXT "));
        dkim_store_strings(&line, buf_view(&record));
        printf("%.*s\n", BYTES_ARGS(buf_view(&line)));
    } else {
        fprintf(stderr, "postrider: %s\n", err.text);
    }
    buf_done(&line);
    buf_done(&record);
}

static void print_records_in(struct work *work, enum keyring_state state)
{
    for (size_t i = 0; i < keyring_count(work->store.keyring); i++) {
        const struct keyring_key *key = keyring_view(work->store.keyring, i);
        if (is_of_domain(work, key) && key->state == state)
            print_record(work, key);
    }
}

static void print_json(struct work *work)
{
    json_t *list = json_array();
    for (size_t i = 0; i < keyring_count(work->store.keyring); i++) {
        const struct keyring_key *key = keyring_view(work->store.keyring, i);
        if (is_of_domain(work, key))
            json_array_append_new(list, json_of_key(work, key));
    }
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

/* --- Saving ----------------------------------------------------------------------------------- */

/* What keeps the server from reading its configuration again is said, and no failure of ours. */
static void take_reloaded(void *context, const json_t *line)
{
    size_t i;
    json_t *problem;
    json_array_foreach(json_object_get(line, "problems"), i, problem)
    {
        fprintf(stderr, "postrider: %s\n", json_string_value(problem));
    }
    if (json_array_size(json_object_get(line, "problems")))
        fprintf(stderr, "postrider: the server signs as before until that is mended\n");
}

/* Saves the keyring, and has a running server take it up. False: it has complained. */
static bool save(struct work *work)
{
    struct error err;
    if (!dkim_store_save(&work->store, &err))
        return complain(err.text) == EXIT_GOOD;
    /* A server that does not run reads it when it starts. */
    (void)talk_quietly(work->config, json_pack("{s:s}", "do", "reload"), take_reloaded, NULL);
    return true;
}

/* --- Making keys ------------------------------------------------------------------------------ */

/* A key of each kind; false: it has complained. */
static bool make_pair(struct work *work, enum keyring_state state)
{
    struct error err;
    if (!dkim_store_make_pair(&work->store, buf_view(&work->domain), state, work->now_s, &err))
        return complain(err.text) == EXIT_GOOD;
    return save(work);
}

int command_dkim_new(const struct options *options)
{
    struct work work;
    int status;
    if (!begin(&work, options, &status))
        return status;
    bool is_first = count_in(&work, KEYRING_ACTIVE) == 0;
    if (count_in(&work, KEYRING_NEW)) {
        status = complain("there are new keys already; publish them, then: postrider dkim rotate");
    } else if (!make_pair(&work, is_first ? KEYRING_ACTIVE : KEYRING_NEW)) {
        status = EXIT_BAD;
    } else {
        status = EXIT_GOOD;
        if (options->is_json)
            print_json(&work);
        else if (is_first)
            puts("Two keys were made, and sign from now on. Publish these records at once:\n");
        else
            puts("Two keys were made, which do not sign yet. Publish these records, then run\n"
                 "postrider dkim rotate:\n");
        if (!options->is_json)
            print_records_in(&work, is_first ? KEYRING_ACTIVE : KEYRING_NEW);
    }
    end(&work);
    return status;
}

int command_dkim_import(const struct options *options)
{
    struct work work;
    struct error err;
    size_t place;
    int status;
    if (!begin(&work, options, &status))
        return status;
    struct keyring_key key = {.domain = buf_view(&work.domain),
                              .selector = bytes_of(options->words[1]),
                              .state = KEYRING_ACTIVE,
                              .since_s = work.now_s};
    if (!dkim_store_import(&work.store, &key, options->words[2], &place, &err)) {
        status = complain(err.text);
    } else if (!save(&work)) {
        status = EXIT_BAD;
    } else {
        status = EXIT_GOOD;
        if (options->is_json)
            print_json(&work);
        else
            puts("The key signs from now on. Its record should be this:\n");
        if (!options->is_json)
            print_record(&work, keyring_view(work.store.keyring, place));
    }
    end(&work);
    return status;
}

int command_dkim_list(const struct options *options)
{
    struct work work;
    int status = EXIT_GOOD;
    if (!begin(&work, options, &status))
        return status;
    if (options->is_json) {
        print_json(&work);
        end(&work);
        return EXIT_GOOD;
    }
    for (size_t i = 0; i < keyring_count(work.store.keyring); i++) {
        const struct keyring_key *key = keyring_view(work.store.keyring, i);
        struct buf since;
        if (!is_of_domain(&work, key))
            continue;
        buf_init(&since, 64);
        instant_print(&since, key->since_s * 1000);
        printf("%.*s  %.*s  %s  %s since %.10s\n", BYTES_ARGS(key->domain),
               BYTES_ARGS(key->selector), key_algorithm_name(key->algorithm),
               keyring_state_name(key->state), (const char *)since.at);
        buf_done(&since);
    }
    if (keyring_count(work.store.keyring) == 0)
        puts("There are no keys, and nothing is signed. Make some: postrider dkim new DOMAIN");
    end(&work);
    return EXIT_GOOD;
}

/* --- Rotating --------------------------------------------------------------------------------- */

/* Are all new keys there, by these facts? Says of those that are not why, when asked to. */
static bool are_there(struct work *work, struct facts *facts, bool says_why)
{
    bool is_complete = true;
    for (size_t i = 0; i < keyring_count(work->store.keyring); i++) {
        const struct keyring_key *key = keyring_view(work->store.keyring, i);
        struct buf record;
        struct error err;
        if (!is_of_domain(work, key) || key->state != KEYRING_NEW)
            continue;
        buf_init(&record, RECORD_LIMIT);
        bool has_record = dkim_store_record(&work->store, key, &record, &err);
        enum published found =
            has_record ? published_find(facts, key, buf_view(&record)) : PUBLISHED_UNKNOWN;
        buf_done(&record);
        is_complete = is_complete && found == PUBLISHED_RIGHT;
        if (found != PUBLISHED_RIGHT && says_why)
            fprintf(stderr, "postrider: %.*s._domainkey.%.*s: the record is %s\n",
                    BYTES_ARGS(key->selector), BYTES_ARGS(key->domain), published_word(found));
    }
    return is_complete;
}

/* Looks at the DNS once. A resolver of its own each time: it would remember that nothing is there.
 */
static bool are_published(struct work *work, bool says_why)
{
    struct error err;
    struct dns_client *dns = dns_client_open(NULL, &work->config->resolver, &err);
    if (!dns)
        return complain(err.text) == EXIT_GOOD;
    struct facts *facts = facts_new();
    (void)are_there(work, facts, false);
    dns_client_answer(dns, facts);
    bool is_complete = are_there(work, facts, says_why);
    facts_free(facts);
    dns_client_close(dns);
    return is_complete;
}

/* New keys become active, active ones retired. */
static void switch_keys(struct work *work)
{
    for (size_t i = 0; i < keyring_count(work->store.keyring); i++) {
        const struct keyring_key *key = keyring_view(work->store.keyring, i);
        if (!is_of_domain(work, key))
            continue;
        if (key->state == KEYRING_ACTIVE)
            keyring_set_state(work->store.keyring, i, KEYRING_RETIRED, work->now_s);
        else if (key->state == KEYRING_NEW)
            keyring_set_state(work->store.keyring, i, KEYRING_ACTIVE, work->now_s);
    }
}

/* Waits for the records, as long as --wait says. */
static bool wait_published(struct work *work)
{
    int64_t end_ms = instant_steady_ms() + work->wait_ms;
    for (;;) {
        bool is_last = instant_steady_ms() + POLL_S * 1000 > end_ms;
        if (are_published(work, is_last))
            return true;
        if (is_last)
            return false;
        sleep(POLL_S);
    }
}

static int rotate(struct work *work)
{
    bool has_made = count_in(work, KEYRING_NEW) == 0;
    if (has_made) {
        if (!make_pair(work, KEYRING_NEW))
            return EXIT_BAD;
        fprintf(stderr, "postrider: new keys were made; publish these records:\n");
        print_records_in(work, KEYRING_NEW);
        fflush(stdout);
        if (!work->options->wait)
            return EXIT_LATER;
    }
    if (!work->options->is_yes && !wait_published(work)) {
        fprintf(stderr, "postrider: the old keys go on signing; try again when the records are "
                        "there, postrider dns check tells\n");
        return EXIT_LATER;
    }
    switch_keys(work);
    if (!save(work))
        return EXIT_BAD;
    if (work->options->is_json)
        print_json(work);
    else
        printf("The new keys sign from now on. Leave the old records for %d days, then run\n"
               "postrider dkim retire %.*s\n",
               KEEP_RETIRED_D, BYTES_ARGS(buf_view(&work->domain)));
    return EXIT_GOOD;
}

int command_dkim_rotate(const struct options *options)
{
    struct work work;
    int status;
    int64_t wait_ms = 0;
    if (options->wait && !schema_scan_duration(bytes_of(options->wait), &wait_ms)) {
        fprintf(stderr, "postrider: --wait takes a duration: 10m, 2h\n");
        return EXIT_USAGE;
    }
    if (!begin(&work, options, &status))
        return status;
    work.wait_ms = wait_ms;
    if (count_in(&work, KEYRING_ACTIVE) == 0)
        status = complain("there is no key to rotate; make one: postrider dkim new DOMAIN");
    else
        status = rotate(&work);
    end(&work);
    return status;
}

/* --- Retiring --------------------------------------------------------------------------------- */

/* May this key go? Retired ones after a week; others never, but with --yes. */
static bool may_go(const struct work *work, const struct keyring_key *key)
{
    if (work->options->word_count > 1)
        return bytes_equal(key->selector, bytes_of(work->options->words[1])) &&
               (work->options->is_yes || key->state == KEYRING_RETIRED);
    return key->state == KEYRING_RETIRED &&
           (work->options->is_yes || work->now_s - key->since_s >= KEEP_RETIRED_D * DAY_S);
}

static int retire(struct work *work)
{
    struct keyring *keyring = work->store.keyring;
    struct buf files, names;
    size_t count = 0;
    struct error err;
    buf_init(&files, KEYRING_TEXT_LIMIT);
    buf_init(&names, KEYRING_TEXT_LIMIT);
    for (size_t i = 0; i < keyring_count(keyring);) {
        const struct keyring_key *key = keyring_view(keyring, i);
        if (!is_of_domain(work, key) || !may_go(work, key)) {
            i++;
            continue;
        }
        buf_add(&files, key->file);
        buf_add_byte(&files, '\n');
        dkim_store_name(&names, key);
        buf_add_byte(&names, '\n');
        keyring_remove(keyring, i);
        count++;
    }
    int status = count && save(work) ? EXIT_GOOD : EXIT_BAD;
    if (count == 0)
        (void)complain("no key may go: retired ones do after a week, others with --yes and their "
                       "selector");
    for (struct bytes rest = buf_view(&files), file; status == EXIT_GOOD && rest.len;) {
        bytes_cut(rest, '\n', &file, &rest);
        if (!dkim_store_remove_file(&work->store, file, &err))
            status = complain(err.text);
    }
    if (status == EXIT_GOOD && work->options->is_json)
        print_json(work);
    else if (status == EXIT_GOOD)
        printf("Gone for good. Remove these records from the DNS:\n\n%.*s",
               BYTES_ARGS(buf_view(&names)));
    buf_done(&files);
    buf_done(&names);
    return status;
}

int command_dkim_retire(const struct options *options)
{
    struct work work;
    int status;
    if (!begin(&work, options, &status))
        return status;
    status = retire(&work);
    end(&work);
    return status;
}
