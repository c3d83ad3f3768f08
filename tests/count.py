"""Counts the cases in a meson test log: each line of a TAP test by itself, any other test as one. Prints "PASSED FAILED".

What a failed case said goes to standard error: meson itself keeps back the diagnostics of a TAP test.
"""
import json
import re
import sys

# A verdict and the indented lines (its diagnostics) that follow it.
CASE = re.compile(r"^(not ok|ok)\b(.*)\n?((?:[ \t]+.*\n?)*)", re.M)

passed = failed = 0
for line in open(sys.argv[1]):
    test = json.loads(line)
    cases = CASE.findall(test.get("stdout") or "")
    skipped = sum(1 for _, rest, _ in cases if "# SKIP" in rest.upper())
    bad = [(rest, said) for verdict, rest, said in cases if verdict == "not ok" and "# TODO" not in rest.upper()]
    good = len(cases) - len(bad) - skipped
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        passed += good or 1
    elif test["result"] == "SKIP":
        pass
    else:
        passed += good
        failed += len(bad) or 1
        print(f"failed: {test['name']} ({test['result']}, exit status {test.get('returncode')})", file=sys.stderr)
        for rest, said in bad:
            print(f"not ok{rest}\n{said.rstrip()}", file=sys.stderr)
print(passed, failed)
