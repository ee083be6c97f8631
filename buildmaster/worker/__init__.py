"""Workers: what a configuration says of them, their sessions with this master, and the protocols they speak."""

from buildmaster.worker.base import AbstractWorker, Worker
from buildmaster.worker.latent import AbstractLatentWorker

__all__ = ["AbstractLatentWorker", "AbstractWorker", "Worker"]
