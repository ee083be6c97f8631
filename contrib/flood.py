#!/usr/bin/env python3
"""Lets a real worker print as fast as it can, and shows what that does to the master.

    python contrib/flood.py [--mb 2048] [--max-size BYTES] [--max-tail BYTES]

A master and two local workers run in a directory that is thrown away.  One build prints; every second one line shows
how much of its log is stored, how much memory the master's process takes and how long a REST request takes.  A build
on the other worker is forced now and then and has to end meanwhile.  Exit status 1 if the master ever took more than
250 MB, if a request took more than 5 s, or if anything failed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.support.commands import CONFIG, RealMaster, real_master, wait_until

LIMIT_MB = 250
FLOOD = """
c["workers"] = [worker.LocalWorker("local"), worker.LocalWorker("other")]
c["builders"][0].workernames = ["other"]
c["builders"].append(util.BuilderConfig(name="flood", workernames=["local"], factory=util.BuildFactory([
    steps.ShellCommand(command=[{python!r}, {script!r}], logEnviron=False, timeout=None)])))
c["schedulers"].append(schedulers.ForceScheduler(name="flood", builderNames=["flood"]))
c["logMaxSize"], c["logMaxTailSize"] = {size}, {tail}
"""
SCRIPT = """import sys
block = (b"x" * 99 + b"\\n") * 10_000
for _ in range({mb}):
    sys.stdout.buffer.write(block)
"""


def memory(master: RealMaster, field: str) -> float:
    """A figure of the master's process, in MB: VmRSS now, VmHWM at its most."""
    status = Path(f"/proc/{master.pid}/status").read_text()
    return int(status.split(f"{field}:")[1].split()[0]) / 1024


def flood(master: RealMaster) -> tuple[dict[str, Any], float, int]:
    """Run the build; returns it, the longest request in seconds, and how many other builds ended meanwhile."""
    wait_until(lambda: len(master.get("workers")) == 2 and all(w["connected_to"] for w in master.get("workers")))
    master.control("forceschedulers/flood", "force", reason="flood", owner="me")
    slowest, begun, shown = 0.0, time.monotonic(), 0.0
    while not (build := wait_until(lambda: master.get("builds/1"))[0])["complete"]:
        asked = time.monotonic()
        builds = master.get("builds?order=-buildid&limit=1")
        slowest = max(slowest, time.monotonic() - asked)
        if builds[0]["complete"] or builds[0]["buildid"] == 1:
            master.control("forceschedulers/force", "force", reason="another", owner="me")
        if asked - shown >= 1:
            shown = asked
            logs = master.get("builds/1/steps/shell/logs") if len(master.get("builds/1/steps")) > 1 else []
            lines = logs[0]["num_lines"] if logs else 0
            print(f"{asked - begun:6.1f} s  {lines:12,} lines  {memory(master, 'VmRSS'):6.0f} MB  {slowest:5.2f} s")
        time.sleep(0.1)
    others = [b for b in master.get("builds") if b["buildid"] != 1 and b["complete"]]
    assert all(b["results"] == 0 for b in others), others
    return build, slowest, len(others)


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mb", type=int, default=2048, help="how much is printed (default: %(default)s)")
    parser.add_argument("--max-size", type=int, default=None, help="logMaxSize; default: none")
    parser.add_argument("--max-tail", type=int, default=None, help="logMaxTailSize; default: none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, real_master(Path(directory) / "master") as master:
        script = Path(directory) / "print.py"
        script.write_text(SCRIPT.format(mb=options.mb))
        master.create()
        more = FLOOD.format(python=sys.executable, script=str(script), size=options.max_size, tail=options.max_tail)
        master.configure(more, config=CONFIG)
        master.start()
        begun = time.monotonic()
        build, slowest, others = flood(master)
        seconds, peak = time.monotonic() - begun, memory(master, "VmHWM")
        stored = sum(f.stat().st_size for f in master.path.glob("state.sqlite*")) / 1e6
        print(
            f"{options.mb} MB in {seconds:.0f} s, result {build['results']}; master at most {peak:.0f} MB, slowest "
            f"request {slowest:.2f} s, {others} other builds meanwhile, database {stored:.0f} MB"
        )
        return int(peak > LIMIT_MB or slowest > 5 or build["results"] != 0 or not others)


if __name__ == "__main__":
    sys.exit(main())
