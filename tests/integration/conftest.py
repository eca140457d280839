import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2].parent / "shared"


@pytest.fixture(scope="session")
def shared():
    """The folder of golden files and real data beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip("the folder of golden files (shared, beside the checkout) is not there")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared):
    return shared / "golden" / "forests"


@pytest.fixture(scope="session")
def object_store():
    """Host and port of a server that speaks S3."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            for _ in range(300):
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            server.terminate()
