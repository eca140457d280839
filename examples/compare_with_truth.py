"""Hold classes against the truth: python examples/compare_with_truth.py RESULT.csv TRUTH.csv."""

import csv
import sys
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table


def read(path: str, column: str) -> dict[str, str]:
    """One column of a CSV file by the first, which is the object id."""
    rows = csv.DictReader(Path(path).read_text("utf-8").splitlines())
    return {next(iter(row.values())): row[column] for row in rows}


def main(result: str, truth: str) -> None:
    """Print, class by class, how many objects were found again and what the others were called."""
    said, is_ = read(result, "class"), read(truth, "class")
    pairs = Counter((is_[name], said[name]) for name in is_)
    table = Table("true class", "objects", "found", "mistaken for", box=None, pad_edge=False)
    for name, count in Counter(is_.values()).most_common():
        others = {s: n for (t, s), n in pairs.items() if t == name != s}
        confused = ", ".join(f"{s} {n}" for s, n in sorted(others.items(), key=lambda x: -x[1]))
        table.add_row(name, str(count), str(pairs[name, name]), confused)
    Console().print(table)
    right = sum(count for (t, s), count in pairs.items() if t == s)
    share = 100 * right / len(is_)
    print(f"{right} of {len(is_)} objects were given their true class ({share:.0f} %)")


if __name__ == "__main__":
    main(*sys.argv[1:])
