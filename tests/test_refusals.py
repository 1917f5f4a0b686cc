"""What one of several workers cannot use ends all of them alike, so that none asks to be started again."""

import threading
from concurrent import futures
from types import SimpleNamespace

import numpy as np
import pytest

from vade_tf.errors import InputError
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig
from vade_tf.training import distribute


@pytest.mark.parametrize("wrong", [(), (1,), (0, 2)])
def test_where_one_cannot_use_what_it_was_given_all_stop(monkeypatch, wrong):
    """Each of three processes in a thread of its own; sums are taken when all have come."""
    sums, meet = [0.0], threading.Barrier(3)

    def summed(number, numbers):
        with lock:
            sums[0] += float(numbers[0])
        meet.wait(10)
        return np.array(sums)

    def prepare(number):
        if number in wrong:
            raise InputError(f"rows of {number}")
        return number

    def ask(number):
        try:
            return distribute.all_can(number, lambda: prepare(number))
        except InputError as error:
            return str(error)

    lock = threading.Lock()
    monkeypatch.setattr(distribute, "_summed", summed)
    monkeypatch.setattr(distribute, "workers", lambda strategy: 3)
    with futures.ThreadPoolExecutor(3) as pool:
        said = list(pool.map(ask, range(3)))
    other = "distribute: another worker cannot use what it was given; its own message says why"
    assert said == ([0, 1, 2] if not wrong else [f"rows of {n}" if n in wrong else other for n in range(3)])


def test_a_finished_run_is_one_for_every_worker(tmp_path, monkeypatch):
    run = SimpleNamespace(finished=True, path=tmp_path, config=TrainConfig(data="x.npy", clusters=2))
    monkeypatch.setattr(training.Run, "open", lambda out, argument: run)
    monkeypatch.setattr(distribute, "chief", lambda strategy: False)
    monkeypatch.setattr(training, "follow", lambda *_: pytest.fail("it was followed"))
    with pytest.raises(InputError, match="^resume: .* holds a finished run; nothing is left to do"):
        training.resume(tmp_path)
