"""What the scripts in this directory share: a virtual environment of the checkout, made with the standard library."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def require_python() -> None:
    """End with a message if this Python is too old."""
    if sys.version_info < OLDEST:
        sys.exit(
            f"Python {OLDEST[0]}.{OLDEST[1]} or later is needed; this is {sys.version.split()[0]} ({sys.executable})"
        )


def environment(*requirements: str, extras: str = "") -> Path:
    """The directory ``.venv`` in the checkout as a virtual environment in which this project can be run.

    ``extras`` of the project and further ``requirements`` are installed too.  It is made, or brought up to date when
    the project's own requirements have changed.  Returns the directory that holds its programs.
    """
    directory = ROOT / ".venv"
    programs = directory / ("Scripts" if os.name == "nt" else "bin")
    stamp = directory / "installed"
    wanted = fingerprint(extras, *requirements)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return programs
    print(f"Preparing {directory} (a minute or two the first time) ...", flush=True)
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("This Python has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv")
    if not (programs / program("python")).exists():
        venv.create(directory, with_pip=True)
    install = [programs / program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    project = f"{ROOT}[{extras}]" if extras else str(ROOT)
    if subprocess.run([*install, "--editable", project, *requirements], check=False).returncode:
        sys.exit("pip could not install what is needed; its message is above. Is the package index reachable?")
    stamp.write_text(wanted, encoding="utf-8")
    return programs


def fingerprint(*requirements: str) -> str:
    """What an environment depends on: when it changes, pip has to look again."""
    digest = hashlib.sha256("\n".join(requirements).encode())
    for name in ("setup.py", "pyproject.toml", "buildmaster/plugin_table.py", "buildmaster/__init__.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def program(name: str) -> str:
    """A program's file name on this system."""
    return f"{name}.exe" if os.name == "nt" else name
