/*
 * A directory for one test, and files in it.
 */
#pragma once

#include <stddef.h>

/* Makes a new directory and returns its path (in memory of its own; freed by scratch_remove). */
char *scratch_make(void);
/* Removes it with all that lies in it. */
void scratch_remove(char *directory);
/* "directory/name"; the caller frees it. */
char *scratch_path(const char *directory, const char *name);
/* Writes a file there and returns its path; the caller frees it. */
char *scratch_write(const char *directory, const char *name, const void *data, size_t length);
