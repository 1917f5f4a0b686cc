"""The systems that VaDE is compared with, on the same networks, data and metrics.

Knows the loop of training and the model; knows no file, no data set name, no label. What each needs stands here,
without TensorFlow; `registry` has their functions. docs/architecture.md shows how to add one.
"""

from vade_tf.training.settings import Phases

SYSTEMS = {
    "kmeans": Phases(),
    "gmm": Phases(),
    "ae_kmeans": Phases(pretrains=True),
    "ae_gmm": Phases(pretrains=True),
    "vae_gmm": Phases(epochs=30),
    "dec": Phases(pretrains=True, updates=20_000),
    "dec_da": Phases(pretrains=True, updates=20_000),
    "idec": Phases(pretrains=True, updates=20_000),
    "gmvae": Phases(epochs=100),
}
