"""The tests' own rendering of charts gives what Go's templates and Sprig gave."""

import pytest
from helm import Chart

VALUES = """
name: abc-def
empty: ""
ready: true
number: 601
list: [x, y]
map: {b: 1, a: {c: d}}
"""
PART = '{{- define "part" -}}\n<{{ .Values.name }}>\n{{- end -}}\n'


@pytest.fixture
def write(tmp_path):
    """A chart with one template."""

    def make(template):
        (tmp_path / "templates").mkdir()
        (tmp_path / "templates" / "_part.tpl").write_text(PART)
        (tmp_path / "templates" / "one.txt").write_text(template)
        (tmp_path / "values.yaml").write_text(VALUES)
        (tmp_path / "Chart.yaml").write_text("{name: chart, version: 0.1.0, appVersion: 0.2.0}")
        return Chart(tmp_path)

    return make


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("a\n  {{- if .Values.ready }}\n  b\n  {{- else }}\n  c\n  {{- end }}\nd", "a\n  b\nd"),
        ("{{ if .Values.empty }}a{{ else }}b{{ end }}", "b"),
        ("{{ range $k, $v := .Values.map }}{{ $k }}{{ end }}", "ab"),
        (
            "{{- range .Values.list }}\n- {{ . }} {{ $.Values.name }}\n{{- end }}",
            "\n- x abc-def\n- y abc-def",
        ),
        (
            "m:\n  {{- with .Values.map }}\n  {{- toYaml . | nindent 2 }}\n  {{- end }}",
            "m:\n  a:\n    c: d\n  b: 1",
        ),
        ('{{ printf "%s-%s" .Values.name "x" | trunc 4 | trimSuffix "-" }}', "abc"),
        ('{{ default "z" .Values.empty | quote }}', '"z"'),
        ('{{ if not (hasPrefix "^" .Values.name) }}plain{{ end }}', "plain"),
        ("{{ div .Values.number 5 }} {{ .Values.ready }}", "120 true"),
        ('[{{ include "part" . }}] {{ .Chart.AppVersion }}', "[<abc-def>] 0.2.0"),
        ('{{ range splitList "," "p,q" }}{{ if ne . "p" }}{{ . }}{{ end }}{{ end }}', "q"),
        (
            '{{ "a\\nb" | quote }} {{ print .Values.name "!" | sha256sum | trunc 8 }}',
            '"a\\nb" cbaf9057',
        ),
    ],
)
def test_a_template_is_what_go_makes_of_it(write, template, text):
    assert write(template).text("one.txt") == text


def test_what_values_do_not_have_is_an_error(write):
    with pytest.raises(KeyError, match="nothing"):
        write("{{ .Values.nothing }}").text("one.txt")


def test_a_function_that_nobody_wrote_is_an_error(write):
    with pytest.raises(AssertionError, match="^no such function: upper"):
        write('{{ upper "a" }}').text("one.txt")
