"""Locks of files: who waits for one."""

import threading
from concurrent.futures import ThreadPoolExecutor

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
