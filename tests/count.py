"""Counts the cases in a meson test log: each line of a TAP test by itself, any other test as one. Prints "PASSED FAILED"."""
import json
import re
import sys

passed = failed = 0
for line in open(sys.argv[1]):
    test = json.loads(line)
    output = test.get("stdout") or ""
    cases = re.findall(r"^(not ok|ok)\b(.*)$", output, re.M)
    skipped = sum(1 for _, rest in cases if "# SKIP" in rest.upper())
    bad = sum(1 for verdict, rest in cases if verdict == "not ok" and "# TODO" not in rest.upper())
    good = len(cases) - bad - skipped
    if test["result"] in ("OK", "EXPECTEDFAIL"):
        passed += good or 1
    elif test["result"] == "SKIP":
        pass
    else:
        passed += good
        failed += bad or 1
print(passed, failed)
