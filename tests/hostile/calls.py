"""Calls on what is fitted already: the model, the clusterer, what is served; and on files of models."""

from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

import vade_tf
from vade_tf import TrainConfig, VaDE, VaDEClusterer
from vade_tf.runs.folder import Run
from vade_tf.runs.study import Study

from .arrays import zipped
from .fits import FITS, SMALL, Bench, Call, X, Y, changed, decoder, encoder

NEW_ROWS = {
    "NaN": changed(np.nan),
    "inf": changed(np.inf),
    "one dimension": X[0],
    "a column more": np.ones((5, 10), "f4"),
    "a column less": X[:, :8],
    "no row": X[:0],
    "texts": X.astype("U9").astype(object),
    "complex": X.astype("c8"),
    "None": None,
    "a text": "rows",
    "a list of rows": X.tolist(),
    "three dimensions": X.reshape(60, 3, 3),
    "big-endian": X.astype(">f4"),
    "float64": X.astype("f8"),
    "objects": np.full((5, 9), object()),
    "a dict": {"x": 1},
    "1e300": changed(1e300, "f8"),
    "Fortran order": np.asfortranarray(X),
    "a view backwards": X[::-1, ::-1][::-1, ::-1],
    "one row": X[:1],
}
RIGHT = (
    "three dimensions",
    "big-endian",
    "float64",
    "Fortran order",
    "a view backwards",
    "one row",
    "a list of rows",
    "no row",
    "texts",
)
VERBS: dict[str, Callable] = {
    "VaDE.predict": lambda bench, x: bench.model.predict(x, verbose=0),
    "VaDEClusterer.predict_proba": lambda bench, x: bench.clusterer.predict_proba(x),
    "Served.predict": lambda bench, x: bench.served.predict(x),
}


def new_rows() -> Iterator[Call]:
    """The same rows for the three that give probabilities: what is taken is answered as the usual rows are."""
    for verb, function in VERBS.items():
        for name, x in NEW_ROWS.items():
            rows = {"one row": 1, "no row": 0}.get(name, 60)

            def right(found, rows=rows) -> bool:
                usual = Bench.last.model.predict(X, verbose=0)[:rows]
                return found.shape == (rows, 3) and np.allclose(found, usual, atol=1e-4)

            taken = right if name in RIGHT else None
            names = ("x", "X", "sample", "feature", "array", "omplex", "dtype", "float")
            call = lambda bench, x=x, function=function: function(bench, x)  # noqa: E731
            yield Call(f"{verb}: {name}", call, names, taken, sklearn=verb.startswith("VaDEClusterer"))


def of_models() -> Iterator[Call]:
    for name, clusters in {
        "-1": [-1],
        "K": [3],
        "1.5": [1.5],
        "NaN": [np.nan],
        "a text": ["a"],
        "None": None,
        "a list of lists": [[0], [1]],
        "ragged": [[0], [1, 2]],
        "2^40": [2**40],
        "2^70": [2**70],
        "a bool": [True],
        "a dict": {"a": 1},
    }.items():
        ok = (lambda found: np.asarray(found).shape == (1, 9)) if name == "a bool" else None
        yield Call(f"VaDE.sample: {name}", lambda bench, c=clusters: bench.model.sample(c), ("clusters",), ok)
        yield Call(f"Served.sample: {name}", lambda bench, c=clusters: bench.served.sample(c), ("clusters",), ok)
        if name not in ("a list of lists", "ragged", "None"):  # None: drawn
            one = clusters[0] if isinstance(clusters, list) else clusters
            yield Call(
                f"VaDEClusterer.sample: cluster {name}",
                lambda bench, c=one: bench.clusterer.sample(2, cluster=c),
                ("cluster",),
                None if ok is None else lambda found: found[0].shape == (2, 9),
            )
    for name, n in {
        "0": 0,
        "-1": -1,
        "1.5": 1.5,
        "NaN": np.nan,
        "inf": np.inf,
        "a text": "2",
        "None": None,
        "True": True,
        "10^15": 10**15,
    }.items():
        yield Call(f"VaDEClusterer.sample: n {name}", lambda bench, n=n: bench.clusterer.sample(n), ("n_samples",))
    for name, seed in {"a text": "a", "None": None, "1.5": 1.5, "2^70": 2**70}.items():
        yield Call(f"VaDE.sample: seed {name}", lambda bench, s=seed: bench.model.sample([0], seed=s), ("seed",))
        yield Call(f"Served.sample: seed {name}", lambda bench, s=seed: bench.served.sample([0], seed=s), ("seed",))
    for name, k in {
        "0": 0,
        "-1": -1,
        "1.5": 1.5,
        "True": True,
        "a text": "3",
        "None": None,
        "NaN": np.nan,
        "10^13": 10**13,
    }.items():
        yield Call(f"VaDE: K {name}", lambda bench, k=k: VaDE(encoder(), decoder(), k), ("n_clusters", "n_components"))
    for name, likelihood in {"unknown": "poisson", "None": None, "a class": dict, "a list": ["gaussian"]}.items():
        yield Call(
            f"VaDE: likelihood {name}",
            lambda bench, each=likelihood: VaDE(encoder(), decoder(), 3, each),
            ("likelihood",),
        )
    for name, more in {
        "a scaling of text": {"scaling": "half"},
        "a guide weight of text": {"guide_weight": "a"},
        "a guide weight of NaN": {"guide_weight": np.nan},
        "a guide weight of -1": {"guide_weight": -1.0},
        "a seed of text": {"seed": "a"},
        "a seed of None": {"seed": None},
        "a seed of 1.5": {"seed": 1.5},
    }.items():
        yield Call(
            f"VaDE: {name}", lambda bench, more=more: VaDE(encoder(), decoder(), 3, "gaussian", **more), tuple(more)
        )
    for name, given in {
        "NaN": {"x": changed(np.nan)},
        "other rows": {"x": X[:, :5]},
        "labels": {"x": X, "y": Y},
        "hints beyond K": {"x": X, "hints": Y + 5},
        "hints below -1": {"x": X, "hints": Y - 9},
        "hints too few": {"x": X, "hints": Y[:5]},
        "hints of floats": {"x": X, "hints": Y / 2},
        "hints of texts": {"x": X, "hints": np.array(["a"] * 60)},
        "hints and y": {"x": X, "y": Y, "hints": Y},
        "no row": {"x": X[:0]},
        "weights of rows": {"x": X, "sample_weight": np.ones(60)},
        "a text": {"x": "rows"},
        "nothing": {},
        "a dict": {"x": {"a": X}},
        "pairs": {"x": tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)},
    }.items():
        names = ("x", "y", "hints", "sample_weight", "guide_weight")
        yield Call(f"VaDE.fit: {name}", lambda bench, given=given: bench.new_model().fit(**given, verbose=0), names)
    for name, given in {
        "a loss": {"loss": "mse"},
        "metrics": {"metrics": ["acc"]},
        "an optimizer of none": {"optimizer": "fastest"},
        "an optimizer of a number": {"optimizer": 3},
    }.items():
        yield Call(f"VaDE.compile: {name}", lambda bench, given=given: bench.new_model().compile(**given), tuple(given))


def of_clusterers() -> Iterator[Call]:
    for name, given in {
        "n_clusters 0": {"n_clusters": 0},
        "n_clusters True": {"n_clusters": True},
        "n_clusters 1.5": {"n_clusters": 1.5},
        "n_clusters None": {"n_clusters": None},
        "an unknown parameter": {"colour": 1},
        "random_state a text": {"random_state": "a"},
        "random_state -1": {"random_state": -1},
        "random_state 2^32": {"random_state": 2**32},
        "image_shape of others": {"image_shape": (4, 4)},
        "image_shape of text": {"image_shape": "3x3"},
        "image_shape of one": {"image_shape": 9},
        "only an encoder": {"encoder": encoder()},
        "an encoder of text": {"encoder": "a", "decoder": "b"},
        "networks that differ": {"encoder": encoder(), "decoder": decoder(latent=5)},
        "hints too few": {"hints": [0, 1]},
        "callbacks of a text": {"callbacks": "stop"},
        "epochs -1": {"epochs": -1},
        "hidden of text": {"hidden": "x"},
    }.items():
        yield Call(
            f"VaDEClusterer.set_params: {name}",
            lambda bench, given=given: VaDEClusterer(3, **SMALL).set_params(**given).fit(X),
            (*tuple(given), "seed"),
            sklearn=name in ("an unknown parameter", "random_state a text"),
        )
    yield Call(
        "VaDEClusterer.predict: not fitted", lambda bench: VaDEClusterer(3).predict(X), ("not fitted",), sklearn=True
    )
    yield Call(
        "VaDEClusterer.sample: not fitted", lambda bench: VaDEClusterer(3).sample(), ("not fitted",), sklearn=True
    )
    for name, codes in {
        "other width": np.ones((3, 5)),
        "NaN": np.full((3, 2), np.nan),
        "one dimension": np.ones(2),
        "texts": [["a", "b"]],
        "None": None,
    }.items():
        yield Call(
            f"VaDEClusterer.inverse_transform: {name}",
            lambda bench, z=codes: bench.clusterer.inverse_transform(z),
            ("X",),
        )
    for name in ("score", "score_samples", "transform"):
        yield Call(
            f"VaDEClusterer.{name}: NaN",
            lambda bench, n=name: getattr(bench.clusterer, n)(changed(np.nan)),
            ("X",),
            sklearn=True,
        )
        yield Call(
            f"VaDEClusterer.{name}: a column less",
            lambda bench, n=name: getattr(bench.clusterer, n)(X[:, 1:]),
            ("X",),
            sklearn=True,
        )
    for name, content in {
        "empty": b"",
        "a text": b"hello",
        "a zip of others": zipped({"a": b"b"}),
        "brackets": zipped({"clusterer.json": b"[" * 100_000}),
        "null": zipped({"clusterer.json": b"null", "arrays.npz": b"", "model.keras": b""}),
        "no model": zipped({"clusterer.json": b"{}", "arrays.npz": zipped({}), "model.keras": b""}),
    }.items():
        yield Call(
            f"VaDEClusterer.load: {name}",
            lambda bench, c=content: VaDEClusterer.load(bench.write("c.vade", c)),
            ("path",),
        )
    yield Call("VaDEClusterer.load: nowhere", lambda bench: VaDEClusterer.load("nowhere"), ("path",))
    yield Call("VaDEClusterer.load: None", lambda bench: VaDEClusterer.load(None), ("path",))
    yield Call("VaDEClusterer.save: nowhere", lambda bench: bench.clusterer.save("nowhere/c.vade"), ("path",))


def of_files() -> Iterator[Call]:
    for name, path in {
        "nowhere": "nowhere",
        "nothing": "",
        "a null byte": "a\0",
        "None": None,
        "a number": 3,
        "a long name": "d" * 300,
    }.items():
        for verb, function in {
            "load": vade_tf.load,
            "Served": vade_tf.Served,
            "Run.open": Run.open,
            "Study.open": lambda path: Study.open(path, "seeds"),
            "resume": vade_tf.resume,
        }.items():
            yield Call(
                f"{verb}: {name}",
                lambda bench, path=path, f=function: f(path),
                ("path", "run", "several runs", "export", "resume", "d" * 39),
            )
        if name not in ("nowhere",):
            yield Call(f"export: to {name}", lambda bench, path=path: vade_tf.export(bench.model, path), ("to",))
    for name, version in {
        "0": 0,
        "-1": -1,
        "1.5": 1.5,
        "a text": "new",
        "a path": "../5",
        "None": None,
        "True": True,
    }.items():
        yield Call(
            f"export: version {name}", lambda bench, v=version: vade_tf.export(bench.model, "models", v), ("version",)
        )
    for name, model in {
        "None": None,
        "a text": "runs/a",
        "another": keras.Sequential([keras.Input((9,)), keras.layers.Dense(3)]),
    }.items():
        yield Call(f"export: model {name}", lambda bench, m=model: vade_tf.export(m, "models"), ("model",))
    for name, given in {
        "an unknown": {"colour": 1},
        "data of a list": {"data": ["a"]},
        "a limit of 0": {"limit": 0},
        "held_out of NaN": {"held_out": float("nan")},
        "data of a null byte": {"data": "a\0"},
        "model of None": {"model": None},
    }.items():
        yield Call(f"TrainConfig.create: {name}", lambda bench, given=given: TrainConfig.create(**given), tuple(given))
    yield Call("train: a config of a dict", lambda bench: vade_tf.train({"clusters": 3}, "out"), ("config",))


CALLS: list[Call] = [*FITS, *new_rows(), *of_models(), *of_clusterers(), *of_files()]
