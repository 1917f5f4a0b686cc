"""Files of arrays, whole or damaged; what is asked of a file goes with its kind, or is refused before it is read."""

import zipfile

import h5py
import numpy as np
import pytest
import scipy.sparse
from small_files import loaded

from vade_tf.data.files import KINDS
from vade_tf.data.rows import FileRows, SparseRows
from vade_tf.errors import InputError


@pytest.mark.parametrize("name", ["x.npy", "xy.npz", "sparse.npz"])
def test_rows_and_labels_of_every_kind_of_file(tmp_path, rng, name):
    x, y = np.where(rng.random((20, 3)) < 0.5, rng.normal(size=(20, 3)), 0).astype("f4"), np.array(["b", "a"] * 10)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "xy.npz", X=x, y=y, z=x)
    scipy.sparse.save_npz(tmp_path / "sparse.npz", scipy.sparse.coo_array(x))
    labels = None if name == "xy.npz" else str(tmp_path / "y.npy")
    found = loaded(str(tmp_path / name), labels)
    np.testing.assert_array_equal(found.x[:], x)
    np.testing.assert_array_equal(found.y, [1, 0] * 10)
    assert isinstance(found.x, SparseRows) == (name == "sparse.npz")


def test_a_sparse_file_is_the_data_set_of_its_dense_copy(tmp_path, rng):
    dense = np.where(rng.random((50, 6)) < 0.2, rng.normal(3, 1, (50, 6)), 0).astype("f4")
    np.save(tmp_path / "rows.npy", dense)
    scipy.sparse.save_npz(tmp_path / "rows.npz", scipy.sparse.csr_matrix(dense))
    one, other = (loaded(str(tmp_path / f"rows.{ending}")) for ending in ("npz", "npy"))
    assert (one.low, one.high) == (other.low, other.high)
    np.testing.assert_allclose(one.moments(), other.moments(), rtol=1e-4, atol=1e-7)
    assert one.fingerprint | {"source": ""} == other.fingerprint | {"source": ""}
    some = np.array([3, 4, 31, 49])
    np.testing.assert_array_equal(one.part(some).x[:], other.part(some).x)


@pytest.mark.parametrize("dtype", ["u1", "i8", "f2", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_may_stay_in_their_file(tmp_path, rng, dtype, order):
    x = np.asarray(rng.integers(0, 9, (20, 3, 4)), dtype, order=order)
    np.save(tmp_path / "x.npy", x)
    one, other = (loaded(str(tmp_path / "x.npy"), in_file=in_file) for in_file in (True, False))
    assert (isinstance(one.x, FileRows), isinstance(other.x, np.ndarray)) == (True, True)
    np.testing.assert_array_equal(one.x[:], other.x)
    assert one.image_shape == other.image_shape == (3, 4)
    assert one.fingerprint == other.fingerprint


def test_what_cannot_be_used(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((4, 2)))
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-9])
    np.savez(tmp_path / "ab.npz", a=np.ones((4, 2)), b=np.ones((4, 2)))
    np.savez(tmp_path / "xz.npz", x=np.ones((4, 2)))
    for name, labels, error, message in (
        ("x.mat", None, InputError, "^data: expected a file ending in .npy, .npz"),
        ("none.npy", None, (OSError, InputError), "none.npy"),
        ("cut.npy", None, ValueError, "bytes|size|whole"),
        ("objects.npy", None, ValueError, "objects|allow_pickle"),
        ("x.npy", str(tmp_path / "y.csv"), InputError, "^labels: expected a .npy file"),
        ("x.npy", str(tmp_path / "y.npy"), (OSError, InputError), "y.npy"),
        ("ab.npz", None, InputError, '^data: expected an array "x"'),
        ("xz.npz", "z", InputError, "^labels: expected one of the arrays"),
    ):
        with pytest.raises(error, match=message):
            loaded(str(tmp_path / name), labels)


@pytest.mark.parametrize("indices", [[0, 9, 1], [0, -1, 1]])
def test_a_sparse_matrix_with_indices_beyond_its_columns_is_refused(tmp_path, indices):
    """SciPy trusts them, and the process would end."""
    np.savez(
        tmp_path / "x.npz", format=b"csr", shape=(2, 3), data=np.ones(3), indices=np.array(indices), indptr=[0, 2, 3]
    )
    with pytest.raises(ValueError, match="ind"):
        loaded(str(tmp_path / "x.npz"))


@pytest.mark.parametrize("form", ["csr_matrix", "csc_matrix", "dense"])
def test_an_h5_file_is_dense_or_sparse(tmp_path, rng, form):
    x, y = rng.poisson(0.3, (40, 7)), np.array(["b", "a"] * 20)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        if form == "dense":
            file["X"] = x
        else:
            parts = scipy.sparse.csr_array(x).asformat(form[:3])
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = form, x.shape
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(parts, name)
        file["Y"] = y.astype(object)
    data = loaded(str(tmp_path / "a.h5"))
    assert isinstance(data.x, SparseRows) == (form != "dense")
    np.testing.assert_array_equal(data.x[:], x)
    np.testing.assert_array_equal(data.y, [1, 0] * 20)
    if form != "dense":
        with h5py.File(tmp_path / "a.h5", "a") as file:
            file["X"]["indices"][0] = 41
        with pytest.raises(ValueError, match="ind"):
            loaded(str(tmp_path / "a.h5"))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_rows_of_a_file_are_the_images_they_are_said_to_be(tmp_path, rng, name):
    x = rng.integers(0, 256, (30, 4, 5, 3)).astype("u1")
    np.save(tmp_path / "x.npy", x.reshape(30, -1))
    np.savez(tmp_path / "x.npz", x=x)
    assert loaded(str(tmp_path / name), image_shape=(4, 5, 3)).image_shape == (4, 5, 3)
    assert loaded(str(tmp_path / name), kind="rows").image_shape is None
    with pytest.raises(InputError, match="^image_shape: "):
        loaded(str(tmp_path / name), image_shape=(4, 5))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_new_images_of_another_form_are_refused(tmp_path, name):
    np.save(tmp_path / "x.npy", np.zeros((2, 6, 5), "u1"))
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 6, 5), "u1"))
    with pytest.raises(InputError, match=r"expected images of \(5, 6\), as in training, got \(6, 5\)"):
        loaded(str(tmp_path / name), trained_shape=(5, 6))


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(20, 3)))
    (tmp_path / "rows.csv").write_text("a,b\n" + "1,2\n3,4\n" * 10)
    (tmp_path / "rows.txt").write_text("one two\ntwo three\n" * 10)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("rows.npy", {"columns": "a"}),
        ("rows.npy", {"drop": "a"}),
        ("rows.npy", {"id": "a"}),
        ("rows.npy", {"text": "a"}),
        ("rows.npy", {"layer": "counts"}),
        ("rows.csv", {"genes": 3}),
        ("rows.csv", {"batch": "a"}),
        ("rows.txt", {"id": "a", "text": "lines"}),
    ],
)
def test_an_option_of_another_kind_is_named(files, name, option):
    with pytest.raises(InputError, match=f"^{next(iter(option))}: expected a file that it goes with, got .*{name}"):
        loaded(str(files / name), **option)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_there_or_is_empty_is_an_error(tmp_path, kind):
    with pytest.raises((OSError, ValueError)):
        loaded(str(tmp_path / f"rows{kind}"))
    (tmp_path / f"rows{kind}").touch()
    with pytest.raises((OSError, ValueError, EOFError, zipfile.BadZipFile)):
        loaded(str(tmp_path / f"rows{kind}"))
