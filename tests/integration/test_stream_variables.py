import re

from lcclassify.stream.config.options import table


def test_every_variable_of_the_steps_readme_is_known(shared):
    """Its tables and its blocks of VARIABLE=value."""
    text = "\n".join(path.read_text("utf-8") for path in sorted((shared / "seed").glob("*.txt")))
    setup = text[text.index("### Step Setup") : text.index("#### Previous steps")]
    rows = re.findall(r"^\| ([A-Z_]+) +\|", setup, re.MULTILINE)
    blocks = re.findall(r"^([A-Z_]+)=", setup, re.MULTILINE)
    assert (len(rows), len(set(blocks))) == (25, 6)
    known = {env for option in table().options.values() for env in option.env}
    assert {*rows, *blocks} <= known
