"""`muster sim`: the local Mailchimp."""

import click

from app.audiences.simulated import simulator_config
from app.core.config import load_settings
from integrations.mailchimp.simulator.config import SwitchError, read_switches
from integrations.mailchimp.simulator.server import serve


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
    settings.home.mkdir(parents=True, exist_ok=True)
    config = simulator_config(
        settings, latency_ms=latency_ms, port=port, is_double_optin=double_optin, switches=chosen
    )
    serve(config)
