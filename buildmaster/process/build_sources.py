"""What a build is a build of: its source stamps and their changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class BuildSources:
    """The documented methods of a build for these; ``sources`` are its merged source stamps."""

    sources: list[Any]

    def getSourceStamp(self, codebase: str = "") -> Any:
        """The source stamp of a codebase, or None."""
        return next((source for source in self.sources if source.codebase == codebase), None)

    def getAllSourceStamps(self) -> list[Any]:
        """The source stamps, one for each codebase."""
        return list(self.sources)

    @staticmethod
    def allChangesFromSources(sources: Iterable[Any]) -> Iterable[Any]:
        """The changes of source stamps."""
        for source in sources:
            yield from source.changes

    def allChanges(self) -> list[Any]:
        """The changes that are built."""
        return list(self.allChangesFromSources(self.sources))

    def allFiles(self) -> list[str]:
        """The files of all changes."""
        return [name for change in self.allChanges() for name in change.files]

    def blamelist(self) -> list[str]:
        """The authors of the changes and patches, each once, sorted."""
        authors = {change.who for change in self.allChanges()}
        authors.update(source.patch_info[0] for source in self.sources if source.patch_info)
        return sorted(author for author in authors if author)

    def changesText(self) -> str:
        """The changes as text."""
        return "\n\n".join(change.asText() for change in self.allChanges())
