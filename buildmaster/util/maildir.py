"""``buildbot.util.maildir``: directories into which other programs put messages."""

from buildmaster.net.maildir import MaildirService, NoSuchMaildir

__all__ = ["MaildirService", "NoSuchMaildir"]
