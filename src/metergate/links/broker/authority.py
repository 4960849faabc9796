"""A small certificate authority for a broker in a house or an office: one root, certificates by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from metergate.links.broker.settings import write_private

_ROOT_LIFE = timedelta(days=3650)
_LIFE = timedelta(days=825)
_RENEW = timedelta(days=30)


class Authority:
    """Certificates from a root of our own, kept in `folder` (0700): `ca.pem` is what clients trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate = folder / "ca.pem"
        self._key_file = folder / "ca.key"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.certificate.exists():
            self._found()

    def issue(self, name: str, hosts: tuple[str, ...] = (), now: datetime | None = None) -> tuple[Path, Path]:
        """Certificate and key files for `name`; a server's names and addresses are `hosts`, () is a client's.

        What is there is used again, until it has less than 30 days left or the hosts changed.
        """
        cert_file, key_file = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        now = now or datetime.now(UTC)
        if not (cert_file.exists() and key_file.exists() and _serves(cert_file, hosts, now)):
            self._sign(name, hosts, now, cert_file, key_file)
        return cert_file, key_file

    def _sign(self, name: str, hosts: tuple[str, ...], now: datetime, cert_file: Path, key_file: Path) -> None:
        root = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        root_key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        assert isinstance(root_key, ec.EllipticCurvePrivateKey)
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if hosts else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = (
            _builder(name, root.subject, key.public_key(), now, min(now + _LIFE, root.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()),
                critical=False,
            )
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
        write_private(key_file, _private_pem(key))
        write_private(cert_file, builder.sign(root_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _found(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "metergate broker authority")])
        root = (
            _builder("metergate broker authority", subject, key.public_key(), now, now + _ROOT_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(_signing_only(), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(self._key_file, _private_pem(key))
        write_private(self.certificate, root.public_bytes(serialization.Encoding.PEM))


def _builder(
    name: str, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(until)
    )


def _signing_only() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )


def _serves(cert_file: Path, hosts: tuple[str, ...], now: datetime) -> bool:
    certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    if certificate.not_valid_after_utc - now < _RENEW:
        return False
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return not hosts
    return list(names) == _names(hosts)


def _names(hosts: tuple[str, ...]) -> list[x509.GeneralName]:
    return [_name(host) for host in hosts]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
