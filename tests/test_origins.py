"""Batches of cells, called origins: offsets of the decoder, rows brought together for the start, fits and commands."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pandas
import pytest
import scipy.sparse
import scipy.special
import scipy.stats
import tensorflow as tf
from sklearn.metrics import adjusted_rand_score

from vade_tf import Settings, TrainConfig, VaDEClusterer
from vade_tf.cli.main import main
from vade_tf.data.files import load_file
from vade_tf.data.genes import origins_of
from vade_tf.data.observing import build
from vade_tf.data.sparse import OriginRows, SparseRows
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.model.counts import Counts, LogCounts
from vade_tf.model.observation import MIN_NOISE
from vade_tf.model.observation import Origins
from vade_tf.model.vade import VaDE
from vade_tf.training import alignment, aside, n_clusters, recipe
from vade_tf.training.autoencoder import build_autoencoder, reconstruction_loss
from vade_tf.training.store import Memory

WIDTH = 30
SMALL = {"latent_dim": 3, "hidden": (24,), "precision": "float32", "likelihood": "counts"}


def cells(n, seed=0, effect=1.5):
    """Counts of cells of three types from two labs that catch genes differently: (x [n, 30], type, lab).

    The first type is mostly of one lab, the last mostly of the other.
    """
    r = np.random.default_rng(seed)
    y = r.integers(3, size=n)
    lab = (r.random(n) < np.array([0.2, 0.5, 0.8])[y]).astype(int)
    caught = np.exp(effect * np.random.default_rng(99).normal(size=(2, WIDTH)))
    mean = np.where(np.arange(WIDTH) % 3 == y[:, None], 2.7, 0.6) * caught[lab]
    mean *= 100 / mean.sum(axis=1, keepdims=True)
    return r.negative_binomial(3.0, 3.0 / (3.0 + mean)).astype("f4"), y, lab


def annotated(n, seed=0):
    anndata = pytest.importorskip("anndata")
    x, y, lab = cells(n, seed)
    obs = pandas.DataFrame(
        {"kind": np.array(["B", "T", "NK"])[y], "lab": np.array(["Leiden", "Oslo"])[lab]},
        index=[f"cell{i}" for i in range(n)],
    )
    var = pandas.DataFrame(index=[f"gene{j}" for j in range(WIDTH)])
    return anndata.AnnData(scipy.sparse.csr_matrix(x), obs=obs, var=var), y, lab


def observed(n):
    """The same cells, as a fit is given them."""
    x, _, lab = cells(n)
    return build(x, None, "cells", "here", "counts", origins=lab.astype(np.int32)).observations()


def model_of(x, origins=2):
    """A small VaDE of counts with offsets that are drawn."""
    first = LogCounts(100.0, np.zeros(WIDTH), np.ones(WIDTH))
    encoder = networks.build_encoder(WIDTH, 3, (8,), "float32", first=first)
    model = VaDE(encoder, networks.build_decoder(WIDTH, 3, (8,), "float32"), 2, Counts(100.0), origins=origins)
    if origins:
        drawn = np.random.default_rng(5).normal(size=(origins, WIDTH))
        model.origins.set_weights([drawn.astype("f4")])
    return model


def with_origins(x, lab):
    return np.concatenate([x, lab[:, None]], axis=1).astype("f4")


def test_the_offsets_of_origins_are_added_less_their_mean(rng):
    layer = Origins(3, 4)
    offsets = rng.normal(size=(3, 4)).astype("f4")
    layer.set_weights([offsets])
    out = rng.normal(size=(5, 4)).astype("f4")
    origin = np.array([0, 2, 1, 1, 0])
    expected = out + offsets[origin] - offsets.mean(axis=0)
    np.testing.assert_allclose(layer(out, origin.astype("f4")), expected, rtol=1e-5, atol=1e-6)


def test_the_bound_is_of_the_decoder_shifted_by_the_origin():
    x, _, lab = cells(20)
    model = model_of(x)
    noise = np.random.default_rng(1).normal(size=(20, 3)).astype("f4")
    terms = model.elbo_terms(with_origins(x, lab), noise)
    m, log_s2 = (part.numpy() for part in model.encode(x))
    offsets = model.origins.get_weights()[0].astype("f8")
    out = model.decoder(m + np.exp(0.5 * log_s2) * noise).numpy() + (offsets - offsets.mean(axis=0))[lab]
    mean = x.sum(axis=1, keepdims=True) * scipy.special.softmax(out.astype("f8"), axis=1)
    expected = -scipy.stats.nbinom.logpmf(x, 1, 1 / (1 + mean)).sum(axis=1)
    np.testing.assert_allclose(terms["distortion"], expected, rtol=1e-4)


def test_the_encoder_and_rows_without_an_origin_know_nothing_of_it():
    x, _, lab = cells(20)
    model, told = model_of(x), with_origins(x, lab)
    other = with_origins(x, 1 - lab)
    for rows in (told, other):
        np.testing.assert_array_equal(model.encode(rows)[0], model.encode(x)[0])
        np.testing.assert_array_equal(model.predict_on_batch(rows), model.predict_on_batch(x))
    assert np.abs(model.elbo(told).numpy() - model.elbo(other).numpy()).min() > 0
    plain = model_of(x, 0)
    plain.set_weights([weight for weight in model.get_weights() if weight.shape != (2, WIDTH)])
    np.testing.assert_allclose(model.elbo(x), plain.elbo(x), rtol=1e-6)


def test_the_autoencoder_reconstructs_with_the_offsets_of_the_bound():
    x, _, lab = cells(20)
    model, told = model_of(x), with_origins(x, lab)
    out = build_autoencoder(model)(told)
    expected = model.x_parameters(model.encode(x)[0], x=told)
    np.testing.assert_allclose(out, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(reconstruction_loss(model)(told, out), model.distortion(x, expected), rtol=1e-5)


def test_a_model_with_origins_is_saved_and_loaded(tmp_path):
    x, _, lab = cells(20)
    model, told = model_of(x), with_origins(x, lab)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.elbo(told), model.elbo(told))


def test_rows_of_a_fit_by_hand_may_tell_their_origin_and_only_one_that_there_is():
    x, _, lab = cells(64)
    model, told = model_of(x), with_origins(x, lab)
    before = model.origins.get_weights()[0]
    model.compile("adam")
    model.fit(told, epochs=1, verbose=0)
    assert np.abs(model.origins.get_weights()[0] - before).max() > 0
    told[3, -1] = 2
    with pytest.raises(InputError, match="x: expected origins from 0 to 1 in the last column, got 0 to 2"):
        model.fit(told, verbose=0)


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_with_their_origins_are_read_as_their_dense_copy(sparse):
    x, _, lab = cells(20)
    rows = OriginRows(SparseRows(scipy.sparse.csr_matrix(x)) if sparse else x, lab)
    whole, some = with_origins(x, lab), np.array([3, 0, 7])
    assert (len(rows), rows.shape, rows.dtype) == (20, (20, WIDTH + 1), np.float32)
    for pick in (slice(2, 9), some, np.arange(20) % 2 == 0):
        np.testing.assert_array_equal(rows[pick], whole[pick])
        np.testing.assert_array_equal(rows.part(pick)[:], whole[pick])


def test_a_part_of_a_data_set_keeps_its_origins_and_they_count_in_its_fingerprint():
    x, _, lab = cells(20)
    dataset = build(x, None, "a", "b", origins=lab.astype(np.int32))
    np.testing.assert_array_equal(dataset.part(np.array([4, 1])).rows[:], with_origins(x, lab)[[4, 1]])
    assert dataset.observations().origins is dataset.origins
    others = build(x, None, "a", "b", origins=(1 - lab).astype(np.int32))
    assert dataset.fingerprint != others.fingerprint
    assert dataset.fingerprint != build(x, None, "a", "b").fingerprint


def test_clouds_that_an_origin_has_moved_come_together_though_it_has_others(rng):
    """Three clouds; the first origin has none of the last, which most of the second are of."""
    centres = np.array([[0.0, 0, 0], [9, 0, 0], [0, 9, 0]])
    y = np.concatenate([rng.choice(3, 900, p=[0.5, 0.5, 0.0]), rng.choice(3, 600, p=[0.1, 0.3, 0.6])])
    origins = np.repeat([0, 1], [900, 600])
    moved = np.array([1.0, -2.0, 2.5])
    rows = centres[y] + rng.normal(size=(1500, 3)) + moved * origins[:, None]
    found = alignment.shifts(rows.astype("f4"), origins, 2)
    np.testing.assert_allclose(found[1] - found[0], moved, atol=0.5)
    centred = rows[origins == 1].mean(axis=0) - rows[origins == 0].mean(axis=0)
    assert np.abs(centred - moved).max() > 2  # what means of whole origins would take away
    np.testing.assert_allclose(900 * found[0] + 600 * found[1], 0, atol=0.1)  # all rows together stay


def test_an_origin_without_rows_is_not_moved_where_others_are(rng):
    rows = rng.normal(size=(400, 3)).astype("f4") + 3 * (np.arange(400) < 150)[:, None]
    found = alignment.shifts(rows, np.where(np.arange(400) < 150, 2, 0), 4)
    assert np.abs(found[[0, 2]]).min() > 0.3
    np.testing.assert_array_equal(found[[1, 3]], 0)


def test_origins_without_rows_or_alike_are_not_moved(rng):
    rows = rng.normal(size=(400, 3)).astype("f4")
    found = alignment.shifts(rows, np.arange(400) % 2 * 2, 4)
    assert np.abs(found).max() < 0.3
    assert found.shape == (4, 3)


@pytest.mark.long
def test_cells_are_grouped_by_type_and_not_by_lab():
    adata, y, _ = annotated(600)
    told = VaDEClusterer(3, batch="lab", epochs=20, pretrain_epochs=10, random_state=0, **SMALL).fit(adata)
    assert adjusted_rand_score(y, told.labels_) > 0.85
    plain = VaDEClusterer(3, epochs=20, pretrain_epochs=10, random_state=0, **SMALL).fit(adata)
    assert adjusted_rand_score(y, plain.labels_) < 0.6  # or the test would show nothing
    new, kinds, _ = annotated(300, seed=1)
    del new.obs["lab"]
    assert adjusted_rand_score(kinds, told.predict(new)) > 0.85


def test_the_offsets_that_are_learned_are_those_of_the_labs():
    model = recipe.fit(observed(900), Settings(clusters=3, epochs=20, pretrain_epochs=10, **SMALL)).model
    offsets = model.origins.get_weights()[0]
    caught = 1.5 * np.random.default_rng(99).normal(size=(2, WIDTH))
    found, true = offsets[1] - offsets[0], caught[1] - caught[0]
    assert np.corrcoef(found, true)[0, 1] > 0.6  # seeds 0 to 2 have 0.84, 0.80, 0.81


@pytest.mark.long
def test_a_fit_with_origins_that_was_cut_short_goes_on_bit_for_bit():
    dataset, settings = observed(300), Settings(clusters=3, epochs=2, pretrain_epochs=2, **SMALL)
    whole = recipe.fit(dataset, settings).model.get_weights()

    class Stop(keras.callbacks.Callback):
        def __init__(self, after):
            super().__init__()
            self.left = after

        def on_epoch_begin(self, epoch, logs=None):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt

    for after in (1, 3):
        store = Memory()
        with pytest.raises(KeyboardInterrupt):
            recipe.fit(dataset, settings, store=store, callbacks=[Stop(after)])
        for one, other in zip(recipe.fit(dataset, settings, store=store).model.get_weights(), whole, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.long
def test_two_devices_learn_the_offsets_of_one():
    dataset = observed(256)
    fits = [
        recipe.fit(dataset, Settings(clusters=3, epochs=2, pretrain_epochs=2, distribute=kind, **SMALL)).model
        for kind in ("none", "mirrored")
    ]
    assert np.abs(fits[0].origins.get_weights()[0]).max() > 0
    np.testing.assert_allclose(*(model.origins.get_weights()[0] for model in fits), atol=1e-5)


def test_the_model_of_a_chosen_number_keeps_the_offsets_of_the_autoencoder(monkeypatch, eager):
    monkeypatch.setattr(n_clusters, "MOST", 4)  # which number it is, is nothing to the offsets
    fitting = recipe.begin(observed(200), Settings(clusters="auto", pretrain_epochs=2, **SMALL).opening())
    recipe.pretrain(fitting)
    before = fitting.model.origins.get_weights()[0]
    assert np.abs(before).max() > 0
    chosen, choice = recipe.choose(fitting)
    assert chosen.model.prior.n_components == choice.n_clusters
    np.testing.assert_array_equal(chosen.model.origins.get_weights()[0], before)


def test_the_variance_that_a_fit_begins_with_is_that_beside_the_offsets():
    """What the labs differ by is no dispersion; without rows set aside it is that of the rows trained on."""
    fitting = recipe.begin(observed(200), Settings(clusters=3, validation_rows=0, **SMALL))
    model, rows = fitting.model, fitting.data.rows[:]
    offsets = np.random.default_rng(5).normal(size=(2, WIDTH)).astype("f4")
    model.origins.set_weights([offsets])
    out = model.decoder(model.encode(rows)[0]).numpy() + (offsets - offsets.mean(axis=0))[rows[:, -1].astype(int)]
    expected = model.likelihood.variance(tf.constant(rows[:, :-1]), tf.constant(out))
    np.testing.assert_allclose(recipe.reconstruction_variance(fitting), expected, rtol=1e-4)


def test_the_variance_that_a_fit_ends_with_is_that_of_rows_set_aside_beside_their_offsets(eager):
    dataset = observed(300)
    fitted = recipe.fit(dataset, Settings(clusters=3, epochs=2, pretrain_epochs=2, **SMALL))
    numbers = aside.set_aside(300, fitted.settings.validation_rows, 0, None)
    model, rows = fitted.model, dataset.rows[numbers]
    expected = aside.variance(model, rows, aside.noise(model, len(rows), 0))
    assert np.abs(expected - aside.variance(model, rows[:, :-1], aside.noise(model, len(rows), 0))).max() > 1e-3
    np.testing.assert_allclose(np.exp(model.log_sigma2_x.numpy()), np.maximum(expected, MIN_NOISE), rtol=1e-4)


def test_batches_of_rows_that_are_no_counts_are_refused(rng):
    dataset = build(rng.normal(size=(50, 4)), None, "a", "b", origins=(np.arange(50) % 2).astype(np.int32))
    with pytest.raises(InputError, match="batch: goes with counts, got rows that are taken as gaussian"):
        recipe.fit(dataset.observations(), Settings(clusters=2))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("donor", "batch: expected one of the columns .*'lab'.*, got 'donor'"),
        ("one", "batch: expected a column of few values, as of donors or lanes, got 1 different ones for 40 cells"),
        ("all", "batch: expected a column of few values, as of donors or lanes, got 40 different ones for 40 cells"),
        ("holes", "batch: expected a value for every cell in 'holes', got 1 without; give them one, or leave"),
    ],
)
def test_a_column_that_names_no_batches_is_refused(column, message):
    adata, _, _ = annotated(40)
    adata.obs["one"], adata.obs["all"] = "a", [f"c{i}" for i in range(40)]
    adata.obs["holes"] = [None, *["a", "b"] * 19, "a"]
    with pytest.raises(InputError, match=message):
        origins_of(adata, column)


def test_batches_are_numbered_by_their_names():
    adata, _, lab = annotated(40)
    np.testing.assert_array_equal(origins_of(adata, "lab"), lab)  # Leiden, Oslo
    assert origins_of(adata, None) is None


def test_a_column_of_thousands_of_values_names_no_batches_though_each_has_two_cells():
    def cells_of(donors):
        return SimpleNamespace(obs=pandas.DataFrame({"donor": [f"d{i}" for i in range(donors)] * 2}))

    assert len(np.unique(origins_of(cells_of(500), "donor"))) == 500
    with pytest.raises(InputError, match="^batch: expected a column of few values, .* got 2,002 .* in 'donor'"):
        origins_of(cells_of(2002), "donor")


class Enough(Exception):
    """A fit would begin."""


@pytest.mark.parametrize("batch", ["lab", None])
def test_a_clusterer_tells_the_fit_of_the_batches_that_it_was_asked_for(monkeypatch, batch):
    adata, _, lab = annotated(40)
    seen = []

    def fit(data, *given, **more):
        seen.append(data.origins)
        raise Enough

    monkeypatch.setattr(recipe, "fit", fit)
    with pytest.raises(Enough):
        VaDEClusterer(3, batch=batch, **SMALL).fit(adata)
    np.testing.assert_array_equal(seen[0], None if batch is None else lab)


def test_batch_goes_with_annotated_cells_alone(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(5))
    with pytest.raises(InputError, match=r"batch: goes with an .h5ad file, got .*a.npy; leave it out"):
        load_file(str(tmp_path / "a.npy"), batch="lab")
    with pytest.raises(InputError, match="batch: goes with data=FILE.h5ad.*the rows of a step are batch_size=N"):
        TrainConfig.create(batch="128")
    with pytest.raises(InputError, match="layer, genes and batch: expected an AnnData with them, got ndarray"):
        VaDEClusterer(2, batch="lab").fit(np.eye(5))


@pytest.mark.long
def test_a_run_is_told_of_batches_and_new_cells_need_none(tmp_path, capsys):
    adata, _, _ = annotated(300)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    run = tmp_path / "run"
    flags = ["--clusters", "3", "--labels", "kind", "--hidden", "24", "--latent-dim", "3", "--no-export"]
    flags += ["--likelihood", "counts"]
    short = ["--epochs", "10", "--pretrain-epochs", "8", "--precision", "float32"]
    assert (
        main(["train", "--data", str(tmp_path / "cells.h5ad"), "--batch", "lab", *flags, *short, "--out", str(run)])
        == 0
    )
    assert "2 batches, from obs column 'lab'" in capsys.readouterr().out
    assert json.loads((run / "metrics.json").read_text())["ari"] > 0.55  # without --batch about 0.35
    assert main(["evaluate", str(run), "--quiet"]) == 0
    new, _, _ = annotated(50, seed=2)
    del new.obs["lab"]
    new.write_h5ad(tmp_path / "new.h5ad")
    out = tmp_path / "out.csv"
    assert main(["predict", str(run), "--data", str(tmp_path / "new.h5ad"), "--out", str(out)]) == 0
    assert len(pandas.read_csv(out)) == 50
    other = tmp_path / "other"
    assert (
        main(
            [
                "train",
                "--data",
                str(tmp_path / "cells.h5ad"),
                *flags,
                *short,
                "--pretrained",
                str(run),
                "--out",
                str(other),
            ]
        )
        == 2
    )
    assert "pretrained" in capsys.readouterr().err
    again = tmp_path / "again"
    lent = ["--batch", "lab", "--pretrained", str(run), "--out", str(again)]
    assert main(["train", "--data", str(tmp_path / "cells.h5ad"), *flags, *short, *lent]) == 0


def test_a_system_that_knows_no_batches_refuses_them(tmp_path, capsys):
    adata, _, _ = annotated(40)
    adata.write_h5ad(tmp_path / "cells.h5ad")
    flags = ["--batch", "lab", "--clusters", "3", "--model", "ae_kmeans", "--out", str(tmp_path / "run")]
    assert main(["train", "--data", str(tmp_path / "cells.h5ad"), *flags]) == 2
    assert "--batch: expected --model vade, which alone is told of batches" in capsys.readouterr().err
