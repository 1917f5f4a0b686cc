"""Files and rows as a fit takes them."""

from vade_tf.data.files import load_file
from vade_tf.data.observations import observe
from vade_tf.data.options import FileOptions
from vade_tf.training import choice
from vade_tf.training.settings import Settings


def loaded(path, labels=None, schema=None, in_file=False, trained_shape=None, **options):
    """The data set of a file; options are those of `FileOptions`."""
    reading = FileOptions(labels, **options)
    return load_file(path, reading, schema=schema, in_file=in_file, trained_shape=trained_shape)


def taken(x, likelihood="auto", kind="auto", **how):
    """Rows as a fit with this likelihood takes them."""
    settings = Settings(likelihood=likelihood, kind=kind)
    return choice.taken(observe(x, choice.kind_of_settings(settings), **how), settings)


def chosen(rows, likelihood="auto"):
    """The likelihood that a fit gives to rows."""
    return choice.choose(rows, Settings(likelihood=likelihood))
