"""Files of arrays: .npy, .npz and sparse .npz, whole or damaged."""

import numpy as np
import pytest
import scipy.sparse

from vade_tf.data.files import load_file
from vade_tf.data.shards import FileRows
from vade_tf.data.sparse import SparseRows
from vade_tf.errors import InputError


@pytest.mark.parametrize("name", ["x.npy", "xy.npz", "sparse.npz"])
def test_rows_and_labels_of_every_kind_of_file(tmp_path, rng, name):
    x, y = np.where(rng.random((20, 3)) < 0.5, rng.normal(size=(20, 3)), 0).astype("f4"), np.array(["b", "a"] * 10)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.savez(tmp_path / "xy.npz", X=x, y=y, z=x)
    scipy.sparse.save_npz(tmp_path / "sparse.npz", scipy.sparse.coo_array(x))
    labels = None if name == "xy.npz" else str(tmp_path / "y.npy")
    found = load_file(str(tmp_path / name), labels)
    np.testing.assert_array_equal(found.x[:], x)
    np.testing.assert_array_equal(found.y, [1, 0] * 10)
    assert isinstance(found.x, SparseRows) == (name == "sparse.npz")
    assert load_file(str(tmp_path / name), scored=False).y is None


def test_a_sparse_file_is_the_data_set_of_its_dense_copy(tmp_path, rng):
    dense = np.where(rng.random((50, 6)) < 0.2, rng.normal(3, 1, (50, 6)), 0).astype("f4")
    np.save(tmp_path / "rows.npy", dense)
    scipy.sparse.save_npz(tmp_path / "rows.npz", scipy.sparse.csr_matrix(dense))
    one, other = (load_file(str(tmp_path / f"rows.{ending}")) for ending in ("npz", "npy"))
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
    one, other = (load_file(str(tmp_path / "x.npy"), in_file=in_file) for in_file in (True, False))
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
            load_file(str(tmp_path / name), labels)


@pytest.mark.parametrize("indices", [[0, 9, 1], [0, -1, 1]])
def test_a_sparse_matrix_with_indices_beyond_its_columns_is_refused(tmp_path, indices):
    """SciPy trusts them, and the process would end."""
    np.savez(
        tmp_path / "x.npz", format=b"csr", shape=(2, 3), data=np.ones(3), indices=np.array(indices), indptr=[0, 2, 3]
    )
    with pytest.raises(ValueError, match="ind"):
        load_file(str(tmp_path / "x.npz"))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_rows_of_a_file_are_the_images_they_are_said_to_be(tmp_path, rng, name):
    x = rng.integers(0, 256, (30, 4, 5, 3)).astype("u1")
    np.save(tmp_path / "x.npy", x.reshape(30, -1))
    np.savez(tmp_path / "x.npz", x=x)
    assert load_file(str(tmp_path / name), declared=(4, 5, 3)).image_shape == (4, 5, 3)
    assert load_file(str(tmp_path / name), declared=()).image_shape is None
    with pytest.raises(InputError, match="^image_shape: "):
        load_file(str(tmp_path / name), declared=(4, 5))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_new_images_of_another_form_are_refused(tmp_path, name):
    np.save(tmp_path / "x.npy", np.zeros((2, 6, 5), "u1"))
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 6, 5), "u1"))
    with pytest.raises(InputError, match=r"expected images of \(5, 6\), as in training, got \(6, 5\)"):
        load_file(str(tmp_path / name), image_shape=(5, 6))
