"""Tables whose columns are genes, for runs on cells: found by their names, as in an AnnData."""

import time

import numpy as np
import pandas
import pytest
from test_genes import GENES, bare, cells

from vade_tf import VaDEClusterer
from vade_tf.data.files import load_file
from vade_tf.data.genes import Genes
from vade_tf.errors import InputError


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_the_genes_is_read_as_their_cells(tmp_path, kind):
    x = cells(20)[0].toarray()
    schema = Genes.infer(bare(x, counts=x), "counts")
    order = np.random.default_rng(0).permutation(30)
    table = pandas.DataFrame(x, columns=GENES).iloc[:, order]
    table = table.assign(note="seen", barcode=[f"cell{i}" for i in range(20)])
    file = tmp_path / f"new.{kind}"
    table.to_csv(file, index=False) if kind == "csv" else table.to_parquet(file)
    found = load_file(str(file), "note", schema=schema, id="barcode", plain=True)
    np.testing.assert_array_equal(np.asarray(found.x), x)
    assert found.ids.tolist() == table["barcode"].tolist()
    assert set(found.y) == {0}
    less = table.drop(columns="gene7")
    less.to_csv(file, index=False) if kind == "csv" else less.to_parquet(file)
    with pytest.raises(InputError, match="^data: expected the 30 genes of the training, got data without 1 of them"):
        load_file(str(file), schema=schema, plain=True)


def test_a_gene_that_holds_no_numbers_is_named(tmp_path):
    x = cells(20)[0].toarray()
    pandas.DataFrame(x, columns=GENES).assign(gene3="many").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(InputError, match="^data: expected numbers in the column of each gene, got others in 'gene3'"):
        load_file(str(tmp_path / "new.csv"), schema=Genes.infer(bare(x)))


def test_many_genes_are_found_at_once_by_an_estimator():
    """Their names were put together anew for each column: seconds for 20,000."""
    clusterer, names = VaDEClusterer(), [f"gene{j}" for j in range(20_000)]
    clusterer.genes_ = np.array(names)
    table = pandas.DataFrame(np.arange(40_002.0).reshape(2, -1), columns=[*names[::-1], "note"])
    begun = time.process_time()
    found = clusterer._named(table)
    assert time.process_time() - begun < 2
    assert list(found) == names
    np.testing.assert_array_equal(found.to_numpy()[0], np.arange(20_000.0)[::-1])
