"""Reads cases of ``avro_cases`` by their seeds: ``ours`` as the stream does, ``fastavro`` as it is.

Each runs in a process of its own, as it may end by a signal. A line of standard input is a first
seed and a number of them; each seed is answered by a line of JSON.
"""

import io
import json
import random
import resource
import signal
import sys

import fastavro
from avro_hostile import MARKS, text_of
from avro_messages import make_case

MEMORY, SECONDS = 1 << 31, 3  # that fastavro may take: more is a death


def plain(schema):
    """A schema without logical types, whose values fastavro turns into others, and without marks.

    By these fastavro knows its own work, and looks at nothing in it.
    """
    if isinstance(schema, list):
        return [plain(part) for part in schema]
    if isinstance(schema, dict):
        left_out = {"logicalType", *MARKS}
        return {key: plain(value) for key, value in schema.items() if key not in left_out}
    return schema


def theirs(seed):
    """What fastavro makes of a case: a value and whether it writes it so, or a reason."""
    case = make_case(random.Random(seed))
    signal.alarm(SECONDS)
    try:
        schema = fastavro.parse_schema(plain(json.loads(text_of(case.schema))))
    except Exception as error:
        return {"refused": type(error).__name__}
    return {"read": [_read(case, schema, body) for body in case.bodies]}


def _read(case, schema, body):
    source = io.BytesIO(body)
    options = {"return_record_name": True} if case.node else {}
    try:
        value = fastavro.schemaless_reader(
            source, schema, None, handle_unicode_errors="replace", **options
        )
        if source.read(1):
            return ["unreadable", "bytes are left"]
        left = repr(case.left(value))
    except MemoryError:
        return None
    except Exception as error:
        return ["unreadable", type(error).__name__]
    back = io.BytesIO()
    try:
        fastavro.schemaless_writer(back, schema, value)
    except Exception:
        return ["value", left, False]
    return ["value", left, back.getvalue() == body]


def main():
    if sys.argv[1] == "ours":
        from avro_walks import bounds_are_checked
        from avro_walks import ours as answer

        hello = {"bounds": bounds_are_checked()}
    else:
        answer, hello = theirs, {}
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        first, count = map(int, line.split())
        for seed in range(first, first + count):
            print(json.dumps(answer(seed)), flush=True)


if __name__ == "__main__":
    main()
