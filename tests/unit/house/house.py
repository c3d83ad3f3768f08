"""The house rules, as a test: include edges, lengths, banned calls, formatting, links of the executables' libraries.

usage: house.py SOURCE_ROOT BUILD_ROOT        (TAP on standard output)
"""
import pathlib
import re
import shutil
import subprocess
import sys

root, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])

# Who may include whom (daemon/README.md has the picture): modules, then foreign headers.
EDGES = {
    "proto": {"proto"},
    "client": {"proto"},
    "daemon/util": {"util"},
    "daemon/core": {"core", "util"},
    "daemon/store": {"store", "core", "util"},
    "daemon/ipc": {"ipc", "proto", "util"},
    "daemon/role": {"role", "ipc", "proto", "util"},
    "daemon/web": {"web", "proto", "util"},
    "daemon/serve": {"core", "store", "role", "ipc", "proto", "util"},
    "daemon/sync": {"web", "role", "ipc", "proto", "util"},
    "daemon/hook": {"web", "role", "ipc", "proto", "util"},
    "daemon/http": {"role", "ipc", "proto", "util"},
    "daemon/supervisor": {"ipc", "proto", "util"},
    "daemon/sandbox": {"util"},
}
MODULES = {"proto", "util", "core", "store", "ipc", "role", "web"}
FOREIGN = {
    "uv.h": {"daemon/ipc", "daemon/role", "daemon/serve", "daemon/web", "daemon/sync", "daemon/supervisor", "daemon/hook",
             "daemon/http", "client"},
    "lmdb.h": {"daemon/store"},
    "msgpack.h": {"proto", "client", "daemon/ipc", "daemon/serve", "daemon/web", "daemon/sync", "daemon/hook",
                  "daemon/http"},
    # Their main() initialises it; the rest is in web.
    "curl/curl.h": {"daemon/web", "daemon/sync"},
    "jansson.h": {"daemon/web", "daemon/sync", "daemon/sandbox", "daemon/http", "daemon/hook", "client"},
    "microhttpd.h": {"daemon/sandbox", "daemon/http"},
    "ini.h": {"daemon/util"},
}
CORE_ONLY = {"assert.h", "errno.h", "inttypes.h", "limits.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h",
             "string.h"}
BANNED = re.compile(r"(?<![\w>.])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|system|popen|sleep|usleep|alloca|strtok|"
                    r"rand|srand|tmpnam|mktemp)\s*\(")
CLOCKS = re.compile(r"(?<![\w>.])(time|gettimeofday|clock_gettime|clock)\s*\(")
FUNCTION_LINES, COLUMNS, FILE_LINES = 85, 100, 600
TEST_FUNCTION_LINES, TEST_FILE_LINES = 150, 900  # tables count as lines

failures = {}
rules = ["include edges", "function length", "file length", "columns", "banned calls", "no clock in core",
         "nothing left open", "formatting", "linked libraries", "no place of this machine"]


def fail(rule, text):
    failures.setdefault(rule, []).append(text)


def tracked():
    if shutil.which("git"):
        listed = subprocess.run(["git", "-C", str(root), "ls-files"], capture_output=True, text=True)
        if listed.returncode == 0:
            return [root / name for name in listed.stdout.splitlines() if (root / name).is_file()]
    return [p for p in root.rglob("*") if p.is_file() and "build" not in p.parts[len(root.parts)]]


def module_of(path):
    relative = path.relative_to(root).as_posix()
    return next((m for m in sorted(EDGES, key=len, reverse=True) if relative.startswith(m + "/")), None)


def check_includes(path, text):
    module = module_of(path)
    if module is None:
        return
    for name in re.findall(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', text, re.M):
        first = name.split("/")[0]
        if "/" in name and first in MODULES and first not in EDGES[module]:
            fail("include edges", f"{path}: {name}")
        if name in FOREIGN and module not in FOREIGN[name]:
            fail("include edges", f"{path}: {name}")
        if module == "daemon/core" and "/" not in name and name not in CORE_ONLY and not (path.parent / name).is_file():
            fail("include edges", f"{path}: {name}: core is pure")


def check_lengths(path, text):
    lines = text.split("\n")
    in_tests = path.relative_to(root).parts[0] == "tests"
    if len(lines) > (TEST_FILE_LINES if in_tests else FILE_LINES):
        fail("file length", f"{path}: {len(lines)} lines")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            fail("columns", f"{path}:{number}: {len(line)} columns")
    begin = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            begin = number
        elif line == "}" and begin is not None:
            if number - begin > (TEST_FUNCTION_LINES if in_tests else FUNCTION_LINES):
                fail("function length", f"{path}:{begin}: {number - begin} lines")
            begin = None


def code_only(text):
    text = re.sub(r"/\*.*?\*/", lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)
    return re.sub(r'"(\\.|[^"\\\n])*"', '""', text)


def check_calls(path, text):
    code = code_only(text)
    in_tests = path.relative_to(root).parts[0] == "tests"
    for match in BANNED.finditer(code):
        if not in_tests or match[1] in ("sleep", "usleep"):
            fail("banned calls", f"{path}: {match[1]}")
    if module_of(path) == "daemon/core":
        for match in CLOCKS.finditer(code):
            fail("no clock in core", f"{path}: {match[1]}")


def check_formatting(paths):
    if not shutil.which("clang-format"):
        return
    run = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, paths)], capture_output=True, text=True)
    for line in run.stderr.splitlines():
        if "error:" in line:
            fail("formatting", line)


def check_links():
    # design: creditd-serve has no HTTP and no JSON code, creditd-sync no LMDB: what ldd would show, from the dynamic section.
    for name, banned in (("serve/creditd-serve", r"curl|jansson|microhttpd"), ("sync/creditd-sync", r"lmdb|microhttpd"),
                         ("hook/creditd-hook", r"lmdb|microhttpd"), ("http/creditd-http", r"lmdb|curl")):
        program = build / "daemon" / name
        if not program.is_file():
            fail("linked libraries", f"{program} is not there")
            continue
        run = subprocess.run(["readelf", "-d", str(program)], capture_output=True, text=True, check=True)
        for library in re.findall(r"NEEDED.*\[(.*)\]", run.stdout):
            if re.search(banned, library):
                fail("linked libraries", f"{name} needs {library}")


sources = []
for path in tracked():
    if path.resolve() == pathlib.Path(__file__).resolve():
        continue
    if path.suffix in (".c", ".h"):
        text = path.read_text()
        sources.append(path)
        check_includes(path, text)
        check_lengths(path, text)
        check_calls(path, text)
    if path.suffix in (".c", ".h", ".sh", ".md", ".py", ".build", ".txt"):
        text = path.read_text()
        if path.suffix != ".py" and re.search(r"\b(TODO|FIX" r"ME|X" r"XX)\b", text):
            fail("nothing left open", str(path))
        if re.search(r"/work/|/tmp/b-", text):
            fail("no place of this machine", str(path))
check_formatting(sources)
check_links()

print(f"1..{len(rules)}")
for number, rule in enumerate(rules, 1):
    print(f"{'not ok' if rule in failures else 'ok'} {number} - {rule}")
    for text in failures.get(rule, []):
        print(f"# {text}")
sys.exit(0)
