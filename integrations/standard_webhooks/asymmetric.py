"""Standard Webhooks' second scheme: `v1a`, Ed25519 with the sender's public key, over the same text as `v1`."""

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from integrations.kit.contract import RawRequest, Verdict
from integrations.kit.signing import NO_SECRET, OK, WRONG, HmacScheme

PREFIX = "whpk_"
_KEY_BYTES, _SIGNATURE_BYTES = 32, 64


@dataclass(frozen=True, slots=True)
class Ed25519Scheme:
    """Reads what a scheme reads, and checks it with public keys. Whoever has only the public key cannot sign."""

    scheme: HmacScheme

    def verify(self, request: RawRequest, public_keys: tuple[str, ...], now: datetime) -> Verdict:
        """Whether any signature in the request was made with the private half of any of the keys."""
        keys = [key for key in map(find_public_key, public_keys) if key]
        if not keys:
            return NO_SECRET
        opened = self.scheme.open(request, now)
        if isinstance(opened, Verdict):
            return opened
        candidates, message = opened
        signatures = [raw for raw in map(_decode, candidates) if len(raw) == _SIGNATURE_BYTES]
        is_signed = any(_is_signed(key, signature, message) for key in keys for signature in signatures)
        return OK if is_signed else WRONG


@lru_cache(maxsize=256)
def find_public_key(text: str) -> Ed25519PublicKey | None:
    """The key behind `whpk_<base64 of 32 bytes>`, prefix and padding optional; None when it is none."""
    raw = _decode(text.strip().removeprefix(PREFIX))
    return Ed25519PublicKey.from_public_bytes(raw) if len(raw) == _KEY_BYTES else None


def _decode(text: str) -> bytes:
    bare = text.rstrip("=")
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_signed(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True
