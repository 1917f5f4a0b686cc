"""A table of numbers and categories with missing cells: clusters, what sets them apart, and imputed cells.

python docs/gallery/mixed_table.py     writes mixed_table.png
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from vade_tf import VaDEClusterer, plot

random = np.random.default_rng(0)
kind = random.choice(3, 600, p=[0.5, 0.3, 0.2])  # students, parents, retired people
table = pd.DataFrame(
    {
        "age": random.normal(np.array([23, 41, 70])[kind], 4),
        "income": random.lognormal(np.log(np.array([900, 3600, 1900]))[kind], 0.3),
        "visits": random.poisson(np.array([9, 3, 5])[kind]).astype(float),
        "travels by": [random.choice(["bus", "car", "bike"], p=p) for p in np.eye(3)[[2, 1, 0]][kind] * 0.7 + 0.1],
    }
)
missing = random.random((600, 3)) < 0.1  # a tenth of the numbers
table.iloc[:, :3] = table.iloc[:, :3].mask(missing)

model = VaDEClusterer(n_clusters=3, random_state=0).fit(table)
print(f"adjusted Rand index with the kinds {adjusted_rand_score(kind, model.labels_):.3f}")
print(table.head(3).round(1), model.impute(table).head(3).round(1), sep="\n")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
plot.profile(model, table, ax=left)
plot.confidence(model, table, ax=right)
figure.savefig("mixed_table.png", dpi=100)
