/*
 * The configuration: one INI file, read whole by every role, so that a mistake is told by whichever
 * starts first.
 *
 * A bad file changes nothing and gives one line that names file, line, option and what is allowed:
 *
 *     creditd.conf:12: [credits] push_interval: "1 sec" is not a duration; write 500ms, 60s, 2m, …
 *
 * Unknown sections and keys are errors too: a misspelt limit must not be a missing limit. The table
 * in config_table.c is the list of all options; creditd.conf(5) describes them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum config_durability { CONFIG_DURABILITY_ALWAYS, CONFIG_DURABILITY_INTERVAL };

struct config_product {
    char *product_id;
    int64_t units_per_credit;
};

/* One word of an [access] list: a user, or a group where it was written @group. */
struct config_principal {
    bool is_group;
    uint32_t id;
};

struct config_access {
    struct config_principal *principals;
    size_t count;
};

#define CONFIG_THRESHOLDS_MAX 8
#define CONFIG_LISTEN_MAX 16 /* addresses of [http] listen */

/* Descending, without repetitions. */
struct config_thresholds {
    int64_t items[CONFIG_THRESHOLDS_MAX];
    size_t count;
};

struct config_product_thresholds {
    char *product_id;
    struct config_thresholds thresholds;
};

/* Durations are in milliseconds, sizes in bytes, -1 means "no limit" and strings may be NULL where
 * unset. */
struct config {
    struct {
        char *base_url, *api_key_file, *api_version, *webhook_secret_file;
        int64_t connect_timeout, request_timeout;
    } stellartools;
    struct {
        char *url, *secret_file, *cookie_prefix;
        int64_t session_ttl;
        bool trust_customer_id;
    } better_auth;
    struct {
        bool create_customer_on_signup, link_unverified_email;
        struct config_thresholds credit_low_threshold;
    } billing;
    struct {
        int64_t push_interval, refresh_interval, in_doubt_delay;
        int64_t max_offline_spend, max_offline_time;
        int64_t requests_per_minute; /* 0: learned from upstream's answers */
        int64_t cold_timeout; /* how long a request waits for a balance that was never seen */
    } credits;
    struct {
        enum config_durability durability;
        int64_t retention, retention_size, segment_size, interval, checkpoint_interval, map_size;
    } ledger;
    struct {
        struct config_product *items;
        size_t count;
    } products;
    struct {
        struct config_product_thresholds *items;
        size_t count;
    } low_thresholds; /* of a product, in place of credit_low_threshold */
    /* Who may act without a session. A role does not include another; root and the daemon's own
     * user have all. */
    struct {
        struct config_access read, consume, refund, admin;
    } access;
    struct {
        char *on_customer_created, *on_subscription_created, *on_subscription_canceled,
            *on_credits_low, *on_event;
        char *user;        /* whom programs run as; NULL: creditd-hook's own */
        char *secret_file; /* what deliveries to URLs are signed with */
        int64_t timeout, retry_delay, retry_delay_max, park_after, concurrency;
    } hooks;
    struct {
        char *listen; /* words: paths of Unix sockets, 127.0.0.1:PORT, [::1]:PORT */
        char *local;  /* a path, where peers have the roles that [access] gives them */
        char *group;  /* of the Unix sockets; NULL: creditd-http's own */
        char *prefix, *trusted_origins;
        int64_t body_size, connections, timeout;
    } http;
    struct {
        int64_t message_size, in_flight, connections, connections_per_user, idle_time, write_queue;
        int64_t dedupe_keys_per_user, dedupe_clients_per_user, dedupe_stamps_per_user,
            upstream_turns_per_user, upstream_turns_per_customer;
        int64_t event_lag; /* events that a subscriber may let pass without reading */
    } limits;
    struct {
        /* Below /run/creditd and /var/lib/creditd for root and services, else below XDG's. */
        char *socket, *state_directory, *runtime_directory;
        char *sync_socket, *hook_socket; /* where helpers reach serve when systemd starts them */
    } paths;
};

/* Where no --config is given: CREDITD_CONFIG, else /etc/creditd/creditd.conf if it exists and we
 * are root or a service, else $XDG_CONFIG_HOME/creditd/creditd.conf if it exists, else NULL
 * (defaults only). The caller frees it. */
char *config_default_path(void);
/* `path` may be NULL: all defaults. On failure *ret_error, if wanted, is the line to print; the
 * caller frees it. */
int config_load(const char *path, struct config **ret_config, char **ret_error);
/* The same for a program that was told `given`, or nothing (NULL): the file is then looked for at
 * each load, since the first one may be written while the program runs. *ret_path, if wanted, is
 * what was read, also on failure; NULL: defaults. The caller frees it. */
int config_load_found(const char *given, char **ret_path, struct config **ret_config,
                      char **ret_error);
/* For a reload: what counts from the next start only, in these sections (the last one is NULL),
 * stays in `config`, which was loaded just now, as it is in `running`. *ret_names are the options
 * that this concerns, "[ledger] retention, [paths] socket", for the log; NULL: none has changed.
 * The caller frees them. On failure nothing is changed. */
int config_keep(struct config *config, struct config *running, const char *const *sections,
                char **ret_names);
struct config *config_free(struct config *config);
void config_cleanup(struct config **config);

/* A group by its name or number; -ENOENT where there is none of that name. */
int config_find_group(const char *name, uint32_t *ret_gid);

/* Writes a line "[section] key = default" for each option, in the order of the manual page; where
 * an option has no default, nothing follows the equals sign. */
int config_list_options(FILE *stream);

/* For tests and for the options of programs: "500ms", "60s", "2m", "24h", "90d"; "no limit" is -1
 * (an option takes it only where the table says so). -EINVAL, or -ERANGE past 64 bits. */
int config_parse_duration(const char *text, int64_t *ret_ms);
/* "4096", "64KiB", "1MiB", "2GiB". */
int config_parse_size(const char *text, int64_t *ret_bytes);

/* What is wrong with a URL to which secrets are sent; NULL: nothing. A literal that completes the
 * sentence "base_url …". To a base paths are put: it has no query. */
const char *config_url_problem(const char *url, bool is_base);
