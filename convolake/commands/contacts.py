"""`contacts`: pairs of contacts that may be one person, and the decisions about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from convolake.console import print_line, report_errors
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.client import Client

app = typer.Typer(
    help="Contacts: list the pairs that may be one person; merge, decline, undo a merge.",
    no_args_is_help=True,
)
Contact = Annotated[str, typer.Argument(help="Id of a contact.")]
By = Annotated[str | None, typer.Option(help="Who decides, for the record.")]


@contextmanager
def _open() -> Iterator["Client"]:
    from convolake.api_client import MissingKeyError, open_client
    from ingest.client import ClientError

    with report_errors(ClientError, MissingKeyError), open_client(Settings()) as api:
        yield api


@app.command()
def proposals(
    limit: Annotated[int, typer.Option(min=1, help="Maximum number, newest first.")] = 20,
) -> None:
    """List pairs that wait for a decision, and the addresses that one call named together."""
    with _open() as api:
        for number, each in enumerate(api.merge_proposals()):
            if number == limit:
                print_line(f"more are there; --limit shows them ({limit} now)")
                break
            typer.echo(f"{each.contact_id}  {each.other_contact_id}")
            named = ", ".join(f"{one.kind} {one.address}" for one in each.addresses)
            print_line(f"    {named}")


@app.command()
def merge(contact_id: Contact, into: Contact, by: By = None) -> None:
    """Merge a contact into another one: both are one person. `unmerge` undoes it."""
    with _open() as api:
        api.merge_contact(contact_id, into, decided_by=by)
    print_line(f"{contact_id} is the same person as {into}")


@app.command()
def decline(contact_id: Contact, other: Contact, by: By = None) -> None:
    """Decline a pair, in the order of `proposals`: they are two people, and are not proposed again."""
    with _open() as api:
        api.decline_merge(contact_id, other, decided_by=by)
    print_line(f"{contact_id} and {other} are two people")


@app.command()
def unmerge(contact_id: Contact, by: By = None) -> None:
    """Undo the merge of a contact: it is a person of its own again."""
    with _open() as api:
        api.unmerge_contact(contact_id, decided_by=by)
    print_line(f"{contact_id} is a person of its own")
