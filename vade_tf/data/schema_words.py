"""What is said of a table's columns: what each was taken for, what is left out, and cells that are not known."""

from collections import Counter
from collections.abc import Callable, Sequence

from vade_tf.data.cells import COMMA, SIGNS, THOUSANDS, are_codes, short, sign_of
from vade_tf.data.columns import KINDS, Column
from vade_tf.data.inferring import UNREAD

NAMED = 8  # columns that a line names, or whose cells a line each tells of
CITED = 3  # and of columns with advice each, a warning
DATES = {  # forms that could be taken for one another
    "%m/%d/%Y": "months first, as 12/31/2020",
    "%d/%m/%Y": "days first, as 31/12/2020",
    "%m-%d-%Y": "months first, as 12-31-2020",
    "%d-%m-%Y": "days first, as 31-12-2020",
}
SAID = {
    "number": "a number each",
    "ordered": "ordered levels, the rank as a number",
    "category": "a category each, one feature a level",
    "boolean": "two values each, as 0 and 1",
    "date": "dates, as days from their median",
}


def described(columns: Sequence[Column], dropped: dict[str | int, str]) -> list[str]:
    """What is done with the columns, a line a kind; `dropped` gives the reason why each of the others is left out."""
    lines = []
    for kind in KINDS:
        of_kind = [column for column in columns if column.kind == kind]
        if of_kind:
            lines.append(f"{how_many(of_kind)}: {SAID[kind]} ({listed([_shown(c) for c in of_kind], str)})")
    if powers := [column.name for column in columns if column.power is not None]:
        lines.append(f"numbers whose power is taken (Yeo-Johnson): {listed(powers)}")
    if codes := [c.name for c in columns if are_codes(c.levels[: len(c.levels) - c.rest])]:
        lines.append(f"digits with a 0 in front are codes, no amounts: {listed(codes)}")
    numbers = [column for column in columns if column.kind == "number"]
    for form, how in ((COMMA, "with a decimal comma"), (THOUSANDS, "with commas between thousands")):
        if names := [column.name for column in numbers if column.form.endswith(form)]:
            lines.append(f"numbers are written {how}, as {form}: {listed(names)}")
    for sign in SIGNS:
        if names := [column.name for column in numbers if sign_of(column.form) == sign]:
            lines.append(f"numbers are read without their {sign}: {listed(names)}")
    dates = [column for column in columns if column.kind == "date"]
    for form, how in DATES.items():
        if names := [column.name for column in dates if column.form.startswith(form)]:
            lines.append(f"dates are read with {how}: {listed(names)}")
    if far := [column.name for column in columns if column.kind == "number" and column.offset]:
        lines.append(f"far from 0 and near one another, so counted from their median: {listed(far)}")
    if holes := [column for column in columns if column.missing]:
        cells = sum(column.missing for column in holes)
        lines.append(f"{cells:,} empty cells are taken as missing, in {listed([c.name for c in holes])}")
    return [*lines, *_left_out(dropped)]


def unread(dropped: dict[str | int, str]) -> list[str]:
    """What there is to say of columns that are left out, of texts like numbers or of one value: a sentence."""
    names = [name for name, reason in dropped.items() if UNREAD.match(reason)]
    lines = _left_out({name: dropped[name] for name in names[:CITED]})
    more = [f"and {len(names) - CITED:,} more such columns"] if len(names) > CITED else []
    return ["; ".join([*lines, *more])] if names else []


def unknown_rows(number: int) -> list[str]:
    """What there is to say of so many rows without one known cell: at most a sentence."""
    return [f"rows without one known cell: {number:,}; their cluster and density say nothing"] if number else []


def unseen_cells(strange: Counter) -> list[str]:
    """What there is to say of cells that were taken as missing, by column: a sentence."""
    found = [f"{count:,} of {short(name)!r}" for name, count in strange.most_common() if count]
    more = f" and of {how_many(found[NAMED:])} more" if len(found) > NAMED else ""
    cited = ", ".join(found[:NAMED])
    return [f"cells of values that training did not see, in all: {cited}{more}: taken as missing"] if found else []


def how_many(columns: Sequence) -> str:
    """1 column, or so many."""
    return "1 column" if len(columns) == 1 else f"{len(columns):,} columns"


def listed(names: list, form: Callable = repr) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(form(short(name)) for name in names[:NAMED])
    return shown if len(names) <= NAMED else f"{shown} and {len(names) - NAMED:,} more"


def _left_out(dropped: dict) -> list[str]:
    """A line for each reason why columns are left out: {name: reason}."""
    reasons: dict[str, list] = {}
    for name, reason in dropped.items():
        reasons.setdefault(reason, []).append(name)
    return [f"left out, {reason}: {listed(names)}" for reason, names in reasons.items()]


def _shown(column: Column) -> str:
    name = repr(short(column.name))  # in quotes it is no setting, whatever it is called
    if column.kind == "category":
        return f"{name}, {column.width} levels{', the last for rarer ones' if column.rest else ''}"
    return name
