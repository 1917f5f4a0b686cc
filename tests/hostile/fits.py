"""Fits of the API to what does not fit: each raises a ValueError that names the argument, or is right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import scipy.sparse
import tensorflow as tf

import vade_tf
from vade_tf import Settings, VaDE, VaDEClusterer

from .made import usual_rows

X, Y = usual_rows()
SMALL = {
    "hidden": (8, 8),
    "latent_dim": 2,
    "pretrain_epochs": 1,
    "epochs": 1,
    "batch_size": 64,
    "guide_epochs": 1,
    "regroups": 0,
    "init": "kmeans",
    "precision": "float32",
}


@dataclass(frozen=True)
class Call:
    """A call of the API.

    Attributes:
        name: what is called, with what; the id of the test.
        call: makes it; it is given a `Bench`.
        names: a refusal has one of these in it: the argument.
        right: tells whether what was returned is a right result; None where it has to be refused.
        sklearn: its check of the rows is scikit-learn's, which wants a TypeError for objects, and long sentences.
    """

    name: str
    call: Callable[["Bench"], object]
    names: tuple[str, ...]
    right: Callable[[object], bool] | None = None
    sklearn: bool = False


def clusters_of(rows: int = 60) -> Callable[[object], bool]:
    """Whether a result is a fitted model or clusterer that has a cluster for each row."""

    def right(found) -> bool:
        labels = getattr(found, "labels_", None)
        if labels is None:
            labels = found.model.predict(X[:rows], verbose=0).argmax(axis=1)
        return labels.shape == (rows,) and set(labels.tolist()) <= {0, 1, 2}

    return right


class Bench:
    """What calls are made on, each made once: a fitted model, a fitted clusterer, an export.

    `last` is the one made last: results are compared with those of its model.
    """

    last: "Bench"

    def __init__(self, folder):
        self.folder = folder
        Bench.last = self
        self.clusterer = VaDEClusterer(3, random_state=0, **SMALL).fit(X)
        self.model = self.clusterer.model_
        self.version = vade_tf.export(self.model, folder / "models")
        self.served = vade_tf.Served(self.version)

    def write(self, name: str, content: bytes):
        """A file of this content."""
        path = self.folder / name
        path.write_bytes(content)
        return path

    def new_model(self) -> VaDE:
        """A compiled model of its own, with the fitted weights."""
        model = VaDE.from_config(self.model.get_config())
        model.set_weights(self.model.get_weights())
        model.compile(keras.optimizers.Adam(1e-3))
        return model


def encoder(features=9, latent=2, outputs=2, weight=None) -> keras.Model:
    x = keras.Input((features,))
    heads = [keras.layers.Dense(latent)(x) for _ in range(outputs)]
    network = keras.Model(x, heads)
    if weight is not None:
        network.set_weights([np.full_like(each, weight) for each in network.get_weights()])
    return network


def decoder(features=9, latent=2) -> keras.Model:
    z = keras.Input((latent,))
    return keras.Model(z, keras.layers.Dense(features)(z))


def changed(value, dtype="f4") -> np.ndarray:
    """The usual rows with one value replaced."""
    x = X.astype(dtype)
    x[7, 3] = value
    return x


def endless():
    while True:
        yield X


BAD_ROWS = {
    "NaN": changed(np.nan),
    "inf": changed(np.inf),
    "1e300": changed(1e300, "f8"),
    "no row": X[:0],
    "no column": X[:, :0],
    "one dimension": X[:, 0],
    "texts": X.astype("U9"),
    "complex": X.astype("c8"),
    "dates": X.astype("i8").astype("M8[s]"),
    "spans of time": X.astype("i8").astype("m8[s]"),
    "objects": np.array([[object()] * 9] * 60),
    "None": None,
    "a number": 3.5,
    "a text": "rows.npy",
    "an empty list": [],
    "ragged lists": [[1.0, 2.0], [3.0]],
    "a dict": {"x": X},
    "a set": {1.0, 2.0},
    "a generator": (row for row in X),
    "structured": np.zeros((60, 9), [("a", "f4"), ("b", "f4")]),
    "sparse NaN": scipy.sparse.csr_array(changed(np.nan)),
    "two rows": X[:2],
}
BAD_SETTINGS = {
    "K of 0": {"clusters": 0},
    "K of -1": {"clusters": -1},
    "K of 1.5": {"clusters": 1.5},
    "K of True": {"clusters": True},
    "K of a text": {"clusters": "3"},
    "K of NaN": {"clusters": np.nan},
    "K of a list": {"clusters": [3]},
    "K of bytes": {"clusters": b"3"},
    "K of 2^70": {"clusters": 2**70},
    "K of more than the rows": {"clusters": 61},
    "no K": {"clusters": None},
    "a code of 0": {"latent_dim": 0},
    "a code of 2^70": {"latent_dim": 2**70},
    "a code of 10^12": {"latent_dim": 10**12},
    "hidden of nothing": {"hidden": ()},
    "hidden of 0": {"hidden": (8, 0)},
    "hidden of 10^12": {"hidden": (10**12,)},
    "hidden of a text": {"hidden": "8;8"},
    "hidden of a number": {"hidden": 8},
    "hidden of None": {"hidden": (None,)},
    "hidden of a generator": {"hidden": (each for each in "ab")},
    "a batch of 0": {"batch_size": 0},
    "epochs of 0": {"epochs": 0},
    "a batch of 1.5": {"batch_size": 1.5},
    "epochs of inf": {"epochs": np.inf},
    "a rate of NaN": {"learning_rate": np.nan},
    "a rate of 0": {"learning_rate": 0},
    "a rate of -1": {"learning_rate": -1.0},
    "a rate of a text": {"learning_rate": "1e-3"},
    "a rate of an array": {"learning_rate": np.ones(2)},
    "a rate of 1e-400": {"learning_rate": 1e-400},
    "a recipe of none": {"recipe": "best"},
    "a recipe of a list": {"recipe": []},
    "a likelihood of none": {"likelihood": "poisson"},
    "bernoulli for other rows": {"likelihood": "bernoulli"},
    "a seed of -1": {"seed": -1},
    "a seed of 2^31": {"seed": 2**31},
    "a seed of None": {"seed": None},
    "augment of 1": {"augment": 1},
    "network of no kind": {"network": "transformer"},
    "network of rows that are no images": {"network": "conv"},
    "a schedule of bytes": {"schedule": b"step"},
    "a guide weight of -1": {"guide_weight": -1},
    "regroups of -1": {"regroups": -1},
    "an init of a class": {"init": str},
    "an init of a file": {"init": "p.npy"},
    "an empty precision": {"precision": ""},
}
BAD_HINTS = {
    "too few": Y[:9],
    "of floats": Y.astype("f4"),
    "beyond K": Y + 1,
    "below -1": Y - 2,
    "of NaN": np.full(60, np.nan),
    "of texts": np.array(["a"] * 60),
    "of two dimensions": np.stack([Y, Y], 1),
    "of nothing": [],
    "a text": "hints.npy",
    "of 2^63": np.full(60, 2**63, "u8"),
    "of None": [None] * 60,
    "a number": 1,
    "of objects": np.array([object()] * 60),
}


def fits_of_rows() -> Iterator[Call]:
    for name, x in BAD_ROWS.items():
        yield Call(
            f"fit: x, {name}", lambda bench, x=x: vade_tf.fit(x, Settings(clusters=3, **SMALL)), ("x", "clusters")
        )
        yield Call(
            f"VaDEClusterer.fit: X, {name}",
            lambda bench, x=x: VaDEClusterer(3, **SMALL).fit(x),
            ("X", "n_clusters", "sample", "feature", "array", "omplex", "dtype", "float"),
            sklearn=True,
            right=clusters_of() if name == "texts" else None,  # of numbers, which scikit-learn reads
        )
    for name, settings in BAD_SETTINGS.items():
        argument = next(iter(settings))
        yield Call(
            f"fit: {name}",
            lambda bench, given=settings: vade_tf.fit(X, Settings(**{"clusters": 3, **SMALL, **given})),
            (argument,),
        )
    for name, hints in BAD_HINTS.items():
        yield Call(
            f"fit: hints {name}",
            lambda bench, hints=hints: vade_tf.fit(X, Settings(clusters=3, **SMALL), hints),
            ("hints",),
        )


NETWORKS = {
    "of another code": (encoder(), decoder(latent=3)),
    "of other rows": (encoder(8), decoder()),
    "of one output": (encoder(outputs=1), decoder()),
    "of three outputs": (encoder(outputs=3), decoder()),
    "that write other rows": (encoder(), decoder(8)),
    "that are None": (None, None),
    "that are one": (encoder(),),
    "of classes": (keras.Model, keras.Model),
    "not built": (keras.Sequential(), decoder()),
    "of texts": ("encoder", "decoder"),
    "of any size": (keras.Sequential([keras.Input((None,))]), decoder()),
}


def fits_of_networks() -> Iterator[Call]:
    for name, pair in NETWORKS.items():
        yield Call(
            f"fit: networks {name}",
            lambda bench, pair=pair: vade_tf.fit(X, Settings(clusters=3, **SMALL), networks=pair),
            ("networks", "encoder", "decoder"),
        )
    yield Call(
        "fit: networks of NaN",
        lambda bench: vade_tf.fit(X, Settings(clusters=3, **SMALL), networks=(encoder(weight=np.nan), decoder())),
        ("networks", "encoder", "loss", "code"),
    )
    for name, data in {
        "endless": tf.data.Dataset.from_tensors(X[0]).repeat(),
        "of pairs": tf.data.Dataset.from_tensor_slices((X, Y)),
        "empty": tf.data.Dataset.from_tensor_slices(X[:0]),
        "of texts": tf.data.Dataset.from_tensor_slices(["a", "b", "c"]),
        "of numbers": tf.data.Dataset.from_tensor_slices(X[:, 0]),
        "ragged": tf.data.Dataset.from_generator(
            lambda: iter([X[0], X[1][:5]]), output_signature=tf.TensorSpec([None], tf.float32)
        ),
        "that fails": tf.data.Dataset.from_generator(
            lambda: iter([1 / 0]), output_signature=tf.TensorSpec([9], tf.float32)
        ),
    }.items():
        yield Call(
            f"fit: a tf.data.Dataset {name}",
            lambda bench, data=data: vade_tf.fit(data, Settings(clusters=2, **SMALL)),
            ("x",),
        )
    yield Call("fit: settings of a dict", lambda bench: vade_tf.fit(X, {"clusters": 3}), ("settings",))
    yield Call(
        "fit: init of another shape",
        lambda bench: vade_tf.fit(X, Settings(clusters=3, **SMALL), init=np.zeros((60, 4))),
        ("init",),
    )
    yield Call(
        "fit: callbacks of texts",
        lambda bench: vade_tf.fit(X, Settings(clusters=3, **SMALL), callbacks=["stop"]),
        ("callbacks",),
    )
    yield Call(
        "fit: a store of a text",
        lambda bench: vade_tf.fit(X, Settings(clusters=3, **SMALL), store="runs/a"),
        ("store",),
    )


FITS: list[Call] = [*fits_of_rows(), *fits_of_networks()]
