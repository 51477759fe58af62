/* Postfix's master.cf as data: its services, with the parameters that their options override
 * (master(5)). Reads text and nothing else. */
#pragma once

#include "cli/import_settings.h"

enum { IMPORT_SERVICE_LIMIT = 512 };

struct import_service {
    struct bytes name, type, command;  /* "submission", "inet", "smtpd" */
    struct import_settings *overrides; /* of -o; based on those of main.cf */
    unsigned line;
};

struct import_services {
    struct import_service *services;
    size_t count;
};

/* Reads the text of a master.cf; base is main.cf, and outlives the services. False and err: a line
 * of it is no service, and *out is empty. Call import_services_done() in any case. */
MUST_CHECK bool import_services_read(struct import_services *out, struct bytes text,
                                     const struct import_settings *base, struct error *err);
void import_services_done(struct import_services *services);
/* The service with that name of type unix, as transports name it; NULL: there is none. */
const struct import_service *import_services_transport(const struct import_services *services,
                                                       struct bytes name);
