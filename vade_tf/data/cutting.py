"""How a text file is cut into cells: its separator and its first lines.

Knows neither types nor what the first line is, but that it has a name for every column.
"""

import csv
import gzip
import io
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Literal, NamedTuple

import numpy as np

from vade_tf.data.cells import MISSING, are_numbers
from vade_tf.errors import InputError
from vade_tf.machine import check_memory

SEPARATORS = ("\t", ";", "|", ",", " ")  # the first that cuts every line alike; a comma may be within numbers
LOOKED_AT = 1 << 18  # characters of a file that say how it is written
WHOLE_LINES = 3  # of them at least, however long: a header, a row, and one that may be cut
LONGEST_CELL = 1 << 26  # characters
LONGEST_LINES = 1 << 27  # characters of the first ones, which are looked at as a whole
CHUNK = 1 << 20
CELL = 40  # bytes that a cell takes while pandas reads it, beside ...
WIDE = ((0xF0, 5), (0xC4, 3), (0, 2))  # ... so many for each of its text: its largest byte says how Python holds it
ENOUGH = 100  # rows that say whether they have cells like this, ...
SEVERAL = 3  # ... numbers with spaces between them, at least
NUMBERED = re.compile(r"[0-9]+:[-+.0-9eE]+")  # a feature as svmlight writes it
TIME = re.compile(r"[0-2]?[0-9]:[0-5][0-9]")
PAIR = re.compile(r"[0-9]+\s+[+-]?[0-9]*")  # what is between two decimal commas, where spaces are between numbers
UNNAMED = "Unnamed: 0"  # what pandas calls a first column without a name
EXCEL = re.compile(r'"?sep=([\t;|,])"?[\t;|,]*(\r\n|\r|\n)')  # a first line that names the separator
NULLS = "it holds null bytes, so it is no text in UTF-8"
Quoting = Literal[0, 3]  # of `csv`: QUOTE_MINIMAL, QUOTE_NONE


class Cut(NamedTuple):
    """How a text file is cut.

    Attributes:
        separator: what is between its cells; " " for any run of spaces and tabs.
        lines: the first ones that are not empty, as lists of cells.
        skipped: number of lines above these that are no part of the table: 1 for a line `sep=;`, as Excel writes it.
        named: whether each row begins with its name, for which the header has none, as R writes tables. The first of
            `lines` has one then.
        quoting: of `csv`: whether a quote begins a cell that may hold separators, or is a character like others.
    """

    separator: str
    lines: list[list[str]]
    skipped: int = 0
    named: bool = False
    quoting: Quoting = csv.QUOTE_MINIMAL


def cut(file: Path) -> Cut:
    """How a text file is cut: by the separator that cuts all lines alike; or most of them, so that others can be named.

    Raises:
        InputError: the first line has fewer cells than most.
        ValueError, OSError: it is no text in UTF-8, or cannot be read.
    """
    with opened(file) as stream:
        sample = more = stream.read(LOOKED_AT)
        while more:
            if "\0" in more:
                raise ValueError(NULLS)
            if max(sample.count("\n"), sample.count("\r")) >= WHOLE_LINES:
                break
            if len(sample) >= LONGEST_LINES:
                raise ValueError(f"its first lines are longer than {LONGEST_LINES:,} characters")
            more = stream.read(len(sample))
            sample += more
        whole = not stream.read(1)
    end = len(sample) if whole else max(sample.rfind("\n"), sample.rfind("\r"))
    said = EXCEL.match(sample)
    sample, skipped = sample[said.end() if said else 0 : end], 1 if said else 0
    if _is_svmlight(sample):
        raise InputError(
            f"data: {file} is in the form of svmlight, a label and numbered features; save its rows by "
            "scipy.sparse.save_npz('x.npz', sklearn.datasets.load_svmlight_file(file)[0])"
        )
    cuts = {}
    for separator in said[1] if said else SEPARATORS:
        lines = list(_lines(io.StringIO(sample, newline=None), separator))
        if not whole and len(lines) > 1:
            lines.pop()  # a cell of several lines may be cut
        read = len(lines)
        while len(lines) > 1 and not any(map(str.strip, lines[-1])):
            lines.pop()  # see `empty_at_end`
        cuts[separator] = lines
        alike = bool(lines) and len(lines[0]) > 1 and len({len(line) for line in lines}) == 1
        within = separator == "\t" and _have_several(lines[1:] or lines)
        if separator != " " and '"' in sample and (plain := _unquoted(sample, separator, whole, read)) and not within:
            return Cut(separator, plain, skipped, quoting=csv.QUOTE_NONE)
        if alike and not (within or (separator == "," and _are_decimal(lines))):
            return Cut(separator, lines, skipped)
    for separator, lines in cuts.items():
        rows = lines[1:]
        if not rows or {len(row) for row in rows} != {len(lines[0]) + 1} or not _may_cut(separator, rows):
            continue
        if not any(row[-1].strip() for row in rows):  # a separator ends each row
            return Cut(separator, lines, skipped)
        quoted = sample.rstrip().rpartition("\n")[2].startswith('"')  # as R writes names; commas may be within numbers
        if len(lines[0]) > 1 and (quoted or separator != ",") and _are_named(rows):
            return Cut(separator, [[UNNAMED, *lines[0]], *rows], skipped, named=True)
    usual = "\t" if file.name.lower().removesuffix(".gz").endswith(".tsv") else ","
    whole_lines = usual == "\t" and "\t" not in sample  # a column alone, whatever is in its cells
    best = (None if whole_lines else _cuts_most(cuts)) or (said[1] if said else usual)
    lines = cuts[best]
    width, of_all = _width(lines)
    if of_all > 0.5 and len(lines[0]) < width:
        raise InputError(
            f"data: expected {width} cells in the first line of {file}, as in most others, got {len(lines[0])}; remove "
            "what stands above the header, or name every column"
        )
    return Cut(best, lines, skipped)


def _is_svmlight(sample: str) -> bool:
    """Whether each line is a number and numbered features, of which some may have none; times of day are none."""
    lines = [line.split() for line in itertools.islice(io.StringIO(sample), ENOUGH) if line.strip()]
    cells = [cell for line in lines for cell in line[1:]]
    if not cells or all(map(TIME.fullmatch, cells)) or not all(map(NUMBERED.fullmatch, cells)):
        return False
    return all(are_numbers([line[0] for line in lines]))


def _unquoted(sample: str, separator: str, whole: bool, number: int) -> list[list[str]] | None:
    """The lines where quotes are characters like others, if these are more, and alike; a lone one swallows lines."""
    if separator != "\t" and _is_quoted(sample, separator, whole):
        return None  # cells of several lines
    lines = list(_lines(io.StringIO(sample, newline=None), separator, csv.QUOTE_NONE))
    if not whole and len(lines) > 1:
        lines.pop()
    alike = bool(lines) and len(lines[0]) > 1 and len({len(line) for line in lines}) == 1
    return lines if alike and len(lines) > number else None


def _is_quoted(sample: str, separator: str, whole: bool) -> bool:
    """Whether every quote begins or ends a cell, or is doubled."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    reader = csv.reader(io.StringIO(sample, newline=None), delimiter=separator, skipinitialspace=True, strict=True)
    last = 0
    try:
        for _ in reader:
            last = reader.line_num
    except csv.Error as error:  # a cell that is open where the sample ends, unless it has swallowed much of that
        return not whole and "unexpected end" in str(error) and reader.line_num - last < ENOUGH
    return True


def _are_named(rows: list[list[str]]) -> bool:
    """Whether rows may begin with their names: each with another one, and the first is not their header."""
    below = list(zip(*rows[1:], strict=True))
    texts = [cell not in MISSING and not number for cell, number in zip(rows[0], are_numbers(rows[0]), strict=True)]
    header = any(text and all(are_numbers(list(cells))) for text, cells in zip(texts, below, strict=False))
    return len({row[0] for row in rows}) == len(rows) and not header


def _width(lines: list[list[str]]) -> tuple[int, float]:
    """The number of cells, above 1, that most lines have, and the share of these."""
    widths = Counter(len(line) for line in lines if len(line) > 1)
    width, number = widths.most_common(1)[0] if widths else (0, 0)
    return width, number / max(len(lines), 1)


def _cuts_most(cuts: dict[str, list[list[str]]]) -> str | None:
    """The separator that cuts more lines than any other into one number of cells; None: none cuts half of them."""
    found = {}
    for separator, lines in cuts.items():
        width, of_all = _width(lines)
        first = bool(lines) and len(lines[0]) == width
        if (of_all > 0.5 or (of_all == 0.5 and first)) and _may_cut(separator, lines[1:]):
            found[separator] = of_all
    return max(found, key=lambda separator: found[separator], default=None)


def _may_cut(separator: str, rows: list[list[str]]) -> bool:
    """Whether a separator that does not cut all lines alike may be one: texts have spaces, too, unless numbers do."""
    width, _ = _width(rows)
    columns = zip(*(row for row in rows if len(row) == width), strict=True)
    return separator != " " or any(all(are_numbers(list(column))) for column in columns)


def _have_several(rows: list[list[str]]) -> bool:
    """Whether every row has a cell of numbers with spaces between them, some of which may be missing."""
    parts = [[cell.split() for cell in row] for row in rows[:ENOUGH]]
    return all(
        any(len(p) >= SEVERAL and all(are_numbers([n for n in p if n not in MISSING])) for p in row) for row in parts
    )


def _are_decimal(lines: list[list[str]]) -> bool:
    """Whether commas are within numbers with spaces between them: each cell between two commas is like "942 0"."""
    between = [cell for line in lines[:ENOUGH] for cell in line[1:-1]]
    return bool(between) and all(map(PAIR.fullmatch, between)) and any(len(cell.split()) > 1 for cell in between)


def _lines(stream: Iterable[str], separator: str, quoting: Quoting = csv.QUOTE_MINIMAL) -> Iterator[list[str]]:
    """Lines that are not empty, as lists of cells."""
    return (line for _, line in _counted(stream, separator, quoting))


def _counted(stream: Iterable[str], separator: str, quoting: Quoting) -> Iterator[tuple[int, list[str]]]:
    """`_lines`, and of each how many lines of the stream are read with it; a cell may go over several."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    if separator == " ":
        stream = (line.replace("\t", " ").rstrip() + "\n" for line in stream)
    reader = csv.reader(stream, delimiter=separator, skipinitialspace=True, quoting=quoting)
    for line in reader:
        if line and line != [""]:
            yield reader.line_num, line


def opened(file: Path) -> IO[str]:
    """A text file, unpacked; one whose table would not fit in memory is refused."""
    if file.suffix.lower() != ".gz":
        check_memory(file.stat().st_size, file.name)
        return file.open(encoding="utf-8-sig", newline="")
    held, cells = _Held(), dict.fromkeys(SEPARATORS, 0)
    with gzip.open(file) as stream:
        while piece := stream.read(CHUNK):
            held.add(piece)
            for separator in cells:
                cells[separator] += piece.count(separator.encode()) + _ends(piece)
            check_memory(held.bytes + CELL * max(cells.values()), file.name)
    return gzip.open(file, "rt", encoding="utf-8-sig", newline="")


def check_cells(file: Path, separator: str) -> None:
    """Raises ValueError where cells of a file would not fit in memory, or have null bytes, at which pandas ends one."""
    held, cells = _Held(), 0
    with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as stream:
        while piece := stream.read(CHUNK):
            if b"\0" in piece:
                raise ValueError(NULLS)
            held.add(piece)
            if separator == " ":  # any run of spaces and tabs
                blank = np.isin(np.frombuffer(piece, np.uint8), (9, 32))
                cells += int(np.count_nonzero(blank[1:] & ~blank[:-1])) + _ends(piece)
            else:
                cells += piece.count(separator.encode()) + _ends(piece)
    check_memory(held.bytes + CELL * cells, file.name)


class _Held:
    """Bytes that a text takes while it is read: each line in as many a character as its widest one needs.

    Attributes:
        bytes: of all pieces so far; of a line that goes over several, all of it counts with the widest of these.
    """

    def __init__(self) -> None:
        self.bytes = self._line = 0  # the line that goes on, so far
        self._factor = 0

    def add(self, piece: bytes) -> None:
        factor = max(_wide(piece), self._factor)
        self.bytes += (factor - self._factor) * self._line + factor * len(piece)
        end = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        self._line = len(piece) - end - 1 if end >= 0 else self._line + len(piece)
        self._factor = _wide(piece[end + 1 :]) if end >= 0 else factor


def _wide(piece: bytes) -> int:
    """How often a text of such bytes stands in memory, by `WIDE`."""
    largest = int(np.frombuffer(piece, np.uint8).max(initial=0))
    return next(factor for least, factor in WIDE if largest >= least)


def _ends(piece: bytes) -> int:
    """Ends of lines, of which some programs write one character and some another, or both."""
    return max(piece.count(b"\n"), piece.count(b"\r"))


def check_lengths(file: Path, how: Cut, width: int, bare: bool) -> None:
    """Raises ValueError, which names the first row that has another number of cells than the first line.

    Args:
        file: a text file.
        how: it is cut; where rows have names their header has a cell less.
        width: number of cells in a row. The last ones may be missing where the header has empty ones for them.
        bare: whether there is no header.
    """
    spare = 0 if bare else len(list(itertools.takewhile(lambda cell: not cell.strip(), reversed(how.lines[0]))))
    with opened(file) as stream:
        rest = _counted(itertools.islice(stream, how.skipped, None), how.separator, how.quoting)
        for number, line in itertools.islice(rest, how.named, None):
            if len(line) < width - spare or any(map(str.strip, line[width:])):
                raise ValueError(f"line {how.skipped + number} has {len(line)} cells where the first has {width}")


def check_quotes(file: Path, how: Cut) -> None:
    """Raises InputError, which names the line, where a cell of several lines is rows that a lone quote swallows.

    That is a cell whose lines all are as wide as a row, and whose quote ends within another cell, or after many lines.
    """
    width, taken = len(how.lines[-1]), list[str]()

    def kept(stream: Iterable[str]) -> Iterator[str]:
        for line in stream:
            taken.append(line)
            yield line

    with opened(file) as stream:
        rest = kept(itertools.islice(stream, how.skipped, None))
        reader = csv.reader(rest, delimiter=how.separator, skipinitialspace=True, strict=True)
        while True:
            taken.clear()
            most = ENOUGH
            try:
                if next(reader, None) is None:
                    return
            except csv.Error:  # the next line is read as if none were above it
                most = 1
            if len(taken) > most and {len(line) for line in _lines(taken, how.separator, csv.QUOTE_NONE)} == {width}:
                first = how.skipped + reader.line_num - len(taken) + 1
                raise InputError(
                    f"data: a quote in line {first} of {file} takes {len(taken) - 1:,} further rows into its cell; "
                    "remove it"
                )


def empty_at_end(file: Path, how: Cut) -> int:
    """Number of lines of separators alone that end a file, as Excel leaves them."""
    number = 0
    with opened(file) as stream:
        for line in _lines(stream, how.separator, how.quoting):
            number = 0 if any(map(str.strip, line)) else number + 1
    return number
