"""An encoder and a decoder of your own: convolutions on scikit-learn's digits.

python docs/gallery/own_networks.py     writes own_networks.png
"""

import keras
import matplotlib.pyplot as plt
from keras import layers
from sklearn.datasets import load_digits

from vade_tf import VaDEClusterer, plot
from vade_tf.metrics import accuracy

digits = load_digits()
images = digits.images[..., None] / 16  # [1797, 8, 8, 1], as the encoder takes them

x = keras.Input((8, 8, 1))
h = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(x)  # [4, 4, 16]
h = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(h)  # [2, 2, 32]
h = layers.Dense(128, activation="relu")(layers.Flatten()(h))
encoder = keras.Model(x, [layers.Dense(10)(h), layers.Dense(10)(h)])  # mean and log variance of q(z|x)

z = keras.Input((10,))
h = layers.Dense(128, activation="relu")(layers.Dense(128, activation="relu")(z))
h = layers.Reshape((2, 2, 32))(h)
h = layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu")(h)  # [4, 4, 16]
decoder = keras.Model(z, layers.Conv2DTranspose(1, 3, strides=2, padding="same")(h))  # logits: no sigmoid

short = {"batch_size": 64, "pretrain_epochs": 50, "epochs": 25, "regroups": 0, "augment": "none"}
model = VaDEClusterer(n_clusters=10, encoder=encoder, decoder=decoder, random_state=0, **short).fit(images)
print(f"accuracy {accuracy(digits.target, model.labels_):.3f}; labels are read for this line alone")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
plot.samples(model, n=8, ax=left)
left.set_title("New digits: a row a cluster, its mean first")
plot.training(model, ax=right)
right.set_title("The bound in each epoch of VaDE")
figure.savefig("own_networks.png", dpi=100)
