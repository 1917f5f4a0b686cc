"""Groups of images that a classifier learns, and moves to where its answers stay the same."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist
from scipy.special import rel_entr, softmax
from scipy.stats import entropy
from small_fits import begin

from vade_tf.cli.main import main
from vade_tf.data.observing import observe
from vade_tf.errors import InputError
from vade_tf.model import choice
from vade_tf.training import given, guidance, partitions, selftraining
from vade_tf.training import settings as lengths
from vade_tf.training.reporter import Silent
from vade_tf.training.selftraining import Classifier, sharpened
from vade_tf.training.store import State


def one_hot(groups):
    """P of groups that are known, float16 [n, 3]."""
    return np.eye(3, dtype=np.float16)[groups]


class Texts(Silent):
    """Keeps the texts of the progress."""

    def __init__(self, told):
        self.told = told

    def phase(self, name, steps):
        return lambda done, text: self.told.append(text)


class Weights(keras.callbacks.Callback):
    """Keeps the weight of the groups in each epoch."""

    def __init__(self):
        super().__init__()
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(float(self.model.guide_weight.numpy()))


SETTINGS = {"self_train_epochs": 12, "hidden": (16,), "augment": "digits", "network": "dense", "regroups": 2}


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    monkeypatch.setattr(selftraining, "UNITS", 64)


@pytest.fixture
def bars(rng):
    """Bars of three directions, at a place of their own: uint8 [300, 12, 12], and which it is."""
    kind = np.arange(300) % 3
    images = rng.integers(0, 60, (300, 12, 12), dtype=np.uint8)
    for image, which in zip(images, kind, strict=True):
        at = rng.integers(4, 8)
        if which == 0:
            image[2:10, at] = 255
        elif which == 1:
            image[at, 2:10] = 255
        else:
            image[np.arange(2, 10), np.arange(2, 10)] = 255
    return images, kind


def test_wrong_groups_of_a_few_images_are_put_right(bars, rng, monkeypatch):
    images, kind = bars
    groups = np.where(rng.random(300) < 0.15, (kind + 1) % 3, kind).astype("i4")
    assert np.mean(groups == kind) < 0.9
    usual, agreement, agreed = selftraining.ALIKE, selftraining.adjusted_rand_score, []
    monkeypatch.setattr(selftraining, "adjusted_rand_score", lambda *of: agreed.append(agreement(*of)) or agreed[-1])
    monkeypatch.setattr(selftraining, "ALIKE", 0.5)
    told = []
    fitting = begin(images, **SETTINGS, reporter=Texts(told))
    found = sharpened(fitting, one_hot(groups))
    assert (found.dtype, found.shape) == (np.float16, (300, 3))
    np.testing.assert_allclose(found.sum(axis=1, dtype="f8"), 1, atol=2e-3)
    assert np.mean(found.argmax(axis=1) == kind) > 0.97  # under the names that the groups have
    assert agreed[0] < usual  # as many would move, the groups would else stay though the move is right
    losses = [float(text.split("loss ")[1]) for text in told]
    assert told[-1].startswith("epoch 14/14, ")
    assert losses[0] > losses[1] > 0.1  # cross-entropy of groups of which some are wrong


def test_the_same_seed_gives_the_same_groups(bars, monkeypatch, eager):
    """After so few steps that other random numbers give others."""
    images, P = bars[0][:60], one_hot(np.arange(60) % 5 % 3)
    monkeypatch.setattr(selftraining, "ALIKE", -1.0)
    one, same, other = (
        sharpened(begin(images, **{**SETTINGS, "self_train_epochs": 1}, seed=seed), P) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_what_the_answers_are_asked(rng):
    """To be the same under both changes, to be sure and to have the shares of the groups: the rows are logits here."""
    classifier = Classifier(lambda x: x, np.array([0.6, 0.2, 0.2]), 0.5, 0, "float32")
    classifier.compile(keras.optimizers.Adam())
    classifier.log_answers = lambda x, training=True: tf.nn.log_softmax(x)
    x, view = (3 * rng.normal(size=(50, 3)).astype("f4") for _ in range(2))
    p, seen, changed = (softmax(np.asarray(each, "f8"), axis=1) for each in (x, view, x + classifier._adversarial(x)))
    mean = p.mean(axis=0)
    expected = (rel_entr(p, seen) + rel_entr(p, changed)).sum() / 50
    expected += 0.1 * (4 * rel_entr(mean, [0.6, 0.2, 0.2]).sum() + entropy(p, axis=1).mean())
    assert float(classifier._following(view, x)) == pytest.approx(expected, rel=1e-4)


def test_answers_about_images_as_they_are_teach_and_are_not_taught(rng, monkeypatch):
    """Nor is the change of pixels: the gradients are those of the changed images' own logits."""
    monkeypatch.setattr(selftraining, "INFORMATION", 0.0)
    classifier = Classifier(lambda x: x, np.full(3, 1 / 3), 0.5, 0, "float32")
    classifier.compile(keras.optimizers.Adam())
    classifier.log_answers = lambda x, training=True: tf.nn.log_softmax(x)
    x, view = (tf.constant(3 * rng.normal(size=(50, 3)), tf.float32) for _ in range(2))
    p, seen, changed = (softmax(np.asarray(each), axis=1) for each in (x, view, x + classifier._adversarial(x)))
    with tf.GradientTape() as tape:
        tape.watch([x, view])
        loss = classifier._following(view, x)
    for found, want in zip(tape.gradient(loss, [x, view]), (changed - p, seen - p), strict=True):
        np.testing.assert_allclose(found, want / 50, atol=1e-6)


def test_its_rate_falls_from_the_epoch_on_in_which_it_follows_its_own_answers(bars, monkeypatch):
    rates = []

    class Noted(Classifier):
        def fit(self, *given, callbacks, **more):
            note = keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs: rates.append(float(self.optimizer.learning_rate))
            )
            return super().fit(*given, callbacks=[*callbacks, note], **more)

        def train_step(self, data):
            return {"loss": tf.constant(1.0)}

    monkeypatch.setattr(selftraining, "Classifier", Noted)
    sharpened(begin(bars[0][:60], **{**SETTINGS, "self_train_epochs": 4}), one_hot(bars[1][:60]))
    cosine = 0.5 * (1 + np.cos(np.pi * (np.arange(4) + 0.5) / 4))
    np.testing.assert_allclose(rates, [2e-3, 2e-3, *2e-3 * (0.05 + 0.95 * cosine)], rtol=1e-5)


def test_groups_of_unequal_size_stay(bars, monkeypatch):
    images, kind = bars
    monkeypatch.setattr(selftraining, "ALIKE", 0.5)  # what is asked is how many stay
    some = np.concatenate([np.flatnonzero(kind == 0), np.flatnonzero(kind == 1)[:30]])
    P = one_hot(kind[some])[:, :2]
    found = sharpened(begin(images[some], **{**SETTINGS, "clusters": 2}), P)
    assert np.mean(found.argmax(axis=1) == kind[some]) > 0.97


def test_p_is_taught_by_its_cross_entropy(rng):
    classifier = Classifier(lambda x: x, np.full(3, 1 / 3), 0.5, 0, "float32")
    classifier.log_answers = lambda x, training=True: tf.nn.log_softmax(x)
    view, P = rng.normal(size=(20, 3)).astype("f4"), rng.dirichlet(np.ones(3), 20).astype("f2")
    expected = -np.sum(P.astype("f8") * np.log(softmax(view, axis=1)), axis=1).mean()
    assert float(classifier._taught(view, P)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("rate", [1e30, 30.0], ids=["not finite", "other groups"])
def test_groups_that_the_classifier_loses_stay_as_they_were(bars, monkeypatch, rate, eager):
    said = []
    fitting = begin(bars[0][:120], **{**SETTINGS, "self_train_epochs": 1}, reporter=Texts([]))
    monkeypatch.setattr(fitting.reporter, "say", said.append)
    monkeypatch.setattr(selftraining, "RATE", rate)
    assert sharpened(fitting, one_hot(np.arange(120) // 40)) is None  # groups that no image tells
    assert len(said) == (rate < 1e9)


@pytest.mark.parametrize(("agreement", "taken"), [(0.89, False), (0.91, True)])
def test_groups_are_taken_that_agree_with_those_before_by_nine_tenths(bars, monkeypatch, agreement, taken):
    images, P = bars[0][:60], one_hot(bars[1][:60])
    monkeypatch.setattr(Classifier, "fit", lambda *given, **more: None)
    monkeypatch.setattr(selftraining, "adjusted_rand_score", lambda *given: agreement)
    assert (sharpened(begin(images, **SETTINGS), P) is not None) == taken


def test_a_change_of_pixels_is_of_its_length_and_matters_more_than_another(rng):
    share = np.full(3, 1 / 3)
    classifier = Classifier(lambda x: x, share, 0.5, 0, "float32")
    classifier.compile(keras.optimizers.Adam())
    x = rng.normal(size=(64, 20)).astype("f4")
    classifier(x)
    change = classifier._adversarial(x).numpy()
    np.testing.assert_allclose(np.linalg.norm(change, axis=1), 0.5, rtol=1e-4)
    other = rng.normal(size=x.shape).astype("f4")
    other *= 0.5 / np.linalg.norm(other, axis=1, keepdims=True)

    def moved(by):
        p, q = (np.exp(classifier.log_answers(rows).numpy().astype("f8")) for rows in (x, x + by))
        return np.sum(p * np.log(p / q))

    assert moved(change) > 1.5 * moved(other)


@pytest.mark.parametrize("radius", [0.1, 2.0])
def test_the_first_guess_is_no_farther_than_a_few_such_changes(radius, rng):
    """10 on MNIST, as published: on images of 64 pixels that is farther than any image lies from another."""
    classifier, asked = Classifier(lambda x: x, np.full(3, 1 / 3), radius, 0, "float32"), []
    classifier.compile(keras.optimizers.Adam())

    def answers(x, training=True):
        asked.append(x)
        return tf.nn.log_softmax(x)

    classifier.log_answers = answers
    x = rng.normal(size=(8, 3)).astype("f4")
    classifier._adversarial(x)
    np.testing.assert_allclose(np.linalg.norm(asked[1] - x, axis=1), 6.4 * radius, rtol=1e-4)


def test_the_radius_is_a_quarter_of_the_distance_to_the_tenth_neighbour():
    """Images of one bright pixel that takes every value: the tenth neighbour of all but those at the ends is 5 away."""
    images = np.zeros((200, 3, 3), np.float32)
    images[:, 1, 1] = np.arange(200) / 255
    fitting = begin(images, **{**SETTINGS, "likelihood": "bernoulli"})
    assert selftraining.radius_of(fitting) == pytest.approx(0.25 * 5 / 255, rel=1e-3)


def test_it_is_the_tenth_neighbour_and_no_other(rng):
    rows = rng.random((60, 9)).astype("f4")
    fitting = begin(rows.reshape(60, 3, 3), **{**SETTINGS, "likelihood": "bernoulli"})
    want = 0.25 * np.median(np.sort(cdist(rows, rows), axis=1)[:, 10])
    assert selftraining.radius_of(fitting) == pytest.approx(want, rel=1e-3)


def test_of_large_images_fewer_are_measured(rng, monkeypatch):
    """So many numbers at most, for memory; but as many rows as the neighbour asks for."""
    measured = []

    class Noted(selftraining.NearestNeighbors):
        def fit(self, rows):
            measured.append(rows.shape)
            return super().fit(rows)

    monkeypatch.setattr(selftraining, "NearestNeighbors", Noted)
    fitting = begin(rng.random((60, 3, 3)).astype("f4"), **{**SETTINGS, "likelihood": "bernoulli"})
    for numbers in (9 * 20, 9):
        monkeypatch.setattr(selftraining, "SAMPLE_NUMBERS", numbers)
        selftraining.radius_of(fitting)
    assert measured == [(20, 9), (11, 9)]


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("lost", [False, True], ids=["moved", "lost"])
@pytest.mark.parametrize("hinted", [False, True], ids=["", "hints"])
def test_the_last_groups_found_anew_are_moved_and_weigh_more_or_stay_as_they_are(bars, monkeypatch, lost, hinted):
    images, kind = (each[:60] for each in bars)
    seen, moved = Weights(), []
    hints = np.where(np.arange(60) < 9, kind, -1) if hinted else None
    fitting = begin(images, hints, **{**SETTINGS, "epochs": 4, "guide_epochs": 3}, callbacks=[seen])

    def sharpen(fitting, P):
        moved.append(P)
        return None if lost else np.roll(P, 1, axis=1)

    monkeypatch.setattr(partitions, "regrouped", lambda fitting: one_hot(np.zeros(60, int)))
    monkeypatch.setattr(selftraining, "sharpened", sharpen)
    held = guidance.guide(fitting, one_hot(np.full(60, 2)))
    assert (len(moved), np.unique(held.argmax(axis=1)).tolist()) == (1, [0 if lost else 1])
    assert seen.weights == [20.0, 20.0, 20.0 if lost else 100.0, 20.0 if hinted else 0.0]
    assert int(fitting.store.load("partition")["epoch"]) == 2
    resumed = dataclasses.replace(fitting, state=State.load(fitting.store))
    np.testing.assert_array_equal(guidance.guide(resumed, one_hot(np.zeros(60, int))), held)
    assert len(moved) == 1


@pytest.mark.parametrize(
    ("shape", "values", "expected"),
    [
        ((32, 32), np.uint8, True),
        ((32, 20, 1), np.uint8, True),
        ((33, 8), np.uint8, False),
        ((8, 33), np.uint8, False),
        ((8, 8, 3), np.uint8, False),
        ((64,), np.uint8, False),
    ],
)
def test_small_grey_images_are_sharpened_by_default(shape, values, expected):
    data = observe(np.ones((3, *shape), values), "auto")
    assert given.sharpens(data, choice.choose(data)) is expected


def test_images_that_are_counts_are_not_sharpened():
    counted = observe(np.arange(27, dtype=np.float32).reshape(3, 3, 3), "counts")
    assert not given.sharpens(counted, choice.choose(counted))


@pytest.mark.long
def test_a_run_writes_down_that_it_sharpens_and_how_long(tmp_path, monkeypatch):
    """Of 60 images, here: a resumed run reads config.json, where the epochs are no longer left open."""
    moved = []
    monkeypatch.setattr(lengths, "SELF_TRAINED", 60)
    monkeypatch.setattr(lengths, "UPDATES", 1)
    monkeypatch.setattr(lengths, "PRETRAIN_UPDATES", 1)
    monkeypatch.setattr(selftraining, "sharpened", lambda fitting, P: moved.append(len(P)) or P)
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (60, 6, 6), dtype=np.uint8))
    words = ["--data", str(tmp_path / "x.npy"), "--out", str(tmp_path / "run"), "--clusters", "2", "--hidden", "8"]
    assert main(["train", *words, "--init", "kmeans", "--no-export", "--quiet"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    names = ("epochs", "guide_epochs", "regroups", "self_train_epochs")
    assert [config[name] for name in names] == [20, 20, 1, 20]
    assert moved == [60]


@pytest.mark.parametrize(
    ("form", "settings", "words"),
    [
        (lambda x: x.reshape(300, -1), {}, "it needs images and their augmentation, got 12"),
        (lambda x: x, {"augment": "none"}, "it needs images and their augmentation, got 12"),
        (lambda x: x, {"likelihood": "counts"}, "the groups of counts are not recomputed, got 12"),
        (lambda x: x, {"regroups": 0}, "expected regroups of at least 1, whose last groups it moves, got 0"),
        (lambda x: x, {"epochs": 1}, "expected at least 2 guide_epochs, .*, got 1"),
        (lambda x: x, {"distribute": "mirrored"}, "its classifier is trained on one device, got 12"),
    ],
    ids=["rows", "no augmentation", "counts", "no regroups", "one epoch", "devices"],
)
def test_a_fit_that_cannot_train_itself_is_refused(bars, form, settings, words):
    with pytest.raises(InputError, match=f"^self_train_epochs: .*{words}"):
        begin(form(bars[0]), **{**SETTINGS, **settings})


@pytest.mark.parametrize(("asked", "made"), [("mixed_float16", "float32"), ("mixed_bfloat16", "mixed_bfloat16")])
def test_a_classifier_whose_loss_nobody_scales_has_no_float16(bars, monkeypatch, asked, made):
    class Enough(Exception):
        pass

    def classifier(scale, share, radius, seed, precision):
        assert precision == made
        raise Enough

    monkeypatch.setattr(selftraining, "Classifier", classifier)
    with pytest.raises(Enough):
        sharpened(begin(bars[0][:60], **{**SETTINGS, "precision": asked}), one_hot(bars[1][:60]))


def test_a_group_without_images_leaves_the_loss_finite(rng):
    """Recomputed groups may be fewer than K."""
    classifier = Classifier(lambda x: x, np.array([0.5, 0.5, 0.0]), 0.5, 0, "float32")
    classifier.compile(keras.optimizers.Adam())
    classifier.log_answers = lambda x, training=True: tf.nn.log_softmax(x)
    x, view = (rng.normal(size=(20, 3)).astype("f4") for _ in range(2))
    assert np.isfinite(float(classifier._following(view, x)))


def test_the_answer_about_an_image_is_the_same_whatever_is_asked_beside_it(rng):
    """In training it is not: there a batch is centred by its own mean."""
    classifier = Classifier(lambda x: x, np.full(3, 1 / 3), 0.5, 0, "float32")
    x = rng.normal(size=(30, 8)).astype("f4")
    together, alone = (classifier(rows, training=False).numpy() for rows in (x, x[:1]))
    np.testing.assert_allclose(together[:1], alone, rtol=1e-4, atol=1e-5)
