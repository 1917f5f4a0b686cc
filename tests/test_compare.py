"""benchmarks/compare.py: rows in place of older ones, the table against a hand-made case, one run over two systems."""

import csv
import dataclasses
import json

import compare
import csv_rows
import pytest

from vade_tf.cli.train import parse
from vade_tf.runs.config import TrainConfig
from vade_tf.training.callbacks import learning_rate


def row(system, seed, acc, n=70000, dataset="mnist", **more):
    return {
        **dict.fromkeys(compare.COLUMNS, "1"),
        **{
            "flags": "",
            "dataset": dataset,
            "rows": n,
            "system": system,
            "seed": seed,
            "acc": acc,
            "gmvae_acc": acc,
            **more,
        },
    }


def test_a_row_takes_the_place_of_the_one_of_the_same_run(tmp_path):
    file = tmp_path / "compare.csv"
    for each in (row("dec", 10, 0.8), row("dec", 2, 0.7), row("vade", 2, 0.9), row("dec", 10, 0.6)):
        rows = compare.add(file, each)
    assert [(r["system"], r["seed"], r["acc"]) for r in rows] == [
        ("vade", "2", "0.9"),
        ("dec", "2", "0.7"),
        ("dec", "10", "0.6"),
    ]
    assert rows == csv_rows.read(file)
    with file.open() as lines:
        assert next(lines).startswith("# python benchmarks/compare.py")
        assert tuple(next(csv.reader(lines))) == compare.COLUMNS


def test_seeds_of_other_flags_or_epochs_are_another_line(tmp_path):
    file = tmp_path / "compare.csv"
    older = [column for column in compare.COLUMNS if column != "flags"]
    csv_rows.write([{name: row("vade", 0, 0.9)[name] for name in older}], file, older)
    compare.add(file, row("vade", 1, 0.92))
    for seed, more in ((0, {"epochs": 20}), (1, {"epochs": 20}), (0, {"flags": "--network dense"})):
        rows = compare.add(file, row("vade", seed, 0.5, **more))
    for seed, epochs in ((0, 24), (1, 29)):
        rows = compare.add(file, row("dec", seed, 0.8, epochs=epochs))  # ends by itself: one line
    assert len(rows) == 7
    lines = [line.split(" | ")[:3] for line in compare.table(rows, "mnist").splitlines()[2:-2]]
    assert lines == [
        ["| DEC", "2", "80.00 ± 0.00"],
        ["| VaDE (robust), 1 + 1", "2", "91.00 ± 1.41"],
        ["| VaDE (robust), 1 + 20", "2", "50.00 ± 0.00"],
        ["| VaDE (robust), 1 + 1 `--network dense`", "1", "50.00"],
    ]
    assert (
        compare.overview(rows).splitlines()[-1] == "| VaDE (robust) | 91.00 ± 1.41 (2); 50.00 ± 0.00 (2); 50.00 (1) |"
    )


def test_the_table_sets_mean_and_deviation_beside_the_published_figure():
    rows = [row("dec", 0, 0.84, seconds=100), row("dec", 1, 0.86, seconds=300), row("kmeans", 0, 0.5)]
    rows += [row("dec", 0, 0.1, n=5000), row("dec", 0, 0.2, dataset="digits")]  # fewer rows, other data: not counted
    lines = compare.table(rows, "mnist").splitlines()
    assert lines[2].startswith("| k-means | 1 | 50.00 | 50.00 |")
    assert lines[3].startswith("| DEC | 2 | 85.00 ± 1.41 | 85.00 ± 1.41 | 100.00 ± 0.00 | 200 | 84.30 |")
    assert "Xie et al. 2016" in lines[3]
    assert [line.split(" | ")[0] for line in lines[4:]] == ["| LDMGI", "| AAE"]


def test_the_overview_has_a_column_a_data_set_and_leaves_open_what_was_not_measured():
    rows = [row("vade", 0, 0.97), row("dec", 0, 0.84), row("dec", 1, 0.86)]
    rows += [row("kmeans", 0, 0.5, n=1797, dataset="digits"), row("vade", 0, 0.9, n=1797, dataset="digits")]
    assert compare.overview(rows).splitlines()[0::2] == [
        "| ACC, % | mnist, 70,000 rows | digits, 1,797 rows |",
        "| k-means |  | 50.00 (1) |",
        "| VaDE (robust) | 97.00 (1) | 90.00 (1) |",
    ]
    assert "| DEC | 85.00 ± 1.41 (2) |  |" in compare.overview(rows)


def test_the_chart_has_a_bar_a_system_and_a_dot_a_seed():
    rows = [row("dec", 0, 0.84), row("dec", 1, 0.86), row("kmeans", 0, 0.5)]
    axis = compare.chart(rows, "mnist").axes[0]
    assert [bar.get_width() for bar in axis.patches] == pytest.approx([50, 85])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["k-means", "DEC"]
    assert sorted(len(line.get_xdata()) for line in axis.lines) == [1, 1, 1, 2]  # one seed, two seeds, a figure each


@pytest.mark.long
def test_two_systems_from_the_command_to_the_picture(tmp_path, capsys):
    arguments = ["--dataset", "digits", "--seeds", "1", "--systems", "vade", "ae_kmeans"]
    arguments += ["--vade", str(tmp_path / "seeds"), "--out", str(tmp_path / "runs")]
    more = ["--", "--limit", "200", "--pretrain-epochs", "2", "--epochs", "2", "--hidden", "16,8", "--quiet"]
    compare.main([*arguments, *more], results=tmp_path)
    printed = capsys.readouterr().out
    assert "| AE + k-means | 1 |" in printed
    assert "| VaDE (robust) | 1 |" in printed
    assert (tmp_path / "compare-digits.png").stat().st_size > 3000
    rows = csv_rows.read(tmp_path / "compare.csv")
    assert [r["system"] for r in rows] == ["vade", "ae_kmeans"]
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("metrics.json")}
    compare.main([*arguments, *more], results=tmp_path)  # everything is there: nothing is trained again
    assert before == {p: p.stat().st_mtime_ns for p in tmp_path.rglob("metrics.json")}
    assert csv_rows.read(tmp_path / "compare.csv") == rows
    (tmp_path / "compare-digits.png").unlink()
    compare.main(["--table"], results=tmp_path)
    assert (tmp_path / "compare-digits.png").exists()
    with pytest.raises(SystemExit, match="nothing was measured on mnist"):
        compare.main(["--table", "--dataset", "mnist"], results=tmp_path)
    with pytest.raises(SystemExit, match="nothing was measured on any data set"):
        compare.main(["--table"], results=tmp_path / "elsewhere")


def test_gmvae_is_trained_as_its_authors_do(tmp_path, monkeypatch):
    """main.lua: Adam at 0.0001 throughout, batches of 50, 100 epochs; the autoencoder's run is not trained again."""

    def trained(run, flags):
        started[run.parent.name] = flags
        return run

    started, folder = {}, tmp_path / "seeds" / "mnist-robust" / "seed-0"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"pretrained": None}))
    (folder / "metrics.json").write_text(json.dumps({"seconds": {"pretrain": 1.0}}))
    monkeypatch.setattr(compare, "trained", trained)
    monkeypatch.setattr(compare, "row_of", lambda run, data_dir, shared: row(run.parent.name, 0, 0.5, seconds=shared))
    arguments = ["--seeds", "1", "--systems", "gmvae", "dec", "--vade", str(tmp_path / "seeds")]
    compare.main([*arguments, "--out", str(tmp_path / "runs")], results=tmp_path)
    given, own = vars(parse(started["gmvae"])), {field.name for field in dataclasses.fields(TrainConfig)}
    config = TrainConfig.create(**{name: value for name, value in given.items() if name in own}, clusters=10)
    resolved = config.resolve(70_000)
    assert (resolved.batch_size, resolved.epochs) == (50, 100)
    rate = learning_rate(config.schedule, config.learning_rate, 100, config.decay, config.decay_epochs)
    assert {rate(epoch) for epoch in range(100)} == {1e-4}
    assert vars(parse(started["dec"]))["pretrained"] == str(folder)
    assert {r["system"]: float(r["seconds"]) for r in csv_rows.read(tmp_path / "compare.csv")} == {"gmvae": 0, "dec": 1}


def finished(folder, seed, acc=0.9):
    """A run as seeds.py reads it."""
    run = folder / f"seed-{seed}"
    run.mkdir(parents=True, exist_ok=True)
    known = {"dataset": "digits", "recipe": "robust", "seed": seed, "acc": acc, "nmi": 0.8, "ari": 0.7, "elbo": -1.0}
    known |= {"device": "CPU", "precision": "float32", "n": 100, "epochs": {"pretrain": 30, "fit": 10}, "source": "s"}
    known |= {"seconds": {"total": 1.0}, "versions": {"tensorflow": "2", "keras": "3"}}
    (run / "metrics.json").write_text(json.dumps(known))
    return run


def test_the_agreements_of_a_line_are_of_all_its_runs_or_there_are_none(tmp_path, monkeypatch, capsys):
    import seeds

    monkeypatch.setattr(seeds, "RESULTS", tmp_path / "seeds.csv")
    monkeypatch.setattr(seeds, "trained", lambda run, flags, commit: run)
    monkeypatch.setattr("vade_tf.runs.study.agreement", lambda runs: [len(runs) / 10] * len(runs))

    def agreements(number, *more):
        arguments = ["seeds.py", "--dataset", "digits", "--seeds", str(number), "--out", str(tmp_path), "--", *more]
        monkeypatch.setattr("sys.argv", arguments)
        seeds.main()
        return [row["agreement"] for row in csv_rows.read(seeds.RESULTS)]

    for seed in range(3):
        finished(tmp_path / "digits-robust", seed)
    assert agreements(3) == ["0.300000"] * 3
    assert agreements(2) == ["0.300000"] * 3  # the same runs: of three still
    finished(tmp_path / "digits-robust", 1, acc=0.8)
    assert agreements(2) == [""] * 3  # seed 1 is another run than the one that seed 2 was compared with
    assert agreements(3) == ["0.300000"] * 3
    assert agreements(2, "--network", "dense") == [*["0.300000"] * 3, *["0.200000"] * 2]
    last = capsys.readouterr().out.splitlines()[-2:]
    assert [line.split(" | ")[1:3] for line in last] == [
        ["robust (30 + 10)", "3"],
        ["robust (30 + 10) `--network dense`", "2"],
    ]


def test_runs_that_seeds_left_are_taken(tmp_path, monkeypatch):
    """The flags beside a run are compared as they were typed."""
    import seeds

    class Asked(Exception):
        pass

    def trained(run, flags, commit=""):
        raise Asked(run.name, flags)

    monkeypatch.setattr(compare, "trained", trained)
    monkeypatch.setattr(seeds, "trained", trained)
    monkeypatch.setattr("sys.argv", ["seeds.py", "--dataset", "digits", "--data-dir", "here"])
    with pytest.raises(Asked) as left:
        seeds.main()
    with pytest.raises(Asked) as taken:
        compare.main(["--dataset", "digits", "--data-dir", "here"], results=tmp_path)
    assert left.value.args == taken.value.args


def test_a_run_of_other_flags_is_not_taken_for_ones_own(tmp_path, monkeypatch):
    import run_folders

    asked = []
    monkeypatch.setattr("vade_tf.cli.train.main", lambda flags: asked.append(flags) or finish())
    run = tmp_path / "mnist-robust" / "seed-0"

    def finish():
        run.mkdir(exist_ok=True)
        for name in ("config.json", "metrics.json"):
            (run / name).write_text("{}")
        return 0

    for _ in range(2):  # the second time it is there
        assert run_folders.trained(run, ["--seed", "0"]) == run
    assert asked == [["--seed", "0", "--out", str(run), "--no-export"]]
    with pytest.raises(SystemExit, match=r"seed-0 is of other flags \(--seed 0\); remove it, or choose another --out"):
        run_folders.trained(run, ["--seed", "0", "--epochs", "15"])
    (run / "metrics.json").unlink()
    run_folders.trained(run, ["--seed", "0"])
    assert asked[1] == ["--resume", str(run)]


def test_a_system_of_images_is_not_asked_about_other_rows(tmp_path):
    import run_folders

    for shape, found in (([8, 8], True), (None, False)):
        (tmp_path / "data.json").write_text(json.dumps({"image_shape": shape}))
        assert run_folders.has_images(tmp_path) == found
