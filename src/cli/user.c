/* postrider user: the account directory, whether the server runs or not. */
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "base/instant.h"
#include "cli/server_user.h"
#include "cli/user_password.h"
#include "daemon/accounts.h"
#include "mail/idna.h"

/* A command's surroundings. */
struct desk {
    const struct options *options;
    struct config *config;
    struct accounts *accounts;
    struct buf name; /* of the account that it is about */
};

static int say(const char *what, int status)
{
    fprintf(stderr, "postrider: %s\n", what);
    return status;
}

static int open_accounts(struct desk *desk)
{
    struct error err;
    int status = server_user_become(desk->config);
    if (status != EXIT_GOOD)
        return status;
    desk->accounts = accounts_open(desk->config->accounts_folder, &err);
    return desk->accounts ? EXIT_GOOD : say(err.text, EXIT_LATER);
}

static int take_name(struct desk *desk, const char *address)
{
    if (directory_name(&desk->name, bytes_of(address)))
        return EXIT_GOOD;
    fprintf(stderr,
            "postrider: %s is no address that an account can have; write one like "
            "ann@example.org\n",
            address);
    return EXIT_USAGE;
}

/* Everything that the commands share: the configuration, the directory, the account's name. */
static int run(const struct options *options, int (*act)(struct desk *desk))
{
    struct desk desk = {.options = options};
    buf_init(&desk.name, DIRECTORY_NAME_LIMIT);
    int status = options->word_count ? take_name(&desk, options->words[0]) : EXIT_GOOD;
    if (status == EXIT_GOOD) {
        desk.config = command_config(options);
        status = desk.config ? open_accounts(&desk) : EXIT_CONFIG;
    }
    if (status == EXIT_GOOD)
        status = act(&desk);
    accounts_close(desk.accounts);
    config_free(desk.config);
    buf_done(&desk.name);
    return status;
}

/* --- Saying what was done --------------------------------------------------------------------- */

static json_t *make_text(struct bytes text)
{
    return json_stringn(text.len ? (const char *)text.at : "", text.len);
}

static int print_json(json_t *json_owned)
{
    json_dumpf(json_owned, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json_owned);
    return EXIT_GOOD;
}

/* The outcome of a change, in words: "ann@example.org WORDS". */
static int tell(const struct desk *desk, enum accounts_status status, const struct error *err,
                const char *words, const char *exists)
{
    switch (status) {
    case ACCOUNTS_DONE: break;
    case ACCOUNTS_NONE:
        fprintf(stderr,
                "postrider: there is no account %.*s, or it has no such thing; see: "
                "postrider user list\n",
                BYTES_ARGS(buf_view(&desk->name)));
        return EXIT_BAD;
    case ACCOUNTS_EXISTS:
        fprintf(stderr, "postrider: %.*s %s\n", BYTES_ARGS(buf_view(&desk->name)), exists);
        return EXIT_BAD;
    case ACCOUNTS_FAILED: return say(err->text, EXIT_LATER);
    }
    if (desk->options->is_json)
        return print_json(json_pack("{s:o}", "address", make_text(buf_view(&desk->name))));
    printf("%.*s %s.\n", BYTES_ARGS(buf_view(&desk->name)), words);
    return EXIT_GOOD;
}

/* Shows a password that was made: this once, as it is kept nowhere. */
static int show(const struct desk *desk, struct bytes password, const char *for_what)
{
    if (desk->options->is_json)
        return print_json(json_pack("{s:o, s:o}", "address", make_text(buf_view(&desk->name)),
                                    "password", make_text(password)));
    printf("The password of %.*s%s%s is shown this once:\n%.*s\n",
           BYTES_ARGS(buf_view(&desk->name)), for_what ? " for " : "", for_what ? for_what : "",
           BYTES_ARGS(password));
    return EXIT_GOOD;
}

/* --- Accounts --------------------------------------------------------------------------------- */

/* What it is good for depends on the configuration, which the operator may be about to change. */
static void warn_of_domain(const struct desk *desk)
{
    struct bytes address = bytes_of(desk->options->words[0]);
    struct bytes domain = bytes_from(address, bytes_find_last(address, '@') + 1);
    if (!recipients_is_local_domain(desk->config->recipients, domain))
        fprintf(stderr,
                "postrider: note: %.*s is not among the domains of %s; the account can log "
                "in, but gets no mail here\n",
                BYTES_ARGS(domain), desk->config->path);
}

/* New or changed credentials; shows those that were made. */
static int set_password(struct desk *desk, bool is_new_account)
{
    struct buf password;
    struct credentials made;
    struct error err;
    bool is_generated;
    if (!user_password(desk->options, &password, &is_generated))
        return EXIT_BAD;
    int status = EXIT_BAD;
    if (!password_derive(buf_view(&password), desk->config->auth.hash_cost, &made, &err)) {
        say(err.text, status);
    } else {
        int64_t now_ms = instant_now_ms();
        struct bytes name = buf_view(&desk->name);
        enum accounts_status changed =
            is_new_account ? accounts_add(desk->accounts, name, &made, now_ms, &err)
                           : accounts_set_password(desk->accounts, name, &made, now_ms, &err);
        if (changed == ACCOUNTS_DONE && is_generated)
            status = show(desk, buf_view(&password), NULL);
        else
            status = tell(desk, changed, &err,
                          is_new_account ? "can log in now" : "has the new password",
                          "has an account already; see: postrider user passwd");
    }
    OPENSSL_cleanse(&made, sizeof made);
    user_password_done(&password);
    return status;
}

static int add(struct desk *desk)
{
    struct error err;
    warn_of_domain(desk);
    if (!desk->options->is_without_password)
        return set_password(desk, true);
    return tell(desk,
                accounts_add(desk->accounts, buf_view(&desk->name), NULL, instant_now_ms(), &err),
                &err, "has an account, without a password",
                "has an account already; see: postrider user passwd");
}

int command_user_add(const struct options *options)
{
    return run(options, add);
}

static int passwd(struct desk *desk)
{
    struct account account;
    struct error err;
    /* Before anybody types a password. */
    enum accounts_status status =
        accounts_find(desk->accounts, buf_view(&desk->name), &account, &err);
    OPENSSL_cleanse(&account, sizeof account);
    return status == ACCOUNTS_DONE ? set_password(desk, false) : tell(desk, status, &err, "", "");
}

int command_user_passwd(const struct options *options)
{
    return run(options, passwd);
}

static int disable(struct desk *desk)
{
    struct error err;
    return tell(desk, accounts_set_disabled(desk->accounts, buf_view(&desk->name), true, &err),
                &err, "cannot log in any more; its mail still comes", "");
}

int command_user_disable(const struct options *options)
{
    return run(options, disable);
}

static int enable(struct desk *desk)
{
    struct error err;
    return tell(desk, accounts_set_disabled(desk->accounts, buf_view(&desk->name), false, &err),
                &err, "can log in", "");
}

int command_user_enable(const struct options *options)
{
    return run(options, enable);
}

static int drop(struct desk *desk)
{
    struct error err;
    return tell(desk, accounts_remove(desk->accounts, buf_view(&desk->name), &err), &err,
                "has no account any more; the mail in its mailbox stays", "");
}

int command_user_remove(const struct options *options)
{
    return run(options, drop);
}

static int limit(struct desk *desk)
{
    uint64_t messages, recipients;
    struct error err;
    if (!scan_u64(bytes_of(desk->options->words[1]), UINT32_MAX, &messages) ||
        !scan_u64(bytes_of(desk->options->words[2]), UINT32_MAX, &recipients))
        return say("the limits are two numbers: messages and recipients a day", EXIT_USAGE);
    return tell(desk,
                accounts_set_limits(desk->accounts, buf_view(&desk->name), (uint32_t)messages,
                                    (uint32_t)recipients, &err),
                &err, "has the new limits", "");
}

int command_user_limit(const struct options *options)
{
    return run(options, limit);
}

/* --- What an account has ---------------------------------------------------------------------- */

static int add_app(struct desk *desk, struct bytes app)
{
    uint8_t digest[PASSWORD_DIGEST];
    struct buf password;
    struct error err;
    buf_init(&password, PASSWORD_LIMIT);
    password_generate(&password);
    password_digest(buf_view(&password), digest);
    enum accounts_status status = accounts_add_app(desk->accounts, buf_view(&desk->name), app,
                                                   digest, instant_now_ms(), &err);
    int result = status == ACCOUNTS_DONE
                     ? show(desk, buf_view(&password), desk->options->words[1])
                     : tell(desk, status, &err, "", "has an app password of that name already");
    user_password_done(&password);
    return result;
}

static int app_password(struct desk *desk)
{
    struct bytes app = bytes_of(desk->options->words[1]);
    struct error err;
    if (app.len == 0 || app.len > APP_NAME_LIMIT || !bytes_is_utf8(app))
        return say("the name of an app password has 1 to 64 bytes", EXIT_USAGE);
    if (!desk->options->is_removed)
        return add_app(desk, app);
    return tell(desk, accounts_remove_app(desk->accounts, buf_view(&desk->name), app, &err), &err,
                "has no such app password any more", "");
}

int command_user_app_password(const struct options *options)
{
    return run(options, app_password);
}

/* "@example.org" stands for all of a domain. */
static bool own_name(struct bytes text, struct buf *out)
{
    if (text.len == 0 || text.at[0] != '@')
        return directory_name(out, text);
    buf_add_byte(out, '@');
    return idna_to_ascii(bytes_from(text, 1), out);
}

static int grant(struct desk *desk)
{
    struct buf own;
    struct error err;
    buf_init(&own, DIRECTORY_NAME_LIMIT);
    if (!own_name(bytes_of(desk->options->words[1]), &own)) {
        buf_done(&own);
        return say("an address is granted as sales@example.org, a whole domain as @example.org",
                   EXIT_USAGE);
    }
    bool is_removed = desk->options->is_removed != NULL;
    struct bytes name = buf_view(&desk->name);
    enum accounts_status status = is_removed
                                      ? accounts_revoke(desk->accounts, name, buf_view(&own), &err)
                                      : accounts_grant(desk->accounts, name, buf_view(&own), &err);
    buf_done(&own);
    return tell(desk, status, &err,
                is_removed ? "may not send as that any more" : "may send as that too",
                "may send as that already");
}

int command_user_grant(const struct options *options)
{
    return run(options, grant);
}

/* --- The list --------------------------------------------------------------------------------- */

struct listing {
    const struct desk *desk;
    json_t *list;
    size_t count;
    bool has_failed;
    struct error err;
};

static void list_own(void *context, struct bytes address)
{
    json_array_append_new(context, make_text(address));
}

static json_t *make_instant(int64_t instant_ms)
{
    uint8_t room[32];
    struct buf text = {.at = room, .cap = sizeof room, .limit = sizeof room};
    if (instant_ms == 0)
        return json_null();
    instant_print(&text, instant_ms);
    return make_text(buf_view(&text));
}

static void list_app(void *context, const struct app_password *app)
{
    json_array_append_new(context, json_pack("{s:s, s:o, s:o}", "name", app->name, "created",
                                             make_instant(app->created_ms), "used",
                                             make_instant(app->used_ms)));
}

static void list_account(void *context, const struct account *account)
{
    struct listing *listing = context;
    json_t *own = json_array(), *apps = json_array();
    struct accounts *accounts = listing->desk->accounts;
    if (!accounts_each_own_of(accounts, account->id, list_own, own, &listing->err) ||
        !accounts_each_app_of(accounts, account->id, list_app, apps, &listing->err))
        listing->has_failed = true;
    json_array_append_new(
        listing->list,
        json_pack("{s:s, s:b, s:b, s:o, s:o, s:I, s:I, s:o, s:o}", "address", account->address,
                  "disabled", account->is_disabled, "password", account->has_password, "own", own,
                  "app_passwords", apps, "messages_per_day", (json_int_t)account->messages_per_day,
                  "recipients_per_day", (json_int_t)account->recipients_per_day, "created",
                  make_instant(account->created_ms), "changed", make_instant(account->changed_ms)));
}

static void print_account(const json_t *account)
{
    size_t index;
    json_t *item;
    bool is_disabled = json_is_true(json_object_get(account, "disabled"));
    bool has_password = json_is_true(json_object_get(account, "password"));
    printf("%-40s %s%s\n", json_string_value(json_object_get(account, "address")),
           is_disabled ? "disabled" : "can log in", has_password ? "" : ", has no password");
    json_array_foreach(json_object_get(account, "own"), index, item)
        printf("    sends as %s\n", json_string_value(item));
    json_array_foreach(json_object_get(account, "app_passwords"), index, item)
    {
        const char *used = json_string_value(json_object_get(item, "used"));
        printf("    app password \"%s\", %s%s\n", json_string_value(json_object_get(item, "name")),
               used ? "last used " : "never used", used ? used : "");
    }
}

static int list(struct desk *desk)
{
    struct listing listing = {.desk = desk, .list = json_array()};
    size_t index;
    json_t *account;
    int status = EXIT_GOOD;
    if (!accounts_each_account(desk->accounts, list_account, &listing, &listing.err) ||
        listing.has_failed)
        status = say(listing.err.text, EXIT_LATER);
    if (status == EXIT_GOOD && desk->options->is_json)
        return print_json(listing.list);
    if (status == EXIT_GOOD)
        json_array_foreach(listing.list, index, account) print_account(account);
    json_decref(listing.list);
    return status;
}

int command_user_list(const struct options *options)
{
    return run(options, list);
}
