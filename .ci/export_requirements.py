"""Write requirements_ztf.txt and requirements_elasticc.txt: what the step needs, pinned.

The pins are those of constraints.txt; the closure is what pip would install today.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def export(extras: str) -> str:
    """The pinned requirements of these extras, a line each."""
    with tempfile.NamedTemporaryFile(suffix=".json") as report:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run"]
        command += ["--ignore-installed", "--report", report.name]
        command += ["-c", str(ROOT / "constraints.txt"), f"{ROOT}[{extras}]"]
        subprocess.run(command, check=True)
        installed = json.loads(Path(report.name).read_text("utf-8"))["install"]
    pins = {item["metadata"]["name"]: item["metadata"]["version"] for item in installed}
    lines = sorted(
        f"{re.sub(r'[-_.]+', '-', name).lower()}=={version.partition('+')[0]}"
        for name, version in pins.items()
        if name != "lcclassify"
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files."""
    for survey in ("ztf", "elasticc"):
        requirements = export(f"{survey},kafka")
        (ROOT / f"requirements_{survey}.txt").write_text(requirements, "utf-8")


if __name__ == "__main__":
    main()
