"""Calls in batches that Mailchimp works through by itself: for exports, and repairs of many kinds at once.

Not for syncing: finishing was seen to lag 7.4 hours behind the last operation (beabee issue 712, seen 2026-11).
"""

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from integrations.mailchimp.answers import read_time
from integrations.mailchimp.door import Door, expect, understand
from integrations.mailchimp.outside import ask_outside
from integrations.mailchimp.problems import (
    BAD_ANSWER,
    UNKNOWN_OUTCOME,
    MailchimpProblem,
    classify,
    problem_from_answer,
)
from integrations.mailchimp.transport import LOOPBACK_HOSTS

MOST_ARCHIVE_BYTES = 64 * 1024 * 1024
MOST_ENTRY_BYTES = 256 * 1024 * 1024
DOWNLOAD_SECONDS = 120.0
LOOK_SECONDS = 5.0
NO_PROGRESS_SECONDS = 600.0
ARCHIVE = "GET the archive of a batch"


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """One call of a batch. `path` is from the root, such as /lists/a1/members; `operation_id` is ours."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None
    operation_id: str = ""

    def as_body(self) -> dict[str, Any]:
        """As Mailchimp wants it: the body is a text of JSON."""
        found: dict[str, Any] = {"method": self.method, "path": self.path, "operation_id": self.operation_id}
        found |= {"params": dict(self.query)} if self.query else {}
        return found | ({"body": json.dumps(self.body)} if self.body is not None else {})


@dataclass(frozen=True, slots=True)
class BatchState:
    """How far a batch is: pending, preprocessing, started, finalizing, finished. `finished_count` holds failures too."""

    batch_id: str
    status: str
    total_count: int
    finished_count: int
    errored_count: int
    archive_url: str = ""
    completed_at: datetime | None = None

    @property
    def is_finished(self) -> bool:
        return self.status == "finished"


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """What one operation was answered. They come in no order, and a paged one in several parts."""

    operation_id: str
    status: int
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Empty for a success, else as for a call made directly."""
        if 200 <= self.status < 300:  # noqa: PLR2004
            return ""
        title, detail = str(self.body.get("title") or ""), str(self.body.get("detail") or "")
        return classify(self.status, title, detail, is_json=bool(title)).kind


class BatchCalls(Door):
    """At most 500 batches may be pending on an account."""

    def start_batch(self, operations: Sequence[BatchOperation]) -> BatchState:
        body = {"operations": [operation.as_body() for operation in operations]}
        return _state(self._batches.start(body, _request_timeout=self._in_bulk()))

    def get_batch(self, batch_id: str) -> BatchState:
        return _state(self._batches.status(batch_id))

    def delete_batch(self, batch_id: str) -> None:
        """Forget a batch; one that has not finished stops."""
        self._batches.delete_request(batch_id)

    def wait_for_batch(
        self,
        batch_id: str,
        *,
        no_progress_seconds: float = NO_PROGRESS_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> BatchState:
        """The batch once it is finished. MailchimpProblem (unknown_outcome) when nothing moved for so long."""
        seen, moved_at = self.get_batch(batch_id), time.monotonic()
        while not seen.is_finished:
            if time.monotonic() - moved_at > no_progress_seconds:
                raise MailchimpProblem(UNKNOWN_OUTCOME, None, "No Progress", where="GET /batches/{batch_id}")
            sleep(look_seconds)
            now = self.get_batch(batch_id)
            if now != seen:
                seen, moved_at = now, time.monotonic()
        return seen

    def list_batch_answers(self, state: BatchState) -> tuple[BatchAnswer, ...]:
        """The answers of a finished batch, from its archive (signed address, no key is sent)."""
        _check_address(state.archive_url)
        status, content = ask_outside(
            "GET", state.archive_url, ARCHIVE, DOWNLOAD_SECONDS, most_bytes=MOST_ARCHIVE_BYTES
        )
        if status >= 500:  # noqa: PLR2004
            raise problem_from_answer(status, "", ARCHIVE)
        if status != 200 or len(content) > MOST_ARCHIVE_BYTES:  # noqa: PLR2004 - an address that ran out: 403
            raise MailchimpProblem(BAD_ANSWER, status, "Archive Refused", where=ARCHIVE)
        try:
            return tuple(_read_archive(content))
        except (tarfile.TarError, OSError, EOFError, ValueError, KeyError, TypeError):
            raise MailchimpProblem(BAD_ANSWER, status, "Unreadable Archive", where=ARCHIVE) from None


def _check_address(url: str) -> None:
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not (parts.scheme == "https" or is_local):
        raise MailchimpProblem(BAD_ANSWER, None, "No Archive", where=ARCHIVE)


def _read_archive(content: bytes) -> Iterator[BatchAnswer]:
    """Files are read in memory, never unpacked to disk; the first entry is the folder `./`."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        size = 0
        for entry in archive:
            file = archive.extractfile(entry) if entry.isfile() else None
            if file is None:
                continue
            size += entry.size
            if size > MOST_ENTRY_BYTES:
                raise ValueError("the archive is too large")
            for one in json.loads(file.read()):
                body = json.loads(one["response"]) if one.get("response") else {}
                yield BatchAnswer(
                    str(one.get("operation_id") or ""),
                    int(one["status_code"]),
                    body if isinstance(body, dict) else {},
                )


def _state(answer: Any) -> BatchState:
    return understand(_read_state, expect(answer, "id", "status"))


def _read_state(body: Mapping[str, Any]) -> BatchState:
    return BatchState(
        batch_id=str(body["id"]),
        status=str(body["status"]),
        total_count=int(body.get("total_operations") or 0),
        finished_count=int(body.get("finished_operations") or 0),
        errored_count=int(body.get("errored_operations") or 0),
        archive_url=str(body.get("response_body_url") or ""),
        completed_at=read_time(body.get("completed_at")),
    )
