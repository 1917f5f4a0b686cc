"""The library's messages in the words of the command line: settings become flags, and prose stays prose."""

from pathlib import Path

import pytest

from vade_tf.cli import predict
from vade_tf.cli.main import main
from vade_tf.cli.speech import KINDS, LONGEST, NAMES, error_in_flags, flag, in_flags


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("use likelihood='gaussian'", "use --likelihood gaussian"),
        ('use likelihood="gaussian".', "use --likelihood gaussian."),
        ("if so few are enough, clusters=5, else", "if so few are enough, --clusters 5, else"),
        ("augment='none' or augment='photos'", "--augment none or --augment photos"),
        ("require_full=True, require_full=False", "--require-full, no --require-full"),
        ("give export=False", "give --no-export"),
        ("leave limit=None", "leave no --limit"),
        ("lower learning_rate, or (guide_epochs)", "lower --learning-rate, or (--guide-epochs)"),
        ("combined with limit or held_out: it", "combined with --limit or --held-out: it"),
        ("say where with data=FILE (data: expected a file)", "say where with --data FILE (--data: expected a file)"),
        ("learning_rate=1e-4; decay=0.5.", "--learning-rate 1e-4; --decay 0.5."),
        ("hints='my known.npy'", "--hints 'my known.npy'"),
        ("give clusters=K", "give --clusters K"),
        ("resume=runs", "--resume runs"),
    ],
)
def test_settings_inside_a_sentence(python, shell):
    assert in_flags(python) == shell
    assert in_flags(shell) == shell


@pytest.mark.parametrize(
    "text",
    [
        "the data and the labels of this model: another seed, or more epochs",
        "began with other data: expected rows, got others",
        "--latent-dim: the code is 5 wide; give --latent-dim 5",
        "--no-export, --require-full and --data-dir=x",
        "x/batch_size/seed=3/data_dir.npy is damaged",
        "seed=3/rows.npy and ./learning_rate",
        "batch_size.csv has the columns ['data_dir', 'held_out']",
        "got 'batch_size' and {\"latent_dim\": 3}",
        "hidden=(500, 500), n_clusters=5, random_seed=3",
        "seed 3",
    ],
)
def test_prose_flags_paths_and_quotations_stay(text):
    assert in_flags(text) == text
    assert error_in_flags(text) == text


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("batch_size: expected 1", "--batch-size: expected 1"),
        ("data: expected 6 features; the model has 6", "--data: expected 6 features; the model has 6"),
        ("data and dataset: expected one of them", "--data and --dataset: expected one of them"),
        ("clusters, seeds and restarts: one", "--clusters, --seeds and --restarts: one"),
        ("hints: expected model='vade'", "--hints: expected --model vade"),
        ("model='gmm': at least 2 rows", "--model gmm: at least 2 rows"),
        ("to: v/3 cannot be written", "--to: v/3 cannot be written"),
        ("datum: expected 1", "datum: expected 1"),
        ("x: expected 2 rows", "rows: expected 2 rows"),
        ("runs/model: expected a run folder", "runs/model: expected a run folder"),
        ("--data: expected 1", "--data: expected 1"),
    ],
)
def test_the_arguments_an_error_begins_with(python, shell):
    assert error_in_flags(python) == shell
    assert error_in_flags(shell) == shell


def test_a_folder_may_be_called_like_a_setting():
    assert error_in_flags("model: expected a run folder", ["runs/a", "model"]) == "model: expected a run folder"
    assert error_in_flags("data: expected clusters=3", [None, "model"]) == "--data: expected --clusters 3"


def test_every_setting_is_known():
    assert {"out", "resume", "seeds", "restarts", *KINDS} <= set(NAMES)
    for name in KINDS:
        assert error_in_flags(f"{name}: expected 1") == f"{flag(name)}: expected 1"


def test_a_text_that_no_library_says_stays_as_it_is():
    """A list of names takes time that grows with the square of its length."""
    text = "clusters, " * (LONGEST // 10 + 1) + "batch_size"
    assert in_flags(text) == text
    assert in_flags(text[-100:]).endswith("--batch-size")


@pytest.mark.parametrize(("seconds", "shown"), [(0.01234, "0.0123"), (99.6, "99.6"), (99.97, "100"), (1234.5, "1,234")])
def test_seconds_are_numbers_as_people_write_them(seconds, shown, capsys):
    predict._tell(10, seconds, Path("out.csv"))
    assert capsys.readouterr().out.startswith(f"10 rows in {shown} s, ")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["predict", "run", "new.csv"], "; did you mean --data new.csv?"),
        (["train", "new.csv"], "; did you mean --data new.csv?"),
        (["predict", "run", "gone.csv"], ""),
        (["predict", "run", "w" * 300], ""),
        (["predict", "run", "--data", "new.csv", "new.csv"], ""),
        (["export", "run", "--to", "out", "new.csv"], ""),
    ],
)
def test_a_file_of_rows_without_its_flag_is_told_the_flag(arguments, meant, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.csv").touch()
    with pytest.raises(SystemExit, match="^2$"):
        main(arguments)
    assert capsys.readouterr().err.endswith(f"unrecognized arguments: {arguments[-1]}{meant}; see --help\n")
