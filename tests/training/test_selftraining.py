"""Groups of images that a classifier learns, and moves to where its answers stay the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist
from scipy.special import rel_entr, softmax
from scipy.stats import entropy
from small_fits import begin

from vade_tf.training import selftraining
from vade_tf.training.selftraining import Classifier, sharpened


def one_hot(groups):
    """P of groups that are known, float16 [n, 3]."""
    return np.eye(3, dtype=np.float16)[groups]


SETTINGS = {"self_train_epochs": 12, "hidden": (16,), "augment": "digits", "network": "dense", "regroups": 2}


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
    usual, agreement, agreed = selftraining.partitions.MIN_AGREEMENT, selftraining.adjusted_rand_score, []
    monkeypatch.setattr(selftraining, "adjusted_rand_score", lambda *of: agreed.append(agreement(*of)) or agreed[-1])
    monkeypatch.setattr(selftraining.partitions, "MIN_AGREEMENT", 0.5)
    monkeypatch.setattr(selftraining, "UNITS", 64)
    fitting = begin(images, **SETTINGS)
    found = sharpened(fitting, one_hot(groups))
    assert (found.dtype, found.shape) == (np.float16, (300, 3))
    np.testing.assert_allclose(found.sum(axis=1, dtype="f8"), 1, atol=2e-3)
    assert np.mean(found.argmax(axis=1) == kind) > 0.97  # under the names that the groups have
    assert agreed[0] < usual  # as many would move, the groups would else stay though the move is right


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


def test_a_change_of_pixels_is_of_its_length_and_matters_more_than_another(rng):
    classifier = Classifier(lambda x: x, np.full(3, 1 / 3), 0.5, 0, "float32")
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


def test_it_is_the_tenth_neighbour_and_no_other(rng):
    rows = rng.random((60, 9)).astype("f4")
    fitting = begin(rows.reshape(60, 3, 3), **{**SETTINGS, "likelihood": "bernoulli"})
    want = 0.25 * np.median(np.sort(cdist(rows, rows), axis=1)[:, 10])
    assert selftraining.radius_of(fitting) == pytest.approx(want, rel=1e-3)
