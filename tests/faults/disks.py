"""Disks to break: an ext4 that loses what was not flushed, and one that is small.

They are mounted below a test's own folder, need root, and are gone when the test ends.
"""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api_server import wait_until

SHUTDOWN = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
"""EXT4_IOC_SHUTDOWN, `_IOR('X', 125, u32)`."""
WITHOUT_FLUSH = 2
"""Of the journal neither: what was not flushed before is gone, as when the power fails."""

needs_mounts = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mkfs.ext4") is None,
    reason="mounting a disk to break needs root and e2fsprogs",
)


class CutDisk:
    """An ext4 in a file. Everything is mounted at `path`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "disk"
        self._image = folder / "disk.img"
        self.path.mkdir()
        with self._image.open("wb") as file:
            file.truncate(512 * 2**20)
        _run("mkfs.ext4", "-q", "-F", str(self._image))
        self.mount()

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.path))

    def cut(self) -> None:
        """Cut the power: nothing reaches the image from here on."""
        folder = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(folder, SHUTDOWN, struct.pack("I", WITHOUT_FLUSH))
        finally:
            os.close(folder)

    def unmount(self) -> None:
        _unmount(self.path)


@contextmanager
def cut_disk(folder: Path) -> Iterator[CutDisk]:
    """A disk whose power can be cut."""
    disk = CutDisk(folder)
    try:
        yield disk
    finally:
        if disk.path.is_mount():
            disk.unmount()


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[None]:
    """A tmpfs of so many megabytes at `path`."""
    path.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))
    try:
        yield
    finally:
        _unmount(path)


def enlarge(path: Path, megabytes: int) -> None:
    """Give a small disk more room while it is in use."""
    _run("mount", "-o", f"remount,size={megabytes}m", str(path))


def _unmount(path: Path) -> None:
    """Unmount; the kernel may need a moment to close the files of processes that were killed."""
    wait_until(lambda: not subprocess.run(["umount", path], check=False).returncode, 10, "umount")


def _run(*command: str) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode and command[0] == "mount" and "permission" in result.stderr:
        pytest.skip("mounting is not allowed here, even for root")
    assert result.returncode == 0, (command, result.stderr)
