"""One file for each resource; :data:`RESOURCES` lists them all."""

from __future__ import annotations

from buildmaster.data.base import ResourceType
from buildmaster.data.resources.branches import Branch
from buildmaster.data.resources.build_data import BuildData
from buildmaster.data.resources.builders import Builder
from buildmaster.data.resources.buildrequests import BuildRequest
from buildmaster.data.resources.builds import Build
from buildmaster.data.resources.buildsets import Buildset
from buildmaster.data.resources.changes import Change
from buildmaster.data.resources.changesources import ChangeSource
from buildmaster.data.resources.codebases import Codebase
from buildmaster.data.resources.commit_graphs import CommitGraph
from buildmaster.data.resources.commits import Commit
from buildmaster.data.resources.forceschedulers import ForceScheduler
from buildmaster.data.resources.logchunks import LogChunk
from buildmaster.data.resources.logs import Log
from buildmaster.data.resources.masters import Master
from buildmaster.data.resources.patches import Patch
from buildmaster.data.resources.projects import Project
from buildmaster.data.resources.properties import Properties
from buildmaster.data.resources.property_lists import Property
from buildmaster.data.resources.root import RootLink, Spec
from buildmaster.data.resources.schedulers import Scheduler
from buildmaster.data.resources.sourcestamps import SourceStamp
from buildmaster.data.resources.steps import Step
from buildmaster.data.resources.test_result_sets import TestResultSet
from buildmaster.data.resources.test_results import TestResult
from buildmaster.data.resources.workers import Worker

RESOURCES: tuple[type[ResourceType], ...] = (
    BuildData,
    Builder,
    BuildRequest,
    Build,
    Buildset,
    Change,
    ChangeSource,
    Branch,
    Commit,
    CommitGraph,
    Codebase,
    ForceScheduler,
    LogChunk,
    Log,
    Master,
    Patch,
    Project,
    Property,
    Properties,
    RootLink,
    Spec,
    Scheduler,
    SourceStamp,
    Step,
    TestResultSet,
    TestResult,
    Worker,
)
