"""Documented address: the parts of chat bots."""

from buildmaster import __version__ as version
from buildmaster.base.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SKIPPED, SUCCESS, WARNINGS
from buildmaster.reporters.chat.access import DANGEROUS as dangerous_commands
from buildmaster.reporters.chat.asking import ForceOptions, UsageError
from buildmaster.reporters.chat.bot import StatusBot
from buildmaster.reporters.chat.channel import Channel
from buildmaster.reporters.chat.connecting import ThrottledClientFactory
from buildmaster.reporters.chat.contact import GREETINGS, Contact, dangerousCommand
from buildmaster.reporters.chat.webhook import WebhookResource

__all__ = [
    "CANCELLED",
    "EXCEPTION",
    "FAILURE",
    "GREETINGS",
    "RETRY",
    "SKIPPED",
    "SUCCESS",
    "WARNINGS",
    "Channel",
    "Contact",
    "ForceOptions",
    "StatusBot",
    "ThrottledClientFactory",
    "UsageError",
    "WebhookResource",
    "dangerousCommand",
    "dangerous_commands",
    "version",
]
