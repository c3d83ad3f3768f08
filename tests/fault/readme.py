"""The commands of README.md's section "With socket tools", run as they stand there.

Usage: readme.py README BUILD_ROOT

They run in an empty directory whose build/ leads to this build's programs, beside a daemon over a local StellarTools;
where its socket is they learn as everybody does. All blocks are one shell, and each command must succeed.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

SECTION = "## With socket tools"
TIMEOUT = 120
# What must be among the output, in this order.
EXPECTED = [
    r'\{"status":"ok"',
    r'"credits_deducted":3,',
    r"^creditd_pending_credits \d+$",
    r"^event: customer.linked$",
    r'^\[1,1,null,\{"version":',
    r'^\[1,1,null,\{"after":0,',
    r'^\[2,"event",\[\{"id":"evt_\w+","type":"customer.linked",',
    r"^spent 1 credit",
    r'^\[0,\d+,"credits.consume",\[\{"customer_id":"cus_ada",',
    r'^\[1,\d+,null,\{"customer_id":"cus_ada",',
    r"LISTEN.*creditd-test-.*creditd-serve",
]


def blocks(readme):
    """The ```sh blocks of the section."""
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    section = text.split(SECTION + "\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.S | re.M)


def start_daemon(place, environment):
    """creditd, when it is ready."""
    daemon = subprocess.Popen(
        ["build/daemon/supervisor/creditd", "--sandbox", "--socket", environment["CREDITD_SOCKET"]]
        + ["--state-dir", os.path.join(place, "state")],
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in daemon.stdout:
        if "ready on" in line:
            return daemon
    raise SystemExit("creditd has ended")


def run_commands(commands, place, environment):
    """All of them in one shell; what they leave behind is ended with it."""
    shell = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        status = shell.wait(TIMEOUT)
    finally: # what goes on in the background would hold the output open
        try:
            os.killpg(shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    output = shell.stdout.read()
    return status, output


def find_missing(output):
    """The first that is not there behind the one before; None where all are."""
    place = 0
    for expected in EXPECTED:
        found = re.compile(expected, re.M).search(output, place)
        if not found:
            return expected
        place = found.end()
    return None


def main():
    readme, build = sys.argv[1:3]
    place = tempfile.mkdtemp(prefix="creditd-test-")
    environment = dict(os.environ, CREDITD_SOCKET=os.path.join(place, "creditd.sock"))
    daemon = None
    try:
        os.mkdir(os.path.join(place, "build"))
        for part in ("client", "daemon"):
            os.symlink(os.path.join(build, part), os.path.join(place, "build", part))
        daemon = start_daemon(place, environment)
        status, output = run_commands(blocks(readme), place, environment)
        sys.stderr.write(output)
        missing = find_missing(output)
        if status != 0 or missing:
            raise SystemExit(f"the commands ended with {status}; missing: {missing}")
    finally:
        if daemon:
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(TIMEOUT)
        shutil.rmtree(place)


main()
