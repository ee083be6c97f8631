"""Files of the master."""

from __future__ import annotations

import os


def writeLocalFile(path: str, contents: str, mode: int | None = None) -> None:
    """Write text to a file, replacing what it held; ``mode`` are its permissions from the first byte on."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with open(os.open(path, flags, 0o666 if mode is None else mode), "w", encoding="utf-8") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(contents)
