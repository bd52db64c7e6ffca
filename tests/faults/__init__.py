"""Faults: what is promised is held while something breaks, and the same test sees it when it is not.

Each fault has a control: a variant without the safeguard, or the naive way to do the same,
which must fail in the same set-up. A fault whose control passes proves nothing.

`make test` runs a quick part of each; `make prove` runs them whole and writes `docs/proof.md`.
"""
