"""A source to hang deliveries on, and a writer."""

import hashlib

import pytest

from app.core.db import transaction
from app.inbox.receive import Inbox
from app.inbox.received import NewDelivery, stored_key
from app.sources.models import Source
from integrations.kit.contract import DeliveryKey


@pytest.fixture
def source_id(sessions):
    with transaction(sessions) as session:
        source = Source(slug="forms", integration="standard_webhooks")
        session.add(source)
        session.flush()
        return source.id


@pytest.fixture
def make_delivery(source_id):
    def make(key="k", body=b"{}", *, window=None, at=0.0, source=source_id):
        return NewDelivery(
            source_id=source,
            key=stored_key(DeliveryKey(key, window), at),
            method="POST",
            content_type="application/json",
            headers="[]",
            query="[]",
            body=body,
            body_sha256=hashlib.sha256(body).digest(),
        )

    return make


@pytest.fixture
def rung():
    return []


@pytest.fixture
def inbox(database_url, sessions, rung):
    inbox = Inbox(database_url, lambda: rung.append(1))
    inbox.open()
    yield inbox
    inbox.close()
