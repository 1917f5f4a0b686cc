"""Rows that are images, or are not, as the estimator is told."""

import warnings

import keras
import numpy as np
import pandas
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

import vade_tf
from vade_tf import VaDEClusterer
from vade_tf.data.files import load_file
from vade_tf.data.observing import observe
from vade_tf.errors import InputError
from vade_tf.model import networks
from vade_tf.report import evaluation as report_rows
from vade_tf.runs.config import TrainConfig
from vade_tf.runs.folder import Run
from vade_tf.runs.incoming import opened
from vade_tf.runs.load import load
from vade_tf.runs.rows import load_rows
from vade_tf.runs.train import train

pytestmark = pytest.mark.usefixtures("eager_file")

SHORT = {
    "n_clusters": 2, "hidden": (8,), "pretrain_epochs": 1, "epochs": 1, "regroups": 0, "init": "kmeans",
    "random_state": 0,
}  # fmt: skip


def test_a_table_that_is_no_table_of_images_stays_a_table(rng):
    table = pandas.DataFrame({"size": rng.normal(size=60), "kind": ["a", "b", "c"] * 20})
    for image_shape in (None, ()):
        model = VaDEClusterer(image_shape=image_shape, **SHORT).fit(table)
        assert model.schema_.features == ["size", "kind=a", "kind=b", "kind=c"]


@pytest.mark.parametrize(
    "form",
    [list, pytest.param(lambda x: np.array([*x, None], object)[:-1], marks=pytest.mark.long)],
    ids=["list", "objects"],
)
def test_images_in_a_list_or_in_an_array_of_objects_are_images(rng, form):
    images = rng.integers(0, 256, (60, 5, 6)).astype("u1")
    model = VaDEClusterer(**SHORT).fit(form(list(images)))
    np.testing.assert_array_equal(model.labels_, VaDEClusterer(**SHORT).fit(images).labels_)
    assert model._image_shape == (5, 6)


def test_images_may_be_plain_rows(rng):
    images = rng.integers(0, 256, (60, 5, 6)).astype("u1")
    model = VaDEClusterer(image_shape=(), **SHORT).fit(images)
    assert model._image_shape is None
    np.testing.assert_array_equal(model.predict(images), model.labels_)


def test_images_in_other_units_are_told(rng):
    """Ink is a fifth of a digit's pixels, so most values of bytes are where those of fractions were."""
    images = np.where(rng.random((60, 12, 12)) < 0.2, rng.random((60, 12, 12)), 0).astype("f4")
    short = {**SHORT, "latent_dim": 2, "network": "dense"}
    fitted = vade_tf.VaDEClusterer(likelihood="gaussian", **short).fit(images)
    with pytest.warns(UserWarning, match="expected values in the units of the training"):
        fitted.predict((255 * images).astype("u1"))
    words = vade_tf.VaDEClusterer(**short).fit((65535 * images).astype("u2"))
    with pytest.raises(ValueError, match="X: expected values from 0 to .*scale them as those"):
        words.predict((255 * images).astype("u1"))
    for kind in ("i8", "f4"):
        dark = (255 * images).astype("u1").astype(kind)
        with pytest.warns(UserWarning, match="X: expected values up to 6.554e.04.*if they are bytes, multiply"):
            words.predict(dark)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            words.predict(dark[:20])  # few images may be dark


def test_an_encoder_whose_sides_stand_in_another_order_is_refused(rng):
    own = networks.build_encoder(600, 2, (8,))
    turned = keras.Input((30, 20, 1))
    encoder = keras.Model(turned, own(keras.layers.Flatten()(turned)))
    settings = vade_tf.Settings(clusters=2, pretrain_epochs=1, epochs=1)
    with pytest.raises(ValueError, match=r"encoder: expected one of images of \(20, 30\), as x has"):
        vade_tf.fit(rng.random((40, 20, 30)), settings, networks=(encoder, networks.build_decoder(600, 2, (8,))))


@pytest.mark.parametrize(("image_shape", "found"), [(None, (50, 3)), ((), None)])
def test_series_are_images_unless_somebody_says_that_they_are_rows(rng, image_shape, found):
    """And so they are in what is predicted, whichever they were fitted as."""
    x = rng.normal(size=(60, 50, 3)) + np.repeat([0, 4], 30)[:, None, None]
    model = VaDEClusterer(image_shape=image_shape, **SHORT).fit(x)
    assert model._image_shape == found
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    np.testing.assert_array_equal(model.predict(x.reshape(60, -1)), model.labels_)
    assert adjusted_rand_score(model.labels_, np.repeat([0, 1], 30)) == 1


@pytest.fixture
def colours(rng):
    """Images [60, 4, 5, 3], bytes, of which some pixels never change."""
    images = rng.integers(0, 256, (60, 4, 5, 3)).astype("u1")
    images[:, 0] = 0
    return images


def _csv(file, rows):
    pandas.DataFrame(rows).assign(kind=np.arange(len(rows)) % 2).to_csv(file, index=False)


def _parquet(file, rows):
    table = pandas.DataFrame(rows).rename(columns=str)
    table.assign(kind=np.arange(len(rows)) % 2).to_parquet(file)


WRITERS = {
    "rows.csv": _csv,
    "rows.parquet": _parquet,
    "rows.npy": np.save,
    "rows.npz": lambda file, rows: np.savez(file, x=rows),
}


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_rows_of_a_file_are_the_images_they_are_said_to_be(colours, tmp_path, name, in_file, monkeypatch):
    monkeypatch.setenv("VADE_TF_HOME", str(tmp_path))
    file, flat = tmp_path / name, colours.reshape(60, -1)
    WRITERS[name](file, flat)
    labels = "kind" if file.suffix in (".csv", ".parquet") else None
    found = load_file(str(file), labels, in_file=in_file, declared=(4, 5, 3))
    assert found.image_shape == (4, 5, 3)
    np.testing.assert_array_equal(found.x[:], flat)
    again = load_file(str(file), labels, schema=found.schema, plain=True, in_file=in_file, declared=(4, 5, 3))
    np.testing.assert_array_equal(again.x[:], flat)  # as a run that goes on reads them
    with pytest.raises(InputError, match=r"^image_shape: .* of the 60 values of a row, got \(4, 5\)"):
        load_file(str(file), labels, in_file=in_file, declared=(4, 5))


def test_rows_of_a_file_that_are_said_to_be_no_images_are_none(rng, tmp_path):
    np.save(tmp_path / "series.npy", rng.normal(size=(60, 12, 6)))
    digits = load_digits().data[:60]
    _csv(tmp_path / "digits.csv", digits)
    for name, labels, shape in (("series.npy", None, (12, 6)), ("digits.csv", "kind", None)):
        file = str(tmp_path / name)
        assert load_file(file, labels).image_shape == shape
        assert load_file(file, labels, declared=()).image_shape is None
    constant = (digits == digits[0]).all(axis=0)
    assert load_file(file, labels, declared=()).x.shape[1] == 64 - constant.sum()  # columns like those of any table


def test_what_cannot_be_such_images_is_refused(colours, tmp_path):
    np.save(tmp_path / "first.npy", colours.transpose(0, 3, 1, 2))
    with pytest.raises(InputError, match=r"^image_shape: .* of the images of \(3, 4, 5\), got \(4, 5, 3\)"):
        load_file(str(tmp_path / "first.npy"), declared=(4, 5, 3))
    holes = pandas.DataFrame(colours.reshape(60, -1)).astype("Int64")
    holes.iloc[3, 7] = None
    holes.to_csv(tmp_path / "holes.csv", index=False)
    with pytest.raises(InputError, match="expected images without empty cells"):
        load_file(str(tmp_path / "holes.csv"), declared=(4, 5, 3))
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="^image_shape: goes with images, .*, got none and a folder of images"):
        load_file(str(tmp_path / "folder"), declared=())


def test_a_run_has_the_images_that_are_declared(colours, tmp_path):
    file = str(tmp_path / "rows.npy")
    np.save(file, colours.reshape(60, -1))
    config = {"data": file, "clusters": 2}
    assert load_rows(TrainConfig(**config, image_shape=(4, 5, 3))).dataset.image_shape == (4, 5, 3)
    assert load_rows(TrainConfig(**config)).dataset.image_shape is None


def test_new_rows_of_a_run_that_has_no_images_are_none(rng, tmp_path):
    """Colours that come first are refused elsewhere."""
    x = rng.normal(size=(60, 3, 5, 4))
    short = {"pretrain_epochs": 1, "epochs": 1, "hidden": "8", "latent_dim": 2, "init": "kmeans"}
    np.savez(tmp_path / "rows.npz", x=x)
    config = TrainConfig.create(data=str(tmp_path / "rows.npz"), clusters=2, image_shape="none", **short)
    train(config, tmp_path / "run", export=False)
    run, model = Run.open(tmp_path / "run"), load(tmp_path / "run")
    new = str(tmp_path / "rows.npz")
    assert opened(run, model, data=new).x.shape == (60, 60)
    assert report_rows.load_rows(run, model, data=new)[0].x.shape == (60, 60)


@pytest.mark.parametrize("form", [(9, 9, 4), (9, 9, 2), (6, 9, 9)])
def test_images_of_other_channels_are_not_taken_for_plain_rows_in_silence(rng, form):
    images = rng.random((6, *form))
    with pytest.warns(UserWarning, match=r"X: expected images .* of 1 or 3 channels, got .* are taken for plain rows"):
        assert observe(images, argument="X").image_shape is None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert observe(images, image_shape=()).image_shape is None
        assert observe(images[..., :1]).image_shape == form[:2]


def test_of_images_nobody_is_sent_to_tables_for_empty_cells(rng):
    for form, sent in (((6, 9, 9), False), ((6, 81), True)):
        x = rng.random(form)
        x.flat[5] = np.nan
        with pytest.raises(InputError, match="drop or impute such rows") as caught:
            observe(x)
        assert ("DataFrame" in str(caught.value)) == sent


def test_video_is_told_how_to_become_rows(rng):
    with pytest.raises(
        ValueError, match=r"X: expected rows .* got shape \(6, 2, 3, 4, 3\); give X.reshape\(len\(X\), -1\)"
    ):
        VaDEClusterer(**SHORT).fit(rng.random((6, 2, 3, 4, 3)))


def test_photos_are_images(rng):
    """Asked for of rows that are none, nothing would be done, and nobody would know."""
    with pytest.raises(ValueError, match="augment: expected images for 'photos', got rows of 5 features"):
        VaDEClusterer(augment="photos", **SHORT).fit(rng.random((40, 5)))
