"""How loops are compiled, and one instruction that Numba lacks. Importing this costs Numba."""

from collections.abc import Callable
from typing import Any, TypeVar

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """``function`` compiled at its first call, kept on disk where a cache folder can be written."""
    try:
        kernel: Kernel = njit(function, nogil=True, cache=True)
    except RuntimeError:  # "cannot cache function: no locator available"
        kernel = njit(function, nogil=True)
    return kernel


def _prefetch(typing: Any, array: Any, index: Any) -> Any:
    """Ask for the cache line of ``array[index]`` without waiting.

    Any index is allowed, also one outside: nothing is read, and the processor ignores an address
    that is not mapped.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(array)(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [address.type, number, number, number])
        fetch = builder.module.declare_intrinsic("llvm.prefetch", [address.type], kind)
        builder.call(fetch, [address, number(0), number(3), number(1)])  # to read, to keep, data
        return context.get_dummy_value()

    return types.void(array, index), generate


prefetch: Any = intrinsic(_prefetch)
