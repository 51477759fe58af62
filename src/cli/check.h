/* `postrider check`, by areas: each looks at a part of a server and its surroundings, and adds what
 * it finds (cli/finding.h). Nothing is changed by it, and no message is sent. */
#pragma once

#include "cli/finding.h"
#include "daemon/config.h"

struct check {
    struct config *config; /* NULL: it cannot be read; then only check_config() runs */
    const char *config_path;
    struct findings *findings;
    bool is_named;      /* the area was asked for by its name, and not with all others */
    bool is_running;    /* the server's control socket answers, or may not be asked */
    bool has_namespace; /* check_relay() may make a network namespace */
    const char *from;   /* check_relay(): the address to come from; NULL: one that is not trusted */
    const char *to;     /* the stranger whom it tries to send to; NULL: its own choice */
};

/* The configuration: the problems that reading it has found (a line each), and whom it trusts. */
void check_config(struct check *check, struct bytes problems);
/* Folders, keys, and the disk below them. */
void check_files(struct check *check);
/* The certificates' files: how long, for whom, by whom. */
void check_certificates(struct check *check);
/* Whether those who shall can log in, and the addresses that each domain must have. */
void check_accounts(struct check *check);
/* The system: its clock, limits and protections. */
void check_host(struct check *check);
/* Whether the server runs, and how its listeners answer. */
void check_ports(struct check *check);
/* The DNS records of the local domains and of the server's own name. */
void check_dns(struct check *check);
/* Whether its listeners can be abused from an address that is not trusted. */
void check_relay(struct check *check);
/* The same for another server, of which nothing is known but that this is one of its domains;
 * needs no configuration. False and err: HOST:PORT is none. */
MUST_CHECK bool check_relay_server(struct check *check, const char *server, const char *domain,
                                   struct error *err);

/* Is the name in a domain that is set apart for examples and tests (RFC 2606, RFC 6761), and so not
 * the world's? */
bool check_is_reserved_name(struct bytes name);
