"""Certificate authorities that live as long as a test."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class Authority:
    """One that signs what it is asked to. `certificate` is PEM, as in a service account's `ca.crt`."""

    def __init__(self, name: str) -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key()
        signs = dict.fromkeys(USAGES, False) | {"key_cert_sign": True}
        rights = (x509.BasicConstraints(ca=True, path_length=0), x509.KeyUsage(**signs))
        made = self._signed(self._name, self._public, *rights)
        self.certificate = made.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, address: str, room: Path) -> ssl.SSLContext:
        """What a server needs that is to be `address`, an IP address."""
        key = ec.generate_private_key(ec.SECP256R1())
        where = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        made = self._signed(_named("kube-apiserver"), key.public_key(), where)
        form = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file = room / f"server-{address}.pem"
        pem = serialization.Encoding.PEM
        file.write_bytes(key.private_bytes(pem, *form) + made.public_bytes(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *extensions: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._public), critical=False)
        )
        for extension in extensions:
            made = made.add_extension(extension, critical=self._name == subject)
        return made.sign(self._key, hashes.SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
