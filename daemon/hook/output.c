/* Lines for the log: see output.h. */
#include "output.h"

#include <inttypes.h>
#include <stdio.h>

static void line_end(struct output *output, output_line_fn *tell, void *data)
{
    output->line[output->length] = '\0';
    if (output->length > 0)
        tell(data, output->line);
    output->length = 0;
}

static void take(struct output *output, char c, output_line_fn *tell, void *data)
{
    if (c == '\n') {
        line_end(output, tell, data);
        return;
    }
    if (output->length == OUTPUT_LINE_MAX)
        line_end(output, tell, data);
    output->line[output->length++] = (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c;
}

void output_feed(struct output *output, const char *bytes, size_t length, output_line_fn *tell,
                 void *data)
{
    size_t room = OUTPUT_MAX - output->taken;
    size_t taken = length < room ? length : room;

    for (size_t i = 0; i < taken; i++)
        take(output, bytes[i], tell, data);
    output->taken += taken;
    output->dropped += length - taken;
}

void output_end(struct output *output, output_line_fn *tell, void *data)
{
    line_end(output, tell, data);
    if (output->dropped == 0)
        return;
    snprintf(output->line, sizeof output->line, "… and %" PRIu64 " bytes more", output->dropped);
    tell(data, output->line);
}
