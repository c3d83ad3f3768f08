/*
 * From the text of one value to the value, and the words to say when it is not one. Private to
 * config*.c.
 */
#pragma once

#include <stdint.h>
#include <util/config.h>

/* 0; -EINVAL where the text is not of that form, -ERANGE where it is, but past what 64 bits hold.
 */
int config_parse_integer(const char *text, int64_t *ret_value);
int config_parse_boolean(const char *text, bool *ret_value);
int config_parse_durability(const char *text, enum config_durability *ret_value);
/* Numbers with commas or spaces between them, in any order. */
int config_parse_thresholds(const char *text, struct config_thresholds *ret_thresholds);

/* Whether the text has the form of an absolute path, a URL, addresses to listen on, a product's
 * id, or names a group. */
bool config_is_path(const char *text);
bool config_is_url(const char *text);
bool config_is_listen(const char *text);
bool config_is_prefix(const char *text);
bool config_is_group(const char *text);
bool config_is_program_or_url(const char *text);
bool config_is_id(const char *text);
/* A path that fits into the address of a Unix socket; a directory in which each of ours does. */
bool config_is_socket(const char *text);
bool config_is_socket_directory(const char *text);
bool config_is_word(const char *text);          /* printable ASCII without blanks */
bool config_is_cookie_prefix(const char *text); /* it becomes a part of a header */
bool config_is_origins(const char *text);
/* Whether there is a user of that name. */
bool config_is_user(const char *text);

/* Why a URL that has the form of one is not taken all the same; NULL where it is. */
const char *config_base_url_problem(const char *text);
/* The same; a program's path is taken. */
const char *config_program_problem(const char *text);

/* Adds the words of an [access] list. At a word that names nobody: -ENOENT, and *ret_word is that
 * word (the caller frees it). */
int config_access_append(struct config_access *access, const char *text, char **ret_word);

/* A duration or a size as one would write it; `buffer` holds at least 32 bytes. */
void config_format_duration(int64_t ms, char *buffer, size_t size);
void config_format_size(int64_t bytes, char *buffer, size_t size);
