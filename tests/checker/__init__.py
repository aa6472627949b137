"""The machine that tries to break the promise: what was called saved is never lost.

`history.py` records what clients did and what they were told; `invariants.py` says what must hold of whatever is read
back; `elements.py` is what they write. `tests/sim` runs the same checks on the engine alone, in virtual time. Here they
run on real server processes: `workload.py` writes, `nemesis.py` breaks things, `reads.py` reads everything back in
every way there is, `run.py` puts them together. `python -m tests.checker --help` says what can be run.
"""
