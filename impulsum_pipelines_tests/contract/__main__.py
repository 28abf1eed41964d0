"""Make the contract, and compare it with ``contract.json``, or write it there."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from impulsum_pipelines_tests import contract
from impulsum_pipelines_tests.contract import BUILT, DECLARED, FILE, ON_PURPOSE
from impulsum_pipelines_tests.contract.built import NotBuiltError, built
from impulsum_pipelines_tests.contract.compare import changes, text, written
from impulsum_pipelines_tests.contract.declared import declared


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the contract, and compare it with the file, or write it there; 1 when they differ, or nothing is built."""
    parser = argparse.ArgumentParser(
        prog="python -m impulsum_pipelines_tests.contract", description=(contract.__doc__ or "").partition("\n\n")[2]
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--write", action="store_true", help="write contract.json instead of comparing with it")
    parser.add_argument("--keep", type=Path, help="keep what is built in this new folder, to compare rows by hand")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="impulsum-contract-") as folder:
        if options.keep:
            options.keep.mkdir(parents=True)
        made, before = declared(Path(folder)), written()
        changed = [line for section in DECLARED for line in changes(section, before, made)]
        _say(*changed)
        try:
            made |= built(options.keep.absolute() if options.keep else Path(folder))
        except NotBuiltError as error:
            _say(f"The rest cannot be compared: {error}")
            return 1
    more = [line for section in BUILT for line in changes(section, before, made)]
    _say(*more)
    if options.write:
        FILE.write_text(text(made), encoding="utf-8")
        _say(f"{FILE.name} is written{'' if changed or more else ', and is what it was'}.")
        return 0
    _say(f"{ON_PURPOSE[0].upper()}{ON_PURPOSE[1:]}." if changed or more else "Nothing changed.")
    return int(bool(changed or more))


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
