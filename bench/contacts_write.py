"""Measures resolve + record in batches: durable commits, one worker, new and known people mixed as forms bring them.

Beside it, as the ratio that means something on any machine: the rate at which the same PostgreSQL takes one-row
inserts in batches of the same size. Processor time of Python and of the PostgreSQL backend is given as well, because a
busy machine stretches the clock and not that.

    python -m bench.contacts_write [--json FILE] [--events N] [--batch N] [--profile]
"""

import argparse
import cProfile
import json
import os
import pstats
import random
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.contacts.arrivals import Arrival
from app.contacts.record import record
from app.contacts.resolve import resolve
from app.core.db import make_engine, make_sessions
from app.core.migrate import migrate
from app.core.secretbox import open_box
from app.core.servers import scratch_servers
from mappings.language.fields import default_fields
from mappings.language.patch import ConsentEvidence, ContactPatch, Identity

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FIRST = [
    "Ana",
    "Bruno",
    "Carla",
    "David",
    "Eva",
    "Felix",
    "Greta",
    "Hugo",
    "Ines",
    "Jonas",
    "Karla",
    "Lukas",
    "Maria",
    "Nina",
    "Otto",
    "Paula",
    "Quirin",
    "Rosa",
    "Simon",
    "Tina",
]
LAST = [
    "Berg",
    "Lopez",
    "Moor",
    "Klein",
    "Weiss",
    "Braun",
    "Stein",
    "Vogel",
    "Wolf",
    "Fuchs",
    "Keller",
    "Huber",
    "Maier",
    "Graf",
    "Roth",
    "Frank",
    "Horn",
    "Busch",
    "Kern",
    "Lang",
]
EVENTS = text(
    "INSERT INTO events (source_id, key, kind, content, occurred_at, state, settled_at)"
    " SELECT :source_id, 'e' || :start + n, 'form', '{}', now(), 'done', now() FROM generate_series(1, :count) n RETURNING id"
)


def patch_of(person: int) -> ContactPatch:
    """What a sign-up form says of person number so-and-so."""
    first, last = FIRST[person % 20], LAST[person // 20 % 20]
    address, phone = f"{first}.{last}{person}@example.org".lower(), f"+4420{person:08d}"
    return ContactPatch(
        (Identity("email", address), Identity("phone", phone)),
        {
            "email": address,
            "phone": phone,
            "first_name": first,
            "last_name": last,
            "city": "Bern",
            "class_year": 1998,
        },
        tags_added=("website",),
        consents=(ConsentEvidence("email", "newsletter", "given", wording="form-2026", method="form"),),
    )


def batches(sessions: sessionmaker[Session], count: int, size: int) -> Iterator[list[Arrival]]:
    """Events stored beforehand, as the inbox does; 30 % of them are about somebody who came before."""
    picker, newest = random.Random(1), 0
    with sessions() as session, session.begin():
        source_id = session.scalars(
            text("INSERT INTO sources (slug, integration) VALUES ('bench', 'website') RETURNING id")
        ).one()
    for start in range(0, count, size):
        with sessions() as session, session.begin():
            ids = session.scalars(EVENTS, {"source_id": source_id, "start": start, "count": size}).all()
        arrivals = []
        for number, event_id in enumerate(ids, start=start):
            is_known = newest and picker.random() < 0.3
            person = picker.randrange(newest) if is_known else newest
            newest += not is_known
            at = NOON + timedelta(seconds=number)
            arrivals.append(Arrival(event_id, 0, source_id, None, 50, at, at, patch_of(person), "Form sent"))
        yield arrivals


def measure(
    sessions: sessionmaker[Session], work: list[list[Arrival]], box, dictionary
) -> tuple[list[float], list[float]]:
    """Seconds of resolve and of record with its commit, a batch each."""
    resolving, recording = [], []
    for arrivals in work:
        started = time.perf_counter()
        with sessions() as session, session.begin():
            resolved = resolve(session, arrivals, box)
            between = time.perf_counter()
            record(session, resolved, dictionary)
        resolving.append(between - started)
        recording.append(time.perf_counter() - between)
    return resolving, recording


def backend_seconds(sessions: sessionmaker[Session]) -> float:
    """Processor seconds that the (single, pooled) PostgreSQL backend has used."""
    with sessions() as session:
        pid = session.scalars(text("SELECT pg_backend_pid()")).one()
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def baseline(sessions: sessionmaker[Session], count: int, size: int) -> float:
    """Rows a second of one-row inserts, committed in batches of the same size."""
    with sessions() as session, session.begin():
        session.execute(text("CREATE TABLE bench_rows (id bigint PRIMARY KEY, body jsonb)"))
    statement = text("INSERT INTO bench_rows VALUES (:id, CAST(:body AS jsonb))")
    body = json.dumps(dict(patch_of(7).fields))
    started = time.perf_counter()
    for start in range(0, count, size):
        with sessions() as session, session.begin():
            for number in range(start, start + size):
                session.execute(statement, {"id": number, "body": body})
    return count / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    with scratch_servers() as settings:
        engine = make_engine(settings.postgres_url, pool_size=1)
        migrate(engine)
        sessions, box, dictionary = make_sessions(engine), open_box(settings), default_fields()
        work = list(batches(sessions, options.events, options.batch))
        profile = cProfile.Profile()
        if options.profile:
            profile.enable()
        python_start, backend_start = time.process_time(), backend_seconds(sessions)
        resolving, recording = measure(sessions, work, box, dictionary)
        python, backend = time.process_time() - python_start, backend_seconds(sessions) - backend_start
        if options.profile:
            profile.disable()
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        plain = baseline(sessions, 2_000, options.batch)
        engine.dispose()
    size = options.batch
    each = [1e6 * (a + b) / size for a, b in zip(resolving, recording, strict=True)]
    result = {
        "events": options.events,
        "batch": size,
        "events_per_second": round(1e6 / statistics.mean(each)),
        "microseconds_per_event": {
            "resolve": round(1e6 * statistics.mean(resolving) / size, 1),
            "record": round(1e6 * statistics.mean(recording) / size, 1),
            "median_of_batches": round(statistics.median(each), 1),
            "slowest_batch": round(max(each), 1),
            "python_processor": round(1e6 * python / options.events, 1),
            "postgres_processor": round(1e6 * backend / options.events, 1),
        },
        "one_row_inserts_per_second": round(plain),
        "ratio_to_one_row_inserts": round(1e6 / statistics.mean(each) / plain, 2),
    }
    print(json.dumps(result, indent=2))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
