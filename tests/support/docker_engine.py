"""A Docker engine of a test's own: ``dockerd`` with a directory and a socket that go away with the test."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

IMAGE = "own-python:test"


class DockerEngine:
    """Needs root.  Containers share this host's network, and see its file system read-only below ``/usr``."""

    def __init__(self, program: str) -> None:
        self.directory = directory = Path(tempfile.mkdtemp(prefix="engine-"))
        self.socket = directory / "sock"
        self.address = f"unix://{self.socket}"
        self._log = (directory / "log").open("wb")
        self._process = subprocess.Popen(
            [
                program,
                "--iptables=false",
                "--ip6tables=false",
                "--bridge=none",
                "--storage-driver=vfs",
                f"--data-root={directory / 'data'}",
                f"--exec-root={directory / 'exec'}",
                f"--pidfile={directory / 'pid'}",
                "--host",
                self.address,
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )

    def client(self) -> object:
        """The SDK's client, once the engine answers."""
        import docker

        end = time.monotonic() + 30
        while True:
            try:
                client = docker.APIClient(base_url=self.address)
                client.ping()
                return client
            except Exception as error:
                if time.monotonic() > end or self._process.poll() is not None:
                    said = (self.directory / "log").read_text()[-2000:]
                    raise AssertionError(f"dockerd does not run:\n{said}") from error
                time.sleep(0.1)

    def stop(self) -> None:
        """End it, and all of its containers."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()
        for line in Path("/proc/self/mounts").read_text().splitlines():
            place = line.split()[1]
            if place.startswith(f"{self.directory}/"):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


def import_image(client: object, name: str = IMAGE) -> None:
    """Make an image with nothing in it but the directories that :func:`volumes` are mounted on."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for directory in sorted({"tmp", "work", "sbin", *(d.lstrip("/") for d in mounted())}):
            entry = tarfile.TarInfo(directory)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
        for link in ("bin", "lib", "lib64"):  # not sbin, in which the engine puts its init
            if os.path.islink(f"/{link}"):
                entry = tarfile.TarInfo(link)
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(f"/{link}")
                tar.addfile(entry)
    repository, _, tag = name.partition(":")
    client.import_image_from_data(packed.getvalue(), repository=repository, tag=tag)  # type: ignore[attr-defined]


def mounted() -> list[str]:
    """What a container needs of this host for running this Python."""
    found = {"/usr", "/etc", sys.prefix, sys.base_prefix}
    found |= {
        f"/{name}" for name in ("bin", "lib", "lib64") if Path(f"/{name}").exists() and not os.path.islink(f"/{name}")
    }
    return sorted(path for path in found if path == "/usr" or not path.startswith("/usr/"))


def volumes() -> list[str]:
    """The same as a worker's ``volumes``."""
    return [f"{path}:{path}:ro" for path in mounted()]
