"""The steps of a training on several devices and machines: a copy of the model on each.

Every process has a plain model, with which all that is no training step is done as in a fit on one device. A copy of it
under the strategy makes the steps. The chief's weights, optimizer and rate go into the copy of every worker at the
beginning of an epoch and come out of it at the end.

A batch is the same as on one device, in rows, augmentation and noise; each replica takes its slice of it.
"""

import keras
import numpy as np
import tensorflow as tf

from vade_tf.model.vade import VaDE
from vade_tf.training import callbacks, distribute
from vade_tf.training.store import listed, numbered


class Replicas:
    """A copy of a compiled model on every device of a strategy, which makes the model's training steps.

    Args:
        strategy: that of the fit.
        model: a `VaDE`, or a functional model with a loss.
    """

    def __init__(self, strategy: tf.distribute.Strategy, model: keras.Model):
        self.strategy = strategy
        self.model = model
        callbacks.build_optimizer(model)
        optimizer = keras.optimizers.serialize(model.optimizer)
        with strategy.scope():
            self.copy = type(model).from_config(model.get_config())
            loss = {} if model.loss is None else {"loss": model.loss}
            own = keras.optimizers.deserialize(optimizer)
            self.copy.compile(own, **loss, jit_compile=False, auto_scale_loss=False)
            callbacks.build_optimizer(self.copy)
        self._step = tf.function(self._on_all, reduce_retracing=True, autograph=False)

    def _on_all(self, batch):
        found = self.strategy.run(self.copy.train_step, args=(batch,))
        return {name: self.strategy.experimental_local_results(value)[0] for name, value in found.items()}

    def train(self, span: range, steps: int, batches: tf.data.Dataset, calls: keras.callbacks.CallbackList) -> None:
        """As `keras.Model.fit` of the model: its epochs, with the callbacks and their logs.

        The logs of an epoch are means over all rows, those of a batch over the slices of the first device here. Between
        the beginning and the end of an epoch the weights of the model itself stay as they were.

        Args:
            span: the epochs.
            steps: of an epoch.
            batches: this worker's slices of the batches, one for each device after the other.
            calls: callbacks, on every worker; what they do to model and optimizer counts on the chief.

        Raises:
            ClusterError: a worker is gone.
        """
        model, logs = self.model, {}
        slices = iter(self.strategy.distribute_datasets_from_function(lambda context: batches.repeat()))
        model.stop_training = False
        calls.on_train_begin()
        if isinstance(model, VaDE):
            self.copy.noise_rate = model.noise_rate  # before the first step is traced
        for epoch in span:
            calls.on_epoch_begin(epoch)
            callbacks.assign(self.copy, self._state_of_chief())
            with distribute.collective():
                self.copy.reset_metrics()
            for step in range(steps):
                calls.on_train_batch_begin(step)
                with distribute.collective():
                    logs = self._step(next(slices))
                calls.on_train_batch_end(step, logs)
            with distribute.collective():
                logs = {name: float(value) for name, value in self.copy.get_metrics_result().items()}
            callbacks.assign(model, callbacks.state_arrays(self.copy))
            calls.on_epoch_end(epoch, logs)
            callbacks.assign(model, self._state_of_chief())
            stop = distribute.from_chief(self.strategy, lambda: {"stop": np.array(bool(self.model.stop_training))})
            model.stop_training = bool((stop or {})["stop"])
            if model.stop_training:
                break
        calls.on_train_end(logs)

    def _state_of_chief(self) -> list[np.ndarray]:
        found = distribute.from_chief(self.strategy, lambda: numbered(callbacks.state_arrays(self.model)))
        return listed(found or {})
