/* The supervisor: binds ports, starts the other processes, starts them again when they end, hands
 * them a new configuration, and stops them in order. Parses nothing from the network.
 *
 * SIGTERM and SIGINT stop (a second one at once), SIGHUP reloads. */
#pragma once

/* Runs in the foreground until it is told to stop. The exit status: 0 after an orderly stop, 1
 * when it cannot run, 78 (EX_CONFIG) when the configuration is bad; the reasons are on standard
 * error. */
int supervisor_run(const char *config_path);
