"""Whether the first line of a text file is a header, or a row like those below it.

Knows lines of cells alone, no file and no schema.
"""

import itertools
import re
from collections.abc import Collection

import numpy as np
import pandas

from vade_tf.data.cells import MISSING, are_numbers, read_numbers

DIGITS = re.compile("[0-9]")
LONGEST_NAME = 100  # characters of a column's name
NUMBERED = re.compile(r"column_[0-9]+")  # the names that the columns of a file without a header get
SEEN, ENOUGH = 5000, 100  # columns that say whether a line is a header; of numbers alone, or lines
AMONG = 0.8  # of the numbers of a line, at least, that lie among those below them where it is a row
SCALE = 8  # numbers in order, at least, that are no row's by chance


def numbered(width: int) -> list[str]:
    """The names of so many columns that have none."""
    return [f"column_{number}" for number in range(width)]


def are_numbered(names: Collection[str | int]) -> bool:
    """Whether these are the names of columns that had none."""
    return bool(names) and all(NUMBERED.fullmatch(str(name)) for name in names)


def has_no_header(lines: list[list[str]], known: Collection[str]) -> bool:
    """Whether the first line looks like those below it: numbers or texts that come again, a number twice, a long text.

    Fractions that lie among the numbers below them are no names, and eight numbers and more that go up or down all the
    way are, as wavelengths do, over lines that do not. Whole numbers that count up from 0 or 1 are a header all the
    same, and so is a line with a text over numbers, or with all names that are known. Where columns are known to be
    numbered for want of names, only such names are one.

    A line without a text over numbers is a row also where half of its texts come again, or are written as those below:
    the rest may be the name of that row. A cell that says that there is no value is neither a text nor a name. A first
    line with a text over numbers is a header also where it comes once more, as where files were joined.
    """
    first, below = lines[0], lines[1:]
    if are_numbered(known):
        return any(NUMBERED.fullmatch(cell.strip()) is None for cell in first)
    if known and {cell.strip() for cell in first}.issuperset(known):
        return False
    if not below:
        return False
    numbers = read_numbers(pandas.Series(first, dtype=object))
    if numbers is not None and len(first) > 1 and numbers[0][0] in (0, 1) and (np.diff(numbers[0]) == 1).all():
        return False
    of_numbers = are_numbers(first)
    columns = _columns(below, len(first))
    over = [not number and cell.strip() not in MISSING for cell, number in zip(first, of_numbers, strict=True)]
    others = _columns([line for line in below if line != first], len(first)) if first in below else columns
    texts_over_numbers = any(
        text and held and all(are_numbers(sorted(held)))
        for text, held in itertools.islice(zip(over, ({*column} - MISSING for column in others), strict=True), SEEN)
    )
    if first in below and texts_over_numbers:
        return False
    long = [any(place < len(line) and len(line[place]) > LONGEST_NAME for line in below) for place in range(len(first))]
    if (
        any(len(cell) > LONGEST_NAME and more for cell, more in zip(first, long, strict=True))
        and not texts_over_numbers
    ):
        return True
    scale = [place for place, number in enumerate(of_numbers) if number]  # beside the name of an index, or of none
    if not _come_again(first, over, columns) and _are_a_scale([first[place] for place in scale], scale, below):
        return False
    if not texts_over_numbers and (_are_measured(first, of_numbers, columns) or _come_again(first, over, columns)):
        return True
    values = [cell.strip() for cell, number in zip(first, of_numbers, strict=True) if number and cell.strip()]
    alike = [not text or cell.strip() in column for text, cell, column in zip(over, first, columns, strict=True)]
    named = first[0].strip() != "" or "" in columns[0]  # an index has no name
    return any(first) and ((named and all(alike)) or len(set(values)) < len(values))


def _columns(lines: list[list[str]], width: int) -> list[set[str]]:
    """The different cells of each column."""
    return [{line[place].strip() for line in lines if place < len(line)} for place in range(width)]


def repeated(header: list[str], table: pandas.DataFrame) -> int | None:
    """The first row that is the header of its table once more, as where files were joined; None: there is none."""
    again = np.ones(len(table), bool)
    for place, (name, dtype) in enumerate(zip(header, table.dtypes, strict=False)):
        if len(header) == 1 or not again.any() or dtype.kind in "biufc":
            return None
        again &= (table.iloc[:, place].astype(object) == name).to_numpy(bool)
    return int(again.argmax()) if again.any() else None


def _come_again(first: list[str], over: list[bool], columns: list[set[str]]) -> bool:
    """Whether half of the texts of a first line stand below them again, or such as differ in their digits alone."""
    texts = [(cell.strip(), held) for cell, text, held in zip(first, over, columns, strict=True) if text]
    again = [cell in held or (DIGITS.search(cell) and _form(cell) in map(_form, held)) for cell, held in texts]
    return bool(texts) and 2 * sum(map(bool, again)) >= len(texts)


def _form(text: str) -> str:
    return DIGITS.sub("9", text)


def _are_a_scale(cells: list[str], places: list[int], below: list[list[str]]) -> bool:
    """Whether the numbers of a first line go up or down all the way, and those below them, in the same places, do not.

    Not by ones over whole numbers: these may be a row.
    """

    def monotone(found: np.ndarray) -> bool:
        steps = np.diff(found)
        return bool((steps > 0).all() or (steps < 0).all())

    numbers = read_numbers(pandas.Series(cells, dtype=object))
    if numbers is None or len(values := numbers[0]) < SCALE or not monotone(values):
        return False
    lines = [[line[place] for place in places if place < len(line)] for line in below[:ENOUGH]]
    held = [[cell for cell in line if cell.strip() not in MISSING] for line in lines]
    read = [read_numbers(pandas.Series(line, dtype=object)) for line in held if len(line) > 1]
    found = [one[0] for one in read if one is not None]
    whole = all((one % 1 == 0).all() for one in found)
    if len(found) < len(read) or (whole and (np.abs(np.diff(values)) == 1).all()):
        return False
    return not any(map(monotone, found))


def _are_measured(first: list[str], of_numbers: list[bool], columns: list[set[str]]) -> bool:
    """Whether the numbers of a first line lie among or near those below, some of them fractions: they are a row."""
    fractions = within = over = 0
    numbers = [(cell, held - MISSING) for cell, number, held in zip(first, of_numbers, columns, strict=True) if number]
    for cell, held in numbers[:ENOUGH]:
        read = read_numbers(pandas.Series([cell, *sorted(held)], dtype=object)) if len(held) > 1 else None
        if read is None:
            continue
        value, below = read[0][0], read[0][1:]
        over, fractions = over + 1, fractions + (value % 1 != 0)
        span = below.max() - below.min()
        within += below.min() - span <= value <= below.max() + span
    return fractions > 0 and within >= AMONG * over
