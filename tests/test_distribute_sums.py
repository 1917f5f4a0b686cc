"""What processes add up, and how the others hear of what the chief alone cannot do; without a second process."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.errors import ClusterError, DivergedError, InputError, StorageError
from vade_tf.training import distribute
from vade_tf.training.cluster import strategy
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


@pytest.mark.parametrize(("error", "heard"), [(ClusterError, ClusterError), (DivergedError, InputError)])
def test_the_others_start_again_where_the_chief_does(monkeypatch, error, heard):
    """It has lost a worker; what it has met by itself ends all for good."""
    sent = []

    def summed(strategy, numbers):
        if strategy == "worker":
            return sent.pop(0)
        sent.append(numbers)
        return numbers

    monkeypatch.setattr(distribute, "workers", lambda strategy: 2)
    monkeypatch.setattr(distribute, "chief", lambda strategy: strategy == "chief")
    monkeypatch.setattr(distribute, "_summed", summed)
    with pytest.raises(error), distribute.telling("chief"):
        raise error("why")
    with pytest.raises(heard, match="the chief .*; its own message says why"):
        distribute.from_chief("worker", dict)
    assert sent == []


@pytest.mark.parametrize(
    ("error", "gone"),
    [
        (tf.errors.UnavailableError(None, None, "Socket closed"), True),
        (tf.errors.InternalError(None, None, "Collective ops is aborted by: Connection reset by peer"), True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating a tensor"), False),
    ],
)
def test_a_worker_that_is_gone_is_told_from_a_fault_of_this_one(error, gone):
    with pytest.raises(ClusterError if gone else type(error)), distribute.together():
        raise error


def test_workers_that_do_not_find_each_other_are_a_reason_to_start_again(monkeypatch):
    def join(found):
        raise tf.errors.DeadlineExceededError(None, None, "Barrier timed out")

    monkeypatch.setattr("vade_tf.training.cluster.cluster", lambda: None)
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", join)
    with pytest.raises(ClusterError, match="^distribute: the workers do not find each other .Barrier timed out"):
        strategy.__wrapped__("multiworker")


def test_a_training_on_devices_ends_after_the_epoch_in_which_a_callback_stops_it(small_model, rng):
    """An autoencoder that wears out would else go on to its last epoch there."""
    model, x, epochs = small_model(), rng.random((8, 12)).astype("f4"), []

    def end(epoch, logs):
        epochs.append(epoch)
        model.stop_training = epoch == 1

    own = [keras.callbacks.LambdaCallback(on_epoch_end=end)]
    calls, batches = keras.callbacks.CallbackList(own, model=model), tf.data.Dataset.from_tensors(x)
    Replicas(tf.distribute.MirroredStrategy(["CPU:0"]), model).train(range(5), 1, batches, calls)
    assert epochs == [0, 1]
    assert model.stop_training
