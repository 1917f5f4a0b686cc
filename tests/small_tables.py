"""Tables that tests make: columns of sixty cells, and files of text."""

import gzip


def many(cells: list, rows: int = 60) -> list:
    return [cells[i % len(cells)] for i in range(rows)]


NUMBERS = [round(0.37 * i - 5, 2) for i in range(60)]


def written(folder, text: str, name: str = "t.csv", encoding: str = "utf-8") -> str:
    file = folder / name
    content = text.encode(encoding)
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return str(file)
