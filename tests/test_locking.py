"""Locks of files: who waits for one."""

import errno
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vade_tf.locking import locked


def test_who_waits_for_a_lock_has_it_when_it_is_let_go(tmp_path):
    """Of two that make the same copy the second waits for the first, and then finds it made."""
    inside = threading.Event()

    def wait():
        with locked(tmp_path / ".lock", wait=True):
            inside.set()

    with ThreadPoolExecutor(1) as pool:
        with locked(tmp_path / ".lock"):
            waiting = pool.submit(wait)
            assert not inside.wait(0.2)
        waiting.result(60)
    assert inside.is_set()


def test_where_a_file_system_has_no_locks_no_marker_stands_for_one(tmp_path, monkeypatch):
    """A kill would leave it for ever."""

    def none(*arguments):
        raise OSError(errno.ENOSYS, "no locks here")

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", none)
    with locked(tmp_path / ".lock"), locked(tmp_path / ".lock"):
        assert not any(file.name != ".lock" for file in tmp_path.iterdir())
