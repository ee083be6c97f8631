"""What a worker tells about itself, made safe to keep: plain JSON of bounded size."""

from __future__ import annotations

import math
from typing import Any

from buildmaster.worker.protocols.updates import WorkerMisbehaved

LONGEST_TEXT = 16384
MOST_ENTRIES = 2000
DEEPEST = 4


def clean_info(name: str, raw: Any) -> dict[str, Any]:
    """The worker's info with texts for bytes, lists for tuples, nothing that JSON can't hold and nothing endless.

    Raises WorkerMisbehaved if it is not a dictionary.
    """
    if not isinstance(raw, dict):
        raise WorkerMisbehaved(f"worker {name} gave its info as a {type(raw).__name__}, not as a dictionary")
    cleaned = _clean(raw, 0)
    for key in ("worker_commands", "slave_commands"):
        if key in cleaned and not isinstance(cleaned[key], dict):
            raise WorkerMisbehaved(f"worker {name} gave its commands as a {type(cleaned[key]).__name__}")
    if not isinstance(cleaned.get("basedir", ""), str):
        raise WorkerMisbehaved(f"worker {name} gave a base directory that is not a text")
    return cleaned


def _clean(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)[:40]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()[:LONGEST_TEXT]
    if depth >= DEEPEST:
        return None
    if isinstance(value, dict):
        items = list(value.items())[:MOST_ENTRIES]
        return {str(_clean(key, DEEPEST)): _clean(item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple):
        return [_clean(item, depth + 1) for item in value[:MOST_ENTRIES]]
    return None
