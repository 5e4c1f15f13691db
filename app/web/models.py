"""Admins: accounts, roles, and the one-time link that makes the first of them.

Names of columns and tables are Flask-Security's own (https://flask-security.readthedocs.io/en/stable/models.html,
seen 2026-11-21), so "user" here is an admin's account, never a contact.
"""

from datetime import datetime
from typing import Any

from flask_security import AsaList, RoleMixin, UserMixin
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
)
from sqlalchemy.ext.mutable import MutableList
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base
from app.core.models import Timestamp

user_roles = Table(
    "user_roles",
    Base.metadata,
    Column("user_id", BigInteger, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("role_id", BigInteger, ForeignKey("roles.id", ondelete="CASCADE"), primary_key=True),
)


class Role(Base, RoleMixin):
    """viewer, editor or admin."""

    __tablename__ = "roles"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    description: Mapped[str | None] = mapped_column(Text)
    permissions: Mapped[Any] = mapped_column(MutableList.as_mutable(AsaList()), nullable=True)


class User(Base, UserMixin):
    """An admin's account."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    password: Mapped[str | None] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(Boolean, server_default="true")
    fs_uniquifier: Mapped[str] = mapped_column(Text, unique=True)
    create_datetime: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    update_datetime: Mapped[datetime] = mapped_column(
        Timestamp, server_default=func.now(), onupdate=func.now()
    )
    last_login_at: Mapped[datetime | None] = mapped_column(Timestamp)  # type: ignore[assignment]
    current_login_at: Mapped[datetime | None] = mapped_column(Timestamp)  # type: ignore[assignment]
    last_login_ip: Mapped[str | None] = mapped_column(Text)
    current_login_ip: Mapped[str | None] = mapped_column(Text)
    login_count: Mapped[int | None] = mapped_column(Integer)  # type: ignore[assignment]
    roles: Mapped[list[Role]] = relationship(secondary=user_roles, lazy="selectin")  # type: ignore[assignment]


class SignInLink(Base):
    """A one-time link; only a hash of it is kept."""

    __tablename__ = "sign_in_links"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)  # "first_admin"
    created_at: Mapped[datetime] = mapped_column(Timestamp, server_default=func.now())
    expires_at: Mapped[datetime] = mapped_column(Timestamp)
    used_at: Mapped[datetime | None] = mapped_column(Timestamp)
