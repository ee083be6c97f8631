"""Documented address of helpers for Deferreds and files."""

from buildmaster.base.files import writeLocalFile
from buildmaster.base.locked import deferredLocked
from buildmaster.base.sequences import chunkify_list
from buildmaster.util.process_wide import cancelAfter

__all__ = ["cancelAfter", "chunkify_list", "deferredLocked", "writeLocalFile"]
