"""lcclassify replay."""

from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, cast

import typer

from lcclassify.commands.stream import PROPERTY, by_origin, need_kafka, parameters
from lcclassify.stream.config.options import Option, table
from lcclassify.stream.secret import Secret

if TYPE_CHECKING:
    from lcclassify.stream.dead.replay import Candidate

KEYS = ("server", "limit", "debug", *table().connection)  # of the sections below
SECTIONS = ("consumer", "producer", "run")


def replay(context: typer.Context, **told: object) -> None:
    """Feed dead letters of a stream back to the topics that they came from, once each.

    PLACE is what --dead-letters named: a topic, in the cluster of results (--producer-server), or a
    folder. Letters go to the cluster of the input (--consumer-server). What is there when the
    command starts is replayed; what was replayed before is not.

    Example: lcclassify replay dead-letters --dry-run
    """
    place, to, group = (cast("str | None", told.pop(n)) for n in ("place", "to", "group"))
    dry_run = told.pop("dry_run")
    need_kafka()
    from lcclassify.stream.config.gather import gather
    from lcclassify.stream.config.read_replay import read_replay
    from lcclassify.stream.dead.run_replay import list_letters, run_replay

    lines = cast("list[Secret] | None", told.pop(PROPERTY))
    choice = gather(*by_origin(context, told), lines or [])
    settings = read_replay(choice, place or "", to=to, group=group)
    if dry_run:
        _show(list_letters(settings))
    else:
        run_replay(settings)


def _show(found: "list[Candidate]") -> None:
    from rich.table import Table

    from lcclassify.output import show

    letters = Table(box=None, pad_edge=False)
    for title in ("message", "goes to", "replayed", "stage", "error"):
        letters.add_column(title, overflow="fold")
    for letter in found:
        letters.add_row(*letter)
    show(letters, f"letters to replay: {len(found)}")


def _is_wanted(option: Option) -> bool:
    return option.section == "files" or (option.section in SECTIONS and option.key in KEYS)


def _signature() -> Signature:
    """Of ``replay`` as Typer is to see it."""
    kind = Parameter.KEYWORD_ONLY
    own = {
        "to": Annotated[
            str | None,
            typer.Option("--to", metavar="TOPIC", help="Send them all to this topic."),
        ],
        "group": Annotated[
            str | None,
            typer.Option(
                "--group",
                metavar="GROUP",
                help="Consumer group that remembers what of a topic was replayed, and name of the "
                "transactions; another one replays all. Default: the topic and -replay.",
            ),
        ],
        "dry_run": Annotated[
            bool, typer.Option("--dry-run", help="List what would be sent, and stop.")
        ],
    }
    place = Annotated[str, typer.Argument(metavar="PLACE", help="A topic, or a folder.")]
    wanted = filter(_is_wanted, table().options.values())
    return Signature(
        [
            Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
            Parameter("place", kind, annotation=place),
            *(
                Parameter(name, kind, default=False if name == "dry_run" else None, annotation=one)
                for name, one in own.items()
            ),
            *(parameter for option in wanted for parameter in parameters(option)),
        ]
    )


_SIGNATURE = _signature()
replay.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
replay.__annotations__ = {name: one.annotation for name, one in _SIGNATURE.parameters.items()}
