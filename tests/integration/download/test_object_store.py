"""Models in an S3 that runs here for the tests."""

import pytest
from pyarrow import fs

from lcclassify.download.install import download
from lcclassify.download.wanted import want_label, want_url
from lcclassify.errors import DownloadError

pytest.importorskip("moto.server", reason="moto, which plays S3 here, is not installed")


@pytest.fixture(scope="module")
def bucket(made_forest, object_store):
    """Turns a key into a URL of a bucket that has a forest in the folder rf."""
    there = fs.S3FileSystem(
        endpoint_override=f"http://{object_store}",
        allow_bucket_creation=True,
        access_key="k",
        secret_key="s",
        region="us-east-1",
    )
    there.create_dir("models")
    for name, data in made_forest.items():
        with there.open_output_stream(f"models/rf/{name}") as file:
            file.write(data)

    def url(key, user=""):
        query = f"scheme=http&endpoint_override={object_store}&region=us-east-1"
        return f"s3://{user}models/{key}?{query}"

    return url


@pytest.mark.parametrize("user", ["anonymous@", "k:secret@", ""])
def test_a_folder_in_s3_is_a_model(bucket, known, how, user, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "k")  # the usual credentials, where the URL has none
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    bundle = download(want_label(known, "ztf", [bucket("rf/", user)]), how)
    assert bundle.label == "ztf@1.0.1"
    assert bundle.manifest["download"]["url"] == "s3://models/rf/"


def test_a_url_in_s3_is_a_model(bucket, known, how):
    assert download(want_url(known, bucket("rf/", "anonymous@")), how).name == "ztf"


def test_what_is_not_in_s3_is_one_sentence(bucket, known, how):
    with pytest.raises(DownloadError) as error:
        download(want_label(known, "x@1", [bucket("no/rf.tar.gz", "k:secret@")]), how)
    assert str(error.value) == "cannot find x@1: s3://models/no/rf.tar.gz: there is no such file"
