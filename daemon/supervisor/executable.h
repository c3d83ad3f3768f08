/*
 * Where the roles' executables are.
 */
#pragma once

#include "roles.h"

/* CREDITD_ROLE_DIR where that is set; else beside our own, in the sibling folder of a build tree,
 * or where they are installed. -ENOENT where it is in none of them. The caller frees *ret_path. */
int executable_find(const struct role_spec *role, char **ret_path);
