/* Aligned columns. Widths are counted in characters of UTF-8, not bytes. What comes from elsewhere
 * cannot move the terminal's cursor: control characters are shown as question marks. */
#include "ctl.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void table_init(struct table *table, const char *align)
{
    *table = (struct table){.columns = strlen(align), .align = align};
}

void table_deinit(struct table *table)
{
    for (size_t i = 0; i < table->size; i++)
        free(table->cells[i]);
    free(table->cells);
}

/* C0, DEL, and C1 in UTF-8 (c2 80 to c2 9f). */
void ctl_hide_controls(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p[0] = p[1] = '?';
    }
}

void table_add(struct table *table, const char *text)
{
    char **cells = realloc(table->cells, (table->size + 1) * sizeof *cells);
    char *copy = strdup(text[0] ? text : "-");

    if (cells)
        table->cells = cells;
    if (!cells || !copy) {
        free(copy);
        table->is_broken = true;
        return;
    }
    ctl_hide_controls(copy);
    cells[table->size++] = copy;
}

void table_row(struct table *table, const char *name, const char *value)
{
    table_add(table, name);
    table_add(table, value);
}

void table_heads(struct table *table, ...)
{
    va_list heads;
    const char *head;

    va_start(heads, table);
    while ((head = va_arg(heads, const char *)))
        table_add(table, head);
    va_end(heads);
}

static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

static int column_width(const struct table *table, size_t column)
{
    int width = 0;

    for (size_t i = column; i < table->size; i += table->columns)
        if (width_of(table->cells[i]) > width)
            width = width_of(table->cells[i]);
    return width;
}

void table_print(const struct table *table, FILE *file)
{
    for (size_t i = 0; i < table->size; i++) {
        size_t column = i % table->columns;
        bool is_last = column + 1 == table->columns;
        const char *cell = table->cells[i];
        int space = column_width(table, column) - width_of(cell);

        if (table->align[column] == '>')
            fprintf(file, "%*s%s", space, "", cell);
        else
            fprintf(file, "%s%*s", cell, is_last ? 0 : space, "");
        fputs(is_last ? "\n" : "  ", file);
    }
    if (table->is_broken)
        fputs("creditctl: no memory for the whole table\n", stderr);
}
