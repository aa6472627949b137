"""Frames as bytes, and the reader that makes messages of them, without a socket."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.streams import StreamReader
from websockets.utils import apply_mask

from tests.web.transport_kit import client_frame, close_frame
from web.transport import TransportLimits, encode_frame, reader
from web.transport.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    FrameError,
    decode_close,
    decode_frame,
    decode_frames,
    encode_close,
)
from web.transport.reader import FrameReader


class Reader(FrameReader):
    """Keeps whatever it is told."""

    def __init__(self, **limits: int) -> None:
        super().__init__(TransportLimits(**limits))
        self.messages: list[bytes] = []
        self.controls: list[tuple[int, bytes]] = []
        self.turns = 0
        self._receive = self.messages.append

    def feed(self, data: bytes) -> None:
        """One segment, and as many turns as it takes."""
        before = self.turns
        self._feed(data)
        while self.turns > before:
            before = self.turns
            self._feed(b"")

    @property
    def gathered(self) -> bytearray | None:
        return self._partial

    def _on_ping(self, payload: bytes) -> None:
        self.controls.append((PING, payload))

    def _on_close(self, payload: bytes) -> None:
        self.controls.append((CLOSE, payload))

    def _on_turn_over(self) -> None:
        self.turns += 1


def parse_with_websockets(frame: bytes) -> Frame:
    stream = StreamReader()
    stream.feed_data(frame)
    stream.feed_eof()
    parser = Frame.parse(stream.read_exact, mask=False)
    try:
        next(parser)
    except StopIteration as stop:
        parsed = stop.value
        assert isinstance(parsed, Frame)
        return parsed
    raise AssertionError("the frame is not complete")


@pytest.mark.parametrize("length", [0, 1, 125, 126, 65_535, 65_536, 300_000])
def test_an_encoded_frame_is_what_another_implementation_reads(length: int) -> None:
    message = random.Random(length).randbytes(length)
    parsed = parse_with_websockets(encode_frame(message))
    assert (parsed.opcode, parsed.fin, bytes(parsed.data)) == (BINARY, True, message)
    assert decode_frame(encode_frame(message, TEXT)) == (TEXT, message)
    assert list(decode_frames(encode_frame(message) * 2 + encode_frame(b"", TEXT))) == [(BINARY, message)] * 2 + [
        (TEXT, b"")
    ]


def test_a_close_reason_is_cut_between_characters() -> None:
    # 61 two-byte characters are 122 bytes; the 62nd would be the bytes 123 and 124
    payload = decode_frame(encode_close(1008, "é" * 70))[1]
    assert payload[:2] == (1008).to_bytes(2, "big")
    assert payload[2:].decode() == "é" * 61
    assert decode_frame(encode_close(1000, "x" * 123))[1][2:] == b"x" * 123
    assert decode_frame(encode_close(None)) == (CLOSE, b"")


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1011, 1012, 1014, 3000, 4401, 4999])
def test_close_codes_that_a_peer_may_send(code: int) -> None:
    assert decode_close(code.to_bytes(2, "big") + b"why") == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
def test_close_codes_that_a_peer_must_not_send(code: int) -> None:
    with pytest.raises(FrameError) as caught:
        decode_close(code.to_bytes(2, "big"))
    assert caught.value.code == 1002


_messages = st.lists(st.binary(max_size=200) | st.builds(bytes, st.sampled_from([126, 65_535, 65_536, 70_000])))


@given(messages=_messages, data=st.data())
def test_however_messages_are_fragmented_and_segmented_they_arrive(messages: list[bytes], data: st.DataObject) -> None:
    stream = bytearray()
    for message in messages:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(message)), max_size=4)))
        edges = [0, *cuts, len(message)]
        pieces = [message[start:stop] for start, stop in itertools.pairwise(edges)]
        for index, piece in enumerate(pieces):
            opcode = BINARY if index == 0 else CONTINUATION
            stream += client_frame(piece, opcode, final=index == len(pieces) - 1)
            if data.draw(st.booleans()):
                stream += client_frame(b"", PONG)
    edges = [0, *sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=20))), len(stream)]
    under_test = Reader()
    for start, stop in itertools.pairwise(edges):
        under_test.feed(bytes(stream[start:stop]))
    assert under_test.messages == messages


def test_a_message_may_be_cut_at_every_byte() -> None:
    for message in (b"", b"short", b"m" * 126, b"l" * 200):
        whole = client_frame(message)
        for cut in range(1, len(whole)):
            under_test = Reader()
            under_test.feed(whole[:cut])
            assert under_test.messages == []
            under_test.feed(whole[cut:])
            assert under_test.messages == [message]
        one_by_one = Reader()
        for byte in whole:
            one_by_one.feed(bytes((byte,)))
        assert one_by_one.messages == [message]


def test_a_large_message_in_small_segments_is_gathered_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    unmasked: list[int] = []

    def counting(data: bytes, mask: bytes) -> bytes:
        unmasked.append(len(data))
        return apply_mask(data, mask)

    monkeypatch.setattr(reader, "apply_mask", counting)
    message = random.Random(8).randbytes(8 * 1024 * 1024)
    whole = client_frame(message)
    under_test = Reader()
    under_test.feed(whole[:1024])
    buffer = under_test.gathered
    for start in range(1024, len(whole), 1024):
        assert under_test.gathered is buffer
        under_test.feed(whole[start : start + 1024])
    assert under_test.messages == [message]
    assert under_test.gathered is None
    assert unmasked == [len(message)]


def test_one_call_handles_a_bounded_number_of_frames() -> None:
    under_test = Reader()
    under_test._feed(b"".join(client_frame(bytes((n % 256,))) for n in range(5000)))
    assert len(under_test.messages) == 1024
    under_test.feed(b"")
    assert under_test.messages == [bytes((n % 256,)) for n in range(5000)]
    assert under_test.turns == 4


@pytest.mark.parametrize(
    ("first_bytes", "code"),
    [
        pytest.param(client_frame(b"x" * 50, masked=False)[:2], 1002, id="unmasked"),
        pytest.param(client_frame(b"x" * 50, reserved=0x40)[:2], 1002, id="reserved bit"),
        pytest.param(client_frame(b"x" * 50, 3)[:2], 1002, id="unknown data opcode"),
        pytest.param(client_frame(b"x" * 50, 0xB)[:2], 1002, id="unknown control opcode"),
        pytest.param(client_frame(b"x" * 126, PING)[:2], 1002, id="long ping"),
        pytest.param(client_frame(b"x", TEXT)[:2], 1003, id="text"),
        pytest.param(client_frame(b"x" * 2000)[:8], 1009, id="too large"),
    ],
)
def test_a_frame_is_judged_before_its_payload_is_there(first_bytes: bytes, code: int) -> None:
    with pytest.raises(FrameError) as caught:
        Reader(message_bytes_max=1000).feed(first_bytes)
    assert caught.value.code == code


def test_the_size_limit_holds_for_all_fragments_together() -> None:
    under_test = Reader(message_bytes_max=1000)
    under_test.feed(client_frame(b"x" * 600, final=False))
    under_test.feed(client_frame(b"x" * 400, CONTINUATION))
    assert under_test.messages == [b"x" * 1000]
    under_test.feed(client_frame(b"x" * 600, final=False))
    with pytest.raises(FrameError) as caught:
        under_test.feed(client_frame(b"x" * 401, CONTINUATION)[:8])
    assert caught.value.code == 1009


def test_close_frames_reach_the_owner_undecoded() -> None:
    under_test = Reader()
    under_test.feed(close_frame(1001, b"bye"))
    assert under_test.controls == [(CLOSE, b"\x03\xe9bye")]
