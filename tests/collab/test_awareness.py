"""The presence table: whoever does not renew what it says of itself is renewed by the server."""

import pytest

from collab.awareness import GONE, RENEW_S, AwarenessEntry, AwarenessTable, decode_awareness
from collab.types import ClientId

PARTY, OTHER = ClientId(7), ClientId(8)


def entry(clock: int, state: bytes = b'{"at":1}', client: ClientId = PARTY) -> AwarenessEntry:
    return AwarenessEntry(client, clock, state)


class Listener:
    """What a Yjs client makes of the messages: the newest clock wins, and it forgets nobody's clock."""

    def __init__(self, table: AwarenessTable[str]) -> None:
        self.table = table
        self.clocks: dict[ClientId, int] = {}
        self.states: dict[ClientId, bytes] = {}
        self.renewed = 0

    def listen(self) -> "Listener":
        for payload in self.table.take_changes():
            for told in decode_awareness(payload, entries_max=10, state_bytes_max=100):
                known = self.clocks.get(told.client, 0)
                if told.clock > known or (told.clock == known and told.state == GONE):
                    self.clocks[told.client] = told.clock
                    self.renewed += 1
                    if told.state == GONE:
                        self.states.pop(told.client, None)
                    else:
                        self.states[told.client] = told.state
        return self


@pytest.fixture
def table() -> AwarenessTable[str]:
    return AwarenessTable()


@pytest.mark.rule("A6")
def test_it_is_renewed_before_others_forget_it_and_nobody_takes_its_place(table: AwarenessTable[str]) -> None:
    table.receive("party", [entry(1)], 0.0, renews=False)
    table.receive("other", [entry(1, client=OTHER)], 0.0)
    listener = Listener(table).listen()
    for second in range(1, 120):
        assert table.renew(float(second))
        heard = listener.renewed
        listener.listen()
        assert listener.renewed - heard == (second % RENEW_S == 0)
        # What y-websocket clients repeat is no claim.
        table.receive("thief", [entry(listener.clocks[PARTY])], float(second))
        assert table.owner(PARTY) == "party"
    assert table.leave("party")
    assert listener.listen().states == {OTHER: b'{"at":1}'}
    assert not table.renew(121.0)


@pytest.mark.rule("A6")
def test_what_crosses_a_renewal_is_heard(table: AwarenessTable[str]) -> None:
    table.receive("party", [entry(1)], 0.0, renews=False)
    listener = Listener(table).listen()
    # It says something new under the clock that the renewal, of which it has not heard yet, has just used up.
    table.renew(RENEW_S)
    assert table.receive("party", [entry(2, b'{"at":2}')], RENEW_S, renews=False)
    assert listener.listen().states[PARTY] == b'{"at":2}'
    # Far behind, because it reads slowly.
    for turn in range(2, 6):
        table.renew(RENEW_S * turn)
    assert table.receive("party", [entry(3, b'{"at":3}')], 91.0, renews=False)
    assert listener.listen().states[PARTY] == b'{"at":3}'
    assert not table.receive("party", [entry(3, b'{"at":4}')], 92.0, renews=False)
    table.renew(200.0)
    assert table.receive("party", [entry(3, GONE)], 201.0, renews=False)
    assert listener.listen().states == {}


@pytest.mark.rule("A6")
def test_who_has_heard_its_renewals_is_seen_again_after_a_reconnect(table: AwarenessTable[str]) -> None:
    table.receive("party", [entry(1)], 0.0, renews=False)
    table.renew(RENEW_S)
    listener = Listener(table).listen()
    table.leave("party")
    assert listener.listen().states == {}
    own_clock = listener.clocks[PARTY]
    assert table.receive("party again", [entry(own_clock + 1)], 20.0, renews=False)
    assert PARTY in listener.listen().states


@pytest.mark.rule("A7")
def test_a_client_that_comes_back_under_its_old_clock_is_seen_at_once(table: AwarenessTable[str]) -> None:
    listener, clock = Listener(table), 1
    for visit in range(3):
        table.receive(f"visit {visit}", [entry(clock)], 0.0, counts_on=False)
        assert PARTY in listener.listen().states
        clock = listener.clocks[PARTY]  # It hears the server's clock like everybody else.
        assert table.receive(f"visit {visit}", [entry(clock + 1, b'{"at":2}')], 0.0, counts_on=False)
        assert listener.listen().states[PARTY] == b'{"at":2}'
        clock += 1
        table.leave(f"visit {visit}")
        assert listener.listen().states == {}
