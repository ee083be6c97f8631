"""Documented address of the kit for testing steps; it lives in :mod:`buildmaster.testing.steps`."""

from buildmaster.testing.steps import (
    Expect,
    ExpectCpdir,
    ExpectDownloadFile,
    ExpectGlob,
    ExpectListdir,
    ExpectMasterShell,
    ExpectMkdir,
    ExpectRemoteRef,
    ExpectRmdir,
    ExpectRmfile,
    ExpectShell,
    ExpectStat,
    ExpectUploadDirectory,
    ExpectUploadFile,
    TestBuildStepMixin,
)

__all__ = [
    "Expect",
    "ExpectCpdir",
    "ExpectDownloadFile",
    "ExpectGlob",
    "ExpectListdir",
    "ExpectMasterShell",
    "ExpectMkdir",
    "ExpectRemoteRef",
    "ExpectRmdir",
    "ExpectRmfile",
    "ExpectShell",
    "ExpectStat",
    "ExpectUploadDirectory",
    "ExpectUploadFile",
    "TestBuildStepMixin",
]
