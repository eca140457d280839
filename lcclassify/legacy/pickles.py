"""read_pickle: the value a pickle describes, with nothing imported and nothing called."""

from collections.abc import Mapping

from lcclassify.legacy import opcodes
from lcclassify.legacy.opcodes import Machine, Operation
from lcclassify.legacy.records import RefusedError

# A forest of 500 trees takes 200,000. An opcode of one byte can cost some 100 bytes of memory.
MAX_OPCODES = 10_000_000

_STOP = ord(".")
_PERSISTENT = "BINPERSID, a reference to something outside the file"


def persistent(machine: Machine) -> None:
    """BINPERSID: what a name stands for outside the pickle, if its container has such names."""
    if machine.resolve is None:
        raise RefusedError(f"opcode {_PERSISTENT} is not read")
    machine.stack.append(machine.resolve(machine.stack.pop()))


_OPERATIONS: dict[bytes, Operation] = {
    b"\x80": opcodes.protocol,
    b"\x95": opcodes.frame,
    b"N": opcodes.constant(None),
    b"\x88": opcodes.constant(True),
    b"\x89": opcodes.constant(False),
    b")": opcodes.constant(()),
    b"K": opcodes.integer(1),
    b"M": opcodes.integer(2),
    b"J": opcodes.integer(4, signed=True),
    b"\x8a": opcodes.long_integer(1),
    b"\x8b": opcodes.long_integer(4),
    b"I": opcodes.text_integer,
    b"L": opcodes.text_integer,
    b"F": opcodes.text_float,
    b"G": opcodes.binary_float,
    b"V": opcodes.text_line,
    b"\x8c": opcodes.text(1),
    b"X": opcodes.text(4),
    b"\x8d": opcodes.text(8),
    b"C": opcodes.byte_string(1),
    b"B": opcodes.byte_string(4),
    b"\x8e": opcodes.byte_string(8),
    b"\x96": opcodes.byte_string(8),
    b"\x85": opcodes.fixed_tuple(1),
    b"\x86": opcodes.fixed_tuple(2),
    b"\x87": opcodes.fixed_tuple(3),
    b"t": opcodes.marked_tuple,
    b"]": lambda machine: machine.stack.append([]),
    b"l": opcodes.marked_list,
    b"a": opcodes.append,
    b"e": opcodes.appends,
    b"}": lambda machine: machine.stack.append({}),
    b"d": opcodes.marked_dict,
    b"s": opcodes.set_item,
    b"u": opcodes.set_items,
    b"(": opcodes.mark,
    b"0": opcodes.pop,
    b"1": opcodes.pop_mark,
    b"2": opcodes.duplicate,
    b"p": opcodes.memo_line(opcodes.put),
    b"q": opcodes.memo_index(1, opcodes.put),
    b"r": opcodes.memo_index(4, opcodes.put),
    b"\x94": opcodes.memoize,
    b"g": opcodes.memo_line(opcodes.get),
    b"h": opcodes.memo_index(1, opcodes.get),
    b"j": opcodes.memo_index(4, opcodes.get),
    b"c": opcodes.name_from_lines,
    b"\x93": opcodes.name_from_stack,
    b"R": opcodes.call,
    b"\x81": opcodes.call,  # NEWOBJ: cls.__new__(cls, *args), to a recorder the same as a call
    b"b": opcodes.build,
    b"Q": persistent,
}

_REFUSED = {
    b"i": "INST, an object of protocol 0",
    b"o": "OBJ, an object of protocol 1",
    b"P": "PERSID, a reference to something outside the file",
    b"\x82": "EXT1, a name from the extension registry",
    b"\x83": "EXT2, a name from the extension registry",
    b"\x84": "EXT4, a name from the extension registry",
    b"\x92": "NEWOBJ_EX, an object made with keywords",
    b"\x97": "NEXT_BUFFER, a buffer outside the file",
    b"\x98": "READONLY_BUFFER, a buffer outside the file",
    b"\x8f": "EMPTY_SET, a set",
    b"\x90": "ADDITEMS, items of a set",
    b"\x91": "FROZENSET, a frozen set",
    b"S": "STRING, text of Python 2",
    b"T": "BINSTRING, text of Python 2",
    b"U": "SHORT_BINSTRING, text of Python 2",
}


def read_pickle(data: bytes, allowed: Mapping[tuple[str, str], str] | None) -> object:
    """What ``data`` describes: plain values, and Records in place of all that is not plain.

    ``allowed`` maps (module, qualified name), as the file writes them, to the kind that Records
    and Globals bear; any other name is refused. None records every name under itself, which is as
    safe and serves to say what a file is. Byte strings are memoryviews into ``data``. The result
    may contain itself, or one part many times over: walk it with care. Raises RefusedError only.
    """
    machine = Machine(data, memoryview(data), allowed)
    value = run(machine, MAX_OPCODES)
    if machine.position < len(data):
        left = len(data) - machine.position
        raise RefusedError(f"{left} bytes follow the end of the pickle{_at(machine.position - 1)}")
    return value


def run(machine: Machine, max_opcodes: int) -> object:
    """The value of the pickle at the machine's position, which is then behind it. RefusedError"""
    data = machine.data
    start = machine.start = machine.position
    try:
        for _ in range(max_opcodes):
            start = machine.position
            if start >= len(data):
                raise RefusedError(
                    "truncated: there is no STOP opcode" if data else "the file is empty"
                )
            code = data[start]
            machine.position = start + 1
            if code == _STOP:
                return _finish(machine)
            _TABLE[code](machine)
    except IndexError:
        raise RefusedError(
            f"opcode {data[start]:#04x} finds too little on the stack{_at(start)}"
        ) from None
    except RefusedError as refusal:
        raise RefusedError(f"{refusal}{_at(start)}") from None
    except ValueError as error:
        raise RefusedError(f"malformed text or number: {error}{_at(start)}") from None
    raise RefusedError(f"more than {max_opcodes} opcodes")


def _finish(machine: Machine) -> object:
    if machine.outer or len(machine.stack) != 1:
        raise RefusedError("the pickle does not end with one value")
    return machine.stack[0]


def _at(start: int) -> str:
    return f" (byte {start})"


def _refuse(code: int) -> Operation:
    known = _REFUSED.get(bytes([code]))
    reason = f"opcode {known} is not read" if known else f"not a pickle: {code:#04x} is no opcode"

    def operation(machine: Machine) -> None:
        raise RefusedError(reason)

    return operation


_TABLE = tuple(_OPERATIONS.get(bytes([code])) or _refuse(code) for code in range(256))
