"""The kit for testing steps, used on our own steps in trial, as a plugin's author uses it."""

from __future__ import annotations

import os

from twisted.internet import defer
from twisted.trial import unittest

from buildmaster.plugins import steps, util
from buildmaster.process.buildstep import BuildStep, ShellMixin
from buildmaster.process.remotecommand import RemoteCommand
from buildmaster.process.remotetransfer import DirectoryWriter, FileWriter, StringFileReader
from buildmaster.process.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from buildmaster.steps.worker import CompositeStepMixin
from buildmaster.test.reactor import TestReactorMixin
from buildmaster.test.steps import (
    ExpectCpdir,
    ExpectDownloadFile,
    ExpectGlob,
    ExpectListdir,
    ExpectMasterShell,
    ExpectRemoteRef,
    ExpectRmdir,
    ExpectShell,
    ExpectStat,
    ExpectUploadDirectory,
    ExpectUploadFile,
    TestBuildStepMixin,
)


class StepCase(TestBuildStepMixin, TestReactorMixin, unittest.TestCase):
    """A trial test case with the kit."""

    def setUp(self):
        self.setup_test_reactor()
        return self.setup_test_build_step()


class TestShell(StepCase):
    """ShellCommand and its kin."""

    def test_success(self):
        self.setup_step(steps.ShellCommand(command=["make"], env={"A": "1"}))
        self.expect_commands(ExpectShell(workdir="wkdir", command=["make"], env={"A": "1"}).stdout("hi").exit(0))
        self.expect_outcome(result=SUCCESS, state_string="'make'")
        self.expect_log_file("stdio", "hi")
        return self.run_step()

    def test_failure(self):
        self.setup_step(steps.ShellCommand(command=["make"], workdir="own"))
        self.expect_commands(ExpectShell(workdir="own", command=["make"]).stderr("no\n").exit(2))
        self.expect_outcome(FAILURE, "'make' (failure)")
        self.expect_log_file_stderr("stdio", "no\n")
        return self.run_step()

    def test_property(self):
        self.setup_step(steps.SetPropertyFromCommand(command="uname", property="os"))
        self.expect_commands(ExpectShell(workdir="wkdir", command="uname").stdout("Linux\n").exit(0))
        self.expect_outcome(SUCCESS)
        self.expect_property("os", "Linux", "SetPropertyFromCommand Step")
        self.expect_no_property("so")
        return self.run_step()

    def test_log_files(self):
        self.setup_step(steps.ShellCommand(command=["x"], logfiles={"warn": "warnings.txt"}))
        self.expect_commands(
            ExpectShell(workdir="wkdir", command=["x"], logfiles={"warn": "warnings.txt"})
            .log("warn", stdout="careful\n")
            .exit(0)
        )
        self.expect_outcome(SUCCESS)
        self.expect_log_file("warn", "careful\n")
        return self.run_step()

    def test_interruption(self):
        self.setup_step(steps.ShellCommand(command=["a"]))
        self.expect_commands(ExpectShell(workdir="wkdir", command=["a"]).exit(0))
        self.interrupt_nth_remote_command(0)
        self.expect_outcome(CANCELLED)
        return self.run_step()

    def test_lost_connection(self):
        self.setup_step(steps.ShellCommand(command=["a"]))
        self.expect_commands(ExpectShell(workdir="wkdir", command=["a"]).break_connection())
        self.expect_outcome(RETRY)
        return self.run_step()

    def test_two_steps(self):
        self.setup_step(steps.ShellCommand(command=["a"], haltOnFailure=False, flunkOnFailure=False))
        self.setup_step(steps.ShellCommand(command=["b"]))
        self.expect_commands(
            ExpectShell(workdir="wkdir", command=["a"]).exit(1),
            ExpectShell(workdir="wkdir", command=["b"]).stdout("second\n").exit(0),
        )
        self.expect_outcome(FAILURE)
        self.expect_outcome(SUCCESS)
        self.expect_log_file("stdio", "second\n", step_index=1)
        return self.run_step()


class TestFiles(StepCase):
    """Steps that move files."""

    def test_remove(self):
        self.setup_step(steps.RemoveDirectory(dir="d"))
        self.expect_commands(ExpectRmdir(dir="d").exit(0))
        self.expect_outcome(SUCCESS)
        return self.run_step()

    def test_copy(self):
        self.setup_step(steps.CopyDirectory(src="a", dest="b"))
        self.expect_commands(ExpectCpdir(fromdir="a", todir="b", timeout=120).exit(0))
        self.expect_outcome(SUCCESS)
        return self.run_step()

    def test_exists(self):
        self.setup_step(steps.FileExists(file="f"), worker_version={"stat": "2"})
        self.expect_commands(ExpectStat(file="f").stat_file().exit(0))
        self.expect_outcome(SUCCESS, "File found.")
        return self.run_step()

    @defer.inlineCallbacks
    def test_upload(self):
        self.setup_step(steps.FileUpload(workersrc="src", masterdest="dest"))
        writers = []
        self.expect_commands(
            ExpectUploadFile(
                workersrc="src",
                workdir="wkdir",
                blocksize=256 * 1024,
                keepstamp=False,
                writer=ExpectRemoteRef(FileWriter),
            )
            .upload_string("hello\n", out_writers=writers)
            .exit(0)
        )
        self.expect_outcome(SUCCESS, "uploading src")
        yield self.run_step()
        self.assertEqual(len(writers), 1)
        with open(os.path.join(self.master.basedir, "dest"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "hello\n")

    @defer.inlineCallbacks
    def test_download(self):
        self.setup_step(steps.StringDownload("contents", workerdest="dest"))
        read = []
        self.expect_commands(
            ExpectDownloadFile(
                workerdest="dest", workdir="wkdir", blocksize=16384, reader=ExpectRemoteRef(StringFileReader)
            )
            .download_string(read.append)
            .exit(0)
        )
        self.expect_outcome(SUCCESS)
        yield self.run_step()
        self.assertEqual(read, [b"contents"])


class TestMoreFiles(StepCase):
    """A directory to the master, and names."""

    @defer.inlineCallbacks
    def test_upload_of_a_directory(self):
        self.setup_step(steps.DirectoryUpload(workersrc="src", masterdest="dest"))
        self.expect_commands(
            ExpectUploadDirectory(
                workersrc="src", workdir="wkdir", blocksize=16384, writer=ExpectRemoteRef(DirectoryWriter)
            )
            .upload_tar_file("src.tar", {"a/b.txt": "text"})
            .exit(0)
        )
        self.expect_outcome(SUCCESS)
        yield self.run_step()
        with open(os.path.join(self.master.basedir, "dest", "a", "b.txt"), encoding="utf-8") as file:
            self.assertEqual(file.read(), "text")

    def test_names(self):
        self.setup_step(Names())
        self.expect_commands(ExpectGlob(path="*.c").files(["a.c"]).exit(0), ExpectListdir(dir=".").files(["x"]).exit(0))
        self.expect_outcome(SUCCESS)
        self.expect_properties({"globbed": ["a.c"], "listed": ["x"]})
        return self.run_step()

    def test_an_error_on_the_worker(self):
        self.setup_step(steps.ShellCommand(command=["a"]))
        self.expect_commands(ExpectShell(workdir="wkdir", command=["a"]).error(ValueError("broken")))
        self.expect_exception(ValueError)
        self.expect_outcome(EXCEPTION)
        return self.run_step()


class Names(CompositeStepMixin, BuildStep):
    """A step that looks around."""

    async def run(self):
        await self.addLogForRemoteCommands("stdio")
        self.setProperty("globbed", (await self.runGlob("*.c")), "test")
        command = RemoteCommand("listdir", {"dir": "."})
        await self.runCommand(command)
        self.setProperty("listed", command.updates["files"][-1], "test")
        return SUCCESS


class TestSecrets(TestBuildStepMixin, TestReactorMixin, unittest.TestCase):
    """Steps that use secrets."""

    def setUp(self):
        self.setup_test_reactor()
        return self.setup_test_build_step(with_secrets={"key": "hidden value"})

    def test_a_secret_is_given_and_hidden(self):
        self.setup_step(steps.ShellCommand(command=["echo", util.Secret("key")]))
        self.expect_commands(
            ExpectShell(workdir="wkdir", command=["echo", "hidden value"]).stdout("hidden value\n").exit(0)
        )
        self.expect_outcome(SUCCESS)
        self.expect_log_file("stdio", "<key>\n")
        return self.run_step()


class TestOnMaster(StepCase):
    """Steps that run processes on the master."""

    def test_process(self):
        self.setup_step(steps.MasterShellCommand(command=["no-such-tool", "1"], env={"A": "b"}, workdir="/d"))
        self.add_run_process_expect_env({"A": "b"})
        self.expect_commands(ExpectMasterShell(["no-such-tool", "1"]).workdir("/d").stdout(b"out\n").exit(3))
        self.expect_outcome(FAILURE, "failed (3) (failure)")
        self.expect_log_file("stdio", "out\n")
        return self.run_step()


class Odd(ShellMixin, BuildStep):
    """A step of a plugin, that sleeps, stores data and reports tests."""

    name = "odd"

    async def run(self):
        from twisted.internet import task

        await task.deferLater(self.master.reactor, 60, lambda: None)
        await self.setBuildData("kept", b"bytes", "text")
        setid = await self.addTestResultSet("Lint", "code_issue", "message")
        await self.addTestResult(setid, "bad", test_code_path="a.py", line=3)
        await self.addCompleteLog("notes", self.getProperty("mine") + "\n")
        return FAILURE if self.hasProperty("missing") else SUCCESS


class Raises(BuildStep):
    """A step that raises."""

    def run(self):
        raise ValueError("boom")


class TestPlugin(StepCase):
    """Steps as plugins have them."""

    @defer.inlineCallbacks
    def test_time_passes_when_the_test_says_so(self):
        self.setup_step(Odd(hideStepIf=True))
        self.build.setProperty("mine", "from the test", "test")
        self.expect_outcome(SUCCESS, "finished")
        self.expect_hidden()
        self.expect_log_file("notes", "from the test\n")
        self.expect_build_data("kept", b"bytes", "text")
        self.expect_test_result_sets([("Lint", "code_issue", "message")])
        self.expect_test_results([(1000, "bad", None, "a.py", 3, None)])
        running = self.run_step()
        self.assertFalse(running.called)
        self.reactor.advance(60)
        yield running

    def test_exception(self):
        self.setup_step(Raises())
        self.expect_exception(ValueError)
        self.expect_outcome(EXCEPTION)
        return self.run_step()

    @defer.inlineCallbacks
    def test_reading_data_needs_no_pump(self):
        self.setup_step(steps.ShellCommand(command=["a"]))
        self.expect_commands(ExpectShell(workdir="wkdir", command=["a"]).exit(0))
        yield self.run_step()
        found = yield self.master.data.get(("builds", self.build.buildid))
        self.assertEqual(found["results"], SUCCESS)
