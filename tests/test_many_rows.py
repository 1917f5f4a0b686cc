"""More rows than are read at once: a start on some of them, groups for the others, large tables, what is evaluated."""

import os
import tracemalloc
import weakref
from types import SimpleNamespace

import numpy as np
import pandas
import pytest
import scipy.optimize
import scipy.special
import tensorflow as tf
from scipy.spatial.distance import cdist

from vade_tf import load
from vade_tf.data import converted, shards, table_files
from vade_tf.data.files import load_file
from vade_tf.data.observing import build
from vade_tf.data.schema import Schema
from vade_tf.data.shards import FileRows
from vade_tf.errors import InputError, StorageError
from vade_tf.locking import Busy, locked
from vade_tf.report import evaluation
from vade_tf.report import rows as report_rows
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.rows import load_rows
from vade_tf.runs.train import resume, train
from vade_tf.training import aside, extension, recipe, regions, watch
from vade_tf.training import groups as finding
from vade_tf.training.settings import Settings

pytestmark = pytest.mark.usefixtures("eager_file")

SMALL = {"hidden": (8,), "latent_dim": 2, "precision": "float32", "batch_size": 32, "pretrain_epochs": 2, "epochs": 2}


class Killed(Exception):
    pass


class Killer(tf.keras.callbacks.Callback):
    """Ends a fit in the second epoch of VaDE."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and self.model.name != "autoencoder":
            raise Killed


@pytest.fixture
def huge(tmp_path):
    """Ten thousand million rows of two bytes, all 0, in a file that has a hole for them."""
    file, n = tmp_path / "huge.npy", 10**10
    with file.open("wb") as out:
        np.lib.format.write_array_header_1_0(out, {"descr": "|u1", "fortran_order": False, "shape": (n, 2)})
        out.truncate(out.tell() + 2 * n)
    return FileRows.open(file)


def test_some_of_very_many_rows_take_the_memory_of_some(huge):
    tracemalloc.start()
    middle = huge.part(slice(10**9, None)).part(slice(2, None, 3))
    found = middle[5:9], middle[[7, 3 * 10**9 - 1]], huge.part(np.array([3, 9 * 10**9]))[:]
    looked_at = watch.Watch(huge, 5, seed=0).x
    begun = extension.read_rows(len(huge), seed=0)
    none = aside.set_aside(len(huge), 0, 0, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(middle) == 3 * 10**9
    assert [part.shape for part in found] == [(4, 2), (2, 2), (2, 2)]
    assert (looked_at.shape, len(begun), len(none)) == ((4000, 2), extension.READ, 0)
    assert peak < 10**7


def agreement(groups, y):
    counts = np.zeros((3, 3))
    np.add.at(counts, (groups, y), 1)
    return counts[scipy.optimize.linear_sum_assignment(-counts)].sum() / len(y)


def test_rows_that_a_start_has_not_read_get_the_groups_of_their_neighbours(blobs, monkeypatch):
    monkeypatch.setattr(extension, "READ", 150)
    fitting = recipe.begin(blobs[0], Settings(clusters=3, **{**SMALL, "pretrain_epochs": 0}))
    some, numbers = finding.read_by_start(fitting)
    assert len(some) == len(np.unique(numbers)) == 150
    assert agreement(finding.found_groups(fitting, "init").groups, blobs[2]) > 0.99  # on the rows themselves
    found = finding.found_groups(fitting, "regroup").groups  # on what the encoder makes of them
    views = finding.reader(fitting, "regroup", some)(some)
    z = finding.code(fitting, "regroup", some, views)
    np.testing.assert_array_equal(z, finding.code(fitting, "init", some, []))
    np.testing.assert_array_equal(found[numbers], finding.starts.start(z, 3, "landmark", 0, views).groups)
    assert found.itemsize == 1


def test_rows_get_their_groups_in_blocks_without_a_seam(blobs, monkeypatch):
    monkeypatch.setattr(extension, "READ", 150)
    fitting = recipe.begin(blobs[0], Settings(clusters=3, **{**SMALL, "pretrain_epochs": 0}))
    whole = finding.found_groups(fitting, "init").groups
    monkeypatch.setattr(finding, "BLOCK", 37)
    np.testing.assert_array_equal(finding.found_groups(fitting, "init").groups, whole)


def test_groups_have_the_bytes_that_their_number_needs(blobs, monkeypatch):
    monkeypatch.setattr(extension, "READ", 400)
    fitting = recipe.begin(blobs[0], Settings(clusters=140, init="kmeans", **{**SMALL, "pretrain_epochs": 0}))
    found = finding.found_groups(fitting, "init").groups
    assert (found.itemsize, found.min(), found.max()) == (2, 0, 139)


def test_an_extension_is_the_vote_of_near_landmarks(rng):
    """With a landmark for each row that has a group, a copy of that row gets its group."""
    z = rng.normal(size=(60, 2)).astype("f4") + 10 * np.arange(60)[:, None]
    groups = rng.permutation(60) % 4
    found = extension.Extension([z, z], groups, 4, 0)
    share = found.share[0]
    np.testing.assert_allclose(share.sum(axis=1), 1, atol=1e-6)
    few = [np.repeat(np.array([[0.0, 0], [50, 50]], "f4"), 30, axis=0) + rng.normal(size=(60, 2)).astype("f4")]
    halves = extension.Extension(few, np.repeat([3, 1], 30), 4, 0)
    np.testing.assert_array_equal(halves.groups([np.array([[1.0, 1], [49, 52], [-3, 0]])]), [3, 1, 3])
    assert extension.read_rows(extension.READ, 0) is None
    rows = extension.read_rows(extension.READ + 1, 0)
    assert len(np.unique(rows)) == extension.READ
    assert (np.diff(rows) > 0).all()


def test_groups_of_other_rows_are_those_of_the_formula(rng, monkeypatch):
    """The first twenty rows of each view are its landmarks here; all distances are dense."""
    asked, groups, total = [], rng.integers(3, size=100), 0

    def landmarks(rows, seed, most):
        asked.append(most)
        return rows[:most]

    def ties(z, centres):
        distance, weights = cdist(z, centres), np.zeros((len(z), len(centres)))
        for row, each in zip(weights, distance, strict=True):
            *near, fourth = np.argsort(each)[:4]
            row[near] = scipy.special.softmax(-2 * (each[near] / each[fourth]) ** 2)
        return weights

    monkeypatch.setattr(regions, "landmarks", landmarks)
    views, others = rng.normal(size=(2, 100, 2)).astype("f4"), rng.normal(size=(2, 300, 2)).astype("f4")
    for view, other in zip(views, others, strict=True):
        own = ties(view, view[:20])
        total = total + ties(other, view[:20]) @ (own.T @ np.eye(3)[groups] / own.sum(axis=0)[:, None])
    found = extension.Extension(views, groups, 3, 0)
    np.testing.assert_array_equal(found.groups(others), total.argmax(axis=1))
    assert asked == [20, 20]  # a fifth of the rows, which is less than a thousand


@pytest.fixture
def table(tmp_path, monkeypatch):
    """A table of which the features are to stay in a file, and the same in memory."""
    r = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": r.normal(size=900), "b": r.normal(size=900) ** 2, "c": r.choice(list("xyz"), 900)})
    frame.loc[::7, "a"] = np.nan
    frame["y"], frame["name"] = r.integers(0, 3, 900), [f"row {i}" for i in range(900)]
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=100)
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    whole = load_file(str(tmp_path / "t.parquet"), "y", id="name")
    monkeypatch.setattr(shards, "memory", lambda: 5000)
    monkeypatch.setattr(table_files, "memory", lambda: 5000)
    return tmp_path / "t.parquet", whole


def test_a_large_table_is_converted_once_and_read_as_in_memory(table, monkeypatch):
    monkeypatch.setattr(converted, "BLOCK", 128)
    file, whole = table
    found = load_file(str(file), "y", id="name")
    assert isinstance(found.x, FileRows)
    np.testing.assert_array_equal(found.x[:], whole.x)
    assert (found.schema, found.has_holes, found.standardise) == (whole.schema, True, whole.standardise)
    np.testing.assert_array_equal(found.y, whole.y)
    np.testing.assert_array_equal(found.ids, whole.ids)
    assert found.fingerprint == whole.fingerprint
    assert "900 rows are read from a copy in float32" in found.notice
    monkeypatch.setattr(converted, "_write", None)  # would be called
    again = load_file(str(file), "y", id="name", schema=found.schema)
    assert again.x.file == found.x.file
    with monkeypatch.context() as other:
        other.setattr(converted, "CODING", 0)  # a copy made by other rules
        with pytest.raises(InputError, match="not callable"):
            load_file(str(file), "y", id="name", schema=found.schema)
    os.utime(file, (1, 1))
    with pytest.raises(InputError, match="not callable"):
        load_file(str(file), "y", id="name")


def test_no_copy_is_written_that_fills_the_disk_or_is_far_larger_than_its_file(table, tmp_path, monkeypatch):
    """A .parquet of a few hundred bytes can claim any number of equal rows."""
    file, _ = table
    with monkeypatch.context() as other:
        other.setattr(converted, "LARGEST", 1000)
        other.setattr(converted, "DENSEST", 0.1)
        other.setattr(converted, "ParquetTable", lambda *_: pytest.fail("its rows were read"))
        with pytest.raises(InputError, match="^data: expected a table of at most 0.0 GB in float32, as .* choose col"):
            load_file(str(file), "y", id="name")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=converted.RESERVE + 1000))
    with pytest.raises(StorageError, match="^data: .* as float32 in .*converted, where 0.1 GB are free; make room"):
        load_file(str(file), "y", id="name")
    assert [file.name for file in (tmp_path / "cache").rglob("*.*")] == [".lock"]


def test_a_label_that_is_missing_is_seen_in_a_row_that_was_not_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr(converted, "SAMPLE", 100)
    monkeypatch.setattr(shards, "memory", lambda: 5000)
    frame = pandas.DataFrame({"a": np.arange(900) / 7, "y": np.array(["u", "v"], object)[np.arange(900) % 2]})
    frame.loc[13, "y"] = None
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="^labels: expected one a row, got none in row 13 of"):
        load_file(str(tmp_path / "t.parquet"), "y")


def test_few_columns_of_many_levels_stay_in_a_file_as_well(tmp_path, monkeypatch):
    """The columns are small enough for the memory, and their features are not."""
    r = np.random.default_rng(0)
    frame = pandas.DataFrame({"a": r.normal(size=900), "c": r.choice(list("abcdefghijkl"), 900)})
    frame.to_parquet(tmp_path / "t.parquet")
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path / "cache"))
    whole = load_file(str(tmp_path / "t.parquet")).x
    monkeypatch.setattr(shards, "memory", lambda: 40_000)
    assert 2 * 900 * 4 < shards.SHARE * 40_000 < 13 * 900 * 4
    found = load_file(str(tmp_path / "t.parquet")).x
    assert isinstance(found, FileRows)
    np.testing.assert_array_equal(found[:], whole)


def test_what_the_columns_are_is_seen_on_some_of_the_rows(table, monkeypatch):
    monkeypatch.setattr(converted, "SAMPLE", 100)
    seen = converted.sampled(table[0])
    np.testing.assert_array_equal(seen["name"], [f"row {i}" for i in range(0, 900, 9)])
    np.testing.assert_array_equal(seen.index, range(0, 900, 9))
    seen["counter"], seen["twice"] = 1 + np.arange(0, 900, 9), 2 * np.arange(0, 900, 9)
    assert Schema.infer(seen[["a", "counter", "twice"]]).dropped == {"counter": "it counts the rows from 1"}


def test_what_was_done_with_the_columns_of_a_large_table_is_told(table, tmp_path, monkeypatch):
    monkeypatch.setattr(converted, "SAMPLE", 100)
    pandas.read_parquet(table[0]).assign(same=1.5).to_parquet(tmp_path / "u.parquet")
    told = load_file(str(tmp_path / "u.parquet"), "y", id="name").notice
    assert "what the columns are was seen on 100 of the rows" in told
    assert [line for line in told.splitlines() if "left out" in line and "same" in line]


def test_a_copy_is_written_while_no_other_process_sweeps_or_writes(table, monkeypatch):
    write, held = converted._write, []

    def watched(file, schema, target):
        with pytest.raises(Busy), locked(target.parent / ".lock"):
            pass
        held.append(target)
        return write(file, schema, target)

    monkeypatch.setattr(converted, "_write", watched)
    found = load_file(str(table[0]), "y", id="name").x
    with locked(found.file.parent / ".lock"):
        assert held == [found.file]


def test_a_large_array_stays_in_its_file_unless_a_part_of_it_is_asked_for(tmp_path, rng, monkeypatch):
    x = rng.normal(size=(300, 5))
    np.save(tmp_path / "x.npy", x)
    config = TrainConfig(data=str(tmp_path / "x.npy"), clusters=2)
    assert isinstance(load_rows(config).dataset.x, np.ndarray)
    monkeypatch.setattr(shards, "memory", lambda: 10_000)
    assert isinstance(load_rows(config).dataset.x, FileRows)
    few = load_rows(TrainConfig(data=str(tmp_path / "x.npy"), clusters=2, limit=20))
    assert isinstance(few.dataset.x, np.ndarray)
    np.testing.assert_array_equal(few.dataset.x, x[few.numbers].astype("f4"))
    held = load_rows(TrainConfig(data=str(tmp_path / "x.npy"), clusters=2, held_out=0.1))
    assert isinstance(held.dataset.x, FileRows)
    np.testing.assert_array_equal(held.dataset.x[:], x[held.numbers].astype("f4"))


@pytest.mark.long
@pytest.mark.parametrize("limit", [None, 90])
def test_a_run_reads_its_rows_as_it_began_whatever_memory_there_is(tmp_path, rng, monkeypatch, limit):
    """From their file they come in another order."""
    np.save(tmp_path / "x.npy", rng.normal(size=(120, 3)) + 5 * np.eye(3)[np.arange(120) % 3])
    config = TrainConfig(data=str(tmp_path / "x.npy"), clusters=3, limit=limit, **SMALL)
    for little, name in ((1, "in-file"), (10**10, "in-memory")):
        monkeypatch.setattr(shards, "memory", lambda little=little: little)
        train(config, tmp_path / name, export=False)
        with pytest.raises(Killed):
            train(config, tmp_path / f"{name}-cut", extra=[Killer()], export=False)
        assert Run.open(tmp_path / f"{name}-cut").data["in_file"] == (name == "in-file")
    resume(tmp_path / "in-file-cut", export=False)  # there is memory enough now
    looked_at, _, _ = report_rows.load_rows(Run.open(tmp_path / "in-file"), load(tmp_path / "in-file"))
    assert isinstance(looked_at.x, FileRows)  # also to be evaluated
    weights = [load(tmp_path / name).get_weights() for name in ("in-file", "in-file-cut")]
    assert all(np.array_equal(one, other) for one, other in zip(*weights, strict=True))
    monkeypatch.setattr(shards, "memory", lambda: 1)
    told = r"^data: the run held its rows in memory, .*; continue it on a machine of at least 0\.0 GiB$"
    with pytest.raises(InputError, match=told):
        resume(tmp_path / "in-memory-cut")


def test_a_table_of_few_columns_and_many_features_stays_in_its_file_for_a_model_that_knows_them(tmp_path, monkeypatch):
    table = pandas.DataFrame({"kind": [f"kind {i % 50}" for i in range(200)], "number": np.arange(200.0)})
    table.to_parquet(tmp_path / "x.parquet")
    schema = Schema.infer(table, "x")
    assert len(schema.features) == 50
    monkeypatch.setattr(shards, "memory", lambda: 200 * 4 * 10 / shards.SHARE)  # enough for ten features
    assert isinstance(load_file(str(tmp_path / "x.parquet"), schema=schema).x, FileRows)


def test_rows_are_read_from_their_file_where_they_are_asked_for_there(table, monkeypatch):
    monkeypatch.setattr(shards, "memory", lambda: 10**10)
    config = TrainConfig(data=str(table[0]), labels="y", id="name", clusters=3)
    assert isinstance(load_rows(config).dataset.x, np.ndarray)
    found = load_rows(config, in_file=True).dataset
    assert isinstance(found.x, FileRows)
    assert found.fingerprint == table[1].fingerprint
    with pytest.raises(InputError, match=r"^data: the run read its rows from their file; expected whole="):
        load_rows(config, table[1], in_file=True)


def test_of_many_rows_some_are_evaluated(blobs, monkeypatch):
    dataset = build(blobs[0], blobs[2], "blobs", "memory")
    assert evaluation.some_of(dataset, 10) == (dataset, None)
    monkeypatch.setattr(evaluation, "MOST", 1000)
    monkeypatch.setattr(evaluation, "LEAST_ROWS", 1)
    some, drawn = evaluation.some_of(dataset, 10)
    assert len(some.x) == len(drawn) == 100
    np.testing.assert_array_equal(some.x[:], blobs[1][drawn])
    np.testing.assert_array_equal(some.y, blobs[2][drawn])


@pytest.mark.parametrize("names", [[2, 0, 1], [2, 1, 0], [1, 0, 2]])
def test_groups_found_anew_on_some_rows_keep_the_names_of_the_components(names, blobs, monkeypatch):
    monkeypatch.setattr(extension, "READ", 150)
    fitting = recipe.begin(blobs[0], Settings(clusters=3, **{**SMALL, "pretrain_epochs": 0}))
    y, numbers = blobs[2], finding.read_by_start(fitting)[1]
    monkeypatch.setattr(finding, "found_groups", lambda *_: finding.starts.Start(y.astype("i4"), *(None,) * 3))
    monkeypatch.setattr(finding.posterior, "model_groups", lambda *_: np.array(names, "i4")[y[numbers]])
    np.testing.assert_array_equal(finding.regrouped(fitting), np.array(names)[y])


def test_a_copy_is_of_the_columns_that_it_was_made_for(table):
    file, whole = table
    for name, columns in (("a", [1, 2, 3, 4]), ("b", [0, 2, 3, 4])):
        found = load_file(str(file), "y", id="name", drop=name).x
        np.testing.assert_array_equal(found[:], whole.x[:, columns])


def test_rows_at_even_distances_are_so_across_blocks(table, monkeypatch):
    monkeypatch.setattr(converted, "SAMPLE", 100)
    monkeypatch.setattr(converted, "BLOCK", 128)  # no multiple of 9
    seen = converted.sampled(table[0])
    assert seen["name"].tolist() == [f"row {i}" for i in range(0, 900, 9)]


def test_a_sample_of_a_large_table_keeps_no_block_of_it(monkeypatch):
    """A view of some rows would keep them all: for 10 million rows of 100 numbers 4 GB."""
    alive: list[weakref.ref] = []

    class Table:
        columns = ("a", "b")

        def __init__(self, file):
            pass

        def __len__(self):
            return 1000

        def __getitem__(self, rows):
            assert [each for each in alive if each() is not None] == []
            block = np.zeros((rows.stop - rows.start, 2))
            alive.append(weakref.ref(block))
            return pandas.DataFrame(block, columns=list("ab"), copy=False)

    monkeypatch.setattr(converted, "ParquetTable", Table)
    monkeypatch.setattr(converted, "SAMPLE", 100)
    monkeypatch.setattr(converted, "BLOCK", 200)
    assert len(converted.sampled(None)) == 100
    assert len(alive) == 5


@pytest.mark.parametrize(("stored", "most"), [(5, 1000), (500, 5000)])
def test_a_copy_may_be_as_large_as_either_bound_allows(tmp_path, monkeypatch, stored, most):
    """A thousand bytes here, or ten for each byte of the file."""
    monkeypatch.setattr(converted, "LARGEST", 1000)
    monkeypatch.setattr(converted, "DENSEST", 10)
    file = tmp_path / "t.parquet"
    file.write_bytes(bytes(stored))
    converted.check_size(file, most)
    with pytest.raises(InputError, match="^data: expected a table of at most .*; choose columns"):
        converted.check_size(file, most + 1)
