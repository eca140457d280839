import pytest
from hypothesis import given
from hypothesis import strategies as st

from lcclassify.download.catalogue import FileSpec, file_name, read_catalogue
from lcclassify.download.remote import below
from lcclassify.errors import ModelError

KNOWN = {
    "ztf": "ztf@1.0.1",
    "ztf@1.0.0": "ztf@1.0.0",
    "ztf@1.1.0": "ztf@1.1.0",
    "ztf@1.1.1": "ztf@1.1.1",
    "hierarchical_rf": "ztf@1.0.1",
    "hierarchical_rf@1.1.1": "ztf@1.1.1",
    "toretto": "toretto@2.0.1",
    "barney": "barney@2.0.0",
    "balto": "balto@4.0.0",
    "balto@3.0.0": "balto@3.0.0",
    "balto@6.0.0": "balto@6.0.0",
    "messi": "messi@1.0.0",
    "squidward": "squidward@2.1.0",
}


@pytest.fixture(scope="module")
def known():
    return read_catalogue()


@pytest.mark.parametrize("name", KNOWN)
def test_a_name_alias_or_version_means_one_model(known, name):
    assert known.find(name).label == KNOWN[name]


@pytest.mark.parametrize("name", ["", "@", "ztf@", "ztf@9", "bolto", "@1.0.1"])
def test_what_is_not_known_is_not_guessed(known, name):
    found = known.find(name)
    assert found is None or name == "ztf@"  # no version is the usual one


def test_every_model_has_a_licence_a_citation_and_files(known):
    for entry in known.entries:
        assert {"licence", "citation"} <= entry.card.keys()
        assert all(address.files for address in entry.addresses)


def test_every_name_has_one_default(known):
    names = {entry.name for entry in known.entries}
    assert [sum(e.is_default for e in known.entries if e.name == name) for name in names] == [
        1 for _ in names
    ]


@pytest.mark.parametrize(("name", "n_files"), [("balto", 65), ("messi", 494), ("balto@6.0.0", 2)])
def test_the_files_of_a_transformer_are_listed(known, name, n_files):
    files = {spec.name for spec in known.find(name).addresses[0].files}
    assert len(files) == n_files
    if name == "messi":
        assert "FeatNorm1QT/norm_Power_rate_1&&&2.joblib" in files
        assert "HeaderNorm1QT/norm_HOSTGAL_PHOTOZ.joblib" in files


def test_what_is_known_of_a_file_stands_with_it(known):
    [spec] = known.find("squidward").addresses[0].files
    assert (spec.size, spec.md5) == (1_720_755_396, "95e8e9f18fde62f22025e31a88ad81fa")
    by_name = {spec.name: spec.sha256 for spec in known.find("ztf@1.1.1").addresses[0].files}
    assert by_name["top_level_BRF_model.pkl"] == "d160264a"


def test_the_bucket_behind_an_address_is_a_mirror(known):
    assert known.find("barney").addresses[0].urls == (
        "https://assets.alerce.online/pipeline/elasticc/barney/2.0.0/barney.tar.gz",
        "https://alerce-static.s3.amazonaws.com/pipeline/elasticc/barney/2.0.0/barney.tar.gz",
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("=", "Invalid statement"),
        ("[[model]]", "KeyError('sources')"),
        ('[layouts]\nx = ["../y"]', "ValueError(\"'../y' cannot be the name of a file\")"),
        ('[layouts]\nx = ["/y"]', "ValueError(\"'/y' cannot be the name of a file\")"),
        ('[layouts]\nx = ["a\\\\y"]', "cannot be the name of a file"),
        (
            '[[model]]\nname="a"\nversion="1"\nsources=[]\nfiles={x={sha256="zz"}}',
            "ValueError(\"sha256 of x: 'zz'\")",
        ),
        (
            '[[model]]\nname="a"\nversion="1"\nsources=[]\nfiles={x={size="5"}}',
            "ValueError(\"size of x: '5'\")",
        ),
        ('[[model]]\nname="a"\nversion="1"\nsources=[{url="x", layout="y"}]', "KeyError('y')"),
        (
            '[[model]]\nname="a"\nversion="1"\nsources=[{url="https://h/x.gz"}]\n'
            'files={"y.gz"={sha256="01234567"}}',
            "ValueError(\"['y.gz'] are in no source of a\")",
        ),
        ('[[model]]\nname="a"\nversion="1"\nsources=[]', "ValueError('a has no sources')"),
        ('[[model]]\nname="a"\nversion="1"\nsources=[{url="http://[::1/x"}]', "Invalid IPv6 URL"),
        (
            '[[model]]\nname="../a"\nversion="1"\nsources=[{url="https://h/x"}]',
            "ValueError(\"'../a' cannot be the name or version of a model\")",
        ),
        (
            '[[model]]\nname="a"\nversion=1\nsources=[{url="https://h/x"}]',
            "ValueError('1 cannot be the name or version of a model')",
        ),
    ],
)
def test_a_catalogue_that_is_none_is_one_sentence(tmp_path, text, reason):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(ModelError) as error:
        read_catalogue(path)
    assert str(error.value).startswith(f"the catalogue {path} is not as expected: ")
    assert reason in str(error.value)


def test_a_catalogue_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(ModelError) as error:
        read_catalogue(tmp_path / "no")
    assert str(error.value) == f"cannot read the catalogue {tmp_path}/no: No such file or directory"


@pytest.mark.parametrize(
    ("folder", "url"),
    [
        ("https://h/a/", "https://h/a/x/norm_1%26%26%262.joblib"),
        ("https://h/a", "https://h/a/x/norm_1%26%26%262.joblib"),
        ("https://h/a%20b/?key=1", "https://h/a%20b/x/norm_1%26%26%262.joblib?key=1"),
    ],
)
def test_the_url_of_a_file_in_a_folder(folder, url):
    assert below(folder, "x/norm_1&&&2.joblib") == url


@given(st.text(st.characters(exclude_characters="/", exclude_categories=("C",)), min_size=1))
def test_the_name_at_the_end_of_a_url_is_the_file(name):
    if name not in (".", ".."):
        assert file_name(below("https://h/a/", name)) == name


def test_a_file_in_a_folder_keeps_what_is_known():
    assert FileSpec("x", 5).within("F/") == FileSpec("F/x", 5)
