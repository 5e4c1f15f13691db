"""Whose account a destination opens: read once and kept; destinations of one account share its connections and its lists."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections, account_name, centre_of
from app.audiences.models import Audience, Destination
from app.audiences.pauses import raise_alert
from app.audiences.views import Trouble
from app.core.db import transaction
from app.core.log import get_log
from integrations.mailchimp.answers import AccountInfo
from integrations.mailchimp.problems import MailchimpProblem

SAME_LIST = "same_list"
SAME_LIST_REASON = (
    "{other} keeps the same Mailchimp audience ({list_id}) in step: what one writes, the other undoes."
)
SAME_LIST_STEP = "Switch one of them off: `muster audiences set {slug} is_enabled=no`."

log = get_log(__name__)


def describe_account(info: AccountInfo, data_centre: str) -> dict[str, str]:
    """What is kept of an account: {account_id, name, role, dc}."""
    return {
        "account_id": info.account_id,
        "name": info.account_name,
        "role": info.role,
        "dc": data_centre,
    }


def learn_account(
    sessions: sessionmaker[Session], connections: Connections, destination: Destination
) -> None:
    """Read whose account it is, where nobody did yet. What is refused is asked again before the next work.

    Until then the destination's connections are counted by its address and key.
    """
    if connections.name_of(destination):
        return
    try:
        info = connections.gateway(destination).get_root()
    except MailchimpProblem as problem:
        log.info("account.unknown", destination=destination.slug, kind=problem.kind)
        return
    keep_account(sessions, destination, info)
    connections.tell_account(destination, info.account_id)


def keep_account(sessions: sessionmaker[Session], destination: Destination, info: AccountInfo) -> None:
    """Keep whose account it is, unless there is another key by now."""
    with transaction(sessions) as session:
        row = session.get_one(Destination, destination.id, with_for_update=True)
        if bytes(row.sealed_key) == bytes(destination.sealed_key):
            centre = centre_of(row.base_url) or (row.account or {}).get("dc", "")
            note_account(session, row, describe_account(info, centre))


def note_account(session: Session, destination: Destination, account: Mapping[str, Any]) -> None:
    """Note whose account it is; one alert for each list that turns out to be kept twice."""
    was, destination.account = account_name(destination), dict(account)
    session.flush()
    if account_name(destination) != was:
        for one, other in list_twins(session):
            if destination.id in {one.destination_id, other.destination_id}:
                raise_alert(session, one.id, twin_trouble(one, other))


def learn_accounts_with(
    sessions: sessionmaker[Session], connections: Connections, destination: Destination, list_id: str
) -> None:
    """Learn of a destination, and of every other that has an audience on this list, whose account it is."""
    learn_account(sessions, connections, destination)
    with transaction(sessions) as session:
        others = session.scalars(
            select(Destination).where(
                Destination.id != destination.id,
                Destination.id.in_(select(Audience.destination_id).where(Audience.list_id == list_id)),
            )
        ).all()
    for other in others:
        learn_account(sessions, connections, other)


def lock_account(session: Session, destination_id: int) -> list[Destination]:
    """A destination and the others of its account, locked in one order for all; itself first."""
    account_id = Destination.account["account_id"].astext
    own_id = select(account_id).where(Destination.id == destination_id).scalar_subquery()
    rows = session.scalars(
        select(Destination)
        .where(or_(Destination.id == destination_id, account_id == own_id))
        .order_by(Destination.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    own = next(one for one in rows if one.id == destination_id)
    name = account_name(own)
    return [own, *(one for one in rows if one is not own and name and account_name(one) == name)]


def find_twin(session: Session, destination_id: int, list_id: str) -> Audience | None:
    """The audience that has this list of this account already. The account stays locked: nobody adds one meanwhile."""
    same = [one.id for one in lock_account(session, destination_id)]
    return session.scalars(
        select(Audience)
        .where(Audience.destination_id.in_(same), Audience.list_id == list_id)
        .order_by(Audience.id)
        .limit(1)
    ).first()


def list_twins(session: Session) -> list[tuple[Audience, Audience]]:
    """Enabled audiences on a list that another one, added before, has too: each with that one."""
    rows = session.execute(
        select(Audience, Destination)
        .join(Destination, Destination.id == Audience.destination_id)
        .where(Audience.is_enabled)
        .order_by(Audience.id)
    )
    firsts: dict[tuple[str, str], Audience] = {}
    found = []
    for audience, destination in rows:
        name = account_name(destination)
        first = firsts.setdefault((name, audience.list_id), audience) if name else audience
        if first is not audience:
            found.append((audience, first))
    return found


def twin_trouble(audience: Audience, other: Audience) -> Trouble:
    """What is said of the one of two audiences that was added later."""
    reason = SAME_LIST_REASON.format(other=other.slug, list_id=audience.list_id)
    return Trouble(SAME_LIST, reason, SAME_LIST_STEP.format(slug=audience.slug))
