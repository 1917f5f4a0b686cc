"""Where runs are: which folder is free for one, and which files are a run's own."""

import errno
import json
import struct

import numpy as np
import pytest

from vade_tf.data.observing import build
from vade_tf.data.pictures import Pictures
from vade_tf.errors import InputError
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.places import KINDS, check_report, free_folder, held, owned, reserved
from vade_tf.runs.restarts import resume_restarts
from vade_tf.runs.seeds import resume_seeds
from vade_tf.runs.sweep import resume_sweep
from vade_tf.runs.train import train
from vade_tf.writing import UNFINISHED, write_whole

DATA = {"source": "x.npy", "rows": 60, "features": 5, "crc32": 1}
SCHEMA = Pictures(1, 5, 1).to_dict()
CONFIG = TrainConfig(data="x.npy", clusters=2)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.json", "{}"),
        ("data.json", "mine"),
        ("data.json", json.dumps([DATA])),
        ("data.json", json.dumps({**DATA, "mine": 1})),
        ("data.json", json.dumps({**DATA, "rows": "60"})),
        ("schema.json", json.dumps({"type": "object"})),
        ("schema.json", json.dumps({"form": "table"})),
        *((name, json.dumps(DATA)) for name in ("data.jsonl", "data.json.bak", "config.json.tmp", "schema.json.old")),
    ],
)
def test_a_folder_with_a_file_of_somebody_is_not_empty(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"^out: {tmp_path} is not empty; choose another folder"):
        Run.create(tmp_path, CONFIG, DATA)
    with (
        pytest.raises(InputError, match=f"^out: {tmp_path} is not empty; choose another folder"),
        held(tmp_path, "out", new=True),
    ):
        pass
    assert (tmp_path / name).read_text() == content
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("year", [1970, 2110])
def test_nothing_is_trained_or_saved_by_a_clock_whose_times_no_model_can_hold(year, tmp_path, monkeypatch, small_model):
    """The clock of a board without a battery begins at 1970: Keras would fail after the whole training."""
    model, rows = small_model(compiled=False), np.random.default_rng(0).normal(size=(60, 5))
    monkeypatch.setattr("time.time", lambda: (year - 1970) * 365.25 * 86400 + 1e6)
    with pytest.raises((ValueError, struct.error)):
        model.save(tmp_path / "m.keras")
    for write in (lambda: train(CONFIG, tmp_path / "run", whole=build(rows, None, "x", "x.npy")),):
        with pytest.raises(InputError, match=f"^the clock of this machine is in the year {year}, .*; set the clock$"):
            write()
    assert not (tmp_path / "run").exists()


def test_what_a_kill_leaves_before_there_is_a_run_is_empty_and_hidden_files_stay(tmp_path):
    hidden = (f".mine{UNFINISHED}", ".git")
    for name in ("checkpoints", *hidden):
        (tmp_path / name).mkdir()
    (tmp_path / "data.json").write_text(json.dumps({**DATA, "hints": 3}))
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    with held(tmp_path, "out", new=True):
        run = Run.create(tmp_path, CONFIG, DATA)
    assert (run.data, run.schema) == (DATA, None)
    assert all((tmp_path / name).is_dir() for name in hidden)


@pytest.mark.parametrize(
    ("kind", "names", "resume"),
    [
        ("seeds", ("seed-0", "seed-1"), resume_seeds),
        ("restarts", ("restart-0", "restart-1"), resume_restarts),
        ("clusters", ("k-2", "k-3"), resume_sweep),
    ],
)
def test_nothing_is_written_where_a_run_of_a_study_is_a_link(kind, names, resume, tmp_path):
    study, other = tmp_path / "study", tmp_path / "other"
    study.mkdir()
    other.mkdir()
    values = [int(name.split("-")[1]) for name in names]
    plan = {"values": values, "config": json.loads(CONFIG.to_json())}
    (study / f"{kind}.json").write_text(json.dumps(plan))
    link = study / names[1]
    for target in (other, tmp_path / "nowhere"):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        with pytest.raises(InputError, match=f"^resume: expected a folder of the run, got a link at {link}; remove it"):
            resume(study)
    assert {file.name for file in study.iterdir()} == {f"{kind}.json", names[1]}
    assert not list(other.iterdir())


@pytest.mark.parametrize(("kind", "resume"), zip(KINDS, (resume_restarts, resume_sweep, resume_seeds), strict=True))
def test_a_study_is_not_continued_as_one_of_another_kind(kind, resume, tmp_path):
    plan = {"values": [2, 3], "config": json.loads(CONFIG.to_json())}
    (tmp_path / f"{kind}.json").write_text(json.dumps(plan))
    with pytest.raises(InputError, match=r"^resume: expected a folder of several runs, with \w+\.json in it, got "):
        resume(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [f"{kind}.json"]


def test_free_folder_takes_the_next_name(tmp_path):
    assert free_folder(tmp_path, "a") == tmp_path / "a"
    for name in ("a", "a-2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").touch()
    (tmp_path / "a-3").touch()
    (tmp_path / "a-4").symlink_to("nowhere")
    assert free_folder(tmp_path, "a") == tmp_path / "a-5"
    (tmp_path / "a-5").mkdir()
    assert free_folder(tmp_path, "a") == tmp_path / "a-5"


def test_the_files_of_runs_and_studies_are_theirs(tmp_path):
    """As `train --restarts 2` leaves them: a plan, runs in folders, and the kept one's files beside these."""
    study, run, other = (tmp_path / name for name in ("study", "run", "other"))
    for folder in (study, study / "restart-0", study / "restart-1", run, other):
        folder.mkdir()
        (folder / "config.json").write_text(CONFIG.to_json())
    (study / "restarts.json").write_text(json.dumps({"values": [0, 1], "config": json.loads(CONFIG.to_json())}))
    (other / "config.json").write_text('{"colour": "red"}')  # as many a program has one
    (other / "clusters.json").write_text("[1, 2]")
    of_all = ("restarts.csv", "restarts.json", "summary.json", "assignments.csv", "report.html")
    assert all(owned(study / name) for name in (*of_all, "restart-1/metrics.csv", "restart-1/figures/x.csv"))
    assert not any(owned(study / name) for name in ("mine.csv", "restart-1/mine.csv", "../metrics.csv"))
    assert all(owned(run / name) for name in ("metrics.csv", "model.keras", "export/1/x.csv"))
    assert not any(owned(run / name) for name in ("restarts.csv", "clusters.csv", "restart-0/metrics.csv"))
    assert not any(owned(other / name) for name in ("metrics.csv", "clusters.csv", "figures/x.csv"))
    (other / "config.json").write_text("{")  # it may be a run's, damaged
    assert owned(other / "metrics.csv")
    (tmp_path / "link").symlink_to(run)
    assert owned(tmp_path / "link" / "metrics.csv")


def test_a_report_may_lie_in_a_folder_of_somebody_in_a_run_and_in_none_of_the_run(tmp_path):
    study, run, other = (tmp_path / name for name in ("study", "study/restart-0", "other"))
    for folder in (study, run, other):
        folder.mkdir()
        (folder / "config.json").write_text(CONFIG.to_json())
    for out, about in ((other / "notes", run), (other / "figures", other), (study, run), (tmp_path / "new", run)):
        check_report(out, [about])
    for out, about in ((other, run), (other / "figures", run), (other / "export" / "1", run), (run, other)):
        with pytest.raises(InputError, match=f"^out: {out} belongs to .*, another run than is evaluated; choose"):
            check_report(out, [about])


def test_a_reserved_folder_is_no_other_process_s_and_is_gone_if_nothing_came_of_it(tmp_path):
    parent = tmp_path / "runs"
    with reserved(parent, "a") as one, reserved(parent, "a") as other:
        assert (one.name, other.name) == ("a", "a-2")
        with held(one, "out", new=True):
            (one / "config.json").touch()
    assert [file.name for file in parent.iterdir()] == ["a"]
    with pytest.raises(KeyboardInterrupt), reserved(tmp_path / "others", "b"):
        raise KeyboardInterrupt
    assert not (tmp_path / "others").exists()


@pytest.mark.parametrize(
    "said",
    [
        OSError(errno.ENOLCK, "no locks"),
        OSError(errno.ENOSYS, "none"),
        OSError(errno.EOPNOTSUPP, "none"),
        NotImplementedError(),
    ],
)
def test_a_file_system_without_locks_holds_runs_nevertheless(tmp_path, monkeypatch, said):
    def fail(*arguments, **more):
        raise said

    monkeypatch.setattr("filelock.FileLock.acquire", fail)
    with held(tmp_path / "run", "out", new=True) as folder:
        assert folder.is_dir()
    monkeypatch.setattr(
        "filelock.FileLock.acquire", lambda self: (_ for _ in ()).throw(OSError(errno.EROFS, "read-only"))
    )
    with pytest.raises(InputError, match="cannot be written"), held(tmp_path / "other", "out", new=True):
        pass


def test_checkpoints_that_are_there_already_are_somebody_s(tmp_path):
    """A new run would go on from them."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "pretrained.npz").write_bytes(b"mine")
    with pytest.raises(InputError, match=f"^out: {tmp_path} is not empty; choose another folder"):
        Run.create(tmp_path, CONFIG, DATA)
    assert {file.name for file in tmp_path.rglob("*")} == {"checkpoints", "pretrained.npz"}
    assert (tmp_path / "checkpoints" / "pretrained.npz").read_bytes() == b"mine"


@pytest.mark.parametrize("at", ["data.json", "schema.json", "config.json"])
def test_a_kill_while_a_run_is_made_leaves_a_free_folder(at, tmp_path, monkeypatch):
    """config.json says that there is a run, and comes last: one without data.json could not be continued."""

    def killed(path, content):
        if path.name == at:
            raise KeyboardInterrupt
        write_whole(path, content)

    with monkeypatch.context() as patched:
        patched.setattr("vade_tf.runs.folder.write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            Run.create(tmp_path, CONFIG, DATA, Pictures(1, 5, 1))
    run = Run.create(tmp_path, CONFIG, DATA)
    assert (run.data, run.schema, Run.open(tmp_path).config) == (DATA, None, CONFIG)


def test_who_holds_a_folder_clears_what_a_kill_left_there_and_nobody_else_does(tmp_path):
    """Somebody else would remove the files that are just being written."""
    name = f".{'0' * 16}{UNFINISHED}"
    files = [tmp_path / place / name for place in ("", "checkpoints", "export", "tensorboard/fit")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    with held(tmp_path, "resume"):
        assert not any(file.exists() for file in files)
        for file in files:
            file.touch()
        with pytest.raises(InputError, match="is in use by another process"), held(tmp_path, "resume"):
            pass
        assert all(file.exists() for file in files)
