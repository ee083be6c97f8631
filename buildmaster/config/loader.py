"""Executing a configuration file.

Runs in a thread beside a working master and touches nothing of it: the file gets a module of its own, local modules
are imported anew (:mod:`buildmaster.config.modules`), and whatever goes wrong becomes a message with file and line.
"""

from __future__ import annotations

import os
import sys
import traceback
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from buildmaster.base.compare import ComparableMixin
from buildmaster.base.errors import ConfigErrors, capture_config_errors
from buildmaster.base.showing import show, words_of
from buildmaster.base.where import CONFIG_MODULE, Place, shorten
from buildmaster.config.generation import MasterConfig
from buildmaster.config.modules import LocalModules, fresh_modules, note_digest
from buildmaster.config.places import LocatedErrors
from buildmaster.config.retired import mend_of

log = Logger()

SectionCheck = Callable[[Any], Iterable[str]]
"""Gets the value of a key of the configuration and says what is wrong with it."""


class FileLoader(ComparableMixin):
    """Loads a configuration file, relative to the master's directory; each success is a new generation.

    ``section_checks`` are checks that rooms above this one have for a key, ``{"www": check}``: each gets the key's
    value and returns messages.
    """

    compare_attrs = ("basedir", "configFileName")

    def __init__(
        self, basedir: str, configFileName: str, section_checks: Mapping[str, SectionCheck] | None = None
    ) -> None:
        self.basedir = basedir
        self.configFileName = configFileName
        self._section_checks = dict(section_checks or {})
        self._generation = 0

    def loadConfig(self) -> MasterConfig:
        """The configuration, checked whole; raises :class:`~buildmaster.base.errors.ConfigErrors` with all mistakes."""
        filename = config_path(self.basedir, self.configFileName)
        errors = LocatedErrors(os.path.abspath(self.basedir), [filename])
        with fresh_modules(self.basedir) as modules:
            config_dict = execute(self.basedir, filename, errors, modules)
            if config_dict is None:
                raise ConfigErrors(errors.errors)
            errors.sources.extend(modules.files())
            config = self._checked(config_dict, filename, errors, modules)
        self._generation += 1
        config.generation = self._generation
        return config

    def _checked(
        self, config_dict: dict[str, Any], filename: str, errors: LocatedErrors, modules: LocalModules
    ) -> MasterConfig:
        try:
            config = MasterConfig.checked(config_dict, filename, errors, self._section_checks)
        except Exception as raised:  # policy: objects of the user's may raise when they are looked at; that is told
            log.failure("checking the configuration failed")
            place = _user_place(raised.__traceback__, filename, modules)
            errors.at(place, f"checking the configuration failed: {words_of(raised)}; twistd.log has the traceback")
            raise ConfigErrors(errors.errors) from raised
        if errors:
            raise ConfigErrors(errors.errors)
        return config


def config_path(basedir: str, filename: str) -> str:
    """The absolute path of a configuration file."""
    return os.path.abspath(os.path.join(basedir, filename))


def loadConfigDict(basedir: str, configFileName: str) -> tuple[str, dict[str, Any]]:
    """The path of a configuration file and the ``BuildmasterConfig`` that it defines, not checked any further.

    Raises :class:`~buildmaster.base.errors.ConfigErrors` when the file can't be executed.
    """
    filename = config_path(basedir, configFileName)
    errors = LocatedErrors(os.path.abspath(basedir), [filename])
    with fresh_modules(basedir) as modules:
        config_dict = execute(basedir, filename, errors, modules)
        if errors or config_dict is None:
            raise ConfigErrors(errors.errors)
    return filename, config_dict


def execute(basedir: str, filename: str, errors: LocatedErrors, modules: LocalModules) -> dict[str, Any] | None:
    """Execute a configuration file for its ``BuildmasterConfig``; what goes wrong is added to ``errors``.

    None when there is nothing to check any further.
    """
    module = _new_module(basedir, filename)
    before = set(sys.modules)
    sys.modules[CONFIG_MODULE] = module
    try:
        with capture_config_errors(into=errors):
            exec(_compile(filename), module.__dict__)
    except ConfigErrors as raised:
        for message in raised.errors:
            errors.at(_user_place(sys.exc_info()[2], filename, modules), message)
        return None
    except KeyboardInterrupt:
        raise
    except BaseException as raised:
        errors.errors.append(_explain(raised, filename, errors.basedir, modules))
        return None
    finally:
        modules.collect(before)
        note_digest(modules)
    return _config_dict(module, filename, errors)


def _new_module(basedir: str, filename: str) -> types.ModuleType:
    module = types.ModuleType(CONFIG_MODULE)
    module.__dict__.update(basedir=os.path.abspath(os.path.expanduser(basedir)), __file__=filename)
    return module


def _compile(filename: str) -> types.CodeType:
    source = Path(filename).read_bytes()
    if b"\0" in source:  # what Python raises then depends on its release
        raise SyntaxError("source code string cannot contain null bytes")
    code: types.CodeType = compile(source, filename, "exec", dont_inherit=True)
    return code


def _config_dict(module: types.ModuleType, filename: str, errors: LocatedErrors) -> dict[str, Any] | None:
    found = getattr(module, "BuildmasterConfig", None)
    name = shorten(filename, errors.basedir)
    if found is None:
        errors.addError(f"{name} does not define 'BuildmasterConfig'; let it begin with: c = BuildmasterConfig = {{}}")
    elif not isinstance(found, dict):
        errors.addError(f"{name}: 'BuildmasterConfig' must be a dictionary, not {show(found)}")
    else:
        return found
    return None


def _explain(raised: BaseException, filename: str, basedir: str | None, modules: LocalModules) -> str:
    """One message for an exception: the user's line that led to it, what it is, and the line's text."""
    if isinstance(raised, SyntaxError) and raised.filename and raised.lineno:
        place: Place | None = Place(raised.filename, raised.lineno)
        what, text = f"{type(raised).__name__}: {raised.msg}", (raised.text or "").strip()
    elif isinstance(raised, OSError) and raised.filename == filename:
        return f"{filename} can't be read: {raised.strerror}; give the path of a file that this user may read"
    else:
        place = _user_place(raised.__traceback__, filename, modules)
        what, text = _what(raised), _line(place)
    mend = mend_of(raised)
    if mend:  # it knows better than what the message may suggest
        what = what.partition("; did you mean")[0] + f"; {mend}"
    begin = f"{place.shown(basedir)}: " if place is not None else f"{shorten(filename, basedir)}: "
    origin = _origin(raised, place, basedir)
    return f"{begin}error while parsing config file: {what}" + (f"\n    {text}" if text else "") + origin


def _what(raised: BaseException) -> str:
    words = words_of(raised)
    if isinstance(raised, SystemExit):
        return f"the file ends the process ({words}); a configuration may not do that"
    return words


def _user_place(tb: types.TracebackType | None, filename: str, modules: LocalModules) -> Place | None:
    """The innermost line of the user's own files in a traceback, and the line of the configuration behind it."""
    found: Place | None = None
    outer: Place | None = None
    for frame, line in traceback.walk_tb(tb):
        file = frame.f_code.co_filename
        if file == filename:
            outer = outer or Place(file, line)
            found = Place(file, line, None if outer.line == line else outer)
        elif _is_users(frame, modules):
            found = Place(file, line, outer)
    return found


def _is_users(frame: types.FrameType, modules: LocalModules) -> bool:
    file = frame.f_code.co_filename
    probe = types.ModuleType(frame.f_globals.get("__name__", ""))
    probe.__file__ = file
    return not file.startswith("<") and modules.is_local(probe)


def _line(place: Place | None) -> str:
    if place is None:
        return ""
    try:
        lines = Path(place.file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return lines[place.line - 1].strip() if place.line <= len(lines) else ""


def _origin(raised: BaseException, place: Place | None, basedir: str | None) -> str:
    """Where it was raised, when that is in neither the user's files nor in this package."""
    frames = list(traceback.walk_tb(raised.__traceback__))
    if not frames or isinstance(raised, SyntaxError | ImportError):
        return ""
    frame, line = frames[-1]
    module = frame.f_globals.get("__name__", "")
    file = frame.f_code.co_filename
    if file.startswith("<") or module.partition(".")[0] == "buildmaster" or (place and file == place.file):
        return ""
    return f"\n    raised in {shorten(file, basedir)}:{line}"
