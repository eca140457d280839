"""HTTPS: with the certificates that are trusted, and with no others."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lcclassify.download.install import download
from lcclassify.download.wanted import want_label
from lcclassify.errors import DownloadError


def certificate(name, issuer=None, *, is_authority=False):
    """A certificate and its key, signed by an issuer or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return made, key


def pem(made, key=None):
    text = made.public_bytes(serialization.Encoding.PEM)
    if key:
        text += key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    return text


@pytest.fixture
def authority(tmp_path):
    """The file of an authority's certificate, and what it signs with."""
    pair = certificate("an authority of the test", is_authority=True)
    path = tmp_path / "authority.pem"
    path.write_bytes(pem(pair[0]))
    return path, pair


@pytest.fixture
def secure(make_site, authority, tmp_path):
    path = tmp_path / "server.pem"
    path.write_bytes(pem(*certificate("server", authority[1])))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return make_site(tls=context)


def test_a_certificate_of_a_trusted_authority(secure, authority, forest, known, how, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    wanted = want_label(known, "ztf", [secure.put("x", forest)])
    assert download(wanted, how).label == "ztf@1.0.1"


def test_a_certificate_of_nobody_known_is_refused(secure, forest, known, how):
    url = secure.put("x", forest)
    with pytest.raises(DownloadError) as error:
        download(want_label(known, "ztf", [url]), how)
    assert str(error.value) == (
        f"cannot download {url}features_RF_model.pkl: its certificate is not trusted: unable to "
        "get local issuer certificate; if it is your own authority's, name its file in "
        "SSL_CERT_FILE"
    )
    assert secure.asked == []


def test_https_is_not_left_by_a_redirect(secure, site, authority, forest, known, how, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    url = secure.put("x", forest)
    site.put("x", forest)
    name = "/x/features_RF_model.pkl"
    secure.odd[name] = [lambda handler: handler.say(302, Location=site.url(name[1:]))] * 9
    with pytest.raises(DownloadError) as error:
        download(want_label(known, "ztf", [url]), how)
    assert str(error.value) == (
        f"cannot download {secure.url(name[1:])}: it is redirected to {site.url(name[1:])}, "
        "unencrypted"
    )
