"""Handwritten digits: ten clusters without labels, new digits of each, and a map of the code.

python docs/gallery/digits.py     writes digits.png
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits

from vade_tf import VaDEClusterer, plot
from vade_tf.metrics import accuracy

digits = load_digits()
images = digits.images / 16  # [1797, 8, 8], values from 0 to 1

# small networks and short phases; VaDEClusterer(n_clusters=10) takes about a minute and is more accurate
small = {"network": "dense", "hidden": (128, 128), "batch_size": 64, "pretrain_epochs": 25, "epochs": 25}
model = VaDEClusterer(n_clusters=10, random_state=0, **small)
groups = model.fit_predict(images)  # [1797]
print(f"accuracy {accuracy(digits.target, groups):.3f}; labels are read for this line alone")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
plot.samples(model, n=8, ax=left)
left.set_title("New digits: a row a cluster, its mean first")
plot.map(model, images, ax=right)
right.set_title("The code of the 1,797 images")
figure.savefig("digits.png", dpi=100)
