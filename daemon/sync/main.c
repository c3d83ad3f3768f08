/*
 * creditd-sync: the only holder of the API key, and of HTTPS.
 *
 * Secrets come first: the key is taken out of the environment, and the memory closed to others,
 * before anything else is read.
 */
#include "key.h"
#include "process.h"

#include <jansson.h>
#include <malloc.h>
#include <role/role.h>
#include <stdlib.h>
#include <string.h>
#include <util/fd.h>
#include <util/log.h>
#include <util/macros.h>
#include <web/http.h>

static const struct role role = {
    .name = "creditd-sync",
    .help =
        "Usage: creditd-sync [--config FILE] [--check] [--help] [--version]\n"
        "\n"
        "Speaks to StellarTools for creditd-serve, and asks the app of [better_auth] url about\n"
        "its sessions. Started by creditd or by systemd, which hand it the connection to serve;\n"
        "otherwise it connects to [paths] sync_socket, and ends when that connection does.\n"
        "\n"
        "The API key is read from [stellartools] api_key_file, else from the systemd credential\n"
        "api_key, else from STELLAR_TOOLS_API_KEY. CREDITD_BASE_URL overrides base_url.\n"
        "SIGHUP reads the configuration, the key and the secret of [better_auth] anew; --check\n"
        "says whether the configuration would be taken, and ends.\n",
};

/* What JSON held may be a session's token. */
static void free_wiped(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

static void settings_cleanup(struct settings **settings)
{
    settings_unref(*settings);
}

static int run(const struct role_start *start, const struct settings_source *source)
{
    CLEANUP(settings_cleanup) struct settings *settings = NULL;
    CLEANUP(cleanup_free) char *error = NULL;

    if (settings_load(source, &settings, &error) < 0)
        return role_refuse(role.name, error);
    if (start->is_check)
        return role_accept(role.name, start->config_path);
    return process_run(TAKE_PTR(settings), source);
}

int main(int argc, char **argv)
{
    CLEANUP(secret_cleanup) char *environment_key = key_take_from_environment(KEY_VARIABLE);
    struct role_start start;
    struct settings_source source;
    int status;

    if (role_begin(&role, argc, argv, &start, &status))
        return status;
    json_set_alloc_funcs(malloc, free_wiped);
    if (http_global_init() < 0) {
        log_error("libcurl cannot be initialised");
        return ROLE_EXIT_FAILURE;
    }
    source = (struct settings_source){
        .config_path = start.config_path,
        .base_url = getenv("CREDITD_BASE_URL"),
        .environment_key = environment_key,
        .is_sandbox = getenv("CREDITD_SANDBOX") != NULL,
    };
    status = run(&start, &source);
    http_global_deinit();
    return status;
}
