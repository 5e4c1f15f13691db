"""The `muster` command: one table of commands, each loaded when it is called."""

import importlib
import sys

import click

# name -> (module:attribute, what `muster --help` says); so that `muster --help` imports nothing else
COMMANDS = {
    "up": (
        "app.cli.up:up",
        "Start everything: servers, web, workers, and with no account a local Mailchimp.",
    ),
    "web": ("app.cli.run:web", "Serve the hooks and the console."),
    "worker": ("app.cli.run:worker", "Work on what arrived."),
    "sweep": ("app.cli.run:sweep", "Find what lost bells left lying, once a second."),
    "sim": ("app.cli.sim:sim", "Run the local Mailchimp."),
    "migrate": ("app.cli.run:migrate", "Bring the database to this version."),
    "doctor": ("app.cli.doctor:doctor", "Check every part and say what to do."),
    "status": ("app.cli.status:status", "What arrived, what waits, what failed."),
    "sources": ("app.cli.sources:sources", "Inbound connections: add, list, show, rotate, disable."),
    "integrations": (
        "app.cli.integrations:integrations",
        "Platforms: list, read a captured body, start a new one.",
    ),
    "destinations": (
        "app.cli.destinations:destinations",
        "Mailchimp accounts: list, check, connect, rotate-key.",
    ),
    "audiences": (
        "app.cli.audiences:audiences",
        "Mailchimp audiences: add, show, set, count, check their fields.",
    ),
    "contacts": ("app.cli.contacts:contacts", "People: find, show, export, erase, merge."),
    "map": ("app.cli.map:map_group", "Mappings: lint, test, preview, publish."),
    "lists": ("app.cli.lists:lists", "List sync jobs: run a file, see past runs."),
    "sync": ("app.cli.sync:sync", "Push, pull, compare, approve, pause: the runs of audiences."),
    "deadletters": ("app.cli.deadletters:deadletters", "What was given up, and why."),
    "replay": ("app.cli.deadletters:replay", "Ask again for dead letters or old events."),
    "admin": ("app.cli.admin:admin", "Admins of the console: invite the first one, list."),
    "completion": ("app.cli.completion:completion", "Print the shell completion script."),
}


class LazyGroup(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if cmd_name.startswith("-") or ctx.resilient_parsing:
                return None  # click knows what to say of options
            raise click.exceptions.NoSuchCommand(cmd_name, possibilities=COMMANDS, ctx=ctx)
        module, attribute = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="muster", prog_name="muster")
def muster() -> None:
    """Muster: every person who raised a hand, once, in your database and your Mailchimp audiences."""


def main() -> None:
    """Run `muster`; every error ends as one sentence and an exit code that means something."""
    as_json = "--json" in sys.argv
    try:
        code = muster.main(
            prog_name="muster", standalone_mode=False
        )  # the code of click's Exit, else nothing
    except click.exceptions.Abort:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the outermost loop: whatever it is, it is said and not swallowed
        from app.cli.faults import say  # its imports are slow, and most calls end well

        sys.exit(say(error, as_json=as_json))
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
