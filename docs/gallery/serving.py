"""A model behind a server: export it, then classify, score and sample through the exported functions.

python docs/gallery/serving.py     writes serving.png
"""

import tempfile

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from vade_tf import Served, VaDEClusterer, export

images = load_digits().images / 16  # [1797, 8, 8]
small = {"network": "dense", "hidden": (128, 128), "batch_size": 64, "pretrain_epochs": 25, "epochs": 25}
model = VaDEClusterer(n_clusters=10, precision="float32", random_state=0, **small).fit(images[:1500])

folder = export(model.model_, tempfile.mkdtemp(), version=1)  # a SavedModel: TensorFlow Serving reads it as it is
served = Served(folder)  # the same functions from Python

rows = images[1500:].reshape(-1, 64)  # rows that were not trained on
answer = served.classify(rows)  # cluster, probabilities, confidence, density
assert np.allclose(answer["probabilities"], model.predict_proba(images[1500:]), atol=1e-4)
noise = np.random.default_rng(0).random((300, 64))
new = served.sample(np.repeat(np.arange(10), 8), seed=0).reshape(10, 8, 8, 8)  # [cluster, draw, height, width]
new = np.pad(new, ((0, 0), (0, 0), (1, 1), (1, 1)))  # a margin

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.imshow(new.transpose(0, 2, 1, 3).reshape(100, 80), cmap="gray_r")
left.set(title="generate: eight draws of each cluster", xticks=[], yticks=5 + 10 * np.arange(10))
left.set_yticklabels(range(10))
for name, scored in (("new digits", rows), ("noise", noise)):
    right.hist(served.score(scored), bins=30, label=name)
right.set(title="score: the bound of each row", xlabel="nats", ylabel="rows")
right.legend(frameon=False)
figure.savefig("serving.png", dpi=100)
