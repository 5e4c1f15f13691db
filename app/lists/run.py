"""One run of a list: read and compare everything first, say what would happen, then write what joined or changed."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from app.core.errors import InvalidError, MusterError
from app.core.runtime import Runtime
from app.lists.compare import Compared, Comparison, judge_row
from app.lists.models import ListRun
from app.lists.read import Row, Sheet, file_sha256, iterate_rows, open_sheet
from app.lists.report import InvalidReport
from app.lists.source import ListSource, open_list
from app.lists.write import load_snapshot, write_rows
from mappings.language.event import EventInfo
from mappings.language.patch import MappingResult, Problem

CHUNK_ROWS = 500
VERDICTS = ("joiner", "changed", "unchanged", "invalid")
# verdict -> the name of its count, as shown
COUNT_NAMES = {"joiner": "joiners", "changed": "changed", "unchanged": "unchanged", "invalid": "invalid"}

Chunk = list[tuple[Compared, dict[str, str], MappingResult]]
Progress = Callable[[str, int], None]  # (stage, rows done)


@dataclass(frozen=True, slots=True)
class ListWish:
    """What the caller asks for."""

    path: Path
    preset: str
    slug: str
    report_path: Path
    is_dry_run: bool = False
    encoding: str = ""
    as_of: datetime | None = None  # when the export was made; None = now


@dataclass(frozen=True, slots=True)
class ListPlan:
    """What a run would do, before it writes."""

    run_id: int
    source: ListSource
    sheet: Sheet
    counts: Mapping[str, int]  # read, joiners, changed, unchanged, invalid, cells_left_out
    report_path: Path | None


def plan_run(runtime: Runtime, wish: ListWish, progress: Progress) -> ListPlan:
    """Read the whole file, map and compare each row; nothing but the run's own row is written."""
    sheet = open_sheet(wish.path, wish.encoding)
    with runtime.transaction() as session:
        source = open_list(session, wish.slug, wish.preset)
        run = ListRun(
            source_id=source.id,
            file_name=wish.path.name,
            file_sha256=file_sha256(wish.path),
            is_dry_run=wish.is_dry_run,
        )
        session.add(run)
        session.flush()
        run_id = run.id
    try:
        _check_columns(sheet, source)
        counts, report = _compare_all(runtime, source, sheet, wish, progress)
    except MusterError as error:
        _finish(runtime, run_id, "failed", {}, error)
        raise
    _finish(runtime, run_id, "planned", counts)
    return ListPlan(run_id, source, sheet, counts, report.path if report.row_count else None)


def apply_run(runtime: Runtime, plan: ListPlan, wish: ListWish, progress: Progress) -> dict[str, int]:
    """Write the rows that joined or changed, a chunk a transaction; the counts with `contacts_changed`.

    Safe to break off: the next run finds what is missing.
    """
    counts = {**plan.counts, "contacts_changed": 0}
    as_of = wish.as_of or datetime.now(UTC)
    for chunk, done_count in _chunks(runtime, plan.source, plan.sheet):
        rows = [(row, cells) for row, cells, _ in chunk if row.verdict in ("joiner", "changed")]
        if rows:
            with runtime.transaction() as session:
                counts["contacts_changed"] += write_rows(
                    session, runtime.box, plan.source, plan.run_id, rows, as_of
                )
        progress("write", done_count)
    _finish(runtime, plan.run_id, "done", counts)
    return counts


def list_runs(session: Session, limit: int = 20) -> list[ListRun]:
    """Past runs, newest first."""
    return list(session.scalars(select(ListRun).order_by(ListRun.id.desc()).limit(limit)))


def _check_columns(sheet: Sheet, source: ListSource) -> None:
    wanted = {path.split(".")[0].strip('"') for path in source.compiled.inputs}
    if not wanted & set(sheet.columns):
        shown = ", ".join(sheet.columns[:8])
        raise InvalidError(
            f"{sheet.path.name}, line {sheet.header_line}: the mapping of {source.slug} reads none of its columns ({shown}).",
            "Choose another --preset, or publish a mapping for these headers: muster map publish.",
        )


def _compare_all(
    runtime: Runtime, source: ListSource, sheet: Sheet, wish: ListWish, progress: Progress
) -> tuple[dict[str, int], InvalidReport]:
    tally: Counter[str] = Counter()
    with InvalidReport(wish.report_path) as report:
        for chunk, done_count in _chunks(runtime, source, sheet):
            for row, _, result in chunk:
                tally[COUNT_NAMES[row.verdict]] += 1
                tally["cells_left_out"] += len(result.warnings)
                report.add(row.line, [*([row.problem] if row.problem else []), *result.warnings])
            progress("compare", done_count)
    counts = {"read": sum(tally[name] for name in COUNT_NAMES.values())}
    counts |= {name: tally[name] for name in (*COUNT_NAMES.values(), "cells_left_out")}
    return counts, report


def _chunks(runtime: Runtime, source: ListSource, sheet: Sheet) -> Iterator[tuple[Chunk, int]]:
    """The file in chunks, each row mapped and compared with the snapshot; and how many rows that makes so far."""
    rows, comparison, done_count = iterate_rows(sheet), Comparison(), 0
    while part := list(islice(rows, CHUNK_ROWS)):
        mapped = [(row, _map_row(source, row)) for row in part]
        keys = [comparison.key_of(result.patches[0]) if result.patches else "" for _, result in mapped]
        with runtime.transaction() as session:
            snapshot = load_snapshot(session, source.id, [key for key in keys if key])
        done_count += len(part)
        yield (
            [
                (judge_row(row.line, result, key, snapshot), row.cells, result)
                for (row, result), key in zip(mapped, keys, strict=True)
            ],
            done_count,
        )


def _map_row(source: ListSource, row: Row) -> MappingResult:
    if row.problem:
        problem = Problem("", "broken_row", row.problem, "Mend the line in the file and run it again.")
        return MappingResult(rejected=problem)
    return source.compiled.apply(row.cells, EventInfo(kind="row", source=source.slug))


def _finish(
    runtime: Runtime, run_id: int, state: str, counts: Mapping[str, int], error: MusterError | None = None
) -> None:
    said = {"reason": error.message, "hint": error.hint} if error else None
    with runtime.transaction() as session:
        session.execute(
            update(ListRun)
            .where(ListRun.id == run_id)
            .values(state=state, counts=dict(counts), error=said, finished_at=func.now())
        )
