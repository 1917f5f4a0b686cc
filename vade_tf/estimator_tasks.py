"""scikit-learn's callbacks (`set_callbacks`, since 1.9) of a `VaDEClusterer`: each epoch is a task of its fit."""

from collections.abc import Callable
from typing import Any

import keras

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:  # of an older version

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """A clusterer without callbacks of scikit-learn."""

    def with_callbacks(method: Callable) -> Callable:
        return method


class Tasks(keras.callbacks.Callback):
    """Tells scikit-learn's callbacks of a fit, and of each epoch of it; one that asks for it ends the phase.

    Args:
        clusterer: with the callbacks.
        X: its rows, as they were given.
    """

    def __init__(self, clusterer: Any, X):
        super().__init__()
        self.clusterer, self.X = clusterer, X
        self.whole = clusterer._init_callback_context(max_subtasks=None)
        self.whole.call_on_fit_task_begin(estimator=clusterer, X=X)

    def on_epoch_begin(self, epoch, logs=None):
        self.task = self.whole.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(estimator=self.clusterer, X=self.X)

    def on_epoch_end(self, epoch, logs=None):
        if self.task.call_on_fit_task_end(estimator=self.clusterer, X=self.X, metadata=dict(logs or {})):
            self.model.stop_training = True

    def finish(self) -> None:
        """The fit is over."""
        self.whole.call_on_fit_task_end(estimator=self.clusterer, X=self.X)
