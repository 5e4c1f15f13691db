"""Accounts of the people who use the console: one-time links, roles, passwords."""

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.core.errors import ConflictError, InvalidError, NotFoundError
from app.web.access import ROLES
from app.web.models import Role, SignInLink, User

FIRST_ADMIN = "first_admin"
INVITE = "invite:"  # followed by the role
LINK_LIFETIME = timedelta(hours=24)
SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 128  # argon2 reads it all, so that an endless one would be work for nothing
FEWEST_DIFFERENT = 5  # characters
LONGEST_COMMON = 6  # shorter names may stand in a password by chance


@dataclass(frozen=True, slots=True)
class Account:
    """One person who may sign in."""

    email: str
    role: str
    is_active: bool
    created_at: datetime
    last_sign_in_at: datetime | None


@dataclass(frozen=True, slots=True)
class Link:
    """A one-time link that is still good, and the role it gives."""

    role: str
    expires_at: datetime


def has_admin(session: Session) -> bool:
    """Whether somebody can already administer this Muster."""
    query = select(User.id).join(User.roles).where(Role.name == "admin", User.active).limit(1)
    return session.execute(query).first() is not None


def first_admin_link(session: Session, public_url: str) -> str | None:
    """A link, good once and for 24 hours, that makes the first admin; None when there is one already."""
    return None if has_admin(session) else _make_link(session, public_url, FIRST_ADMIN)


def invite_link(session: Session, public_url: str, role: str = "admin") -> str:
    """A link, good once and for 24 hours, that makes an account with this role."""
    if role not in ROLES:
        raise InvalidError(f"There is no role {role!r}.", f"Use one of {', '.join(ROLES)}.")
    return _make_link(session, public_url, INVITE + role)


def _make_link(session: Session, public_url: str, purpose: str) -> str:
    token = secrets.token_urlsafe(32)
    expires_at = func.now() + LINK_LIFETIME
    session.add(SignInLink(token_hash=_hash(token), purpose=purpose, expires_at=expires_at))
    session.flush()
    return f"{public_url}/first-admin/{token}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def find_link(session: Session, token: str, *, is_locked: bool = False) -> Link | None:
    """The link of this token while it is good. `is_locked` holds it until the transaction ends."""
    query = select(SignInLink).where(
        SignInLink.token_hash == _hash(token),
        SignInLink.used_at.is_(None),
        SignInLink.expires_at > func.now(),
    )
    row = session.execute(query.with_for_update() if is_locked else query).scalar_one_or_none()
    if row is None or (row.purpose == FIRST_ADMIN and has_admin(session)):
        return None
    return Link("admin" if row.purpose == FIRST_ADMIN else row.purpose.removeprefix(INVITE), row.expires_at)


def accept_link(session: Session, token: str, email: str, password_hash: str) -> User:
    """Make the account that the link promises, and use the link up. NotFoundError when it is not good (any more)."""
    # One at a time, so that two first-admin links cannot both be the first.
    session.execute(select(func.pg_advisory_xact_lock(func.hashtext("muster accounts"))))
    link = find_link(session, token, is_locked=True)
    if link is None:
        raise NotFoundError("This link is used or too old.", "Make another: muster admin link --invite.")
    if session.execute(select(User.id).where(func.lower(User.email) == email.lower())).first():
        raise ConflictError("This e-mail address has an account already.", "Sign in with it instead.")
    used = session.get_one(SignInLink, _hash(token))
    used.used_at = func.now()
    user = User(email=email, password=password_hash, active=True, fs_uniquifier=uuid.uuid4().hex)
    user.roles = [_role(session, link.role)]
    session.add(user)
    session.flush()
    return user


def _role(session: Session, name: str) -> Role:
    role = session.execute(select(Role).where(Role.name == name)).scalar_one_or_none()
    if role is None:
        role = Role(name=name, description=ROLES[name])
        session.add(role)
    return role


def end_all_sessions(user: User) -> None:
    """Sign the account out on every device: sessions name this value and die with it."""
    user.fs_uniquifier = uuid.uuid4().hex


def clean_email(text: str) -> str:
    """The address as it is kept. InvalidError with a sentence when it is none."""
    try:
        checked = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        raise InvalidError(f"That is no e-mail address: {error}") from None
    return checked.normalized


def password_problem(password: str, email: str) -> str:
    """Why this password will not do, in one sentence; "" when it will."""
    if len(password) < SHORTEST_PASSWORD:
        return f"Use at least {SHORTEST_PASSWORD} characters; a few words in a row are fine."
    if len(password) > LONGEST_PASSWORD:
        return f"Use at most {LONGEST_PASSWORD} characters."
    if len(set(password)) < FEWEST_DIFFERENT:
        return "Use more different characters."
    name = email.partition("@")[0].lower()
    if password.lower() == email.lower() or (len(name) >= LONGEST_COMMON and name in password.lower()):
        return "Use something that is not in your e-mail address."
    return ""


def list_accounts(session: Session) -> list[Account]:
    """Everybody who may sign in, the oldest first."""
    users = session.execute(select(User).order_by(User.id)).scalars()
    return [
        Account(u.email, ", ".join(r.name for r in u.roles), u.active, u.create_datetime, u.current_login_at)
        for u in users
    ]


def is_known_address(session: Session, email: str, address: str) -> bool:
    """Whether the owner of this account signed in from this network address before."""
    query = select(User.current_login_ip, User.last_login_ip).where(func.lower(User.email) == email.lower())
    row = session.execute(query).first()
    return row is not None and address in row
