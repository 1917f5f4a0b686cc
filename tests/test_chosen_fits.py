"""A number of clusters that a fit chooses itself: kept through kills, told to who asks, one for a study; no labels."""

import dataclasses
import json
import re

import numpy as np
import pytest
from sklearn.base import clone
from test_choosing import rows

import vade_tf
from vade_tf import VaDEClusterer
from vade_tf.cli import train as command
from vade_tf.data import pipeline
from vade_tf.errors import InputError
from vade_tf.report import evaluation, page
from vade_tf.runs import restarts, seeds, train
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.systems import registry
from vade_tf.training import choosing, recipe
from vade_tf.training.fitting import begin
from vade_tf.training.reporter import Silent
from vade_tf.training.settings import Settings
from vade_tf.training.store import Memory

SMALL = {"pretrain_epochs": 1, "epochs": 2, "batch_size": 64, "hidden": (8,), "precision": "float32"}
FEW = 75  # rows
TRIED = range(2, 5)


@pytest.fixture(autouse=True, scope="module")
def few_numbers(eager_file, loaded_once):
    """Fewer numbers are tried than would be: what is done with the one that is chosen is asked here."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(choosing, "MOST", TRIED[-1])
        yield


class Killed(Exception):
    pass


class Dying(Memory):
    """A store whose process is killed before it keeps what has this name."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def save(self, name, arrays):
        if name == self.at:
            self.at = ""
            raise Killed
        super().save(name, arrays)


SETTINGS = Settings(clusters="auto", seed=1, guide_epochs=1, **SMALL)


def test_the_rows_are_copied_once_for_the_fit_before_the_choice_and_after_it(monkeypatch):
    copies, hold = [], pipeline.hold
    monkeypatch.setattr(pipeline, "hold", lambda x: copies.append(len(x)) or hold(x))
    vade_tf.fit(rows(3, FEW)[0], SETTINGS)
    assert copies == [FEW]


@pytest.fixture(scope="module")
def x():
    return rows(3, FEW)[0]


@pytest.fixture(scope="module")
def chosen_fit(x):
    return vade_tf.fit(x, SETTINGS)


def equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def test_the_fit_is_the_one_of_that_number(chosen_fit, x):
    assert (chosen_fit.settings.clusters, chosen_fit.choice.sure) == (3, "sure")
    given = vade_tf.fit(x, dataclasses.replace(SETTINGS, clusters=3))
    assert equal(given.model, chosen_fit.model)
    assert given.choice is None


@pytest.mark.parametrize(("likelihood", "kind", "views"), [("gaussian", "table", 1), ("counts", "counts", 3)])
def test_numbers_are_compared_on_what_the_start_will_read(x, monkeypatch, likelihood, kind, views):
    asked = []

    def compared(z, tried, method, seed, read, kind, tell, places):
        asked.append((method, len(read), kind))
        assert places is None
        return np.ones(len(tried)), np.ones(len(tried)), [None] * len(tried)

    monkeypatch.setattr(choosing, "compared", compared)
    settings = dataclasses.replace(SETTINGS, likelihood=likelihood).opening()
    recipe.choose(begin(np.abs(x).round(), settings))
    assert asked == [("landmark", views, kind)]


@pytest.mark.parametrize(
    "at", ["start", *(pytest.param(each, marks=pytest.mark.long) for each in ("clusters", "held"))]
)
def test_a_kill_costs_nothing(chosen_fit, x, at, monkeypatch):
    """Before the choice is kept, between it and the start, and in the training of VaDE."""
    store = Dying(at)
    with pytest.raises(Killed):
        vade_tf.fit(x, SETTINGS, store=store)
    if at != "clusters":  # nothing is compared anew
        monkeypatch.setattr(choosing, "compared", None)
    again = vade_tf.fit(x, SETTINGS, store=store)
    assert equal(again.model, chosen_fit.model)
    assert again.choice == chosen_fit.choice


def test_a_choice_that_is_none_is_named():
    ones = np.ones(len(TRIED))
    right = {"tried": np.array(TRIED), "stability": ones, "strength": ones, "borders": np.array([0.1, 0.2])}
    store = Memory()
    store.save("clusters", right)
    assert choosing.kept_choice(store, FEW) == choosing.chosen(TRIED, ones, ones)
    store.save("clusters", {name: value for name, value in right.items() if name != "borders"})  # of an older version
    assert choosing.kept_choice(store, FEW) == choosing.chosen(TRIED, ones, ones)
    store.save("clusters", right | {"borders": np.array([0.2, 0.2])})
    assert choosing.kept_choice(store, FEW).sure == "not sure"
    for wrong in (
        {"borders": np.ones(3)},
        {"strength": np.ones(2)},
        {"tried": np.arange(len(TRIED))},
        {"stability": np.nan * ones},
    ):
        store.save("clusters", {**right, **wrong})
        with pytest.raises(InputError, match="^store: clusters is damaged"):
            choosing.kept_choice(store, FEW)


def test_who_hears_of_it(chosen_fit, rng):
    said = []

    class Reporter(Silent):
        def say(self, text):
            said.append(text)

        def phase(self, name, steps):
            done = [0]

            def advance(more, text):
                done[0] += more
                if done[0] == steps:
                    said.append(name)

            return advance

    fitted = vade_tf.fit(rng.normal(size=(60, 4)), Settings(clusters="auto", **SMALL), reporter=Reporter())
    k = fitted.settings.clusters
    at = said.index("clusters")
    assert said[at - 1] == "pretrain"
    assert said[at + 1].startswith(f"{k} clusters, not sure: no K from 2 to 4 gives groups")
    assert fitted.health[0].startswith(f"{k} clusters are a guess")
    assert not any("guess" in text for text in chosen_fit.health)


def test_what_does_not_go_with_it(x):
    with pytest.raises(InputError, match="^hints: name groups of a known number of clusters; use clusters=K"):
        vade_tf.fit(x, Settings(clusters="auto"), hints=np.zeros(len(x), int))
    with pytest.raises(InputError, match="^hints: name groups"):
        TrainConfig(clusters="auto", hints="hints.npy")
    with pytest.raises(InputError, match="^hints: name groups"):
        VaDEClusterer("auto").fit(x, hints=np.zeros(len(x), int))
    with pytest.raises(InputError, match="^clusters: 'auto' needs at least 10 rows, got 9"):
        vade_tf.fit(x[:9], Settings(clusters="auto"))
    with pytest.raises(InputError, match="^n_clusters: expected a whole number of at least 1, or auto, got 'some'"):
        VaDEClusterer("some").fit(x)
    with pytest.raises(InputError, match="^clusters: expected a number, which model='dec' needs, got 'auto'"):
        TrainConfig(clusters="auto", model="dec")
    for direct in (begin, lambda *given: registry.fit("dec", *given)):
        with pytest.raises(InputError, match="^clusters: expected a number, got 'auto', which goes with fit of VaDE"):
            direct(x, Settings(clusters="auto"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    x, y = rows(3, FEW)
    folder = tmp_path_factory.mktemp("data")
    np.savez(folder / "named.npz", x=x, y=y)
    np.savez(folder / "mixed.npz", x=x, y=np.roll(y, 7) % 2)
    return folder


@pytest.mark.long
def test_a_run_from_the_command_line(data, tmp_path, monkeypatch, capsys):
    """Labels, if other ones are there, change nothing that is chosen or trained."""
    small = ["--clusters", "auto", "--pretrain-epochs", "2", "--epochs", "2", "--hidden", "16,8", "--no-export"]
    for name in ("named", "mixed"):
        assert command.main(["--data", str(data / f"{name}.npz"), *small, "--out", str(tmp_path / name)]) == 0
    one, other = Run.open(tmp_path / "named"), Run.open(tmp_path / "mixed")
    assert one.config.clusters == other.config.clusters == one.metrics["n_clusters"] == 3
    assert one.metrics["choice"] == other.metrics["choice"]
    assert one.metrics["elbo"] == other.metrics["elbo"]
    assert one.metrics["acc"] != other.metrics["acc"]
    assert "3 clusters, sure: the largest K whose groups" in capsys.readouterr().out
    monkeypatch.setattr(evaluation, "IWAE_ROWS", 2)
    evaluated = evaluation.evaluate_run(one.path)
    assert evaluated.result["choice"] == one.metrics["choice"]
    page.show(evaluated.result)
    sentence = f"Number of clusters: chosen, 3, sure: {one.metrics['choice']['why']}"
    assert sentence in capsys.readouterr().out
    text = page.page(evaluated.result, {}, evaluated.training, [], "a command")
    assert sentence in text
    for k, strength in zip(one.metrics["choice"]["tried"], one.metrics["choice"]["strength"], strict=True):
        assert re.search(rf'<td class="number">{k}</td><td class="number">[01]\.\d+</td>.*>{strength:.3f}</td>', text)
    values = json.loads((one.path / "metrics.json").read_text())
    (one.path / "metrics.json").write_text(json.dumps({**values, "choice": {"n_clusters": 3}}))
    with pytest.raises(InputError, match="metrics.json is missing or damaged .choice"):
        _ = one.metrics
    assert command.main(["--data", "rows.npy", "--clusters", "many"]) == 2
    assert "--clusters: expected a number, or a range such as 5:20 or 5:20:5, or auto" in capsys.readouterr().err


@pytest.mark.long
def test_a_run_that_ends_between_its_last_two_files_keeps_the_choice(data, tmp_path, monkeypatch):
    config = TrainConfig(data=str(data / "named.npz"), clusters="auto", **SMALL)
    with monkeypatch.context() as patched:
        patched.setattr(Run, "finish", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            train.train(config, tmp_path / "run", export=False)
    assert Run.open(tmp_path / "run").config.clusters == 3
    monkeypatch.setattr(choosing, "compared", None)
    assert train.resume(tmp_path / "run", export=False)["choice"]["n_clusters"] == 3


@pytest.mark.parametrize("study", [seeds.train_seeds, pytest.param(restarts.train_restarts, marks=pytest.mark.long)])
def test_the_first_run_of_several_chooses_for_all(data, tmp_path, study, monkeypatch):
    calls, compared = [], choosing.compared
    monkeypatch.setattr(choosing, "compared", lambda *given: calls.append(given) or compared(*given))
    config = TrainConfig(data=str(data / "named.npz"), clusters="auto", **SMALL)
    result = study(config, tmp_path / "out", 2, export=False)
    runs = [Run.open(file.parent) for file in (tmp_path / "out").glob("*/config.json")]
    assert [run.config.clusters for run in runs] == [3, 3]
    assert len(calls) == 1
    first = result["runs"][0] if "runs" in result else result
    assert first["choice"]["n_clusters"] == 3


def test_the_estimator_says_the_number(tmp_path, x):
    model = VaDEClusterer("auto", random_state=0, **SMALL)
    assert clone(model).get_params()["n_clusters"] == "auto"
    model.fit(x)
    assert (model.n_clusters, model.n_clusters_) == ("auto", 3)
    assert model.predict_proba(x).shape == (FEW, 3)
    model.save(tmp_path / "model")
    again = VaDEClusterer.load(tmp_path / "model")
    assert (again.n_clusters, again.n_clusters_) == ("auto", 3)
    assert VaDEClusterer(2, random_state=0, **{**SMALL, "init": "kmeans"}).fit(x).n_clusters_ == 2


def test_settings_keep_the_word():
    config = TrainConfig(data="x.npy", clusters="auto")
    assert TrainConfig.of(json.loads(config.to_json())) == config
    assert (config.opening().clusters, dataclasses.replace(config, clusters=4).opening().clusters) == (1, 4)
