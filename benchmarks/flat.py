"""When is an autoencoder's validation loss flat? Chosen on made tables: a share of its fall that costs no accuracy.

python benchmarks/flat.py

The autoencoder stops where four epochs lowered the loss by less than this share of all it has fallen
(`validation.MIN_GAIN`); 0: where they did not lower it. The sets are those of calibration.py, another draw than is
reported there. Printed, and written to results/flat.csv, are means over them: epochs of the autoencoder, ACC and ECE of
VaDE. Even a tenth cost nothing; real tables are not as simple, so the package takes the least that about halves the
epochs.
"""

import calibration
import frame
import numpy as np

GAINS = (0.0, 0.003, 0.01, 0.03, 0.1)
COLUMNS = ("gain", "epochs", "acc", "ece")


def main() -> None:
    from vade_tf import VaDEClusterer
    from vade_tf.training import validation
    from vade_tf.training.store import epochs_done

    found: dict[float, list] = {gain: [] for gain in GAINS}
    for name in calibration.MADE:
        data = calibration.load(name, 1, None, None)
        for gain in GAINS:
            validation.MIN_GAIN = gain
            model = VaDEClusterer(data.clusters, random_state=0).fit(data.raw)
            scores = calibration.scores(data, model.predict_proba(data.raw))
            epochs = epochs_done(model.history_, "pretrain")
            found[gain].append((epochs, float(scores["acc"]), float(scores["ece"])))
            print(name, gain, *found[gain][-1], flush=True)
    rows = [dict(zip(COLUMNS, (gain, *np.mean(each, axis=0).round(4)), strict=True)) for gain, each in found.items()]
    frame.write(rows, frame.RESULTS / "flat.csv", COLUMNS, "python benchmarks/flat.py")
    for row in rows:
        print(*row.values())


if __name__ == "__main__":
    main()
