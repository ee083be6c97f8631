"""docs/howto/send_mail.cfg as it is printed, with a real worker and a real mail server."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.post_office import PostOffice
from tests.support.printed import printed_config
from tests.support.real_workers import Site

pytestmark = pytest.mark.needs("buildbot-worker")


def test_the_mails_of_the_guide(tmp_path: Path, root: Path) -> None:
    with closing(PostOffice()) as office:
        stands_for = {
            "smtpPort=25": f"smtpPort={office.port}",
            '["make", "test"]': '["sh", "-c", util.Interpolate("echo testing; test %(src::branch)s = good")]',
        }
        config = printed_config(root / "docs" / "howto" / "send_mail.cfg", stands_for, {"smtpPort=25": 2})
        site = Site(tmp_path, config)
        site.run(tell(site, office))


async def tell(site: Site, office: PostOffice) -> None:
    await site.start()
    try:
        await site.attached("here")
        for number, (author, branch) in enumerate([("ada", "bad"), ("bob", "bad"), ("cyd", "good")], 1):
            await site.master.data.updates.addChange(
                author=author, files=[], comments="c", revision=str(number), branch=branch, repository="r"
            )
            await site.until(lambda n=number: len(finished(site)) == n, "the build ends")
        await site.until(lambda: len(office.letters) == 4, "the mails come")
    finally:
        await site.stop()
    letters = {(to, str(letter["Subject"])): letter for to, letter in office.letters}
    failed, mended = (
        "☠ Example project: tests - failed 'sh -c ...' (failure) (bad)",
        "☺ Example project: tests - build successful (good)",
    )
    assert sorted(letters) == sorted(
        [("ada@example.org", failed), ("cyd@example.org", mended), ("builds@example.org", failed)]
    )
    assert letters["ada@example.org", failed].get_body().get_content() == (
        "failed build: tests, Example project\nhttps://ci.example.org/builders/1/builds/1\n\ntest says:\n    testing\n"
    )
    to_list = letters["builds@example.org", failed]
    assert to_list["X-Builder"] == "tests"
    assert [part.get_filename() for part in to_list.iter_attachments()] == ["test.stdio"]


def finished(site: Site) -> list[Any]:
    """The builds of which the journal says that they have finished."""
    return [f for f in site.master.journal.memory if (f.kind, f.event) == ("build", "finished")]
