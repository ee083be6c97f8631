"""The reactor of the kit in trial test cases: time and asyncio in the test's hands."""

from __future__ import annotations

import asyncio

from twisted.internet import defer
from twisted.trial import unittest

from buildmaster.test.reactor import TestReactorMixin


class TestInTrial(TestReactorMixin, unittest.TestCase):
    """The mixin in a trial test case."""

    @defer.inlineCallbacks
    def test_what_is_due_happens_when_the_test_waits(self):
        yield self.setup_test_reactor()
        done = defer.Deferred()
        self.reactor.callLater(0, done.callback, "due")
        self.assertEqual((yield done), "due")

    def test_time_is_the_tests(self):
        self.setup_test_reactor(auto_tear_down=False)
        called = []
        self.reactor.callLater(10, called.append, "late")
        self.assertEqual((self.reactor.seconds(), called), (0.0, []))
        self.reactor.pump([4, 6])
        self.assertEqual((self.reactor.seconds(), called), (10.0, ["late"]))
        return self.tear_down_test_reactor()

    def test_asyncio(self):
        self.setup_test_reactor(use_asyncio=True)

        async def wait():
            await asyncio.sleep(5)
            return "slept"

        task = asyncio.get_event_loop_policy().get_event_loop().create_task(wait())
        self.reactor.settle()
        self.reactor.advance(4)
        self.assertFalse(task.done())
        self.reactor.advance(1)
        self.assertEqual(task.result(), "slept")
