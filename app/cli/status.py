"""`muster status`: what arrived, what waits, what failed."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from app.audiences.alerts import Alert, list_alerts
from app.cli.kit import age_words, emit, json_option, open_runtime, print_table, show_cell
from app.web.queries.overview import Overview, read_overview
from app.web.words import lag_text

LEVELS = {
    "stopped": click.style("STOPPED", fg="red"),
    "waiting": click.style("waiting", fg="yellow"),
    "notice": click.style("notice ", fg="cyan"),
}


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """What arrived today (UTC), what waits, what failed."""
    with open_runtime().transaction() as session:
        view, alerts = read_overview(session), list_alerts(session)
    shown = _plain(view) | {"alerts": [asdict(alert) for alert in alerts]}
    emit(shown, as_json=as_json, text=lambda: _show(view, alerts))


def _plain(view: Overview) -> dict[str, object]:
    plain = asdict(view)
    plain["processes"] = [{**asdict(beat), "is_alive": beat.is_alive} for beat in view.processes]
    return plain | {"member_count": view.member_count, "event_count": view.event_count}


def _show_alert(alert: Alert) -> None:
    since = f" (since {show_cell(alert.since)} UTC)" if alert.since else ""
    click.echo(f"{LEVELS[alert.level]}  {alert.subject}: {alert.reason}{since}")
    click.echo(f"      -> {alert.next_step}")


def _show(view: Overview, alerts: Sequence[Alert]) -> None:
    for alert in alerts:
        _show_alert(alert)
    if alerts:
        click.echo()
    events = ", ".join(f"{count} {state}" for state, count in sorted(view.events_today.items()))
    lines = (
        ("Deliveries today", view.deliveries_today),
        ("Events today", f"{view.event_count}{f' ({events})' if events else ''}"),
        ("Contacts", f"{view.contact_count}, {view.contacts_today} new today"),
        ("Waiting", f"{view.pending_count}, the oldest {lag_text(view.oldest_pending_seconds)}"),
        ("Blocked by credentials", view.blocked_count),
        ("Dead letters", f"{view.dead_count}{'  (muster deadletters)' if view.dead_count else ''}"),
        ("Changes to write", f"{view.change_count}, the oldest {lag_text(view.oldest_change_seconds)}"),
    )
    for name, value in lines:
        click.echo(f"{name + ':':<24}{value}")
    click.echo()
    audiences = (
        (
            a.slug,
            ", ".join(f"{n} {s or 'not there yet'}" for s, n in sorted(a.member_counts.items())),
            a.failed_count,
            a.change_count,
        )
        for a in view.audiences
    )
    print_table(
        ("Audience", "Members", "Refused", "To write"),
        audiences,
        empty="No audience yet. Next: muster audiences add",
    )
    click.echo()
    processes = (
        (b.kind, b.host, b.pid, age_words(b.age_seconds), "yes" if b.is_alive else "SILENT")
        for b in view.processes
    )
    print_table(
        ("Process", "Host", "Pid", "Seen", "Running"), processes, empty="No process runs. Next: muster up"
    )
