"""`convolake`: the command line, made of the files in `convolake/commands`."""

import typer

from convolake.commands import (
    backup,
    channels,
    chats,
    compact,
    contacts,
    export,
    import_file,
    keys,
    load,
    maintain,
    metrics,
    otlp,
    rebuild,
    rejected,
    replay,
    run,
    search,
    sessions,
    simulate,
    sql,
    tail,
    verify,
)

app = typer.Typer(
    name="convolake",
    help="Every conversation on the record.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for part in (
    run.app,
    import_file.app,
    tail.app,
    simulate.app,
    load.app,
    sql.app,
    metrics.app,
    rebuild.app,
    sessions.app,
    search.app,
    export.app,
    chats.app,
    otlp.app,
    verify.app,
    compact.app,
    maintain.app,
    backup.app,
):
    app.add_typer(part)
app.add_typer(keys.app, name="keys")
app.add_typer(rejected.app, name="rejected")
app.add_typer(channels.app, name="channels")
app.add_typer(contacts.app, name="contacts")
app.add_typer(replay.app)
