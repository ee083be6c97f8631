"""Hiding secrets in text, also where a secret is split between two pieces."""

from __future__ import annotations

from collections.abc import Mapping


def mask_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """``text`` with each secret value replaced by its name in angle brackets.

    ``secrets`` maps value → name; longer values go first, so that one secret inside another is hidden whole.
    """
    for value in sorted(secrets, key=len, reverse=True):
        if value and value in text:
            text = text.replace(value, f"<{secrets[value]}>")
    return text


class MaskedText:
    """Masks a stream of text piece by piece.

    The end of a piece that might be the beginning of a secret is held back until the next piece, or :meth:`flush`,
    tells.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = secrets
        self._held = ""

    def feed(self, text: str) -> str:
        """The next piece, masked, without what must be held back."""
        if not self._secrets:
            return text
        text = mask_secrets(self._held + text, self._secrets)
        keep = max((_overlap(text, value) for value in self._secrets if value), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, secret: str) -> int:
    """How many characters at the end of ``text`` are a beginning (not the whole) of ``secret``."""
    for length in range(min(len(secret) - 1, len(text)), 0, -1):
        if text.endswith(secret[:length]):
            return length
    return 0
