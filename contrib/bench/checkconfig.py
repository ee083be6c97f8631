#!/usr/bin/env python3
"""How long ``buildmaster checkconfig`` takes for a large configuration.

Usage: contrib/bench/checkconfig.py [BUILDERS]      (default 1000)

Writes the configuration of ``tests/support/large_config.py`` once with the builders of one project and once with that
many, checks each in turn several times and prints the CPU seconds of the best run of each and the difference: what the
builders cost beyond the start of the program.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.support import large_config  # noqa: E402 - the tests are no package of this program

RUNS = 5


def cpu_seconds(directory: Path) -> float:
    """CPU time of one run of the command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "buildmaster.cli.main", "checkconfig", str(directory / "master.cfg")],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """The command."""
    builders = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    with tempfile.TemporaryDirectory() as scratch:
        small, large = Path(scratch, "small"), Path(scratch, "large")
        large_config.write(small, 1)
        large_config.write(large, builders)
        taken = [(cpu_seconds(small), cpu_seconds(large)) for _ in range(RUNS)]
    start, whole = (min(each) for each in zip(*taken, strict=True))
    print(f"{large_config.PER_PROJECT + 1:6} builders: {start:.2f} s")
    print(f"{builders:6} builders: {whole:.2f} s")
    print(f"    beyond the start: {whole - start:.2f} s")


if __name__ == "__main__":
    main()
