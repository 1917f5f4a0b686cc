"""Commands of benchmarks/ that have no file of tests of their own: what they take, keep apart, refuse and print."""

from types import SimpleNamespace

import csv_rows
import numpy as np
import pytest


def test_the_table_of_mutants_counts_those_of_the_present_code(tmp_path, monkeypatch):
    import mutants

    module = "vade_tf/seeding.py"
    monkeypatch.setattr(mutants, "MODULES", [module])
    for name in ("RESULTS", "EQUIVALENT", "SURVIVORS"):
        monkeypatch.setattr(mutants, name, tmp_path / f"{name}.csv")
    drawn = mutants.drawn(module, 4, 0)
    rows = {
        one.identity: dict.fromkeys(mutants.COLUMNS, "1")
        | dict(zip(mutants.IDENTITY, one.identity, strict=True))
        | {"outcome": outcome}
        for one, outcome in zip(drawn, ("killed", "timeout", "survived", "survived"), strict=True)
    }
    older = {**rows[drawn[2].identity], "original": "of older code"}
    mutants.write({**rows, ("older",): older}, "a command")
    csv_rows.write([rows[drawn[3].identity]], mutants.EQUIVALENT, mutants.COLUMNS)
    printed = mutants.table()
    every = len(mutants.mutants(module))
    assert f"| {module} | {every} | 4 | 1 | 2 | 1 | 66.7% |\n| all | {every} | 4 | 1 | 2 | 1 | 66.7% |" in printed
    assert printed.count("not yet explained") == 1
    assert f"- {drawn[2].original}\n+ {drawn[2].mutated}\nnot yet explained" in printed


def test_results_that_cannot_be_written_leave_the_older_ones(tmp_path):
    file = tmp_path / "a.csv"
    csv_rows.write([{"a": 1}], file, ("a", "b"), "a command", "a remark")
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        csv_rows.write([{"a": 2}, {"c": 3}], file, ("a", "b"))
    assert file.read_text() == "# a command\n# a remark\na,b\n1,\n"
    assert csv_rows.read(file) == [{"a": "1", "b": ""}]


def digits(n: int) -> SimpleNamespace:
    """So many images as `load_mnist` gives them."""
    return SimpleNamespace(x=np.arange(n * 784, dtype=np.uint8).reshape(n, 784), y=np.arange(n) % 2)


def test_images_drawn_from_more_have_another_name_than_as_many_that_are_all(monkeypatch):
    import whole

    from vade_tf.data import images

    monkeypatch.setattr(images, "load_mnist", lambda data_dir, require_full: digits(50 if require_full else 7))
    assert whole.load("a folder", None).name == whole.load("a folder", 50).name == "mnist, 50 rows"
    some = whole.load("a folder", 20)
    assert (some.name, some.x.shape, some.raw.shape) == ("mnist, 20 rows of 50", (20, 784), (20, 28, 28))


def test_all_scores_of_a_fit_are_written_together_or_none(tmp_path):
    import whole

    file, names, asked = tmp_path / "whole.csv", ("labels", "own"), digits(4)
    data = whole.Images("mnist, 4 rows", asked.x, asked.x, asked.y, 2)
    of_another_fit = {"set": data.name, "system": "labels", "seed": 0, "ari": "0.5"}
    failed = {"set": data.name, "system": "own", "seed": 1}
    csv_rows.append([of_another_fit, failed], file, whole.rivals.COLUMNS)
    groups = {"labels": asked.y, "own": np.array([0, 0, 1, 1])}
    whole.fit_missing({names: lambda *_: (groups, 1.0)}, data, SimpleNamespace(seeds=3), file, "a command")
    new = [(row["system"], row["seed"], row["acc"]) for row in csv_rows.read(file)[2:]]
    assert new == [(name, seed, acc) for seed in "12" for name, acc in (("labels", "1.0000"), ("own", "0.5000"))]


def test_an_autoencoder_is_not_taken_for_one_of_other_rows_or_epochs(tmp_path, monkeypatch):
    import lengths
    import whole

    from vade_tf.systems import registry

    trained = []

    def fit(name, rows, settings, store):
        if "pretrained" not in store.kept:
            trained.append((len(rows), settings.pretrain_epochs))
            store.save("pretrained", {"weights": np.zeros(1)})
        return SimpleNamespace(model=None)

    monkeypatch.setattr(registry, "fit", fit)
    monkeypatch.setattr("vade_tf.training.posterior.model_groups", lambda model, x: np.zeros(len(x), int))
    for n, epochs in ((4, 300), (3, 300), (3, 30), (4, 300)):
        monkeypatch.setattr(lengths, "EPOCHS", epochs)
        x = digits(n).x
        data = whole.Images(f"mnist, {n} rows", x, x, digits(n).y, 2)
        lengths.of_package("dec")(data, 0, SimpleNamespace(out=tmp_path))
    assert trained == [(4, 300), (3, 300), (3, 30)]


def test_an_ablation_does_not_take_a_finished_run_of_other_settings(tmp_path, monkeypatch):
    import ablations

    from vade_tf.runs.config import TrainConfig

    trained = []

    def finished(config, folder, name, **more):
        trained.append(config.limit)
        folder.mkdir()
        for file in ("config.json", "metrics.json"):
            (folder / file).write_text("{}")

    def study(**settings):
        config = TrainConfig.create(dataset="digits", **settings)
        return ablations.Study(config, tmp_path, SimpleNamespace(x=np.zeros((4, 2))), np.arange(2))

    monkeypatch.setattr(ablations, "finished", finished)
    for _ in range(2):  # the second time it is there
        assert study(limit=100).run("robust") == tmp_path / "robust"
    assert trained == [100]
    with pytest.raises(SystemExit, match=r"robust is of other flags \(.*limit=100 .*\); remove it"):
        study().run("robust")


def test_files_larger_than_memory_are_measured_against_the_limits(tmp_path, monkeypatch, capsys):
    import large

    rates = {"in memory": 1000, "npy": 800, "parquet": 650}

    def measured(command, file, n, out, options):
        kind = "in memory" if n == 500 else file.suffix[1:]
        row = {"command": command, "file": kind, "rows": n, "peak_mib": 2600 if kind == "npy" else 9000}
        return row | ({"fit_rows_s": rates[kind], "fit_rows_cpu_s": 2 * rates[kind]} if command == "train" else {})

    monkeypatch.setattr(large, "measured", measured)
    monkeypatch.setattr(large, "RESULTS", tmp_path / "large.csv")
    monkeypatch.setattr("sys.argv", ["large.py", str(tmp_path), "--rows", "4000", "--subset", "500"])
    large.main()
    assert capsys.readouterr().out.splitlines() == [
        "fit_rows_s: 0.80 for .npy, 0.65 for .parquet of the rate in memory, at least 0.7: no",
        "fit_rows_cpu_s: 0.80 for .npy, 0.65 for .parquet of the rate in memory, at least 0.7: no",
        "peak 9,000 MiB, below 2,560: no",
    ]
    assert [file.name for file in tmp_path.glob("*.csv")] == ["large_4000.csv"]  # not in place of 10 million rows
    good = {"file": "npy", "fit_rows_s": 1.4, "fit_rows_cpu_s": 1.4, "peak_mib": 2559}
    in_memory = {"file": "in memory", "fit_rows_s": 2, "fit_rows_cpu_s": 2, "peak_mib": 9000}
    assert [line[-3:] for line in large.verdict([in_memory, good]).splitlines()] == ["yes"] * 3


def test_a_column_that_an_older_file_lacks_is_added_empty(tmp_path):
    file = tmp_path / "a.csv"
    csv_rows.append([{"a": 1}], file, ("a",), "a command", "a remark")
    csv_rows.append([{"a": 2, "b": 3}], file, ("a", "b"), "another command")
    assert file.read_text() == "# a command\n# a remark\na,b\n1,\n2,3\n"


def test_prediction_strength_is_that_of_the_worst_group_and_finds_the_groups_there_are():
    import n_clusters

    random = np.random.default_rng(0)
    groups, others = random.integers(3, size=40), random.integers(4, size=40)
    same = [
        np.mean([others[i] == others[j] for i in own for j in own if i != j])
        for own in (np.flatnonzero(groups == each) for each in range(3))
    ]
    np.testing.assert_allclose(n_clusters.kept_pairs(groups, others), min(same))
    assert n_clusters.kept_pairs(np.array([0, 0, 1]), np.array([0, 0, 0])) == 0  # a row alone
    numbers = (1, 2, 3, 4, 5)
    for k in (1, 3):
        rows = 8.0 * np.eye(4)[random.integers(k, size=300)] + random.normal(size=(300, 4))
        strengths = n_clusters.prediction_strength(rows, numbers, 0, n_clusters.kmeans)
        assert strengths[0] == 1
        assert n_clusters.strongest(numbers, strengths) == k


def test_made_sets_overlap_as_much_as_they_are_asked_to():
    import calibration

    data = calibration.load("blobs 6", 0, None, None)
    assert data.raw.shape == (2000, 6)
    p, _ = calibration.probabilities("tied", data, 0, "", "")
    found = calibration.scores(data, p)
    assert abs(float(found["acc"]) - calibration.MADE["blobs 6"][-1]) < 0.02
    assert float(found["ece"]) < 0.03
    noise = calibration.load("noise 8", 0, None, None)
    assert calibration.scores(noise, np.full((1000, 5), 0.2)) == {"confidence": "0.2000"}


def test_the_golden_table_counts_the_rows_of_one_commit_and_says_what_lacks(tmp_path, monkeypatch):
    import golden

    monkeypatch.setattr(golden.here, "RESULTS", tmp_path)
    same = {"dataset": "mnist", "rows": "5000", "recipe": "robust", "flags": ""}
    rows = [{**same, "seed": seed, "acc": acc, "commit": "new"} for seed, acc in ((0, 0.96), (1, 0.98), (1, 0.99))]
    csv_rows.write([{**same, "seed": 2, "acc": 0.1, "commit": "old"}, *rows], tmp_path / "seeds.csv", rows[0])
    found = {title: (shown + values.lacks, had) for title, _, values, shown, had in golden.lines("new") if values.all}
    assert found == {"MNIST 5,000": ("97.50, worst 96.00, 2 seeds (2 of 3 seeds)", True)}
