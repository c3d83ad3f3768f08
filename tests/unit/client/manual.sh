# The manual has each command of creditctl, each topic of the header with its blocking calls, and each type of
# event; nothing that is not there. Usage: manual.sh CREDITCTL CREDITCTL.1 LIBCREDITD.3 SYMS EVENTS.H
set -eu
export LC_ALL=C
differ=0
compare() {
    if [ "$2" != "$3" ]; then
        differ=1
        echo "$1 differ:"
        printf '%s\n%s\n' "$2" "$3" | sort | uniq -u
    fi
}
commands=$("$1" --help | sed -n 's/^  \([a-z][a-z ]*[a-z]\)  .*/\1/p' | sort)
described=$(sed -n 's/^\.It Cm \([a-z][a-z ]*[a-z]\).*/\1/p' "$2" | sort)
compare "the commands and creditctl.1" "$commands" "$described"

# What has an asynchronous form, but the generic call.
calls=$(sed -n 's/^ *creditd_\([a-z_]*\)_async;$/\1/p' "$4" | grep -vx call | sort)
described=$(sed -n '/^\.Bl/,/^\.El/s/^\.Fn creditd_\([a-z_]*\).*/\1/p' "$3" | sort)
compare "the calls and libcreditd.3" "$calls" "$described"
# Each type of event, as proto/events.h has it.
types=$(sed -n 's/^ *X([A-Z_]*, "\([a-z_.]*\)",.*/\1/p' "$5" | sort)
described=$(sed -n '/^\.Sh EVENTS/,/^\.El/s/^\.It Li \(.*\)/\1/p' "$2" | sort)
[ -n "$types" ]
compare "the types of events and creditctl.1" "$types" "$described"
exit $differ
