"""model.keras of a run folder: damaged, of another model, or with a program in it."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import keras
import numpy as np

from .arrays import bomb, patched, saved, zipped
from .case import Case
from .folders import EVALUATE, EXPORT, PREDICT, REPORT, Change, altered, cut, folder_at, gone, put

ABOUT = ("model.keras",)
FILE = "model.keras"


def parts(edit: Callable[[dict[str, bytes]], dict[str, bytes]]) -> Change:
    """Changes the members of model.keras: config.json, metadata.json, model.weights.h5."""

    def change(run: Path) -> None:
        with zipfile.ZipFile(run / FILE) as archive:
            found = {name: archive.read(name) for name in archive.namelist()}
        (run / FILE).write_bytes(zipped(edit(found)))

    return change


def member(name: str, content: bytes | None) -> Change:
    """Replaces one member; None takes it out."""

    def edit(found: dict[str, bytes]) -> dict[str, bytes]:
        return {key: value for key, value in {**found, name: content}.items() if value is not None}

    return parts(edit)


def config(edit: Callable[[dict], object]) -> Change:
    """Changes config.json inside in place; `edit` gets the whole of it."""

    def change(found: dict[str, bytes]) -> dict[str, bytes]:
        about = json.loads(found["config.json"])
        edit(about)
        return {**found, "config.json": json.dumps(about).encode()}

    return parts(change)


def setting(**values) -> Change:
    """Changes arguments of the VaDE; Ellipsis takes one out."""

    def edit(about: dict) -> None:
        changed = {**about["config"], **values}
        about["config"] = {name: value for name, value in changed.items() if value is not ...}

    return config(edit)


def whole(**values) -> Change:
    return config(lambda about: about.update(values))


def encoder_layer(**values) -> Change:
    """Changes the second layer of the encoder, a dense one."""
    return config(lambda about: about["config"]["encoder"]["config"]["layers"][1].update(values))


def weights(edit: Callable[[np.ndarray], np.ndarray]) -> Change:
    """Changes every array of weights."""

    def change(found: dict[str, bytes]) -> dict[str, bytes]:
        content = io.BytesIO(found["model.weights.h5"])
        with h5py.File(content, "r+") as file:
            arrays: list[str] = []
            file.visititems(lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None)
            for name in arrays:
                value = edit(file[name][()])
                del file[name]
                file[name] = value
        return {**found, "model.weights.h5": content.getvalue()}

    return parts(change)


def another(run: Path) -> None:
    """A model of nine features and three outputs that is no VaDE."""
    keras.Sequential([keras.Input((9,)), keras.layers.Dense(3, activation="softmax")]).save(run / FILE)


def stranger(run: Path) -> None:
    """A VaDE of ten features."""
    from vade_tf import VaDE, build_decoder, build_encoder

    shape = {"n_features": 10, "latent_dim": 2, "hidden": (4,)}
    VaDE(build_encoder(**shape), build_decoder(**shape), 3, "gaussian").save(run / FILE)


LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "registered_name": None,
    "config": {
        "name": "run",
        "function": {"class_name": "__lambda__", "config": {"code": "4wEA", "defaults": None, "closure": None}},
    },
}
CALL = {"module": "os", "class_name": "system", "registered_name": None, "config": "touch pwned"}
TOUCH = {"module": "pathlib", "class_name": "Path", "registered_name": None, "config": {"pwned": 1}}
FUNCTION = {"module": "builtins", "class_name": "function", "config": "system", "registered_name": "function"}
TFSM = {"module": "keras.layers", "class_name": "function", "config": "TFSMLayer", "registered_name": "function"}
GALLERY = {
    "module": "keras.visualization",
    "class_name": "function",
    "config": "plot_image_gallery",
    "registered_name": "function",
}
PICTURE = {"class_name": "__numpy__", "config": {"value": [[[[0, 0, 0]]]], "dtype": "uint8"}}


def called(layer: str, function: dict, inputs, **more) -> Change:
    """Adds a layer to the encoder that calls a function of Keras as the model is made; nothing comes of it there."""
    takes = {"function": function, "arguments": more} if layer == "Lambda" else {"activation": function}
    added = {
        "module": "keras.layers",
        "class_name": layer,
        "name": "g",
        "registered_name": None,
        "config": {"name": "g", **takes},
        "inbound_nodes": [{"args": [], "kwargs": {"inputs": inputs}}],
    }
    return config(lambda about: about["config"]["encoder"]["config"]["layers"].append(added))


def nested(depth: int) -> Change:
    """Adds models within models to the encoder, each of which calls the one inside twice."""

    def model(name: str, layers: list[dict]) -> dict:
        about = {
            "name": name,
            "layers": layers,
            "input_layers": [["x", 0, 0]],
            "output_layers": [[layers[-1]["name"], 0, 0]],
        }
        return {"module": "keras.src.models.functional", "class_name": "Functional", "config": about, "name": name}

    def tensor(layer: str, node: int = 0) -> dict:
        history = {"shape": [None, None], "dtype": "float32", "keras_history": [layer, node, 0]}
        return {"args": [{"class_name": "__keras_tensor__", "config": history}], "kwargs": {}}

    inner = {
        "module": "keras.layers",
        "class_name": "Activation",
        "config": {"name": "a", "activation": "linear"},
        "name": "a",
    }
    for i in range(depth):
        x = {"module": "keras.layers", "class_name": "InputLayer", "name": "x", "inbound_nodes": []}
        x["config"] = {"name": "x", "batch_shape": [None, None], "dtype": "float32"}
        inner = model(f"m{i}", [x, {**inner, "inbound_nodes": [tensor("x"), tensor(inner["name"])]}])

    def change(about: dict) -> None:
        layers = about["config"]["encoder"]["config"]["layers"]
        layers.append({**inner, "inbound_nodes": [tensor(layers[0]["name"])]})

    return config(change)


def shared_text(found: dict[str, bytes]) -> dict[str, bytes]:
    """Every array of weights is 3,000 times the same text of 1 MB, which is stored once."""
    content = io.BytesIO(found["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        arrays: list[str] = []
        file.visititems(lambda name, item: arrays.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in arrays:
            del file[name]
            file.create_dataset(name, data=np.array(["x" * 1000] * 3000, object), dtype=h5py.string_dtype())
    return {**found, "model.weights.h5": content.getvalue()}


DAMAGED = {
    "empty": put(FILE, b""),
    "a text": put(FILE, b"hello"),
    "cut in half": cut(FILE, 0.5),
    "its end gone": cut(FILE, 0.999),
    "an HDF5 file": put(FILE, b"\x89HDF\r\n\x1a\n" + bytes(500)),
    "a zip without members": put(FILE, zipped({})),
    "a zip of others": put(FILE, zipped({"x.npy": saved(np.zeros(3))})),
    "a pickle": put(FILE, b"\x80\x04N."),
    "encrypted": put(FILE, patched(zipped({"config.json": b"{}"}), 6, 8, b"\1\0")),
    "an unknown method": put(FILE, patched(zipped({"config.json": b"{}"}), 8, 10, b"\x63\0")),
    "a wrong checksum": put(FILE, patched(zipped({"config.json": b"{}"}), 14, 16, b"abcd")),
    "a folder": folder_at(FILE),
    "gone": gone(FILE),
    "600 MB": lambda run: (run / FILE).write_bytes(bomb(600)),
    "a link to /etc/passwd": lambda run: ((run / FILE).unlink(), (run / FILE).symlink_to("/etc/passwd")),
    "a link to itself": lambda run: ((run / FILE).unlink(), (run / FILE).symlink_to(FILE)),
    "no config": member("config.json", None),
    "no weights": member("model.weights.h5", None),
    "config no JSON": member("config.json", b"{"),
    "config null": member("config.json", b"null"),
    "config a list": member("config.json", b"[]"),
    "config empty": member("config.json", b"{}"),
    "config of 100,000 brackets": member("config.json", b"[" * 100_000),
    "config of no UTF-8": member("config.json", b"\xff\xfe"),
    "weights empty": member("model.weights.h5", b""),
    "weights a text": member("model.weights.h5", b"hello" * 100),
    "weights of another": member("model.weights.h5", b"\x89HDF\r\n\x1a\n" + bytes(500)),
    "of an unknown class": whole(class_name="Nothing", registered_name="vade_tf>Nothing"),
    "of an unknown module": whole(module="no_such_module", class_name="Nothing", registered_name=None),
    "a class of os": config(lambda about: (about.clear(), about.update(CALL))),
    "a path": config(lambda about: (about.clear(), about.update(TOUCH))),
    "a lambda": config(lambda about: (about.clear(), about.update(LAMBDA))),
    "a lambda in the encoder": encoder_layer(**LAMBDA),
    "a call in the encoder": encoder_layer(**CALL),
    "a function in the encoder": encoder_layer(**FUNCTION),
    "an activation of os": encoder_layer(config={"name": "d", "units": 8, "activation": CALL}),
    "10^12 clusters": setting(n_clusters=10**12),
    "0 clusters": setting(n_clusters=0),
    "clusters of text": setting(n_clusters="3"),
    "4 clusters": setting(n_clusters=4),
    "clusters of NaN": setting(n_clusters=float("nan")),
    "no clusters": setting(n_clusters=...),
    "no encoder": setting(encoder=...),
    "an encoder of null": setting(encoder=None),
    "an encoder of text": setting(encoder="encoder"),
    "encoder and decoder swapped": config(
        lambda about: about["config"].update(encoder=about["config"]["decoder"], decoder=about["config"]["encoder"])
    ),
    "an unknown likelihood": setting(likelihood="poisson"),
    "a likelihood of a list": setting(likelihood=["gaussian"]),
    "a scaling of text": setting(scaling="twice"),
    "a scaling that is a lambda": setting(scaling=LAMBDA),
    "a seed of text": setting(seed="a"),
    "a setting more": setting(colour="red"),
    "10^12 units": encoder_layer(config={"name": "d", "units": 10**12}),
    "units of text": encoder_layer(config={"name": "d", "units": "many"}),
    "an input of 10^12": config(
        lambda about: about["config"]["encoder"]["config"]["layers"][0]["config"].update(batch_shape=[None, 10**12])
    ),
    "no layers": config(lambda about: about["config"]["encoder"]["config"].update(layers=[])),
    "compiled by os": whole(compile_config={"optimizer": CALL}),
    "compiled by text": whole(compile_config="adam"),
    "weights of NaN": weights(lambda value: np.full_like(value, np.nan) if value.dtype.kind == "f" else value),
    "weights of infinity": weights(lambda value: np.full_like(value, np.inf) if value.dtype.kind == "f" else value),
    "weights of another shape": weights(lambda value: np.zeros((*value.shape, 2), "f4")),
    "weights of text": weights(lambda value: np.bytes_(b"a")),
    "weights of nothing": weights(lambda value: np.zeros(0, "f4")),
    "weights of one long text": parts(shared_text),
    "a SavedModel called as a function": called("Lambda", TFSM, "run/export/1", call_endpoint="serve"),
    "a SavedModel called as an activation": called("Activation", TFSM, "run/export/1"),
    "a picture drawn elsewhere": called("Lambda", GALLERY, PICTURE, path="pwned.png"),
    "a picture drawn as an activation": called("Activation", GALLERY, PICTURE),
    "a function of another place": encoder_layer(
        config={
            "name": "d",
            "units": 8,
            "activation": {**GALLERY, "module": "keras.datasets.mnist", "config": "load_data"},
        }
    ),
    "a text of 256 MB a cell": setting(
        scaling={"class_name": "__numpy__", "config": {"value": ["a"] * 64, "dtype": "S268435456"}}
    ),
    "models in models, 2^40 calls": nested(40),
    "a category of 2^31 levels": setting(likelihood={"name": "mixed", "blocks": [["categorical", 2**31 - 1]]}),
    "another model": another,
    "ten features": stranger,
}
READ = {
    "no metadata": member("metadata.json", None),
    "metadata no JSON": member("metadata.json", b"{"),
    "metadata of version 99": member("metadata.json", b'{"keras_version": "99.0.0"}'),
    "a member that climbs": member("../../evil.txt", b"evil"),
    "an absolute member": member("/tmp/evil_member.txt", b"evil"),
    "built of text": whole(build_config={"input_shape": "wide"}),
    "an asset": member("assets/evil.txt", b"evil"),
    "a guide weight of NaN": setting(guide_weight=float("nan")),
}


def model_cases() -> Iterator[Case]:
    for name, change in DAMAGED.items():
        yield altered(f"model.keras: {name}", PREDICT, change, (*ABOUT, "--data") if name == "ten features" else ABOUT)
    for name, change in READ.items():
        yield altered(f"model.keras: {name}", PREDICT, change, ABOUT, ends="either", same=True)
    for name in (
        "cut in half",
        "another model",
        "a lambda",
        "weights of NaN",
        "ten features",
        "4 clusters",
        "gone",
        "600 MB",
    ):
        yield altered(
            f"model.keras: {name}",
            EXPORT,
            DAMAGED[name],
            (*ABOUT, "run"),
            ends="either" if name == "ten features" else "refused",
        )
    for name in ("cut in half", "another model", "ten features", "weights of NaN", "a folder"):
        yield altered(f"model.keras: {name}", EVALUATE, DAMAGED[name], (*ABOUT, "run"))
    yield altered("model.keras: weights of NaN, drawn", REPORT, DAMAGED["weights of NaN"], ABOUT)
    foreign = altered(
        "model.keras: a SavedModel in its place",
        PREDICT,
        lambda run: ((run / FILE).unlink(), (run / "saved_model.pb").write_bytes(b"\x0a\x00")),
        ABOUT,
    )
    yield foreign
    yield altered(
        "model.keras: a SavedModel beside it",
        PREDICT,
        put("saved_model.pb", b"\xff" * 99),
        ABOUT,
        ends="either",
        same=True,
    )
    for name, content in {"a text": b"hello", "a lambda": None}.items():

        def file(place: Path, content=content) -> None:
            shutil.copyfile(place / "run" / FILE, place / FILE)
            DAMAGED["a lambda"](place) if content is None else (place / FILE).write_bytes(content)

        argv = (FILE, "--to", "models")
        yield Case(f"export of a file: {name}", "export", argv, ABOUT, make=file, needs=("run",))


MODELS = list(model_cases())
