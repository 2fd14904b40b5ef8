"""The command line: `python -m flows --help`."""

from flows.commands.app import main

if __name__ == "__main__":
    main()
