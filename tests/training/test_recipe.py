"""What the recipe does with a fit: who reads the augmented rows, the mixture's last word, the optimizer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vade_tf.data import pipeline
from vade_tf.model import networks
from vade_tf.model.vade import VaDE
from vade_tf.systems import gmvae
from vade_tf.training import recipe
from vade_tf.training.settings import Settings

SMALL = {"hidden": (8, 8), "latent_dim": 2, "batch_size": 30, "precision": "float32", "init": "kmeans"}


pytestmark = pytest.mark.usefixtures("eager_file")


class Look(keras.callbacks.Callback):
    """Keeps a phase's first and last weights, and its optimizer's epsilon."""

    def __init__(self):
        super().__init__()
        self.first, self.last, self.epsilon = {}, {}, {}

    def on_train_begin(self, logs=None):
        phase = "fit" if isinstance(self.model, VaDE) else "pretrain"
        self.first.setdefault(phase, {w.path: w.numpy() for w in self.model.weights})
        self.epsilon[phase] = float(self.model.optimizer.epsilon)

    def on_train_end(self, logs=None):
        phase = "fit" if isinstance(self.model, VaDE) else "pretrain"
        self.last[phase] = {w.path: w.numpy() for w in self.model.weights}

    def moved(self, phase: str, name: str) -> bool:
        """Whether the weight whose path ends so changed during a phase."""
        (path,) = [path for path in self.first[phase] if path.endswith(name)]
        return not np.array_equal(self.first[phase][path], self.last[phase][path])


@pytest.fixture(scope="module")
def images():
    """60 images of 6 x 6, bytes, the upper or the lower half bright: [60, 6, 6]."""
    r = np.random.default_rng(0)
    x = r.integers(0, 60, (60, 6, 6))
    x[::2, :3] += 150
    x[1::2, 3:] += 150
    return x.astype("u1")


def augmented_to_black(images, network):
    """What was seen of a fit that augments every image to a black one."""
    look = Look()
    small = {name: value for name, value in SMALL.items() if network == "dense" or name != "hidden"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "augment", lambda x, *_: tf.zeros_like(x))
        settings = Settings(clusters=2, pretrain_epochs=2, epochs=3, guide_epochs=2, network=network, **small)
        recipe.fit(images, settings, callbacks=[look])
    return look


def test_vade_reads_the_augmented_rows_and_a_dense_autoencoder_does_not(images):
    """Where what it reads is 0, a kernel has no gradient."""
    look = augmented_to_black(images, "dense")
    assert look.moved("pretrain", "encoder_0/kernel")
    assert not look.moved("fit", "encoder_0/kernel")
    assert look.moved("fit", "encoder_0/bias")


def test_a_convolutional_autoencoder_reads_augmented_rows_and_reconstructs_them_as_they_are(images):
    """What it says of a black image, the decoder's last bias, goes up from 1/2 to the mean of bright rows."""
    look = augmented_to_black(255 - images, "conv")
    assert not look.moved("pretrain", "encoder_0/kernel")
    first, last = (
        next(value for path, value in kept["pretrain"].items() if path.endswith("decoder_0/bias"))
        for kept in (look.first, look.last)
    )
    assert np.all(last > first)


def test_adams_epsilon_of_the_papers_recipe_is_that_of_both_phases(images):
    """Jiang et al. trained with 1e-4, a thousand times Keras' own."""
    look = Look()
    settings = Settings(recipe="paper", clusters=2, pretrain_epochs=1, epochs=1, **SMALL)
    recipe.fit(images[:30], settings, callbacks=[look])
    assert look.epsilon == pytest.approx({"pretrain": 1e-4, "fit": 1e-4})


def decoder_of_the_code():
    """x = z, for codes of two dimensions."""
    decoder = networks.build_decoder(n_features=2, latent_dim=2, hidden=())
    decoder.get_layer("x_parameters").set_weights([np.eye(2), np.zeros(2)])
    return decoder


def prior_of_the_components(mu, sigma2):
    """A GMVAE's network from w to mu and log sigma2 [K, 2], whatever w."""
    w = keras.Input((2,))
    constant = [keras.initializers.Constant(value.ravel()) for value in (mu, np.log(sigma2))]
    flat = [keras.layers.Dense(mu.size, kernel_initializer="zeros", bias_initializer=each)(w) for each in constant]
    return keras.Model(w, [keras.layers.Reshape(mu.shape)(each) for each in flat])


@pytest.mark.parametrize("system", ["vade", "gmvae"])
def test_samples_spread_by_sigma_and_not_by_its_square(system):
    """20,000 draws of components with standard deviations 3 and 1/3."""
    mu, sigma = np.array([[0.0, 5.0], [5.0, 0.0]]), np.array([[3.0, 1 / 3], [1 / 3, 3.0]])
    if system == "vade":
        model = VaDE(networks.build_encoder(2, 2, ()), decoder_of_the_code(), 2, "gaussian")
        model.prior.assign(np.ones(2), mu, sigma**2)
    else:
        encoder, prior = networks.build_encoder(2, 4, ()), prior_of_the_components(mu, sigma**2)
        model = gmvae.GMVAE(encoder, decoder_of_the_code(), 2, "gaussian", prior=prior)
    for c in (0, 1):
        x = model.sample(np.full(20_000, c), seed=3).numpy()
        np.testing.assert_allclose(x.mean(axis=0), mu[c], atol=0.1)
        np.testing.assert_allclose(x.std(axis=0), sigma[c], rtol=0.03)
