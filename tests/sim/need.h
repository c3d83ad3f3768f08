/* Memory that the simulation cannot do without: it ends rather than go on without it. */
#pragma once

#include <stddef.h>

void *need(size_t size); /* zeroed */
void *need_array(void *old, size_t count, size_t size);
void *need_copy(const void *data, size_t size);
