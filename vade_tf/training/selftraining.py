"""The partition of images made sharper by a classifier that learns it and then follows its own answers. No labels.

Self-augmented training (IMSAT: Hu et al., ICML 2017): the answer about an image must not change where it is moved a
little, nor where its pixels change in the direction that matters most (virtual adversarial training: Miyato et al.,
2018); it must be sure; and the answers together must have the shares of the groups. So borders move to where there are
few images, which a graph of codes does not do.
"""

import keras
import numpy as np
import tensorflow as tf
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from vade_tf.data import pipeline
from vade_tf.data.rows import part
from vade_tf.model import elbo
from vade_tf.model.networks import Adam
from vade_tf.seeding import Stream, fold, subset
from vade_tf.training import partitions, sharpening
from vade_tf.training.callbacks import all_finite, learning_rate
from vade_tf.training.feature_spaces import MAX_NUMBERS_SAMPLED
from vade_tf.training.fitting import Fitting
from vade_tf.training.settings import SAMPLE_ROWS

UNITS = 1200  # of each of the two layers of the classifier, as published


class Classifier(keras.Model):
    """p(c | image), [batch, K], that learns P and, once `taught` is False, follows its own answers.

    `scale` makes float32 rows [batch, D] of raw ones; `share` [K] is that of each group; `radius` the Euclidean length
    of a change of pixels that must not change the answer; `precision` the dtype policy of the hidden layers.
    """

    def __init__(self, scale, share: np.ndarray, radius: float, seed: int, precision: str):
        super().__init__(dtype="float32")
        self.scale, self.radius, self.seed, self.taught = scale, radius, seed, True
        self.tracker = keras.metrics.Mean(name="loss")
        self.log_share = np.log(np.maximum(share, 1e-6)).astype(np.float32)
        layers: list[keras.layers.Layer] = []
        for number in range(2):
            start = keras.initializers.HeNormal(fold(seed, Stream.SELF_TRAINING, number))
            layers += [
                keras.layers.Dense(UNITS, use_bias=False, kernel_initializer=start, dtype=precision),
                keras.layers.BatchNormalization(dtype="float32"),
                keras.layers.ReLU(dtype="float32"),
            ]
        last = keras.initializers.GlorotUniform(fold(seed, Stream.SELF_TRAINING, 2))
        self.network = keras.Sequential([*layers, keras.layers.Dense(len(share), kernel_initializer=last)])

    @property
    def metrics(self):
        return [self.tracker]

    def call(self, x, training=False):
        """Raw rows [batch, D] -> log p(c | image), [batch, K]."""
        return self.log_answers(self.scale(x), training)

    def log_answers(self, x, training=True):
        """log p(c | image), [batch, K], of rows as `scale` gives them."""
        return tf.nn.log_softmax(tf.cast(self.network(x, training=training), tf.float32))

    def train_step(self, data):
        (view, x), P, *_ = data  # weights of rows count for VaDE alone
        view, x = self.scale(view), self.scale(x)
        with tf.GradientTape() as tape:
            loss = self._taught(view, P) if self.taught else self._following(view, x)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(loss, variables), variables)
        self.tracker.update_state(loss)
        return self.get_metrics_result()

    def _taught(self, view, P):
        """Cross-entropy with P [batch, K], in nats."""
        return tf.reduce_mean(elbo.guidance(self.log_answers(view), tf.cast(P, tf.float32)))

    def _following(self, view, x):
        """What the answers change under both changes of x, less 0.1 of what they tell, in nats."""
        change = self._adversarial(x)
        log_p = self.log_answers(x)
        fixed, p = tf.stop_gradient(log_p), tf.exp(log_p)
        changed = _divergence(fixed, self.log_answers(x + change)) + _divergence(fixed, self.log_answers(view))
        mean = tf.reduce_mean(p, axis=0)
        uneven = tf.reduce_sum(mean * (tf.math.log(mean + 1e-8) - self.log_share))
        unsure = -tf.reduce_mean(tf.reduce_sum(p * log_p, axis=1))
        return changed + 0.1 * (4.0 * uneven + unsure)  # weights as published

    def _adversarial(self, x):
        """The change of each row, of length `radius`, that changes its answer most, [batch, D]."""
        number = tf.cast(self.optimizer.iterations, tf.int32)
        log_p = tf.stop_gradient(self.log_answers(x))
        guess = tf.random.stateless_normal(tf.shape(x), tf.stack([self.seed, number]))
        # 6.4 lengths: 10 on MNIST, as published
        guess = 6.4 * self.radius * guess / tf.norm(guess, axis=1, keepdims=True)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(guess)
            changed = _divergence(log_p, self.log_answers(x + guess))
        direction = tape.gradient(changed, guess)
        return tf.stop_gradient(self.radius * direction / (tf.norm(direction, axis=1, keepdims=True) + 1e-12))


def _divergence(log_p, log_q):
    """Mean KL(p || q) of rows of log-probabilities [batch, K], in nats."""
    return tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=1))


def sharpened(fitting: Fitting, P: np.ndarray) -> np.ndarray | None:
    """The answers of a classifier that has learnt P, float16 [n, K]; None where it found other groups instead.

    It is to move borders. Where it moves more than that, the images have no clear ones, and what it finds is no better.
    It reads images as VaDE's encoder does. The numbers of the groups stay those of P [n, K].
    """
    classifier = _trained(fitting, P)
    if not all_finite(classifier):
        return None
    blocks = (np.exp(classifier.predict_on_batch(rows)) for rows in pipeline.blocks(fitting.data.rows))
    found = np.concatenate([block.astype(np.float16) for block in blocks])
    scored = subset(len(found), partitions.MAX_ROWS_READ, classifier.seed)
    alike = adjusted_rand_score(P[scored].argmax(axis=1), found[scored].argmax(axis=1))
    if alike < partitions.MIN_AGREEMENT:
        fitting.reporter.say(
            "self-training: the classifier found other groups (adjusted Rand index with those before: "
            f"{alike:.2f}), which are not taken"
        )
        return None
    return found


def _trained(fitting: Fitting, P: np.ndarray) -> Classifier:
    """A classifier that learns P [n, K] and then follows its own answers."""
    seed = fold(fitting.settings.seed, Stream.SELF_TRAINING)
    precision = "float32" if fitting.precision == "mixed_float16" else fitting.precision  # it scales no loss
    share = P.mean(axis=0, dtype=np.float64)
    classifier = Classifier(fitting.model.scale, share, radius_of(fitting), seed, precision)
    interval, steps = fitting.settings.interval, fitting.steps("fit")
    taught_epochs = sharpening.BLOCKS_TAUGHT * interval
    epochs = taught_epochs + fitting.settings.self_train_epochs
    advance = fitting.reporter.phase("self-training", epochs)
    rate = learning_rate("cosine", 2e-3, epochs - taught_epochs, interval=interval)

    def show(epoch: int, logs: dict) -> None:
        advance(1, f"epoch {epoch + 1}/{epochs}, loss {logs['loss']:.3f}")

    for taught, span in ((True, range(taught_epochs)), (False, range(taught_epochs, epochs))):
        classifier.taught = taught
        classifier.compile(Adam(2e-3), jit_compile=fitting.jit)
        own: list[keras.callbacks.Callback] = [keras.callbacks.LambdaCallback(on_epoch_end=show)]
        if not taught:
            own.append(keras.callbacks.LearningRateScheduler(lambda epoch: rate(epoch - taught_epochs)))
        batches = fitting.batches("fit", span, seed, beside=[P], augmentation=fitting.augmentation("fit"))
        ends: dict = {"initial_epoch": span.start, "epochs": span.stop, "steps_per_epoch": steps}
        with pipeline.reading(fitting.data.x):
            classifier.fit(batches, **ends, shuffle=False, verbose=0, callbacks=own)
    return classifier


def radius_of(fitting: Fitting) -> float:
    """A quarter, as published, of the median distance of images, scaled, to their tenth neighbour, of 5,000 at most."""
    n, features = fitting.data.x.shape
    size = max(min(SAMPLE_ROWS, MAX_NUMBERS_SAMPLED // features), 11)
    some = subset(n, size, fitting.settings.seed, Stream.SELF_TRAINING)
    rows = np.concatenate([fitting.model.scale(each) for each in pipeline.blocks(part(fitting.data.x, some))])
    tenth = min(10, len(rows) - 1)
    return 0.25 * float(np.median(NearestNeighbors(n_neighbors=tenth + 1).fit(rows).kneighbors(rows)[0][:, tenth]))
