"""The short texts that tell what a step or a build is doing or has done."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildmaster.base.results import (
    CANCELLED,
    EXCEPTION,
    FAILURE,
    RETRY,
    SKIPPED,
    SUCCESS,
    WARNINGS,
    statusToString,
)


def join_words(words: Any) -> str:
    """A text given as one string or a list of words, as one string."""
    if isinstance(words, (list, tuple)):
        return " ".join(join_words(word) for word in words)
    return words.decode("utf-8", "replace") if isinstance(words, bytes) else str(words)


def with_suffix(text: str, suffix: Any) -> str:
    """``text`` followed by a step's ``descriptionSuffix``, if it has one."""
    return f"{text} {join_words(suffix)}" if suffix is not None else text


def with_result(text: str, results: int | None, timed_out: bool = False) -> str:
    """``text`` followed by the result, unless that is success."""
    if results != SUCCESS:
        text += f" ({statusToString(results)})"
    return text + " (timed out)" if timed_out else text


def current_summary(step: Any) -> str:
    """What a running step is doing."""
    if step.description is None:
        return "running"
    return with_suffix(join_words(step.description), step.descriptionSuffix)


def result_summary(step: Any) -> str:
    """What a finished step has done."""
    words = step.descriptionDone or step.description
    text = with_suffix(join_words(words), step.descriptionSuffix) if words else "finished"
    return with_result(text, step.results, step.timed_out)


def shown_command(step: Any) -> Any:
    """A step's command without secrets: taken out before words are left out, so that no part of one is left."""
    command = getattr(step, "command", None)
    return command if step.build is None else step.build.properties.without_secrets(command)


def command_words(command: Any) -> str | None:
    """A command's first words in quotes, for a summary; None if it has none."""
    if isinstance(command, (str, bytes)):
        words = join_words(command).split()
    elif isinstance(command, (list, tuple)):
        words = [word for word in _flat(command) if word]
    else:
        return None
    if not words:
        return None
    return f"'{' '.join(words)}'" if len(words) < 3 else f"'{' '.join(words[:2])} ...'"


def _flat(words: Iterable[Any]) -> Iterable[str]:
    for word in words:
        if isinstance(word, tuple) and len(word) == 3 and word[0] == "obfuscated":
            yield join_words(word[2])
        elif isinstance(word, (list, tuple)):
            yield from _flat(word)
        else:
            yield join_words(word)


def summary_policy(step: Any) -> list[int]:
    """With which results a step's summary goes into the build's, if its ``updateBuildSummaryPolicy`` is not set."""
    policy = [EXCEPTION, RETRY, CANCELLED]
    if step.flunkOnFailure or step.haltOnFailure or step.warnOnFailure:
        policy.append(FAILURE)
    if step.flunkOnWarnings or step.warnOnWarnings:
        policy.append(WARNINGS)
    return policy


_BUILD_WORDS = {
    SUCCESS: "build successful",
    WARNINGS: "warnings",
    FAILURE: "failed",
    SKIPPED: "skipped",
    EXCEPTION: "exception",
    RETRY: "retry",
    CANCELLED: "cancelled",
}


def build_words(results: int) -> list[str]:
    """How the text of a finished build begins."""
    return [_BUILD_WORDS[results]]
