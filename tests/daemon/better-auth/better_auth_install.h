/* Better Auth in the build directory, as package-lock.json says. */
#pragma once

/* Installs it where that has not been done: *ret_directory is then where server.mjs can be run; the
 * caller frees it. NULL, or why it cannot be. */
const char *better_auth_install(char **ret_directory);
