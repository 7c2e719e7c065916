"""`sqlatch token`: keys, and tokens signed with them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sqlatch.command.exits import Exit, Failure
from sqlatch.tokens import ALL, DAY_S, new_key, sign

DAYS = 30

_FILE = click.Path(dir_okay=False, path_type=Path)
_PRIVATE = click.option(
    "--private", type=_FILE, default="token.key", show_default=True, help="The private key."
)


@click.group()
def token() -> None:
    """Make keys, and sign tokens with them. No service is asked."""


@token.command()
@_PRIVATE
@click.option(
    "--public", type=_FILE, default="token.pub", show_default=True, help="The public key."
)
def key(*, private: Path, public: Path) -> None:
    """Make a key pair: the private key signs, the public one is for the service."""
    with _told():
        private_pem, public_pem = new_key()
        # Never over another: a key that is overwritten makes every token signed with it worthless.
        if public.exists():
            raise FileExistsError(f"{public} is there already")
        private.touch(mode=0o600, exist_ok=False)
        private.write_text(private_pem)
        public.write_text(public_pem)


@token.command("sign")
@_PRIVATE
@click.option("--database", "databases", multiple=True, metavar="NAME", help="All, if not given.")
@click.option("-r", "--read-only", is_flag=True, help="What would write is refused.")
@click.option("--days", type=float, default=DAYS, show_default=True, help="Until it ends.")
@click.option("--kid", metavar="NAME", help="Name of the key, for keys given as JWKS.")
def sign_(
    *, private: Path, databases: tuple[str, ...], read_only: bool, days: float, kid: str | None
) -> None:
    """Print a token signed with the private key."""
    with _told():
        signed = sign(
            private.read_text(),
            access="ro" if read_only else "rw",
            databases=databases or ALL,
            lifetime_s=round(days * DAY_S),
            kid=kid,
        )
    click.echo(signed)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        missing = str(error.name).partition(".")[0]
        raise Failure(
            f"{missing} is not installed: pip install 'sqlatch[cli,tokens]'", Exit.USAGE
        ) from error
    except FileNotFoundError as error:
        raise Failure(
            f"there is no {error.filename}; `sqlatch token key` makes a key", Exit.USAGE
        ) from error
    except (OSError, ValueError, OverflowError) as error:
        raise Failure(str(error), Exit.USAGE) from error
