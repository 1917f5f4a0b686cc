"""Run folders that the cases start from, made once by the tiniest fits."""

import shutil
from pathlib import Path

import keras
import numpy as np

from vade_tf.runs import restarts, seeds, sweep
from vade_tf.runs import train as training
from vade_tf.runs.config import TrainConfig

from .case import CLUSTERS, FEATURES, ROWS

SMALL = {
    "hidden": (8, 8),
    "latent_dim": 2,
    "pretrain_epochs": 1,
    "epochs": 2,
    "batch_size": 64,
    "guide_epochs": 1,
    "regroups": 0,
    "init": "kmeans",
    "clusters": CLUSTERS,
    "data": "rows.npz",
    "precision": "float32",
}
UNUSED = ("tensorboard", "figures")  # of a run folder: hostile cases make their own


def usual_rows() -> tuple[np.ndarray, np.ndarray]:
    """Rows in three groups, float32 [60, 9], and the group of each."""
    y = np.arange(ROWS) % CLUSTERS
    noise = np.random.default_rng(0).normal(size=(ROWS, FEATURES))
    return (5 * np.eye(CLUSTERS, FEATURES)[y] + noise).round(2).astype("f4"), y


class Stop(keras.callbacks.Callback):
    """Ends the process' work, as Ctrl-C does, in the first epoch of the phase after the autoencoder."""

    def on_epoch_end(self, epoch, logs=None):
        if self.model.name != "autoencoder" and epoch == 1:
            raise KeyboardInterrupt


class Made:
    """A folder of run folders, each made when a case first needs it. Its fits run in that folder: call `chdir` first.

    run: finished. half: stopped in its VaDE phase. seeds, restarts, sweep: finished studies of two runs.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        x, y = usual_rows()
        np.save(folder / "rows.npy", x)
        np.savez(folder / "rows.npz", x=x, y=y)

    def copy_to(self, folder: Path, needs: tuple[str, ...]) -> None:
        """Copy the rows and the run folders that a case needs."""
        for name in ("rows.npy", "rows.npz"):
            shutil.copyfile(self.folder / name, folder / name)
        for name in needs:
            shutil.copytree(self.made(name), folder / name)

    def made(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            getattr(self, f"_make_{name}")(path)
            for unused in UNUSED:
                for found in path.glob(f"**/{unused}"):
                    shutil.rmtree(found)
        return path

    def config(self, **more) -> TrainConfig:
        return TrainConfig.create(**{**SMALL, "data": str(self.folder / "rows.npz"), **more})

    def _make_run(self, path: Path) -> None:
        training.train(self.config(), path, export=False)
        self._relative(path)

    def _make_half(self, path: Path) -> None:
        try:
            training.train(self.config(), path, export=False, extra=[Stop()])
        except KeyboardInterrupt:
            self._relative(path)

    def _make_seeds(self, path: Path) -> None:
        seeds.train_seeds(self.config(epochs=1), path, 2, export=False)
        self._relative(path)

    def _make_restarts(self, path: Path) -> None:
        restarts.train_restarts(self.config(epochs=1), path, 2, export=False)
        self._relative(path)

    def _make_sweep(self, path: Path) -> None:
        sweep.train_sweep(self.config(epochs=1), path, range(2, 4), export=False)
        self._relative(path)

    def _relative(self, path: Path) -> None:
        """Name the data as rows.npz, which lies in the working directory of every case."""
        for file in path.rglob("*.json"):
            file.write_text(file.read_text().replace(str(self.folder / "rows.npz"), "rows.npz"))
