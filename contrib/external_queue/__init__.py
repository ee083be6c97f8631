"""A queue of builds in a database of one's own: see README.rst."""

from external_queue.service import ExternalQueue

__all__ = ["ExternalQueue"]
