import io
import pickle
import struct
import zipfile
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lcclassify.legacy.records import RefusedError
from lcclassify.legacy.torch_files import read_torch, to_tensor

BASE = torch.arange(24, dtype=torch.float32).reshape(4, 6)
TENSORS = {
    "whole": BASE,
    "transposed": BASE.T,
    "view": BASE[1:3, 2:5],
    "steps": BASE[:, ::2],
    "parameter": torch.nn.Parameter(torch.ones(3)),
    "double": torch.tensor([1.5, -2.0], dtype=torch.float64),
    "half": torch.tensor([0.5], dtype=torch.float16),
    "long": torch.arange(5),
    "flags": torch.tensor([True, False]),
    "number": torch.tensor(3.25),
}
CONTAINERS = {"zip": True, "stream": False}


def save(value, container="zip"):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=CONTAINERS[container])
    return buffer.getvalue()


def rewrite(data, change):
    """A container with ``change(name, content)`` in place of each file; None leaves it out."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for name in old.namelist():
            content = change(name.partition("/")[2], old.read(name))
            if content is not None:
                new.writestr(name, content)
    return buffer.getvalue()


def refusal(data):
    with pytest.raises(RefusedError) as caught:
        read_all(data)
    return str(caught.value)


def read_all(data):
    value = read_torch(data, {})
    return {name: to_tensor(item) for name, item in value.items()}


@pytest.mark.parametrize("container", CONTAINERS)
def test_tensors_are_those_that_torch_reads(container):
    read = read_all(save(TENSORS, container))
    assert read.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        expected = tensor.detach().numpy()
        assert read[name].dtype == expected.dtype
        assert np.array_equal(read[name], expected), name
        assert not read[name].flags.writeable


@pytest.mark.parametrize("container", CONTAINERS)
def test_an_ordered_dict_is_recorded_with_its_items(container):
    record = read_torch(save(OrderedDict(a=BASE), container), {})
    assert record.kind == "ordered dict"
    assert np.array_equal(to_tensor(record.items["a"]), BASE)


def test_big_endian_numbers_are_read():
    def swap(name, content):
        if name.startswith("data/"):
            return np.frombuffer(content, "<f4").astype(">f4").tobytes()
        return b"big" if name == "byteorder" else content

    assert np.array_equal(read_all(rewrite(save({"a": BASE}), swap))["a"], BASE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda n, c: None if n == "data/0" else c, "storage '0' is not in the container"),
        (
            lambda n, c: c[:48] if n == "data/0" else c,
            "the numbers of storage '0' take 48 bytes, expected 96",
        ),
        (
            lambda n, c: None if n == "data.pkl" else c,
            "a zip file without data.pkl: not of torch.save, or damaged",
        ),
        (
            lambda n, c: b"odd" if n == "byteorder" else c,
            "the byte order that the container names is not known",
        ),
    ],
)
def test_a_container_that_is_not_whole_is_refused(change, reason):
    assert refusal(rewrite(save({"a": BASE}), change)).startswith(reason)


def test_a_flipped_bit_is_noticed_by_its_checksum():
    data = bytearray(save({"a": BASE}))
    data[data.index(BASE.numpy().tobytes()) + 5] ^= 1
    assert refusal(bytes(data)).startswith("the container is damaged or cut off: Bad CRC-32 for")


def test_a_compressed_container_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as container:
        container.writestr("a/data.pkl", b"\x00" * 10**6)
    assert refusal(buffer.getvalue()) == "'data.pkl' in the container is compressed or too large"


def test_a_name_that_is_there_twice_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as container:
        container.writestr("a/data.pkl", b"N.")
        with pytest.warns(UserWarning, match="Duplicate"):
            container.writestr("a/data.pkl", b"N.")
    assert refusal(buffer.getvalue()) == "the container holds 'data.pkl' twice"


class Named:
    def __init__(self, *name):
        self.name = name


class Writer(pickle._Pickler):
    def persistent_id(self, value):
        return value.name if isinstance(value, Named) else None


def described(start, shape, steps, count=6):
    """A container whose pickle describes a tensor of the storage of six numbers."""

    class Tensor:
        def __reduce__(self):
            storage = Named("storage", torch.FloatStorage, "0", "cpu", count)
            arguments = (storage, start, shape, steps, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    buffer = io.BytesIO()
    Writer(buffer, 2).dump({"a": Tensor()})
    whole = save({"a": torch.arange(6, dtype=torch.float32)})
    return rewrite(whole, lambda n, c: buffer.getvalue() if n == "data.pkl" else c)


def test_a_described_tensor_is_read():
    assert np.array_equal(read_all(described(1, (2, 2), (2, 1)))["a"], [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("start", "shape", "steps"),
    [(0, (7,), (1,)), (-1, (2,), (1,)), (5, (2,), (1,)), (0, (10**6,), (0,)), (0, (2,), (6,))],
)
def test_a_tensor_outside_its_storage_is_refused(start, shape, steps):
    assert refusal(described(start, shape, steps)) == (
        "a tensor reaches outside its storage '0' of 6 numbers"
    )


@pytest.mark.parametrize(
    ("shape", "steps", "reason"),
    [
        ((2, 3), (1,), "a tensor of 2 dimensions with 1 strides"),
        ((-1,), (1,), "a tensor whose shape is not made of ordinary lengths"),
        ((1,) * 9, (1,) * 9, "a tensor whose shape is not made of ordinary lengths"),
        ((0, 3), (3, 1), "a tensor without numbers"),
    ],
)
def test_odd_shapes_are_refused(shape, steps, reason):
    assert refusal(described(0, shape, steps)) == reason


def test_a_type_that_numpy_lacks_is_named():
    reason = refusal(save({"a": torch.ones(2, dtype=torch.bfloat16)}))
    assert reason.startswith("it names torch.BFloat16Storage, which is not among the few names")


def test_other_bytes_are_refused():
    assert refusal(b"") == "the file is empty"
    assert refusal(pickle.dumps([1])) == "a pickle, but none that torch.save made"
    assert refusal(b"\xffPNG").startswith("not a pickle: 0xff is no opcode")


def test_a_stream_that_announces_other_numbers_is_refused():
    data = save({"a": torch.ones(3)}, "stream")
    at = data.rindex(struct.pack("<q", 3))
    longer = data[:at] + struct.pack("<q", 4) + data[at + 8 :]
    assert "are cut off or too many" in refusal(longer)
    assert refusal(data[:-1]).endswith("take 11 bytes, expected 12")
    assert refusal(data + b"x") == "1 bytes follow the last storage"


@given(data=st.data(), container=st.sampled_from(list(CONTAINERS)))
@settings(max_examples=300, deadline=None)
def test_damaged_files_are_refused_or_give_tensors(data, container):
    bytes_ = bytearray(SAVED[container])
    for _ in range(data.draw(st.integers(0, 3))):
        bytes_[data.draw(st.integers(0, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(bytes_)) | st.just(len(bytes_)))
    try:
        read = read_torch(bytes(bytes_[:cut]), {})
        tensors = [to_tensor(item) for item in read.values()] if isinstance(read, dict) else []
    except RefusedError:
        tensors = []
    assert sum(tensor.nbytes for tensor in tensors) <= 2 * len(bytes_)


SAVED = {container: save(TENSORS, container) for container in CONTAINERS}
