"""A captured body as commands take it, with its file of headers, and what they first and last say of it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from app.inbox.sample import SampleHead, read_head


def headers_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--headers FILE` as the parameter `headers`."""
    return click.option(
        "--headers",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A file with `Name: value` lines, and a request line if you have it.",
    )(command)


def read_headers(path: Path | None) -> SampleHead:
    """What the file of headers says; without one nothing."""
    return read_head(path.read_text("utf-8", "replace")) if path else SampleHead()


def say_head(found: Mapping[str, Any], then: str = "") -> None:
    """The verdict (`then` follows the reason of a refused one), the challenge, and why nobody can read it."""
    verdict = found["verdict"]
    click.echo(f"verdict   {'ok' if verdict['is_ok'] else verdict['reason'] + then}")
    if found["challenge"]:
        click.echo(f"challenge {found['challenge']['status']} {found['challenge']['body']}")
    if found["unreadable"]:
        click.echo(f"unreadable {found['unreadable']['reason']}. {found['unreadable']['hint']}")


def say_ignored(found: Mapping[str, Any]) -> None:
    """The parts that are no events, each with the reason."""
    for part in found["ignored"]:
        click.echo(f"ignored   {part['kind']}: {part['reason']}")
