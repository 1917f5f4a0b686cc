"""Commands of benchmarks/: rows that are kept, replaced and missing, tables, protocols, and names of the package."""

import ast
import importlib
import json
from pathlib import Path

import anomaly
import calibration
import compare
import frame
import golden
import n_clusters
import numpy as np
import pandas as pd
import pytest
import rivals
import seeds
import tables


def test_what_the_commands_import_of_the_package_is_there():
    for file in sorted(Path(frame.__file__).parent.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "vade_tf":
                module = importlib.import_module(node.module)
                for name in node.names:
                    if not hasattr(module, name.name):
                        importlib.import_module(f"{node.module}.{name.name}")


def test_a_results_file_is_whole_or_as_it_was_and_gets_columns_that_it_lacks(tmp_path):
    file = tmp_path / "a.csv"
    frame.append([{"a": 1}], file, ("a",), "a command", "a remark")
    frame.append([{"a": 2, "b": 3}], file, ("a", "b"), "another command")
    assert file.read_text() == "# a command\n# a remark\na,b\n1,\n2,3\n"
    with pytest.raises(ValueError, match="fields not in fieldnames"):
        frame.write([{"a": 2}, {"c": 3}], file, ("a", "b"))
    assert frame.read(file) == [{"a": "1", "b": ""}, {"a": "2", "b": "3"}]


def test_what_has_a_score_at_this_commit_is_not_measured_again(tmp_path):
    file, key = tmp_path / "a.csv", ("system", "seed")
    rows = [("vade", 0, "0.5", "old"), ("vade", 1, "0.5", "new"), ("kmeans", 0, "0.5", "old"), ("kmeans", 1, "", "new")]
    columns = (*key, "ari", "commit")
    frame.append([dict(zip(columns, row, strict=True)) for row in rows], file, columns)
    done = frame.measured(file, key, "ari", "new")
    assert done == {("vade", "1"), ("kmeans", "0")}
    assert frame.measured(file, key, "ari") == done | {("vade", "0")}

    def job(system, seed):
        return lambda: [{"system": system, "seed": seed, "ari": 1}], {(system, str(seed))}

    frame.measure([job("vade", 0), job("vade", 1), job("kmeans", 1)], done, file, columns)
    assert [(row["system"], row["seed"]) for row in frame.read(file)[4:]] == [("vade", "0"), ("kmeans", "1")]


def test_a_run_of_other_flags_is_not_taken_and_one_of_these_is_continued(tmp_path, monkeypatch):
    asked, run = [], tmp_path / "mnist-robust" / "seed-0"

    def train(flags):
        asked.append(flags)
        run.mkdir(exist_ok=True)
        for name in ("config.json", "metrics.json"):
            (run / name).write_text("{}")
        return 0

    monkeypatch.setattr("vade_tf.cli.train.main", train)
    for _ in range(2):  # the second time it is there
        assert frame.trained(run, ["--seed", "0"]) == run
    assert asked == [["--seed", "0", "--out", str(run), "--no-export"]]
    with pytest.raises(SystemExit, match=r"seed-0 is of other flags \(--seed 0\)"):
        frame.trained(run, ["--seed", "0", "--epochs", "15"])
    (run / "metrics.json").unlink()
    frame.trained(run, ["--seed", "0"])
    assert asked[1] == ["--resume", str(run)]


def test_a_fit_that_fails_or_takes_too_long_has_a_row_without_scores(monkeypatch, capfd):
    data = tables.Set(None, np.zeros((4, 2)), np.array([0, 0, 1, 1]), 2)

    def fails(*_):
        raise RuntimeError("no such thing")

    def endless(*_):
        while True:
            pass

    groups = {"one": data.y, "other": np.array([0, 1, 0, 1])}
    one, other = rivals.clustered(lambda *_: (groups, 12.34), ("one", "other"), data, 0, None)
    assert (one["acc"], one["seconds"], other["acc"], other["seconds"]) == ("1.0000", "12.3", "0.5000", "12.3")
    monkeypatch.setattr(rivals, "LIMIT_SECONDS", 0.5)
    for system in (fails, endless):
        (row,) = rivals.clustered(system, ("known",), data, 0, None)
        assert "acc" not in row
    assert "no such thing" in capfd.readouterr().err


def result(name, system, seed, ari):
    return dict.fromkeys(rivals.COLUMNS, "1") | {"set": name, "system": system, "seed": str(seed), "ari": ari}


def test_the_table_of_systems_counts_seeds_and_the_sets_that_all_have():
    rows = [result("iris", "vade", 0, "0.8"), result("iris", "vade", 1, ""), result("iris", "kmeans", 0, "0.5")]
    rows += [result("wine", "kmeans", 0, "0.9")]
    lines = rivals.table(rows, "ari", tables.NAMES).splitlines()
    assert lines[0] == "| set | VaDE | k-means |"
    assert lines[2:] == [
        "| iris | 0.800 (1 of 2 seeds) | 0.500 |",
        "| wine |  | 0.900 |",
        "| **mean of 1 sets** | 0.800 | 0.500 |",
    ]
    again = rivals.table([*rows, result("iris", "vade", 1, "0.6")], "ari", tables.NAMES)
    assert again.splitlines()[2] == "| iris | 0.700 | 0.500 |"


def test_rivals_get_numbers_imputed_and_standardised_and_text_one_hot():
    columns = {"a": [1.0, 3.0, np.nan, 100.0], "b": ["x", np.nan, "y", "x"], "c": [True, False, True, True]}
    a = np.array([1, 3, 3, 100.0])
    expected = np.c_[(a - a.mean()) / a.std(), [1, 1, 0, 1], [0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 1]]
    np.testing.assert_allclose(tables.numbers(pd.DataFrame(columns)), expected, rtol=1e-6)


def compared(system, seed, acc, n=70000, dataset="mnist", **more):
    known = {"flags": "", "dataset": dataset, "rows": n, "system": system, "seed": seed, "acc": acc, "gmvae_acc": acc}
    return dict.fromkeys(compare.COLUMNS, "1") | known | more


def test_a_comparison_has_a_line_for_each_length_and_flags_and_replaces_rows(tmp_path):
    file = tmp_path / "compare.csv"
    compare.add(file, compared("vade", 0, 0.1))
    for seed, acc, more in (
        (0, 0.9, {}), (1, 0.92, {}), (0, 0.5, {"epochs": 20}), (0, 0.5, {"flags": "--network dense"}),
    ):  # fmt: skip
        compare.add(file, compared("vade", seed, acc, **more))
    for seed, epochs in ((0, 24), (1, 29)):
        rows = compare.add(file, compared("dec", seed, 0.8, epochs=epochs))  # ends by itself: one line
    assert rows == frame.read(file)
    assert [line.split(" | ")[:3] for line in compare.table(rows, "mnist").splitlines()[2:6]] == [
        ["| DEC", "2", "80.00 ± 0.00"],
        ["| VaDE (robust), 1 + 1", "2", "91.00 ± 1.41"],
        ["| VaDE (robust), 1 + 20", "1", "50.00"],
        ["| VaDE (robust), 1 + 1 `--network dense`", "1", "50.00"],
    ]
    assert compare.overview(rows).splitlines()[-1] == "| VaDE (robust) | 91.00 ± 1.41 (2); 50.00 (1); 50.00 (1) |"
    assert [bar.get_width() for bar in compare.chart(rows, "mnist").axes[0].patches] == pytest.approx([80, 91, 50, 50])


@pytest.mark.long
def test_two_systems_from_the_command_to_the_picture(tmp_path, capsys):
    arguments = ["--dataset", "digits", "--seeds", "1", "--systems", "vade", "ae_kmeans"]
    arguments += ["--vade", str(tmp_path / "seeds"), "--out", str(tmp_path / "runs")]
    more = ["--", "--limit", "200", "--pretrain-epochs", "2", "--epochs", "2", "--hidden", "16,8", "--quiet"]
    compare.main([*arguments, *more], results=tmp_path)
    assert "| AE + k-means | 1 |" in capsys.readouterr().out
    assert (tmp_path / "compare-digits.png").stat().st_size > 3000
    rows = frame.read(tmp_path / "compare.csv")
    assert [row["system"] for row in rows] == ["vade", "ae_kmeans"]
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("metrics.json")}
    compare.main([*arguments, *more], results=tmp_path)  # everything is there: nothing is trained again
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("metrics.json")}
    assert frame.read(tmp_path / "compare.csv") == rows


def test_the_agreements_of_a_line_are_of_all_its_runs_or_there_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(seeds, "RESULTS", tmp_path / "seeds.csv")
    monkeypatch.setattr(frame, "trained", lambda run, flags, commit: run)
    monkeypatch.setattr("vade_tf.runs.study.agreement", lambda runs: [len(runs) / 10] * len(runs))

    def finish(seed, acc=0.9):
        known = {"dataset": "digits", "recipe": "robust", "seed": seed, "acc": acc, "nmi": 0.8, "ari": 0.7, "elbo": -1}
        known |= {"device": "CPU", "precision": "float32", "n": 100, "epochs": {"pretrain": 30, "fit": 10}}
        known |= {"source": "s", "seconds": {"total": 1.0}, "versions": {"tensorflow": "2", "keras": "3"}}
        run = tmp_path / "digits-robust" / f"seed-{seed}"
        run.mkdir(parents=True, exist_ok=True)
        (run / "metrics.json").write_text(json.dumps(known))

    def agreements(number):
        arguments = ["seeds.py", "--dataset", "digits", "--seeds", str(number), "--out", str(tmp_path)]
        monkeypatch.setattr("sys.argv", arguments)
        seeds.main()
        return [row["agreement"] for row in frame.read(seeds.RESULTS)]

    for seed in range(3):
        finish(seed)
    assert agreements(3) == ["0.300000"] * 3
    assert agreements(2) == ["0.300000"] * 3  # the same runs: of three still
    finish(1, acc=0.8)
    assert agreements(2) == [""] * 3  # seed 1 is another run than the one that seed 2 was compared with


def numbered(n: int, anomalies: int):
    """Rows that are their own number, the anomalies scattered among them."""
    y = np.zeros(n, int)
    y[np.linspace(1, n - 2, anomalies).astype(int)] = 1
    return np.arange(n, dtype=float)[:, None], y


def test_the_protocols_of_anomalies_train_and_score_the_rows_they_say(monkeypatch):
    x, y = numbered(1200, 101)
    normal = np.flatnonzero(y == 0)
    train, test, labels = anomaly.split(x, y, "normals_only", 3)
    assert train[:, 0].tolist() == normal[: round(len(normal) / 2)].tolist()
    assert sorted([*train[:, 0], *test[:, 0]]) == list(range(1200))
    assert labels.tolist() == y[test[:, 0].astype(int)].tolist()
    train, test, _ = anomaly.split(x, y, "unsupervised", 0)
    assert test[:, 0].tolist() == list(range(1200))
    assert len(set(train[:, 0])) == pytest.approx(1200 * (1 - np.exp(-1)), rel=0.05)  # a bootstrap sample
    x, y = numbered(80, 13)
    train, test, labels = anomaly.split(x, y, "unsupervised", 0)
    assert len(train) == len(test) == 1000  # copies of the rows of a small set
    train, test, labels = anomaly.split(x, y, "clean", 0)
    assert sorted([*train[:, 0], *test[:, 0]]) == list(range(80))
    assert (len(train), labels.sum(), y[train[:, 0].astype(int)].sum()) == (33, 13, 0)


@pytest.mark.parametrize("system", ["iforest", "knn", "pca", "gmm"])
def test_a_far_row_scores_highest(system):
    train = np.random.default_rng(0).normal(size=(300, 4)) * [1, 2, 1, 3]
    test = np.vstack([train[:50], [[9, -9, 9, -12]]])
    for values in anomaly.SYSTEMS[system](train, test, 0).values():
        assert values.argmax() == 50


def test_prediction_strength_is_that_of_the_worst_group_and_finds_the_groups_there_are():
    random = np.random.default_rng(0)
    groups, others = random.integers(3, size=40), random.integers(4, size=40)
    same = [
        np.mean([others[i] == others[j] for i in own for j in own if i != j])
        for own in (np.flatnonzero(groups == each) for each in range(3))
    ]
    np.testing.assert_allclose(n_clusters.kept_pairs(groups, others), min(same))
    for k in (1, 3):
        rows = 8.0 * np.eye(4)[random.integers(k, size=300)] + random.normal(size=(300, 4))
        strengths = n_clusters.prediction_strength(rows, (1, 2, 3, 4), 0, n_clusters.kmeans)
        assert n_clusters.strongest((1, 2, 3, 4), strengths) == k


def test_made_sets_overlap_as_much_as_they_are_asked_to():
    data = calibration.load("blobs 6", 0, None, None)
    p, _ = calibration.probabilities("tied", data, 0, "", "")
    found = calibration.scores(data, p)
    assert abs(float(found["acc"]) - calibration.MADE["blobs 6"][-1]) < 0.02
    assert float(found["ece"]) < 0.03
    noise = calibration.load("noise 8", 0, None, None)
    assert calibration.scores(noise, np.full((1000, 5), 0.2)) == {"confidence": "0.2000"}


def test_the_golden_table_counts_the_rows_of_one_commit_and_says_what_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(frame, "RESULTS", tmp_path)
    same = {"dataset": "mnist", "rows": "5000", "recipe": "robust", "flags": ""}
    rows = [{**same, "seed": seed, "acc": acc, "commit": "new"} for seed, acc in ((0, 0.96), (1, 0.98), (1, 0.99))]
    frame.write([{**same, "seed": 2, "acc": 0.1, "commit": "old"}, *rows], tmp_path / "seeds.csv", rows[0])
    found = {title: (shown + values.lacks, had) for title, _, values, shown, had in golden.lines("new") if values.all}
    assert found == {"MNIST 5,000": ("97.50, worst 96.00, 2 seeds (2 of 3 seeds)", True)}
