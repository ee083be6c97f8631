"""All stories."""

from __future__ import annotations

from tests.crash.build_stories import BUILDS
from tests.crash.framework_stories import FRAMEWORK
from tests.crash.reports import MAIL
from tests.crash.stories import PATH

ALL = [*PATH, *FRAMEWORK, *BUILDS, MAIL]
