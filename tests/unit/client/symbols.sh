# The libraries export what client/creditd.syms lists, which is what the header declares, and nothing else.
# Usage: symbols.sh SYMS SHARED STATIC HEADER TOPIC...
set -eu
export LC_ALL=C
syms=$1 library=$2 archive=$3
shift 3
listed=$(sed -n 's/^ *\(creditd_[a-z_]*\);$/\1/p' "$syms" | sort)
# Without comments, what is followed by a parenthesis is a function (or the type of callbacks).
declared=$(sed -e 's,/\*.*\*/,,' -e '/\/\*/,/\*\//d' "$@" | grep -o 'creditd_[a-z_]*(' | tr -d '(' | sort -u)
shared=$(nm -D --defined-only "$library" | awk '$2 != "A" {print $3}' | sed 's/@.*//' | sort)
static=$(nm -g --defined-only "$archive" | awk 'NF == 3 {print $3}' | sort)

differ=0
compare() {
    if [ "$listed" != "$2" ]; then
        differ=1
        echo "$1 and the list differ:"
        printf '%s\n%s\n' "$listed" "$2" | sort | uniq -u
    fi
}
compare "the headers" "$declared"
compare "the shared library" "$shared"
compare "the archive" "$static"

# The headers are ones for C++, too, and each topic may be included by itself.
if command -v c++ >/dev/null; then
    for header; do
        c++ -Wall -Wextra -Werror -I "$(dirname "$1")" -fsyntax-only -x c++ "$header" || differ=1
    done
fi
exit $differ
