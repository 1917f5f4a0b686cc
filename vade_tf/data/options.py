"""What a user says about a file: how it is read, which of its columns are used, what its rows are."""

from dataclasses import dataclass, fields
from typing import NamedTuple, Self


class Dialect(NamedTuple):
    """How a text file is written, as `pandas.read_csv` takes it; fields are those of `TrainConfig`."""

    sep: str | None = None  # default: `csv.Sniffer` finds it
    decimal: str = "."
    header: str = "0"  # number of the line with the names of the columns, counted from 0, or "none": there is none
    na_values: str | None = None  # texts that mean a missing cell besides the usual ones, with commas between them
    dtype: str | None = None  # types of columns, as in "zip=str,year=category"

    @classmethod
    def of(cls, config) -> "Dialect":
        return cls(*(getattr(config, name) for name in cls._fields))


PLAIN = Dialect()


@dataclass(frozen=True)
class FileOptions:
    """How a file is read; the fields are those of `runs.config.TrainConfig`.

    Attributes:
        labels: for scoring: a column of a table or of an .h5ad's obs, an array of an .npz or .h5, or a .npy file
            beside others, or "folders": those images lie in. Default: "y" or "Y" of an .npz or .h5 if it is there.
        kind: what the rows are taken for, see `observations.observe`.
        columns, drop: of a table: the columns that are used, and those that are left out, with commas between them.
        id: column of a table that names its rows.
        column: column of a .parquet file whose cells are vectors, to cluster by these.
        text: column of texts to cluster by their words; "lines": each line of a .txt file is one.
        transform: of a table: "power" or None, see `schema.Schema.infer`.
        layer, genes, batch: of an .h5ad: where the counts stand, how many genes are kept, the column of experiments.
        image_shape: the shape of images that the rows of an array, or all columns of a table, are said to be, and to
            which those of a folder are brought. Default: it is seen by their form.
        dialect: how a table's text file is written.
    """

    labels: str | None = None
    kind: str = "auto"
    columns: str | None = None
    drop: str | None = None
    id: str | None = None
    column: str | None = None
    text: str | None = None
    transform: str | None = None
    layer: str | None = None
    genes: int | None = None
    batch: str | None = None
    image_shape: tuple[int, ...] | None = None
    dialect: Dialect = PLAIN

    @classmethod
    def of(cls, config) -> Self:
        """The options among the settings of a run."""
        names = [each.name for each in fields(cls) if each.name != "dialect"]
        return cls(**{name: getattr(config, name) for name in names}, dialect=Dialect.of(config))
