"""The command `convolake`, also as `python -m convolake`.

An expected error (a setting, an unusable folder, a full disk, Ctrl-C) ends in one line that says what,
where and what to do. Every other error keeps its traceback. Nothing is imported outside of `main`, so
that Ctrl-C during the start is caught too.
"""

import sys


def main() -> None:
    """Run the command line. Exit with 1 and one line for an expected error, with 130 for Ctrl-C."""
    try:
        if sys.argv[1:] == ["api"]:
            from convolake.api_service import run

            sys.exit(run())
        from convolake.cli import app

        app()
    except KeyboardInterrupt:
        sys.stderr.write("stopped; it is safe to start this again\n")
        sys.exit(130)
    except Exception as error:
        from convolake.error_messages import error_message

        message = error_message(error)
        if message is None:
            raise
        sys.stderr.write(f"{message}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
