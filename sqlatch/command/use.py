"""`sqlatch use`: choose the database of the commands that follow, by the name of a profile."""

import os

import click
from click.shell_completion import CompletionItem

from sqlatch.command.exits import Failure
from sqlatch.command.profiles import Profile, profiles


def complete_profiles(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the names of profiles that begin so, for the completion of a shell."""
    try:
        known = profiles().known
    except Failure:
        return []
    return [
        CompletionItem(name, help=one.url)
        for name, one in known.items()
        if name.startswith(incomplete)
    ]


@click.command()
@click.option("-u", "--url", metavar="URL", help="Make the profile, or change it.")
@click.option("--token-variable", metavar="NAME", help="Its token is in this variable.")
@click.option("--token-file", metavar="FILE", help="Its token is in this file.")
@click.option("--token-command", metavar="COMMAND", help="This command writes its token.")
@click.option("--none", "no_more", is_flag=True, help="Use none.")
@click.option("--forget", is_flag=True, help="Remove the profile.")
@click.argument("name", required=False, shell_complete=complete_profiles)
def use(
    *,
    url: str | None,
    token_variable: str | None,
    token_file: str | None,
    token_command: str | None,
    no_more: bool,
    forget: bool,
    name: str | None,
) -> None:
    """Use the database of a profile where neither --url nor SQLATCH_URL names one.

    Without a NAME, list them. The token itself is not kept: only where it is, or what gets it.
    """
    kept = profiles()
    places = [one for one in (token_variable, token_file, token_command) if one is not None]
    if len(places) > 1 or (places and url is None) or (no_more and name):
        raise click.UsageError("a token has one place, of a profile with --url; --none has no name")
    if name is None:
        if url is not None or forget:
            raise click.UsageError("give the profile a name")
        if no_more:
            kept.used = None
            kept.write()
        for each, one in kept.known.items():
            click.echo(f"{'*' if each == kept.used else ' '} {each}  {one.url}")
        return
    if url is not None:
        if "/" in name or "://" not in url:
            raise click.UsageError("a name has no slash, and a URL begins as https:// does")
        kept.known[name] = Profile(url, token_variable, token_file, token_command)
    profile = kept.named(name)
    if forget:
        del kept.known[name]
    kept.used = None if forget else name
    kept.write()
    click.echo(f"forgot {name}" if forget else f"using {name}: {profile.url}")
    if "SQLATCH_URL" in os.environ:
        click.echo("SQLATCH_URL is set and goes before it: unset SQLATCH_URL", err=True)
