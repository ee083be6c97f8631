"""Documented address of small utilities; all but what needs the process's reactor lives in the lower rooms."""

from datetime import UTC

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.filters import NotABranch
from buildmaster.base.locked import deferredLocked
from buildmaster.base.notifier import Notifier
from buildmaster.base.sequences import (
    command_to_string,
    dictionary_merge,
    diffSets,
    flatten,
    flattened_iterator,
    join_list,
    makeList,
    naturalSort,
    none_or_str,
    rewrap,
    string2boolean,
)
from buildmaster.base.strings import ascii2unicode, badchars_map, bytes2unicode, safeTranslate, unicode2bytes
from buildmaster.base.times import (
    datetime2epoch,
    epoch2datetime,
    formatInterval,
    fuzzyInterval,
    human_readable_delta,
    toJson,
)
from buildmaster.base.urls import giturlparse, stripUrlPassword
from buildmaster.util.process_wide import asyncSleep, check_functional_environment, in_reactor, now

__all__ = [
    "UTC",
    "ComparableMixin",
    "NotABranch",
    "Notifier",
    "ascii2unicode",
    "asyncSleep",
    "badchars_map",
    "bytes2unicode",
    "check_functional_environment",
    "command_to_string",
    "datetime2epoch",
    "deferredLocked",
    "dictionary_merge",
    "diffSets",
    "epoch2datetime",
    "flatten",
    "flattened_iterator",
    "formatInterval",
    "fuzzyInterval",
    "giturlparse",
    "human_readable_delta",
    "in_reactor",
    "join_list",
    "makeList",
    "naturalSort",
    "none_or_str",
    "now",
    "rewrap",
    "safeTranslate",
    "string2boolean",
    "stripUrlPassword",
    "toJson",
    "unicode2bytes",
]
