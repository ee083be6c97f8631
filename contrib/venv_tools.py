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


def environment(name: str, extras: str, editable: bool = False) -> Path:
    """The directory ``name`` in the checkout as a virtual environment with this project installed in it.

    Made or brought up to date when setup.py has changed since.  Returns the directory that holds its programs.
    """
    directory = ROOT / name
    programs = directory / ("Scripts" if os.name == "nt" else "bin")
    stamp = directory / "installed"
    wanted = fingerprint(extras)
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return programs
    print(f"Preparing {directory} (a minute or two the first time) ...", flush=True)
    if importlib.util.find_spec("ensurepip") is None:
        sys.exit("This Python has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv")
    if not (programs / program("python")).exists():
        venv.create(directory, with_pip=True)
    install = [programs / program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    target = f"{ROOT}[{extras}]"
    if subprocess.run([*install, *(["--editable"] if editable else []), target], check=False).returncode:
        sys.exit("pip could not install what is needed; its message is above. Is the package index reachable?")
    stamp.write_text(wanted, encoding="utf-8")
    return programs


def fingerprint(extras: str) -> str:
    """What an environment depends on: when it changes, pip has to look again."""
    digest = hashlib.sha256(extras.encode())
    for name in ("setup.py", "pyproject.toml", "buildmaster/plugin_table.py", "buildmaster/__init__.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def program(name: str) -> str:
    """A program's file name on this system."""
    return f"{name}.exe" if os.name == "nt" else name
