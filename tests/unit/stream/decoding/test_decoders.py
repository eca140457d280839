import subprocess
import sys

import pytest

OPENED = """
import sys
from pathlib import Path
from lcclassify.stream.decoding.decoders import open_decoder
from lcclassify.stream.decoding.narrow import Wants
from lcclassify.stream.settings import Client, Input

schema = Path(sys.argv[2])
schema.write_text('{"type": "record", "name": "m", "fields": []}')
told = Input(Client(""), "", (), form=sys.argv[1], schema=str(schema), registry="http://x")
open_decoder(told, Wants(frozenset(), None, frozenset()))
kernel = sys.modules.get("lcclassify.stream.decoding.narrow_kernel")
print(len(kernel.walk.signatures) if kernel else "none")
"""


@pytest.mark.parametrize(
    ("form", "compiled"), [("avro", "1"), ("schemaless", "1"), ("confluent", "1"), ("json", "none")]
)
def test_nothing_is_left_to_compile_for_the_first_message(form, compiled, tmp_path):
    command = [sys.executable, "-c", OPENED, form, str(tmp_path / "m.avsc")]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == compiled
