"""Pickle's opcodes as operations on a Machine's stack; none of them imports, calls or allocates.

Lengths are checked against the bytes at hand first. Byte strings stay views into the file.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lcclassify.legacy.records import Global, Record, RefusedError, brief, brief_name

MAX_INTEGER_BYTES = 256  # arithmetic and printing of huge integers cost more than linear time
MAX_INTEGER_DIGITS = 600
HIGHEST_PROTOCOL = 5


@dataclass(slots=True)
class Machine:
    """A pickle being read. The stack is cut at each MARK: ``outer`` holds the parts below."""

    data: bytes
    view: memoryview  # of data
    allowed: Mapping[tuple[str, str], str] | None  # (module, name) -> kind; None records all
    position: int = 0
    start: int = 0  # of the pickle in data
    resolve: Callable[[object], object] | None = None  # persistent id -> what it stands for
    fill: Callable[["Machine", Record], object] | None = None  # what replaces an object once built
    stack: list[object] = field(default_factory=list)
    outer: list[list[object]] = field(default_factory=list)
    memo: dict[int, object] = field(default_factory=dict)

    def take(self, count: int) -> memoryview:
        """The next ``count`` bytes."""
        end = self.position + count
        if end > len(self.data):
            left = len(self.data) - self.position
            raise RefusedError(f"truncated: {count} bytes are announced, {left} follow")
        chunk = self.view[self.position : end]
        self.position = end
        return chunk

    def take_uint(self, size: int) -> int:
        """The next ``size`` bytes as an unsigned integer."""
        return int.from_bytes(self.take(size), "little")

    def take_line(self) -> bytes:
        """The bytes up to the next line feed, as protocols 0 and 1 write their arguments."""
        end = self.data.find(b"\n", self.position)
        if end < 0:
            raise RefusedError("truncated: a line does not end")
        line = self.data[self.position : end]
        self.position = end + 1
        return line

    def pop_mark(self) -> list[object]:
        """Everything above the last MARK."""
        items = self.stack
        self.stack = self.outer.pop()
        return items


Operation = Callable[[Machine], None]


def constant(value: object) -> Operation:
    return lambda machine: machine.stack.append(value)


def integer(size: int, *, signed: bool = False) -> Operation:
    def push(machine: Machine) -> None:
        machine.stack.append(int.from_bytes(machine.take(size), "little", signed=signed))

    return push


def long_integer(size: int) -> Operation:
    def push(machine: Machine) -> None:
        count = machine.take_uint(size)
        if count > MAX_INTEGER_BYTES:
            raise RefusedError(f"an integer of {count} bytes; at most {MAX_INTEGER_BYTES} are read")
        machine.stack.append(int.from_bytes(machine.take(count), "little", signed=True))

    return push


def text_integer(machine: Machine) -> None:
    line = machine.take_line().removesuffix(b"L")
    if len(line) > MAX_INTEGER_DIGITS:
        raise RefusedError(
            f"an integer of {len(line)} digits; at most {MAX_INTEGER_DIGITS} are read"
        )
    booleans = {b"00": False, b"01": True}  # protocols 0 and 1 write these for False and True
    machine.stack.append(booleans[line] if line in booleans else int(line))


def text_float(machine: Machine) -> None:
    machine.stack.append(float(machine.take_line()))


def binary_float(machine: Machine) -> None:
    machine.stack.append(struct.unpack(">d", machine.take(8))[0])


def text(size: int) -> Operation:
    def push(machine: Machine) -> None:
        machine.stack.append(str(machine.take(machine.take_uint(size)), "utf-8"))

    return push


def text_line(machine: Machine) -> None:
    machine.stack.append(str(machine.take_line(), "raw-unicode-escape"))


def byte_string(size: int) -> Operation:
    def push(machine: Machine) -> None:
        machine.stack.append(machine.take(machine.take_uint(size)))

    return push


def fixed_tuple(count: int) -> Operation:
    def push(machine: Machine) -> None:
        stack = machine.stack
        if len(stack) < count:
            raise IndexError
        stack[-count:] = [tuple(stack[-count:])]

    return push


def marked_tuple(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.stack.append(tuple(items))


def marked_list(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.stack.append(items)


def marked_dict(machine: Machine) -> None:
    items = machine.pop_mark()
    machine.stack.append({})
    _store(machine, items)


def append(machine: Machine) -> None:
    value = machine.stack.pop()
    _extend(machine, [value])


def appends(machine: Machine) -> None:
    items = machine.pop_mark()
    _extend(machine, items)


def set_item(machine: Machine) -> None:
    value = machine.stack.pop()
    key = machine.stack.pop()
    _store(machine, [key, value])


def set_items(machine: Machine) -> None:
    items = machine.pop_mark()
    _store(machine, items)


def _extend(machine: Machine, items: list[object]) -> None:
    target = machine.stack[-1]
    if not isinstance(target, list):
        raise RefusedError(f"items are appended to {brief(target)}, which is no list")
    target += items


def _store(machine: Machine, items: list[object]) -> None:
    target = machine.stack[-1]
    if isinstance(target, Record):
        target.items = {} if target.items is None else target.items
        target = target.items
    if not isinstance(target, dict):
        raise RefusedError(f"a key is set in {brief(target)}, which is no dict")
    if len(items) % 2:
        raise RefusedError("a dict has a key without a value")
    for key, value in zip(items[::2], items[1::2], strict=True):
        # A nested tuple may take exponential time to hash, and large integers can be made to
        # collide; numbers as keys of numpy's own type are Records, which hash by identity.
        small = isinstance(key, int) and key.bit_length() <= 64
        if not (small or key is None or isinstance(key, (str, float, memoryview, Record))):
            raise RefusedError(f"{brief(key)} is the key of a dict")
        target[key] = value


def mark(machine: Machine) -> None:
    machine.outer.append(machine.stack)
    machine.stack = []


def pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def pop_mark(machine: Machine) -> None:
    machine.pop_mark()


def duplicate(machine: Machine) -> None:
    machine.stack.append(machine.stack[-1])


def memo_line(operation: Callable[[Machine, int], None]) -> Operation:
    return lambda machine: operation(machine, int(machine.take_line()))


def memo_index(size: int, operation: Callable[[Machine, int], None]) -> Operation:
    return lambda machine: operation(machine, machine.take_uint(size))


def put(machine: Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def get(machine: Machine, index: int) -> None:
    if index not in machine.memo:
        raise RefusedError(f"entry {brief(index)} of the memo is read before it is written")
    machine.stack.append(machine.memo[index])


def memoize(machine: Machine) -> None:
    put(machine, len(machine.memo))


def name_from_lines(machine: Machine) -> None:
    module = str(machine.take_line(), "utf-8")
    _push_global(machine, module, str(machine.take_line(), "utf-8"))


def name_from_stack(machine: Machine) -> None:
    name = machine.stack.pop()
    module = machine.stack.pop()
    if not (isinstance(module, str) and isinstance(name, str)):
        raise RefusedError(
            f"{brief(name)} of {brief(module)} is named, where two texts are expected"
        )
    _push_global(machine, module, name)


def _push_global(machine: Machine, module: str, name: str) -> None:
    written = f"{module}.{name}"
    kind = written if machine.allowed is None else machine.allowed.get((module, name))
    if kind is None:
        raise RefusedError(
            f"it names {brief_name(written)}, which is not among the few names allowed here; "
            "nothing was imported or run"
        )
    machine.stack.append(Global(kind))


def call(machine: Machine) -> None:
    args = machine.stack.pop()
    function = machine.stack.pop()
    if not isinstance(function, Global) or not isinstance(args, tuple):
        raise RefusedError(f"it calls {brief(function)} with {brief(args)}; nothing was run")
    machine.stack.append(Record(function.kind, args))


def build(machine: Machine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if not isinstance(target, Record) or target.state is not None:
        raise RefusedError(
            f"it sets the state of {brief(target)}, which takes none, or no second one"
        )
    target.state = state
    if machine.fill is not None:
        machine.stack[-1] = machine.fill(machine, target)


def protocol(machine: Machine) -> None:
    version = machine.take_uint(1)
    if machine.position != machine.start + 2:
        raise RefusedError("a second pickle begins inside the first")
    if version > HIGHEST_PROTOCOL:
        raise RefusedError(
            f"pickle protocol {version}; {HIGHEST_PROTOCOL} is the highest one known"
        )


def frame(machine: Machine) -> None:
    count = machine.take_uint(8)
    left = len(machine.data) - machine.position
    if count > left:
        raise RefusedError(f"truncated: {count} bytes are announced, {left} follow")
