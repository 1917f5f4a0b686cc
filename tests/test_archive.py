"""The file of a clusterer: altered, of other parts, or made to harm, it is refused when it is loaded."""

import functools
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf import VaDEClusterer, archive
from vade_tf.data.schema import Schema
from vade_tf.errors import InputError
from vade_tf.model import networks, stored
from vade_tf.model.vade import VaDE
from vade_tf.training.n_clusters import Choice

K, WIDTH, FEATURES = 4, 3, 12
Members = dict[str, bytes]


def clusterer(model, **changes) -> VaDEClusterer:
    """A clusterer of this model, as `fit` leaves one."""
    found = VaDEClusterer(K, hidden=(16, 8), latent_dim=WIDTH, random_state=0)
    log_pi, mu, log_sigma2 = (part.numpy() for part in model.prior.parameters)
    fitted = {
        "model_": model,
        "history_": [{"phase": "fit", "epoch": 1, "loss": 2.5}],
        "health_": [],
        "remedies_": [],
        "kind_": "rows",
        "start_": "k-means on the code",
        "choice_": Choice(K, "it is", [1, K], [1.0, 0.9]),
        "n_features_in_": FEATURES,
        "_columns": None,
        "_image_shape": None,
        "schema_": None,
        "genes_": None,
        "_counted": None,
        "weights_": np.exp(log_pi),
        "means_": mu,
        "covariances_": np.exp(log_sigma2),
        "labels_": np.arange(20) % K,
    }
    for name, value in {**fitted, **changes}.items():
        setattr(found, name, value)
    return found


@pytest.fixture(scope="module")
def model(small_model):
    return small_model(compiled=False)


class Fixed(VaDEClusterer):
    """A subclass that lets its user choose the number of clusters alone."""

    def __init__(self, n_clusters=K):
        super().__init__(n_clusters, hidden=(16, 8), latent_dim=WIDTH)


@pytest.fixture(scope="module")
def whole(model, tmp_path_factory) -> Members:
    """The members of a file that is whole."""
    file = tmp_path_factory.mktemp("archive") / "groups.vade"
    clusterer(model).save(file)
    VaDEClusterer.load(file)
    return members_of(file)


def members_of(file) -> Members:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(members: Members, method: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, each in members.items():
            archive.writestr(name, each)
    return content.getvalue()


def about(**values) -> Callable[[Members], Members]:
    """Changes values of clusterer.json; Ellipsis takes one out."""

    def change(members: Members) -> Members:
        found = {**json.loads(members["clusterer.json"]), **values}
        found = {name: value for name, value in found.items() if value is not ...}
        return {**members, "clusterer.json": json.dumps(found).encode()}

    return change


def parameters(**values) -> Callable[[Members], Members]:
    def change(members: Members) -> Members:
        found = json.loads(members["clusterer.json"])["parameters"]
        return about(parameters={**found, **values})(members)

    return change


def arrays(save=np.savez, **values) -> Callable[[Members], Members]:
    """Changes arrays; Ellipsis takes one out."""

    def change(members: Members) -> Members:
        found = {**np.load(io.BytesIO(members["arrays.npz"])), **values}
        content = io.BytesIO()
        save(content, **{name: value for name, value in found.items() if value is not ...})
        return {**members, "arrays.npz": content.getvalue()}

    return change


def another(members: Members) -> Members:
    """A model of Keras that is no VaDE."""
    model = keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(K)])
    model.save("model.keras")
    return {**members, "model.keras": Path("model.keras").read_bytes()}


TABLE = {"form": "table", "columns": [], "dropped": []}
COLUMN = {
    "name": "a", "kind": "number", "levels": [], "missing": 0, "log": False, "scale": 1.0, "offset": 0.0, "form": "",
    "rest": False,
}  # fmt: skip
ALTERED = {
    "no parameters": about(parameters=...),
    "parameters in a list": about(parameters=[1]),
    "an unknown parameter": parameters(colour=1),
    "a network as a parameter": parameters(encoder="x"),
    "hidden of text": parameters(hidden="wide"),
    "a layer that is a number": parameters(layer=3),
    "a seed of text": parameters(random_state="x"),
    "a seed below 0": parameters(random_state=-1),
    "a seed too large": parameters(random_state=2**32),
    "no own_networks": about(own_networks=...),
    "no n_features_in": about(n_features_in=...),
    "n_features_in of text": about(n_features_in="x"),
    "5 features": about(n_features_in=5),
    "a history of text": about(history="x"),
    "a choice without numbers": about(choice={"n_clusters": K, "why": "it is"}),
    "a start of a number": about(start=3),
    "columns of another number": about(columns=["a"]),
    "a schema in a list": about(schema=[1]),
    "a schema without columns": about(schema=TABLE),
    "a schema of one column": about(schema={**TABLE, "columns": [COLUMN]}),
    "a schema of a column less": about(
        schema={**TABLE, "columns": [{**COLUMN, "name": f"x{i}"} for i in range(FEATURES)]}, n_features_in=FEATURES + 1
    ),
    "JSON that is a list": lambda members: {**members, "clusterer.json": b"[]"},
    "no weights": arrays(weights_=...),
    "an array named predict": arrays(predict=np.zeros(3)),
    "an array named __class__": arrays(__class__=np.zeros(3)),
    "an array named model_": arrays(model_=np.zeros(3)),
    "weights that are a number": arrays(weights_=np.float32(1)),
    "weights of NaN": arrays(weights_=np.full(K, np.nan, "f4")),
    "weights below 0": arrays(weights_=np.array([-1, 1, 1, 1], "f4")),
    "weights of 0": arrays(weights_=np.zeros(K, "f4")),
    "means that are whole numbers": arrays(means_=np.zeros((K, WIDTH), int)),
    "means of one dimension": arrays(means_=np.zeros(K, "f4")),
    "covariances of another width": arrays(covariances_=np.ones((K, WIDTH + 1), "f4")),
    "labels beyond": arrays(labels_=np.array([K])),
    "labels below": arrays(labels_=np.array([0, -1])),
    "labels of text": arrays(labels_=np.array(["a"])),
    "names that are numbers": arrays(feature_names_in_=np.zeros(FEATURES)),
    "too few names": arrays(genes_=np.array(["a", "b"])),
    "a name too many": arrays(genes_=np.array(["a"] * (FEATURES + 1))),
    "packed arrays": arrays(save=np.savez_compressed),
    "another model": another,
    "no model": lambda members: {**members, "model.keras": b""},
}


@pytest.mark.parametrize("change", ALTERED.values(), ids=ALTERED.keys())
def test_what_was_altered_is_refused(change, model, whole, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, members = tmp_path / "groups.vade", change(whole)
    file.write_bytes(packed(members))
    if members["model.keras"] == whole["model.keras"]:
        monkeypatch.setattr(stored, "load", lambda file: model)
    with pytest.raises(InputError, match=r"^path: .*groups.vade holds no clusterer, or a damaged one \(") as refusal:
        VaDEClusterer.load(file)
    assert "\n" not in str(refusal.value)


def test_members_that_are_packed_are_not_unpacked(whole, tmp_path):
    large = {**whole, "clusterer.json": bytes(1 << 24)}
    (tmp_path / "groups.vade").write_bytes(packed(large, zipfile.ZIP_DEFLATED))
    with pytest.raises(InputError, match="clusterer.json is compressed or encrypted"):
        VaDEClusterer.load(tmp_path / "groups.vade")


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "groups.vade")
    with pytest.raises(InputError, match="expected a regular file, got"):
        VaDEClusterer.load(tmp_path / "groups.vade")


def test_files_of_older_versions_are_read(whole, tmp_path):
    older = about(remedies=..., columns=..., schema=..., kind=..., start=..., choice=...)(whole)
    values = json.loads(older["clusterer.json"])["parameters"]
    del values["hidden"], values["layer"]
    (tmp_path / "groups.vade").write_bytes(packed(about(parameters=values)(older)))
    found = VaDEClusterer.load(tmp_path / "groups.vade")
    assert (found.hidden, found.layer, found.remedies_, found.n_clusters_) == (None, None, [], K)
    assert (found.kind_, found.start_, found.choice_) == ("", "", None)


def test_tables_genes_and_names_come_back(model, tmp_path):
    columns = [{**COLUMN, "name": number} for number in range(FEATURES)]
    schema = Schema.from_dict({**TABLE, "columns": columns, "dropped": [["b", "constant"]]})
    names = [*map(str, range(FEATURES)), "b"]
    changes = {"schema_": schema, "_columns": [*range(FEATURES), "b"], "n_features_in_": FEATURES + 1}
    clusterer(model, **changes, feature_names_in_=np.array(names, object)).save(tmp_path / "table.vade")
    found = VaDEClusterer.load(tmp_path / "table.vade")
    assert (found.schema_, found._columns) == (schema, changes["_columns"])
    assert found.feature_names_in_.tolist() == names
    assert found.feature_names_in_.dtype == object  # as scikit-learn has them

    clusterer(model, genes_=np.array(names[:FEATURES])).save(tmp_path / "genes.vade")
    assert VaDEClusterer.load(tmp_path / "genes.vade").genes_.tolist() == names[:FEATURES]


def test_a_model_may_be_larger_than_a_plain_zip_allows(model, whole, tmp_path, monkeypatch):
    content = archive._model_bytes(model)  # Keras' own file has its own ways
    monkeypatch.setattr(archive, "_model_bytes", lambda model: content)
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    clusterer(model).save(tmp_path / "large.vade")
    monkeypatch.undo()
    with zipfile.ZipFile(tmp_path / "large.vade") as stored_whole:
        assert stored_whole.getinfo("model.keras").file_size > 1000
    again = VaDEClusterer.load(tmp_path / "large.vade")
    np.testing.assert_array_equal(again.labels_, np.arange(20) % K)


def test_a_loaded_clusterer_decodes_codes_of_its_width(whole, tmp_path):
    (tmp_path / "groups.vade").write_bytes(packed(whole))
    found = VaDEClusterer.load(tmp_path / "groups.vade")
    assert len(found.get_feature_names_out()) == WIDTH
    assert (found.kind_, found.start_, found.choice_.strength) == ("rows", "k-means on the code", [1.0, 0.9])
    codes = np.random.default_rng(0).normal(size=(5, WIDTH)).astype("f4")
    np.testing.assert_allclose(found.inverse_transform(codes), found.model_.decode(codes), rtol=1e-5)


def test_networks_of_ones_own_are_those_of_a_loaded_clusterer_too(model, tmp_path):
    """So that another fit of it has the same."""
    clusterer(model, encoder=model.encoder, decoder=model.decoder).save(tmp_path / "own.vade")
    found = VaDEClusterer.load(tmp_path / "own.vade")
    assert found.encoder is found.model_.encoder
    assert found.decoder is found.model_.decoder


def test_a_layer_that_no_file_gives_back_is_named_before_one_is_written(small_model, tmp_path):
    class Gate(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    shape = {"n_features": 12, "latent_dim": 3, "hidden": (16, 8)}
    layers = {
        "layer 'gate' has a class .*, Gate; put @keras": Gate(name="gate"),
        "layer 'twice' has a class or a function .*, <lambda>; put": keras.layers.Lambda(lambda x: x, name="twice"),
        "layer 'relu' has a class or a function .*, relu; put": keras.layers.Lambda(keras.ops.relu, name="relu"),
        "layer 'part' has a class or a function": keras.layers.Lambda(functools.partial(tf.add, 1.0), name="part"),
    }
    for message, layer in layers.items():
        encoder, decoder = networks.build_encoder(**shape), networks.build_decoder(**shape)
        x = keras.Input((12,))
        model = VaDE(keras.Model(x, encoder(layer(x))), decoder, 4)
        with pytest.raises(InputError, match=f"^encoder and decoder: {message}"):
            archive.write(tmp_path / "model.vade", {}, {}, model)
        assert not (tmp_path / "model.vade").exists()


def test_a_subclass_that_fixes_the_seed_is_given_back(model, tmp_path):
    found = Fixed()
    found.__dict__ |= {
        name: value for name, value in vars(clusterer(model)).items() if name[-1] == "_" or name[0] == "_"
    }
    found.n_features_in_ = FEATURES
    found.save(tmp_path / "groups.vade")
    again = Fixed.load(tmp_path / "groups.vade")
    assert type(again) is Fixed
    np.testing.assert_array_equal(again.means_, found.means_)
