"""The engine in virtual time: real rooms, sessions, hubs and committers, on a store and a network made of dice.

`loop.py` is time, `store.py` what is committed and what is lost, `network.py` what becomes of messages, `clients.py`
who writes, `world.py` the whole of it with a nemesis. The checks are those of `tests.checker.invariants`. Everything
random comes from one seed, so whatever is found can be looked at again: `python -m tests.sim --seed N`.
"""
