# The libraries export what client/creditd.syms lists, which is what the header declares, and nothing else.
# Usage: symbols.sh SYMS HEADER SHARED STATIC
set -eu
export LC_ALL=C
listed=$(sed -n 's/^ *\(creditd_[a-z_]*\);$/\1/p' "$1" | sort)
# Without comments, what is followed by a parenthesis is a function (or the type of callbacks).
declared=$(sed -e 's,/\*.*\*/,,' -e '/\/\*/,/\*\//d' "$2" | grep -o 'creditd_[a-z_]*(' | tr -d '(' | sort -u)
shared=$(nm -D --defined-only "$3" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort)
static=$(nm -g --defined-only "$4" | awk 'NF == 3 {print $3}' | sort)

differ=0
compare() {
    if [ "$listed" != "$2" ]; then
        differ=1
        echo "$1 and the list differ:"
        printf '%s\n%s\n' "$listed" "$2" | sort | uniq -u
    fi
}
compare "the header" "$declared"
compare "the shared library" "$shared"
compare "the archive" "$static"

# The header is one for C++, too.
if command -v c++ >/dev/null; then
    c++ -Wall -Wextra -Werror -fsyntax-only -x c++ "$2" || differ=1
fi
exit $differ
