"""As much of Helm's templates as the chart uses, for tests: Helm itself is no Python package.

Stricter than Helm: what the values do not have, and any function that is not below, is an error.
"""

import hashlib
import json
import re

import yaml

ACTION = re.compile(r"\{\{(-?)\s*(.*?)\s*(-?)\}\}", re.DOTALL)
WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[()|,]|:=|[^\s()|,]+')


class Chart:
    """A chart's folder, and what a release of it comes to."""

    def __init__(self, folder):
        self.told = yaml.safe_load((folder / "Chart.yaml").read_text("utf-8"))
        self.values = yaml.safe_load((folder / "values.yaml").read_text("utf-8"))
        self.trees, self.defined = {}, {}
        for path in sorted((folder / "templates").iterdir()):
            pieces = split(path.read_text("utf-8"))
            self.trees[path.name] = self._parse(pieces, path.name)
            assert not pieces, f"{path.name}: an end too many"

    def render(self, values=None, release="lcclassify"):
        """Its objects, of all files, with these values over its own."""
        texts = (self.text(name, values, release) for name in self.trees if name.endswith("yaml"))
        return [one for text in texts for one in yaml.safe_load_all(text) if one]

    def text(self, name, values=None, release="lcclassify"):
        """What one file comes to."""
        chart = {key.capitalize(): value for key, value in self.told.items()}
        root = {
            "Values": merged(self.values, values or {}),
            "Chart": chart | {"AppVersion": self.told["appVersion"]},
            "Release": {"Name": release, "Service": "Helm"},
            "Template": {"BasePath": "templates"},
        }
        return self._write(self.trees[name], root, {"$": root})

    def _parse(self, pieces, file):
        """The nodes up to the next end or else, which stays."""
        nodes = []
        while pieces and not (pieces[0][0] == "do" and pieces[0][1][0] in ("end", "else")):
            kind, content = pieces.pop(0)
            if kind == "text" or content[0] not in ("if", "with", "range", "define"):
                nodes.append((kind, content))
                continue
            body, otherwise = self._parse(pieces, file), []
            if pieces and pieces[0][1] == ["else"]:
                pieces.pop(0)
                otherwise = self._parse(pieces, file)
            assert pieces, f"{file}: {' '.join(content)} has no end"
            assert pieces.pop(0)[1] == ["end"], f"{file}: {' '.join(content)}"
            if content[0] == "define":
                self.defined[json.loads(content[1])] = body
            else:
                nodes.append((content[0], (content[1:], body, otherwise)))
        return nodes

    def _write(self, nodes, dot, names):
        return "".join(self._node(kind, content, dot, names) for kind, content in nodes)

    def _node(self, kind, content, dot, names):
        if kind == "text":
            return content
        if kind == "do":
            return as_text(self._value(content, dot, names))
        words, body, otherwise = content
        if kind == "range" and ":=" in words:
            key, value = words[0], words[2]
            each = sorted(self._value(words[4:], dot, names).items())
            return "".join(self._write(body, dot, names | {key: k, value: v}) for k, v in each)
        value = self._value(words, dot, names)
        if kind == "range":
            return "".join(self._write(body, one, names) for one in value)
        inside = value if kind == "with" else dot
        return self._write(body, inside, names) if value else self._write(otherwise, dot, names)

    def _value(self, words, dot, names):
        """Of a pipeline; brackets are worked out first."""
        words, value, piped = list(words), None, False
        while words:
            terms = []
            while words and words[0] != "|":
                word = words.pop(0)
                if word == "(":
                    depth, inner = 1, []
                    while depth:
                        inner.append(words.pop(0))
                        depth += {"(": 1, ")": -1}.get(inner[-1], 0)
                    terms.append((self._value(inner[:-1], dot, names),))
                else:
                    terms.append(word)
            words = words[1:]
            arguments = [self._term(term, dot, names) for term in terms[1:]]
            arguments += [value] if piped else []
            value, piped = self._call(terms[0], arguments, dot, names), True
        return value

    def _call(self, first, arguments, dot, names):
        if first == "include":
            name, inside = arguments
            if name.startswith("templates/"):
                return self._write(self.trees[name.partition("/")[2]], inside, {"$": names["$"]})
            return self._write(self.defined[name], inside, {"$": inside})
        if isinstance(first, str) and first in FUNCTIONS:
            return FUNCTIONS[first](*arguments)
        assert not arguments, f"no such function: {first}"
        return self._term(first, dot, names)

    def _term(self, term, dot, names):
        if isinstance(term, tuple):
            return term[0]
        if term[0] in '"0123456789':
            return json.loads(term)
        begin, *fields = term.split(".")
        value = dot if begin == "" else names[begin]
        for field in filter(None, fields):
            value = value[field]
        return value


def split(text):
    """Texts, and actions as lists of words, in order; the white space they swallow is gone."""
    pieces, position = [], 0
    for found in ACTION.finditer(text):
        before = text[position : found.start()]
        pieces.append(["text", before.rstrip() if found[1] else before])
        pieces.append(["do", WORD.findall(found[2])])
        position = found.end()
        if found[3]:
            position += len(text[position:]) - len(text[position:].lstrip())
    return [*pieces, ["text", text[position:]]]


def merged(ours, theirs):
    """Values of a release over those of the chart."""
    return ours | {
        key: merged(ours[key], value) if isinstance(ours.get(key), dict) else value
        for key, value in theirs.items()
    }


def as_text(value):
    """As Go prints it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def required(message, value):
    assert value, message
    return value


def indented(count, text):
    return "\n" + "\n".join(" " * count + line for line in text.splitlines())


FUNCTIONS = {
    "contains": lambda part, text: part in text,
    "default": lambda instead, value: value or instead,
    "div": lambda a, b: a // b,
    "hasPrefix": lambda begin, text: text.startswith(begin),
    "ne": lambda a, b: a != b,
    "nindent": indented,
    "not": lambda value: not value,
    "print": lambda *texts: "".join(texts),
    "printf": lambda form, *values: form % values,
    "quote": lambda value: json.dumps(as_text(value)),
    "required": required,
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
    "splitList": lambda mark, text: text.split(mark),
    "toYaml": lambda value: yaml.safe_dump(value, default_flow_style=False).rstrip("\n"),
    "trimSuffix": lambda end, text: text.removesuffix(end),
    "trunc": lambda count, text: text[:count],
}
