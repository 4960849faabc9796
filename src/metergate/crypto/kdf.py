"""Keys out of a shared secret: the concatenation KDF of NIST SP 800-56A §5.8.1."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash

from metergate.errors import BadValue

_HASHES = {"sha256": SHA256, "sha384": SHA384}


def concatenation(secret: bytes, other: bytes, size: int, digest: str = "sha256") -> bytes:
    """`size` bytes of H(00000001 ‖ secret ‖ other) ‖ H(00000002 ‖ …) …; `digest` is "sha256" or "sha384".

    `other` names the algorithm and the two parties.
    """
    if digest not in _HASHES or not 1 <= size <= 255:
        raise BadValue(f"no key of {size} bytes with {digest}")
    return ConcatKDFHash(_HASHES[digest](), size, other).derive(secret)
