"""The key of this Muster: seals secrets for the database, hashes erased addresses, signs sessions."""

import base64
import hashlib
import hmac
import os
import secrets
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.core.config import SHORTEST_SECRET_KEY, Settings
from app.core.errors import ConfigError
from app.core.home import make_home

KEY_FILE = "secret.key"
BINDING_BYTES = 32


class SecretBox:
    """Keys, newest first. The newest seals; all of them open.

    The *oldest* one also makes the values that must outlive a rotation: the hashes of erased people. It therefore
    stays in the list for good; the ones between may be dropped once everything is sealed anew.
    """

    def __init__(self, keys: tuple[str, ...]) -> None:
        if not keys or any(len(key) < SHORTEST_SECRET_KEY for key in keys):
            raise ConfigError(
                f"A secret key has fewer than {SHORTEST_SECRET_KEY} characters.",
                "Make one: openssl rand -base64 32. Several are separated by commas, the newest first.",
            )
        self._keys = keys
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(key, "seal"))) for key in keys])
        self._hash_key = _derived(keys[-1], "keyed hash")

    def __repr__(self) -> str:
        return f"SecretBox({len(self._keys)} keys)"

    def seal(self, text: str, bind: str) -> bytes:
        """Encrypt `text` for one place: `bind` names the row and the purpose, such as "secret:12:signing"."""
        return self._fernet.encrypt(_binding(bind) + text.encode())

    def open(self, sealed: bytes, bind: str) -> str:
        """What seal was given. ConfigError when no key fits, or when it was sealed for another place."""
        try:
            plain = self._fernet.decrypt(bytes(sealed))
        except InvalidToken:
            raise ConfigError(
                f"The stored secret {bind!r} was sealed with another key than this Muster has.",
                f"Put the earlier key back into MUSTER_SECRET_KEY or {KEY_FILE}, or store the secret again.",
            ) from None
        if not hmac.compare_digest(plain[:BINDING_BYTES], _binding(bind)):
            raise ConfigError(
                f"The stored secret {bind!r} was sealed for another place.",
                "Somebody moved sealed values between rows; store the secret again.",
            )
        return plain[BINDING_BYTES:].decode()

    def reseal(self, sealed: bytes, bind: str) -> bytes:
        """The same secret under the newest key, for rotation."""
        return self.seal(self.open(sealed, bind), bind)

    def keyed_hash(self, value: str) -> bytes:
        """32 bytes that tell whether a value is known, and nothing else about it. The same after a rotation."""
        return hmac.digest(self._hash_key, value.encode(), "sha256")

    def for_flask(self) -> str:
        """The key that signs sessions; another one after a rotation."""
        return _derived(self._keys[0], "flask session").hex()

    def for_flask_fallbacks(self) -> list[str]:
        """Keys of sessions signed before a rotation: Flask's SECRET_KEY_FALLBACKS."""
        return [_derived(key, "flask session").hex() for key in self._keys[1:]]

    def derive(self, purpose: str) -> str:
        """64 hex digits of a value for one purpose, such as a password salt. The same after a rotation."""
        return _derived(self._keys[-1], f"purpose {purpose}").hex()


def _derived(key: str, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=b"muster", info=purpose.encode()).derive(key.encode())


def _binding(bind: str) -> bytes:
    return hashlib.sha256(bind.encode()).digest()


def open_box(settings: Settings) -> SecretBox:
    """The box of MUSTER_SECRET_KEY, else of home/secret.key, which is made when it is missing."""
    given = settings.secret_key or _read_or_make(settings.home / KEY_FILE)
    return SecretBox(tuple(part.strip() for part in given.split(",") if part.strip()))


def _read_or_make(path: Path) -> str:
    try:
        if not path.exists():
            _make(path)
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"The key file {path} cannot be read or made: {error.strerror}.",
            "Run as the account that owns it, or set MUSTER_SECRET_KEY.",
        ) from error


def _make(path: Path) -> None:
    """Complete or not there at all; of two processes that try at once, both read the winner's."""
    make_home(path.parent)
    descriptor, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:  # another process was faster, and its key is the one
        return
    finally:
        Path(draft).unlink()
