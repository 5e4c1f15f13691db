"""Batches: what was asked for, how far it is, and the archive of answers that is served for it."""

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, field
from typing import Any

from integrations.mailchimp.simulator.refusals import not_validated

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RESULTS_A_FILE = 1000


@dataclass(slots=True)
class Batch:
    """Operations in the order sent. Times are epoch seconds, 0 for not yet; `results` as the archive shows them."""

    batch_id: str
    api_key: str
    operations: list[dict[str, Any]]
    submitted_at: int
    token: str = field(repr=False)
    status: str = "pending"
    completed_at: int = 0
    finished_count: int = 0
    errored_count: int = 0
    results: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class BatchWebhook:
    """Is told of every batch that is finished."""

    webhook_id: str
    api_key: str
    url: str
    is_enabled: bool = True


def read_operations(body: Any) -> list[dict[str, Any]]:
    """The operations, or a refusal. A body that is no text is no reason to refuse: that operation fails by itself."""
    operations = body.get("operations") if isinstance(body, dict) else None
    if not isinstance(operations, list) or not operations:
        raise not_validated(("", "Required fields were not provided: operations"))
    for number, one in enumerate(operations):
        if not isinstance(one, dict) or not one.get("path") or not one.get("method"):
            message = "Required fields were not provided: method, path"
            raise not_validated((f"operations.item:{number}", message))
        if one["method"] not in METHODS:
            message = "Value must be one of: " + ", ".join(METHODS)
            raise not_validated((f"operations.item:{number}.method", message))
    return operations


def result_of(operation: dict[str, Any], status: int, answer: str) -> dict[str, Any]:
    """One entry of the archive: the answer is a text of JSON within JSON."""
    return {
        "status_code": status,
        "operation_id": str(operation.get("operation_id") or "") or None,
        "response": answer,
    }


def archive_of(batch: Batch) -> bytes:
    """A gzipped tar: the folder `./` first, then files with an array of results each."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        folder = tarfile.TarInfo("./")
        folder.type, folder.mode, folder.mtime = tarfile.DIRTYPE, 0o755, batch.completed_at
        archive.addfile(folder)
        for start in range(0, len(batch.results), RESULTS_A_FILE):
            text = json.dumps(batch.results[start : start + RESULTS_A_FILE]).encode()
            name = hashlib.sha256(f"{batch.batch_id} {start}".encode()).hexdigest()[:10]
            file = tarfile.TarInfo(f"./{name}.json")
            file.size, file.mtime = len(text), batch.completed_at
            archive.addfile(file, io.BytesIO(text))
    return content.getvalue()
