"""`muster sim`: the local Mailchimp."""

import click

from app.audiences.simulated import simulator_config
from app.core.config import load_settings
from app.core.errors import BusyError
from app.core.home import make_home
from integrations.mailchimp.simulator.config import SwitchError, read_switches
from integrations.mailchimp.simulator.server import serve
from integrations.mailchimp.simulator.store import StateFileBusyError


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Without it MUSTER_SIM_PORT; 0 takes a free one.",
)
@click.option(
    "--latency-ms", type=click.IntRange(0, 60_000), default=0, help="Wait so long before each answer."
)
@click.option("--double-optin", is_flag=True, help="The audience asks for confirmation by mail.")
@click.option(
    "--switch",
    "switches",
    multiple=True,
    metavar="NAME=VALUE",
    help="How the undecided is decided, e.g. tag_delay_seconds=3; may be given several times.",
)
def sim(port: int | None, latency_ms: int, switches: tuple[str, ...], *, double_optin: bool) -> None:
    """Run the local Mailchimp; its members are kept in the home and are there again after a restart."""
    try:
        chosen = read_switches(switches)
    except SwitchError as problem:
        raise click.BadParameter(str(problem), param_hint="--switch") from None
    settings = load_settings()
    make_home(settings.home)
    config = simulator_config(
        settings, latency_ms=latency_ms, port=port, is_double_optin=double_optin, switches=chosen
    )
    try:
        serve(config)
    except StateFileBusyError as error:
        raise BusyError(
            f"The local Mailchimp of {settings.home} runs already (`make up` starts it too).",
            "Use that one or stop it first, or set MUSTER_HOME to another folder for a second one.",
        ) from error
