"""DEC, IDEC and DEC-DA step by step against their papers' formulas."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.model.networks import FusedAdam
from vade_tf.systems import dec, registry
from vade_tf.training.settings import Settings

SMALL = {
    "clusters": 3, "hidden": (8,), "latent_dim": 2, "pretrain_epochs": 0, "precision": "float32", "schedule": "step",
}  # fmt: skip
STEPS = 4  # of all rows together, so that their order does not matter


def rows(n: int, bernoulli: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """n rows of three groups, one of them wide, [n, 9], or the same as bits; and the group of each."""
    r, y = np.random.default_rng(1), np.arange(n) % 3
    width = np.array([3.0, 0.7, 0.7])[y][:, None]
    x = 3 * np.repeat(np.eye(3), 3, axis=1)[y] + width * r.normal(size=(n, 9))
    return (x > 1.5 if bernoulli else x).astype("f4"), y


class First(keras.callbacks.Callback):
    """Keeps the weights a phase begins with, by name."""

    def on_train_begin(self, logs=None):
        self.weights = {w.path: w.numpy() for w in self.model.weights}

    def of(self, *names: str) -> list[tf.Variable]:
        return [
            tf.Variable(next(value for path, value in self.weights.items() if path.endswith(name)), dtype="float64")
            for name in names
        ]


NETWORK = ("encoder_0/kernel", "encoder_0/bias", "z_mean/kernel", "z_mean/bias")
DECODER = ("decoder_0/kernel", "decoder_0/bias", "x_parameters/kernel", "x_parameters/bias")


def soft(z, mu):
    """Xie et al., eq. 1: [n, K]."""
    kernel = 1 / (1 + tf.reduce_sum((z[:, None] - mu) ** 2, axis=2))
    return kernel / tf.reduce_sum(kernel, axis=1, keepdims=True)


def sharpened(q):
    """Xie et al., eq. 3: [n, K]."""
    weight = q**2 / q.sum(axis=0)
    return weight / weight.sum(axis=1, keepdims=True)


def dense(x, kernel, bias):
    return tf.matmul(x, kernel) + bias


def gradients(x, p, variables, reconstruction=None):
    """Of the mean over rows of KL(p || q), or of a tenth of it and a reconstruction of x from the code."""
    with tf.GradientTape() as tape:
        code = dense(tf.nn.relu(dense(x, *variables[:2])), *variables[2:4])
        loss = tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p / soft(code, variables[4])), axis=1))
        if reconstruction is not None:
            out = dense(tf.nn.relu(dense(code, *variables[5:7])), *variables[7:])
            loss = 0.1 * loss + reconstruction(x, out)
    return tape.gradient(loss, variables)


def first_target(x, variables):
    code = dense(tf.nn.relu(dense(x, *variables[:2])), *variables[2:4])
    return sharpened(soft(code, variables[4]).numpy())


def assert_moved_alike(model, first, names, expected):
    """Each weight of the fitted model moved as expected, to a hundredth of the way."""
    after = {w.path: w.numpy() for w in model.weights}
    for name, want in zip(names, expected, strict=True):
        (path,) = [path for path in after if path.endswith(name)]
        begun = next(value for at, value in first.weights.items() if at.endswith(name))
        way = want.numpy() - begun
        assert np.abs(way).max() > 1e-4, name
        np.testing.assert_allclose(after[path] - begun, way, atol=0.01 * np.abs(way).max(), err_msg=name)


@pytest.mark.usefixtures("eager")
def test_dec_descends_the_kl_from_target_to_assignments_with_momentum():
    """Xie et al., eq. 2, on encoder and centres; the target stays that of the start for so few steps."""
    x, _ = rows(60)
    first = First()
    fitted = registry.fit("dec", x, Settings(epochs=STEPS, batch_size=60, **SMALL), callbacks=[first])
    names = (*NETWORK, "mu")
    variables, scaled = first.of(*names), (x - x.mean(axis=0, dtype="f8")) / x.std(axis=0, dtype="f8")
    p, speed = first_target(scaled, variables), [0.0] * len(names)
    for _ in range(STEPS):
        for i, gradient in enumerate(gradients(scaled, p, variables)):
            speed[i] = 0.9 * speed[i] - 0.01 * gradient
        for variable, step in zip(variables, speed, strict=True):
            variable.assign_add(step)
    assert_moved_alike(fitted.model, first, names, variables)


def squared_error(x, out):
    """A feature."""
    return tf.reduce_mean((x - out) ** 2)


def nats(x, out):
    """A feature, of a Bernoulli with logits out."""
    return tf.reduce_mean(-x * tf.math.log_sigmoid(out) - (1 - x) * tf.math.log_sigmoid(-out))


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("reconstruction", [squared_error, nats])
def test_idec_weighs_a_tenth_of_the_kl_against_the_reconstruction_of_a_feature(reconstruction, monkeypatch):
    """Guo et al., eq. 6. An epsilon far above every gradient makes Adam a descent along its mean: it shows weights."""
    x, _ = rows(60, bernoulli=reconstruction is nats)
    settings = Settings(epochs=STEPS, batch_size=60, **SMALL)
    monkeypatch.setattr(dec, "FusedAdam", lambda rate: FusedAdam(1e5 * rate, epsilon=10.0))  # published: 0.001
    first = First()
    fitted = registry.fit("idec", x, settings, callbacks=[first])
    names = (*NETWORK, "mu", *DECODER)
    variables, scaled = first.of(*names), x.astype("f8")
    if reconstruction is squared_error:
        scaled = (scaled - scaled.mean(axis=0)) / scaled.std(axis=0)
    p = first_target(scaled, variables)
    m, v = ([np.zeros(w.shape) for w in variables] for _ in range(2))
    for t in range(1, STEPS + 1):
        rate = 100 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)  # Kingma & Ba, section 2: the corrections in the rate
        for i, gradient in enumerate(gradients(scaled, p, variables, reconstruction)):
            m[i] = 0.9 * m[i] + 0.1 * gradient.numpy()
            v[i] = 0.999 * v[i] + 0.001 * gradient.numpy() ** 2
        for variable, mean, square in zip(variables, m, v, strict=True):
            variable.assign_sub(rate * mean / (np.sqrt(square) + 10.0))
    assert_moved_alike(fitted.model, first, names, variables)


def test_a_row_is_drawn_to_its_own_target(rng):
    """The loss of rows 4, 0 and 2 is their mean KL(p || q), in whatever order they come."""
    q, x = rng.dirichlet(np.ones(3), 5).astype("f4"), keras.Input((3,))
    model = dec.SelfTraining(x, keras.layers.Softmax()(x), n=5)
    model.compile(loss="kl_divergence")
    assert model.aim(q) == np.mean(q.argmax(axis=1) != 0)
    assert model.aim(q) == 0
    assert model.aim(np.full_like(q, np.nan)) == 1  # which is no rest
    assert model.aim(q) == 0
    rows, now = np.array([4, 0, 2]), rng.dirichlet(np.ones(3), 3).astype("f4")
    p = dec.target(q)[rows]
    expected = np.mean(np.sum(p * np.log(p / now), axis=1))
    np.testing.assert_allclose(model.compute_loss(None, tf.constant(rows), tf.constant(now)), expected, rtol=1e-4)
