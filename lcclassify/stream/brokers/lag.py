"""How far a group is behind the end of its topics."""

import json
from typing import NamedTuple

from lcclassify.errors import BrokerError
from lcclassify.output import emit, show
from lcclassify.stream.brokers.offsets import EARLIEST, LATEST, open_offsets
from lcclassify.stream.settings import Input, Settings


class Lag(NamedTuple):
    """Of one partition."""

    topic: str
    partition: int
    committed: int | None  # where the group goes on; None: it never read this
    end: int  # where the next message will be
    lag: int  # offsets in between that still exist; producers with transactions use some up


def read_lag(told: Input) -> list[Lag]:
    """Of every partition, in order, without joining the group. BrokerError if it is not known."""
    offsets = open_offsets(told)
    if offsets.missing:
        where = f"{offsets.probe.where}, input topic {offsets.missing[0]!r}"
        raise BrokerError(f"{where}: there is no such topic; create it or correct its name")
    committed, begin, end = offsets.committed(), offsets.at(EARLIEST), offsets.at(LATEST)
    return [
        Lag(
            *place,
            committed.get(place),
            end[place],
            max(0, end[place] - max(begin[place], committed.get(place, 0))),
        )
        for place in offsets.partitions
    ]


def show_lag(settings: Settings, as_json: bool = False) -> None:
    """Print it on standard output, as a table or as JSON."""
    rows = read_lag(settings.input)
    total = sum(row.lag for row in rows)
    if as_json:
        group = settings.input.group_id
        partitions = [row._asdict() for row in rows]
        emit(json.dumps({"group": group, "total": total, "partitions": partitions}))
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for title in Lag._fields:
        table.add_column(title, justify="left" if title == "topic" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*("-" if value is None else str(value) for value in row))
    table.add_row("total", "", "", "", str(total))
    show(table)
