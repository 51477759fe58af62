/* What `postrider import postfix` makes of a Postfix: the parts of a postrider.yaml, and a note for
 * each parameter that was set: what it became, or why it became nothing. No parameter goes without
 * a note.
 *
 * Makes no system calls: files are read by who calls. */
#pragma once

#include "cli/import_services.h"
#include "cli/import_table.h"

/* What is known of the host that the Postfix is on. */
struct import_host {
    const char *hostname;  /* as gethostname() has it */
    const char *networks;  /* of its addresses, with commas: "192.0.2.0/24,2001:db8::/64"; NULL:
                              nobody knows */
    const char *addresses; /* the same for its addresses alone */
    bool has_user;         /* there is a user `postrider` */
    /* Appends the text of a file that Postfix's files name. False and err: it cannot be read. */
    bool (*read)(void *context, struct bytes path, struct buf *out, struct error *err);
    void *context;
};

enum import_outcome {
    IMPORT_LOST,       /* no counterpart: something is different from now on */
    IMPORT_TO_DO,      /* a person has to do something */
    IMPORT_UNKNOWN,    /* no parameter that this command has heard of */
    IMPORT_MAPPED,     /* it became a key */
    IMPORT_NOT_NEEDED, /* nothing is lost */
    IMPORT_OUTCOMES
};

struct import_note {
    enum import_outcome outcome;
    char *name;  /* "relayhost", "submission: smtpd_tls_wrappermode", "/etc/aliases:7"; owned */
    char *value; /* as in the file; owned; empty where it says nothing */
    char *text;  /* owned */
    unsigned line;
};

/* A file that only its owner is to read. */
struct import_secret {
    char *path; /* relative to the configuration; owned */
    char *text; /* owned */
};

/* The parts of the configuration, in the order in which they are written. */
enum import_section {
    SECTION_HOST,
    SECTION_LISTEN,
    SECTION_TLS,
    SECTION_AUTH,
    SECTION_DOMAINS,
    SECTION_DELIVER,
    SECTION_VERIFY,
    SECTION_RELAY,
    SECTION_ROUTES,
    SECTION_OUTBOUND,
    SECTION_QUEUE,
    SECTION_LIMITS,
    SECTION_COUNT
};

enum { IMPORT_SECRET_LIMIT = 32 };

struct import_draft {
    const struct import_host *host;
    struct import_settings *main;
    struct import_services services;
    struct buf sections[SECTION_COUNT];
    struct import_note *notes;
    size_t note_count;
    struct import_secret secrets[IMPORT_SECRET_LIMIT];
    size_t secret_count;
    struct buf local;   /* domains of this server, likewise */
    struct buf relayed; /* domains whose mail is passed on: names with a newline behind each */
};

/* The whole import. False and err: a file cannot be understood. Call import_draft_free() in any
 * case. main_text is that of main.cf, master_text of master.cf (may be empty). */
struct import_draft *import_draft_new(const struct import_host *host);
void import_draft_free(struct import_draft *draft);
MUST_CHECK bool import_draft_make(struct import_draft *draft, struct bytes main_text,
                                  struct bytes master_text, struct error *err);
/* Appends the configuration. */
void import_draft_print_config(const struct import_draft *draft, struct buf *out);
/* Appends the report. */
void import_draft_print_report(const struct import_draft *draft, struct buf *out);
const char *import_outcome_word(enum import_outcome outcome);

/* --- Between the parts of the import ---------------------------------------------------------- */

/* Adds a note; with a NULL setting it is of no parameter, and name says of what. A parameter has
 * one or several. */
void import_note(struct import_draft *draft, enum import_outcome outcome,
                 const struct import_setting *setting, const char *format, ...) PRINTF_LIKE(4, 5);
void import_note_of(struct import_draft *draft, enum import_outcome outcome, struct bytes name,
                    struct bytes value, const char *format, ...) PRINTF_LIKE(5, 6);
/* Is there a note with that name? */
bool import_has_note(const struct import_draft *draft, struct bytes name);
/* The setting where main.cf has it; NULL: it does not. */
const struct import_setting *import_set(const struct import_draft *draft, const char *name);
/* Appends its value with all put in, or that of its default. False: there is none, or it is empty
 * or (with a note) malformed. */
bool import_value(struct import_draft *draft, const struct import_settings *settings,
                  const char *name, struct buf *out);
/* Is its value yes? */
bool import_is_yes(struct import_draft *draft, const struct import_settings *settings,
                   const char *name);
/* Does its value have just that text, in whatever case? */
bool import_is(struct import_draft *draft, const struct import_settings *settings, const char *name,
               const char *text);
/* Reads the table that an item of the parameter names. False and a note (a thing to do): it is no
 * text, or cannot be read. Call import_table_done() in any case. */
bool import_read_table(struct import_draft *draft, const char *parameter, struct bytes item,
                       enum import_form form, struct import_table *out);
/* Appends the names that a list of the parameter has, those of its files and tables among them, a
 * line each, in small letters. */
void import_read_names(struct import_draft *draft, const char *parameter, struct buf *out);
/* Takes the next line of such names; false: there is none. */
bool import_next_name(struct bytes *names, struct bytes *out);
bool import_have_name(struct bytes names, struct bytes name);
/* Appends a text in YAML's double quotes, or plain where that is the same. */
void import_add_text(struct buf *out, struct bytes text);
/* Adds a file for a secret; copies. False: too many. */
bool import_add_secret(struct import_draft *draft, const char *path, struct bytes text);

/* The parts. */
void import_listeners(struct import_draft *draft);
void import_domains(struct import_draft *draft);
void import_routes(struct import_draft *draft);
void import_numbers(struct import_draft *draft);
/* Does transport_maps lead the domain's mail to another server by SMTP? */
bool import_leads_away(struct import_draft *draft, struct bytes domain);
/* What lists of restrictions become; where is "main.cf" or the name of a service. */
void import_restrictions(struct import_draft *draft, const struct import_settings *settings,
                         struct bytes where);
/* Adds the note of a parameter that no part has looked at, under the name to show. */
void import_rest(struct import_draft *draft, const struct import_setting *setting,
                 struct bytes shown);
/* Is it a parameter of some Postfix? */
bool import_is_known(struct bytes name);
/* Adds what main.cf need not say (postconf -d), as far as values refer to it. */
void import_add_defaults(struct import_draft *draft);
