"""Killed at any point, the next run goes on, completes and verifies."""

import subprocess
import sys
import time

import pytest

from lcclassify.cache import cache_dir

N_KILLS = 20
PIECE = 8192  # bytes


@pytest.fixture
def throttled(site, large_forest):
    """A server that takes its time: some 12 s for all files."""
    total = sum(map(len, large_forest.values()))

    def slowly(handler):
        content = site.files[handler.path]
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        handler.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", span)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.send_header("ETag", handler.etag(content))
        handler.end_headers()
        for first in range(start, len(content), PIECE):
            time.sleep(12 * PIECE / total)
            handler.wfile.write(content[first : first + PIECE])

    class Always(list):
        def pop(self, _):
            return slowly

    url = site.put("x", large_forest)
    site.odd = {f"/x/{name}": Always([1]) for name in large_forest}
    return url


KILLER = """
import contextlib, os, random, signal, sys, time
import tenacity, lcclassify.download.install, lcclassify.download.web
from lcclassify.cache import cache_dir
from lcclassify.cli import main

def n_bytes():
    return sum(path.stat().st_size for path in cache_dir().rglob("*.p*"))

with contextlib.suppress(SystemExit):
    main(["download-model", "ztf", "--offline"])  # what is imported now need not be 20 times
rng = random.Random(0)
for _ in range(int(sys.argv[1])):
    before, end = n_bytes(), time.monotonic() + rng.uniform(2, 5)
    child = os.fork()
    if not child:
        main(sys.argv[2:])
    while n_bytes() == before and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_killed_twenty_times_it_completes_and_verifies(throttled, site, run, capsys):
    argv = ["download-model", "ztf", "--url", throttled, "--connections", "1", "--quiet"]
    subprocess.run([sys.executable, "-c", KILLER, str(N_KILLS), *argv], check=True)
    assert not (cache_dir() / "models").exists()
    assert sum(path.stat().st_size for path in (cache_dir() / "partial").rglob("*.pkl")) > 0
    site.odd.clear()
    assert run(*argv) == 0
    assert run("models", "verify", "ztf") == 0
    assert "is sound" in capsys.readouterr().out
    gone_on = [span for _, _, span in site.asked if span]
    assert len(gone_on) >= N_KILLS // 4  # inside a file


def test_stopped_by_a_signal_it_ends_at_once_and_goes_on_later(throttled, site, run):
    argv = [sys.executable, "-m", "lcclassify", "download-model", "ztf", "--url", throttled]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    while site.count() == 0:
        time.sleep(0.01)
    process.terminate()
    start = time.monotonic()
    _, err = process.communicate()
    assert process.returncode == 143
    assert time.monotonic() - start < 2
    assert "stopped by SIG" in err
    site.odd.clear()
    assert run(*argv[3:], "-q") == 0
