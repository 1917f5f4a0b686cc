"""What processes add up, and how the others hear of what the chief alone cannot do; without a second process."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from vade_tf.errors import ClusterError, DivergedError, InputError, StorageError
from vade_tf.training import distribute
from vade_tf.training.replicas import Replicas


def test_of_several_devices_of_a_process_one_adds_its_numbers(monkeypatch):
    number = iter(range(4))

    class Four:
        num_replicas_in_sync = 4

        def run(self, step, args):
            return sum(step(*args) for _ in range(4))

        def experimental_local_results(self, found):
            return (found,)

    def context():
        return SimpleNamespace(replica_id_in_sync_group=next(number), all_reduce=lambda how, told: told)

    monkeypatch.setattr(distribute, "workers", lambda strategy: 2)
    monkeypatch.setattr(tf.distribute, "get_replica_context", context)
    np.testing.assert_array_equal(distribute._sum_of(Four())(tf.constant([1.0, np.inf])), [2.0, np.inf])


@pytest.mark.parametrize("error", [DivergedError, StorageError, MemoryError, InputError, ClusterError])
def test_only_a_lost_worker_is_a_reason_to_start_all_again(monkeypatch, error):
    """What the chief meets will be met again: a job that is put into its queue for that never ends."""
    told = []
    monkeypatch.setattr(distribute, "workers", lambda strategy: 2)
    monkeypatch.setattr(distribute, "_tell", lambda strategy, content, failed: told.append(failed))
    with pytest.raises(error), distribute.telling(object()):
        raise error("why")
    assert told == [distribute.FAILED if error is ClusterError else distribute.REFUSED]


@pytest.mark.parametrize("chief", [True, False])
def test_an_epoch_that_the_chief_cannot_keep_is_told(monkeypatch, chief):
    told = []

    def end(epoch, logs):
        raise StorageError("full")

    monkeypatch.setattr(distribute, "workers", lambda strategy: 2)
    monkeypatch.setattr(distribute, "chief", lambda strategy: chief)
    monkeypatch.setattr(distribute, "_tell", lambda strategy, content, failed: told.append(failed))
    replicas = Replicas.__new__(Replicas)
    replicas.strategy = object()
    with pytest.raises(StorageError, match="full"):
        replicas._end_epoch(SimpleNamespace(on_epoch_end=end), 0, {})
    assert told == [distribute.REFUSED] * chief
