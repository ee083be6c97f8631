"""Documented address: the base class of what a Perspective Broker peer gets."""

from buildmaster.net.pbperspective import NewCredPerspective

__all__ = ["NewCredPerspective"]
