"""Commands on other machines by ``ssh``; nobody is asked for a password."""

from __future__ import annotations

import os
from collections.abc import Sequence


def ssh_command(
    user: str,
    host: str,
    port: int | str,
    identity_file: str | None,
    command: Sequence[str],
    options: Sequence[str] = (),
) -> list[str]:
    """The arguments of ``ssh`` for a command; the other side's shell sees its words joined by blanks."""
    identity = ["-i", os.fspath(identity_file)] if identity_file is not None else []
    return ["ssh", "-o", "BatchMode=yes", *options, *identity, f"{user}@{host}", "-p", str(port), *command]


def quoted(text: str) -> str:
    """A text as one word for Gerrit, whose words may be in single quotes but hold none: they become double ones."""
    return "'" + text.replace("'", '"') + "'"
