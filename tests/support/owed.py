"""Takes off the list of owed names what has come: ``python -m tests.support.owed``."""

from __future__ import annotations

import sys

from buildmaster.plugin_table import TABLE
from tests.support.facts import OWED, MemberFact, PluginFact, listed, member_facts, plugin_facts, resolve


def plugin_is_there(fact: PluginFact) -> bool:
    """Whether the table of plugins has this name."""
    return fact.name in TABLE.get(fact.namespace, {})


def member_is_there(fact: MemberFact) -> bool:
    """Whether a documented address leads to something."""
    try:
        resolve(fact.full_name, "buildbot")
    except LookupError:
        return False
    return True


def come_plugins() -> list[str]:
    """The plugins that are listed as owed though they are there."""
    return [fact.full_name for fact in plugin_facts() if fact.full_name in listed(OWED) and plugin_is_there(fact)]


def come_members() -> list[str]:
    """The classes and members that are listed as owed though they are there."""
    facts = (fact for fact in member_facts() if fact.module.startswith("buildbot."))
    return [fact.full_name for fact in facts if fact.full_name in listed(OWED) and member_is_there(fact)]


def main() -> None:
    """Write the list anew without them; headings of empty sections go too."""
    come = {*come_plugins(), *come_members()}
    kept = [line for line in OWED.read_text().splitlines() if line.partition("#")[0].strip() not in come]
    paragraphs = "\n".join(kept).split("\n\n")
    first, *rest = [paragraph.strip("\n") for paragraph in paragraphs]
    named = [part for part in rest if any(line and not line.startswith("#") for line in part.splitlines())]
    OWED.write_text("\n\n".join([first, *named]) + "\n")
    sys.stdout.write("".join(f"{name}\n" for name in sorted(come)))


if __name__ == "__main__":
    main()
