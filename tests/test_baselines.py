"""Every system, from rows to a run folder that loads; DEC's assignments, what can generate, and the registry."""

import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.mixture import GaussianMixture

from vade_tf import metrics, systems
from vade_tf.data.files import load_file
from vade_tf.errors import InputError
from vade_tf.report import evaluation, files, page
from vade_tf.runs import train as training
from vade_tf.runs.config import MODELS, TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.load import load
from vade_tf.systems import dec, models, registry
from vade_tf.training import posterior
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings

pytestmark = pytest.mark.usefixtures("loaded_once")

OTHERS = [name for name in systems.SYSTEMS if name != "dec_da"]  # which is of images alone: test_systems_images.py
GENERATIVE = {"gmm", "ae_gmm", "vae_gmm", "gmvae"}
SMALL = {
    "clusters": 3,
    "batch_size": 64,
    "pretrain_epochs": 15,
    "epochs": 10,
    "latent_dim": 3,
    "hidden": (64, 32),
    "learning_rate": 1e-2,
    "precision": "float32",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """240 rows of three groups that any method must find, with labels: the path of an .npz."""
    r = np.random.default_rng(0)
    y = np.arange(240) % 3
    x = np.repeat(np.eye(3), 4, axis=1)[y] * 12 + r.normal(size=(240, 12))
    file = tmp_path_factory.mktemp("data") / "groups.npz"
    np.savez(file, x=x.astype("f4"), y=y)
    return str(file)


@pytest.fixture(scope="module")
def vade_run(data, tmp_path_factory):
    """A VaDE run whose autoencoder the others start from."""
    out = tmp_path_factory.mktemp("vade") / "run"
    training.train(TrainConfig.create(data=data, **SMALL), out, export=False)
    return out


@pytest.fixture(scope="module")
def trained(data, vade_run, tmp_path_factory):
    """Run folder of each system."""
    folder = tmp_path_factory.mktemp("systems")
    for name in OTHERS:
        shared = {"pretrained": str(vade_run)} if systems.SYSTEMS[name].pretrains else {}
        training.train(TrainConfig.create(data=data, model=name, **SMALL, **shared), folder / name)
    return folder


@pytest.fixture(scope="module")
def loaded(trained):
    """The model each run folder gives back."""
    return {name: load(trained / name) for name in OTHERS}


@pytest.mark.parametrize("name", OTHERS)
def test_a_system_finds_the_groups_and_its_run_folder_gives_it_back(name, trained, loaded, data):
    model, dataset = loaded[name], load_file(data, None, "auto")
    probabilities = model.predict(dataset.x, verbose=0)
    assert probabilities.shape == (240, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    kept = json.loads((trained / name / "metrics.json").read_text())
    assert kept["model"] == name
    assert kept["acc"] == metrics.accuracy(dataset.y, probabilities.argmax(axis=1))
    if name != "gmvae":  # nothing makes 40 updates of a GMVAE find groups
        assert kept["acc"] == 1
    assert (kept["elbo"] is not None) == (name == "gmvae")
    assert not (trained / name / "export").exists()


def test_every_system_that_is_named_has_its_function():
    assert list(registry.FUNCTIONS) == list(systems.SYSTEMS)
    assert ("vade", *systems.SYSTEMS) == MODELS
    with pytest.raises(InputError, match="^system: expected one of kmeans, gmm, .*, got 'som'"):
        registry.fit("som", np.ones((9, 2)), Settings(clusters=2))


@pytest.mark.parametrize("name", ["kmeans", "ae_kmeans"])
def test_a_system_is_fitted_in_memory_as_in_a_run_folder(name, loaded, data):
    x, settings = np.load(data)["x"], {key: value for key, value in SMALL.items() if key != "epochs"}
    fitted = registry.fit(name, x, Settings(**settings))
    np.testing.assert_array_equal(fitted.model.predict(x, verbose=0), loaded[name].predict(x, verbose=0))
    assert {row["phase"] for row in fitted.history} == (set() if name == "kmeans" else {"pretrain"})


@pytest.mark.parametrize("name", ["kmeans", "gmm", "ae_gmm", "gmvae"])  # each kind of head
def test_evaluate_works_on_other_systems(name, trained, tmp_path):
    evaluated = evaluation.evaluate_run(trained / name)
    result = evaluated.result
    assert result["acc"] == json.loads((trained / name / "metrics.json").read_text())["acc"]
    assert (result["most_confident_acc"] is None) == (name == "kmeans")  # whose rows are all equally sure
    assert result["elbo"] is None
    assert np.isfinite(result["gamma_entropy"])  # k-means has log probabilities of -inf
    page.show(result)
    files.write(evaluated, tmp_path, "command")
    assert {"code", "confusion", "features"} <= {file.stem for file in (tmp_path / "figures").iterdir()}
    assert name in (tmp_path / "report.html").read_text().lower()


def test_systems_stand_beside_vade_in_one_comparison(trained, vade_run, tmp_path, capsys):
    evaluated = {str(p): evaluation.evaluate_run(p) for p in (vade_run, trained / "dec")}
    results = {name: each.result for name, each in evaluated.items()}
    page.show_comparison(results)
    assert files.write_comparison(results, {n: e.history for n, e in evaluated.items()}, tmp_path).exists()
    assert results[str(vade_run)]["elbo"] is not None


@pytest.mark.parametrize("name", OTHERS)
def test_what_has_no_generative_model_says_so(name, loaded, data):
    model = loaded[name]
    clusters = model.predict(np.load(data)["x"], verbose=0)[:3].argmax(axis=1)  # of labels 0, 1, 2
    if name in GENERATIVE:
        drawn = np.asarray(model.sample(np.repeat(clusters, 200), seed=1))
        assert drawn.shape == (600, 12)
        np.testing.assert_array_equal(drawn, model.sample(np.repeat(clusters, 200), seed=1))
        with pytest.raises(ValueError, match="clusters: expected whole numbers from 0 to 2"):
            model.sample([3])
        if name != "gmvae":  # the rows drawn for a cluster are high where the rows of its label are
            means = drawn.reshape(3, 200, 3, 4).mean(axis=(1, 3))
            np.testing.assert_array_equal(means.argmax(axis=1), [0, 1, 2])
    else:
        with pytest.raises(InputError, match=f"^{name} has no generative model: it cannot sample; use model='vade'$"):
            model.sample(clusters)


def test_systems_share_the_autoencoder_of_a_run(trained, loaded, vade_run):
    theirs = Run.open(vade_run).load("pretrained")
    for name in ("ae_gmm", "dec"):
        mine = Run.open(trained / name).load("pretrained")
        assert mine.keys() == theirs.keys()
        for number, weight in theirs.items():
            np.testing.assert_array_equal(mine[number], weight)
    a, b = (posterior.assignments(loaded[name], np.ones((4, 12), "f4")).m for name in ("ae_kmeans", "ae_gmm"))
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "som"}, "^model: expected one of vade, kmeans, gmm,"),
        (
            {"model": "dec", "hints": "h.npy"},
            "^hints: expected model='vade', which alone takes known groups, got 'dec'",
        ),
        ({"model": "kmeans", "pretrained": "runs/x"}, "^pretrained: kmeans does not start from an autoencoder"),
    ],
)
def test_settings_that_mean_nothing_to_a_system_are_refused(settings, message, data, tmp_path):
    if "hints" in settings:
        np.save(tmp_path / "h.npy", np.zeros(240, "i4"))
        settings = {**settings, "hints": str(tmp_path / "h.npy")}
    with pytest.raises(InputError, match=message):
        training.train(TrainConfig.create(data=data, clusters=3, **settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.long
@pytest.mark.parametrize("name", ["dec", "idec"])
def test_a_resumed_run_keeps_its_pretraining_and_ends_with_the_same_weights(
    name, data, vade_run, tmp_path, monkeypatch
):
    """Four updates an epoch. Stopped after the target of update 18, when the state is still that of update 16."""

    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    monkeypatch.setattr(dec, "UPDATES", 6)
    monkeypatch.setattr(dec, "TOLERANCE", 0.0)
    monkeypatch.setattr("vade_tf.training.callbacks.SAVE_SECONDS", 0)
    settings = {**SMALL, "epochs": 6, "pretrained": str(vade_run)}
    config = TrainConfig.create(data=data, model=name, **settings)
    training.train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        training.train(config, tmp_path / "run", extra=[Stop()])
    monkeypatch.setattr(training, "pretrained_by", None)  # what was taken from another run is kept
    result = training.resume(tmp_path / "run")
    assert result["epochs"]["fit"] == 6
    for mine, theirs in zip(*(load(tmp_path / each).get_weights() for each in ("run", "whole")), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    with (tmp_path / "run" / "metrics.csv").open(newline="") as lines:
        assert [int(row["epoch"]) for row in csv.DictReader(lines)] == list(range(1, 7))


def test_dec_stops_when_the_groups_stand_still_says_so_and_does_not_go_on_after_a_kill(
    data, vade_run, tmp_path, monkeypatch
):
    """The groups are those of the labels from the start: the first target after it ends the training."""

    class Listens(Silent):
        def say(self, text):
            said.append(text)

    def killed(model, path):
        stopped.extend(model.get_weights())
        raise KeyboardInterrupt

    said, stopped, save_model = [], [], training.save_model
    monkeypatch.setattr(dec, "UPDATES", 6)  # one and a half epochs
    monkeypatch.setattr("vade_tf.training.callbacks.SAVE_SECONDS", 0)
    config = TrainConfig.create(data=data, model="dec", **SMALL, pretrained=str(vade_run))
    monkeypatch.setattr(training, "save_model", killed)
    with pytest.raises(KeyboardInterrupt):
        training.train(config, tmp_path / "run", reporter=Listens())
    monkeypatch.setattr(training, "save_model", save_model)
    assert said == ["dec: fewer than 0.1% of the rows changed their group; stopped after 6 updates"]
    assert training.resume(tmp_path / "run")["epochs"]["fit"] == 2
    for mine, theirs in zip(load(tmp_path / "run").get_weights(), stopped, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_the_target_is_made_anew_after_every_so_many_updates(data, vade_run, tmp_path, monkeypatch):
    """Four updates an epoch; eq. 3 written out, on what the network says of all rows at that moment."""

    class Looks(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.look()

        def on_train_batch_end(self, batch, logs=None):
            self.look()

        def look(self):
            q = self.model.predict(x, verbose=0).astype("f8")
            weight = q**2 / q.sum(axis=0)
            fresh = weight / weight.sum(axis=1, keepdims=True)
            new.append(bool(np.allclose(self.model.p.numpy(), fresh, rtol=1e-4, atol=1e-6)))

    x, new = np.load(data)["x"], []
    monkeypatch.setattr(dec, "UPDATES", 3)
    monkeypatch.setattr(dec, "TOLERANCE", 0.0)
    config = TrainConfig.create(data=data, model="dec", **{**SMALL, "epochs": 2}, pretrained=str(vade_run))
    training.train(config, tmp_path / "run", extra=[Looks()])
    assert [updates for updates, fresh in enumerate(new) if fresh] == [0, 3, 6]


def test_a_row_is_drawn_to_its_own_target(rng):
    """The loss of rows 4, 0 and 2 is their mean KL(p || q), in whatever order they come."""
    q, x = rng.dirichlet(np.ones(3), 5).astype("f4"), keras.Input((3,))
    model = dec.SelfTraining(x, keras.layers.Softmax()(x), n=5, form=lambda x, p: p)
    model.compile(loss="kl_divergence")
    assert model.aim(q) == np.mean(q.argmax(axis=1) != 0)
    assert model.aim(q) == 0
    assert model.aim(np.full_like(q, np.nan)) == 1  # which is no rest
    assert model.aim(q) == 0
    rows, now = np.array([4, 0, 2]), rng.dirichlet(np.ones(3), 3).astype("f4")
    p = dec.target(q)[rows]
    expected = np.mean(np.sum(p * np.log(p / now), axis=1))
    np.testing.assert_allclose(model.compute_loss(None, tf.constant(rows), tf.constant(now)), expected, rtol=1e-4)


@pytest.mark.parametrize(("rows", "updates"), [(70_000, 73 * 274), (7_674, 75 * 9 * 30), (1_797, 79 * 32 * 8)])
def test_dec_and_idec_have_the_updates_of_their_code_in_whole_epochs(rows, updates):
    """20,000, at batches of 256; `epochs` says otherwise. Epochs of few rows are several passes."""
    for name in ("dec", "idec"):
        settings = TrainConfig(model=name, clusters=10).resolve(rows)
        assert settings.epochs * settings.passes * -(-rows // 256) == updates
        assert TrainConfig(model=name, clusters=10, epochs=3).resolve(rows).epochs == 3


@pytest.mark.parametrize("name", ["gmm", "vae_gmm"])
def test_a_mixture_of_one_row_is_refused_before_anything_is_trained(name, tmp_path):
    np.save(tmp_path / "one.npy", np.ones((1, 12), "f4"))
    config = TrainConfig.create(data=str(tmp_path / "one.npy"), model=name, **{**SMALL, "clusters": 1})
    with pytest.raises(InputError, match=f"^x: {name} fits a Gaussian mixture to at least 2 rows, got 1"):
        training.train(config, tmp_path / "run")


def test_dec_assigns_by_a_student_t_kernel(rng):
    """Xie et al., eq. 1, written out; far away too, where a Gaussian kernel is 0/0."""
    z, mu = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    z[0] += 1e4
    head = models.StudentT(4, 3)
    head.mu.assign(mu)
    expected = np.array([[1 / (1 + np.sum((a - b) ** 2)) for b in mu] for a in z])
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(np.exp(head(z)), expected, rtol=1e-4)


def test_dec_sharpens_towards_small_clusters(rng):
    """Xie et al., eq. 3, element by element."""
    q = rng.dirichlet(np.ones(4), 6)
    expected = np.empty((6, 4))
    for i in range(6):
        weights = [q[i, c] ** 2 / sum(q[j, c] for j in range(6)) for c in range(4)]
        expected[i] = [w / sum(weights) for w in weights]
    np.testing.assert_allclose(dec.target(q.astype("f4")), expected, rtol=1e-5)
    even = np.full((3, 2), 0.5, "f4")
    np.testing.assert_allclose(dec.target(even), even)


def test_full_gaussians_are_scikit_learns(rng):
    z = rng.normal(size=(200, 3)) @ rng.normal(size=(3, 3)) + np.repeat(np.eye(4, 3) * 6, 50, axis=0)
    mixture = GaussianMixture(4, random_state=0).fit(z)
    head = models.FullGaussians.of(mixture)
    np.testing.assert_allclose(np.exp(head(z)), mixture.predict_proba(z), atol=1e-4)
    drawn = np.asarray(head.draw(np.full(20_000, 2), rng.normal(size=(20_000, 3)).astype("f4")))
    np.testing.assert_allclose(drawn.mean(axis=0), mixture.means_[2], atol=0.1)
    np.testing.assert_allclose(np.cov(drawn.T), mixture.covariances_[2], rtol=0.1, atol=0.1)


def test_both_accuracy_rules_on_a_case_by_hand():
    """Three clusters, three labels, counts ((4, 1, 0), (0, 2, 1), (0, 3, 1)) of 12 rows.

    One to one: 4 + (1 or 2) + (3 or 1): the best is 0-0, 2-1, 1-2 with 4 + 3 + 1 = 8. By the surest member: cluster 0
    is label 1 (1 right), cluster 1 is label 1 (2), cluster 2 is label 1 (3), so 6.
    """
    groups = np.repeat([0, 1, 2], [5, 3, 4])
    y = np.array([0, 0, 0, 0, 1, 1, 1, 2, 1, 1, 1, 2])
    confidence = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.5, 0.6, 0.5, 0.9, 0.6, 0.8])
    assert metrics.accuracy(y, groups) == 8 / 12
    assert metrics.most_confident_accuracy(y, groups, confidence) == 6 / 12


def test_a_code_that_is_no_row_is_not_decoded(loaded, data):
    with np.load(data) as arrays:
        x = arrays["x"][:4]
    np.testing.assert_allclose(loaded["kmeans"].decode(loaded["kmeans"].assignments(x)[0]), loaded["kmeans"].scale(x))
    with pytest.raises(InputError, match="dec has no decoder: no rows are made of its codes"):
        loaded["dec"].decode(loaded["dec"].assignments(x)[0])
