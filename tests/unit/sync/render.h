/* Packed msgpack as text, for tables: {"balance"=>5, "revoked"=>false}. */
#pragma once

#include <msgpack.h>

/* One packed object; the caller frees the text. "(not one object)" where it is something else. */
char *render(const msgpack_sbuffer *buffer);
/* A member of a packed map as text; "(missing)" where it is not there. */
char *render_member(const msgpack_sbuffer *buffer, const char *name);
/* JSON text as a packed object, for parameters; unpacked into *ret. */
void render_unpack(const char *json, msgpack_unpacked *ret);
