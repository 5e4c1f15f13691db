"""Carries out batches, one at a time, by asking the simulator's own application; lags as the switches say."""

import threading
from typing import Any
from urllib.parse import urlencode

from werkzeug.test import Client

from integrations.mailchimp.simulator.batches import Batch, result_of
from integrations.mailchimp.simulator.clock import iso
from integrations.mailchimp.simulator.gate import INSIDE
from integrations.mailchimp.simulator.happenings import Happening
from integrations.mailchimp.simulator.parts import Webhook
from integrations.mailchimp.simulator.refusals import not_validated
from integrations.mailchimp.simulator.world import World

POLL_SECONDS = 0.02
IDLE_SECONDS = 60.0
DONE = "batch_operation_completed"
NOT_TEXT = ("body", "Schema describes string, object found instead")
FORBIDDEN = ("/batches", "batches")


class BatchWorker:
    """A thread that runs from the first batch on; `wake` tells it of a new one or of a moved clock."""

    def __init__(self, world: World, application: Any) -> None:
        self._world = world
        self._client = Client(application)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._due_at: dict[str, float] = {}  # by the clock's elapsed seconds
        self.origin = "http://localhost"  # as the last caller knew the simulator

    def wake(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
            self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        while not self._world.is_closed:
            batch = self._next()
            if batch is None:
                self._wake.wait(IDLE_SECONDS)
                self._wake.clear()
            elif not self._step(batch):
                self._wake.wait(POLL_SECONDS)
                self._wake.clear()

    def _next(self) -> Batch | None:
        """The oldest one that is not finished."""
        with self._world.lock:
            return next((one for one in self._world.batches.values() if one.status != "finished"), None)

    def _step(self, batch: Batch) -> bool:
        """Bring the batch one status further, if it is time; False when it has to wait."""
        switches = self._world.switches
        if batch.status == "pending" and self._is_due(batch, switches.batch_start_seconds):
            self._set(batch, "preprocessing")
        elif batch.status == "preprocessing":
            self._set(batch, "started")
        elif batch.status == "started":
            self.work(batch)
            self._due_at.pop(batch.batch_id, None)
            self._set(batch, "finalizing")
        elif batch.status == "finalizing" and self._is_due(batch, switches.batch_finalize_seconds):
            batch.completed_at = self._world.clock.now()
            self._set(batch, "finished")
            self._tell(batch)
        else:
            return False
        return True

    def _is_due(self, batch: Batch, seconds: float) -> bool:
        now = self._world.clock.elapsed()
        if now < self._due_at.setdefault(batch.batch_id, now + seconds):
            return False
        del self._due_at[batch.batch_id]
        return True

    def _set(self, batch: Batch, status: str) -> None:
        with self._world.change():
            batch.status = status
            if batch.batch_id in self._world.batches:
                self._world.save_extras("batches")

    def work(self, batch: Batch) -> None:
        """Operation by operation; a deleted batch stops."""
        batch.results, batch.finished_count, batch.errored_count = [], 0, 0
        for operation in batch.operations:
            if batch.batch_id not in self._world.batches or self._world.is_closed:
                return
            status, answer = self._ask(batch, operation)
            batch.results.append(result_of(operation, status, answer))
            batch.errored_count += status >= 400  # noqa: PLR2004 - HTTP's border
            batch.finished_count += 1

    def _ask(self, batch: Batch, operation: dict[str, Any]) -> tuple[int, str]:
        body, path = operation.get("body"), "/" + str(operation["path"]).lstrip("/")
        if body is not None and not isinstance(body, str):
            problem = not_validated(NOT_TEXT)
            return problem.status, problem.text("")
        if path.startswith(FORBIDDEN):
            problem = not_validated(("path", "A batch may not contain batches"))
            return problem.status, problem.text("")
        params = operation.get("params") or {}
        query = urlencode({name: str(value) for name, value in params.items()})
        found = self._client.open(
            f"/3.0{path}" + (f"{'&' if '?' in path else '?'}{query}" if query else ""),
            method=operation["method"],
            data=body,
            headers={"Authorization": f"Bearer {batch.api_key}"},
            environ_overrides={INSIDE: True, "REMOTE_ADDR": "127.0.0.1"},
        )
        return found.status_code, found.get_data(as_text=True)

    def _tell(self, batch: Batch) -> None:
        """The batch webhooks of the account."""
        told = {
            "id": batch.batch_id,
            "submitted_at": iso(batch.submitted_at),
            "completed_at": iso(batch.completed_at),
            "total_operations": len(batch.operations),
            "finished_operations": batch.finished_count,
            "errored_operations": batch.errored_count,
            "response_body_url": f"{self.origin}{archive_path(batch)}",
        }
        hooks = tuple(
            Webhook(one.webhook_id, one.url, {}, {})
            for one in self._world.batch_webhooks.values()
            if one.api_key == batch.api_key and one.is_enabled
        )
        if hooks and batch.batch_id in self._world.batches:
            self._world.sender.post(Happening(DONE, "", hooks, told, batch.completed_at))


def archive_path(batch: Batch) -> str:
    """Where the archive is served; the token in it stands for Mailchimp's signed URLs."""
    return f"/batch-responses/{batch.batch_id}-response.tar.gz?signature={batch.token}"
