"""Data files of text, .csv: ragged, of other encodings, with cells that are no numbers."""

from .arrays import X, Y, file, saved, zipped
from .case import Case, predicts, reads

HEADER = ",".join("abcdefghi")
LINES = [",".join(f"{value:.2f}" for value in row) for row in X]


def table(lines=LINES, header: str = HEADER, ending: str = "\n", encoding: str = "utf-8") -> bytes:
    """The usual rows as a .csv."""
    return (ending.join([header, *lines]) + ending).encode(encoding)


def cell(text: str, row: int = 3, column: int = 2) -> bytes:
    """The usual rows with one cell replaced."""
    lines = [line.split(",") for line in LINES]
    lines[row][column] = text
    return table([",".join(line) for line in lines])


def without(row: int, cells: int) -> list[str]:
    """The usual lines, one of them with so many cells less, or more."""
    lines = list(LINES)
    parts = lines[row].split(",")
    lines[row] = ",".join(parts[:-cells] if cells > 0 else parts + ["1.0"] * -cells)
    return lines


REFUSED = {
    "empty": b"",
    "only an end of line": b"\n",
    "only a header": (HEADER + "\n").encode(),
    "only empty lines": b"\n" * 50,
    "a header and empty lines": (HEADER + "\n" * 50).encode(),
    "a cell less": table(without(5, 1)),
    "a cell more": table(without(5, -1)),
    "a cell more in every row": table([line + ",1" for line in LINES]),
    "a cell less in every row": table([line.rsplit(",", 1)[0] for line in LINES]),
    "a text": cell("red"),
    "inf": cell("-inf"),
    "1e400": cell("1e400"),
    "hexadecimal": cell("0x1p3x"),
    "complex": cell("1+2j"),
    "a decimal comma": cell('"1,5"'),
    "null bytes": cell("1\0"),
    "UTF-16": table(encoding="utf-16"),
    "UTF-32": table(encoding="utf-32"),
    "a latin-1 header": table(header="gr\xf6\xdfe,b,c,d,e,f,g,h,i", encoding="latin-1"),
    "a latin-1 cell": cell("1.\xf6").decode().encode("latin-1"),
    "bytes of a picture": b"\x89PNG\r\n\x1a\n" + bytes(900),
    "a zip": zipped({"x.npy": saved(X)}),
    "a line of 2 MB": table([*LINES, "1" * 2_000_000]),
    "an escape": cell("\x1b[2J"),
    "a carriage return inside": cell("1\r2"),
    "an unclosed quote": cell('"1.0'),
    "two points": cell("1.2.3"),
    "a formula": cell("=1+1"),
    "a header of 5,000 columns": table([], "x," * 5_000),
}
TRAINED = {
    "an empty cell": cell(""),
    "a cell of spaces": cell("   "),
    "nan": cell("nan"),
    "semicolons": table([line.replace(",", ";") for line in LINES], HEADER.replace(",", ";")),
    "tabs": table([line.replace(",", "\t") for line in LINES], HEADER.replace(",", "\t")),
}
SAME = {
    "CRLF": table(ending="\r\n"),
    "no end of line": table()[:-1],
    "spaces": table([line.replace(",", " , ") for line in LINES]),
    "exponents": table([",".join(f"{value:e}" for value in row) for row in X]),
}
EITHER = {
    "a mark of the byte order": b"\xef\xbb\xbf" + table(),
    "an empty line within": table([*LINES[:9], "", *LINES[9:]]),
    "empty lines at the end": table() + b"\n\n\n",
    "CR alone": table(ending="\r"),
    "a name twice": table(header="a," * 8 + "a"),
    "quoted numbers": table([",".join(f'"{value:.2f}"' for value in row) for row in X]),
    "quoted names": table(header=",".join(f'"{name}"' for name in "abcdefghi")),
    "a comma in a name": table(header='"a,a",b,c,d,e,f,g,h,i'),
    "an empty name": table(header="a,,c,d,e,f,g,h,i"),
    "a name with an escape": table(header="\x1b[2J,b,c,d,e,f,g,h,i"),
    "commas at the end": table([line + "," for line in LINES], HEADER + ","),
    "a name of 100 kB": table(header="a" * 100_000 + HEADER[1:]),
}
NAMED = {"names": ("--data", "x.csv", "--labels", "--clusters")}
LABELLED = table([f"{line},{label}" for line, label in zip(LINES, Y, strict=True)], HEADER + ",y")
NO_LABELS = {
    "of no column": (LABELLED, "z"),
    "of nothing": (LABELLED, ""),
    "of a column of a long header": (table([], ",".join(f"measurement_{i:05d}" for i in range(2000))), "z"),
    "that are all there is": (b"y\n" + b"1\n" * 60, "y"),
}


def csv(content: bytes):
    return file(content, "x.csv")


TEXTS: list[Case] = [
    *(reads(f"csv: {name}", csv(content), "x.csv", **NAMED) for name, content in REFUSED.items()),
    *(reads(f"csv: {name}", csv(content), "x.csv", ends="right") for name, content in TRAINED.items()),
    *(predicts(f"csv: {name}", csv(content), "x.csv") for name, content in SAME.items()),
    *(predicts(f"csv: {name}", csv(content), "x.csv", ends="either") for name, content in EITHER.items()),
    *(
        reads(f"csv: labels {name}", csv(content), "x.csv", more=("--labels", labels), **NAMED)
        for name, (content, labels) in NO_LABELS.items()
    ),
    predicts("csv: labels beside the rows", csv(LABELLED), "x.csv", more=("--labels", "y")),
    predicts("csv: the last label gone", csv(LABELLED[:-2]), "x.csv", more=("--labels", "y"), ends="either"),
    predicts(
        "csv: labels twice", csv(LABELLED.replace(b"i,y", b"y,y")), "x.csv", more=("--labels", "y"), ends="refused"
    ),
    predicts("csv: labels taken for a feature", csv(LABELLED), "x.csv", ends="refused"),
]
