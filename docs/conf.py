"""Sphinx configuration: ``python -m sphinx docs docs/_build/html`` makes the documentation."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent / "_ext"))

from buildmaster import __version__

project = "buildmaster"
author = "the buildmaster developers"
copyright = "the buildmaster developers"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.viewcode", "data_reference"]
exclude_patterns = ["_build"]
autosummary_generate_overwrite = True
html_theme = "furo"
html_title = f"buildmaster {release}"
autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autosummary_generate = True
default_role = "any"
nitpicky = False
suppress_warnings = ["ref.any", "ref.python"]

SHOWN_ELSEWHERE = {
    "buildmaster.process.buildstep": ("buildmaster.process.command", "buildmaster.process.shell_command"),
}
"""Modules that hand on classes of others, whose reference stands on another page."""


def skip_shown_elsewhere(app, what, name, obj, skip, options):
    """Leave a class out of a page on which it is not at home."""
    page = app.env.docname.rpartition("/")[2]
    return True if getattr(obj, "__module__", None) in SHOWN_ELSEWHERE.get(page, ()) else None


def setup(app):
    """Connect what is above."""
    app.connect("autodoc-skip-member", skip_shown_elsewhere)
