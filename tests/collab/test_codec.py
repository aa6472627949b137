"""lib0: what is written is read back, and nothing else is read at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycrdt import Decoder

from collab.codec import (
    VAR_UINT_MAX,
    Reader,
    decode_state_vector,
    encode_state_vector,
    write_var_bytes,
    write_var_string,
    write_var_uint,
)
from collab.errors import MalformedMessage
from tests.hostile import lying_state_vector, short_string, truncations, wrong_length

uints = st.integers(0, VAR_UINT_MAX) | st.sampled_from(
    [(1 << bits) + offset for bits in range(1, 53) for offset in (-1, 0)]
)
texts = st.text(st.characters(exclude_categories=["Cs"]))
state_vectors = st.dictionaries(uints, st.integers(0, 2**31 - 1), max_size=20)


@given(uints)
def test_an_integer_survives_the_round_trip(value: int) -> None:
    reader = Reader(write_var_uint(value))
    assert reader.var_uint() == value
    assert reader.at_end


@given(uints)
def test_integers_are_what_yrs_reads(value: int) -> None:
    assert Decoder(write_var_uint(value)).read_var_uint() == value


@pytest.mark.parametrize(
    ("value", "encoded"), [(0, "00"), (127, "7f"), (128, "8001"), (VAR_UINT_MAX, "ffffffffffffff0f")]
)
def test_integers_have_seven_bits_a_byte(value: int, encoded: str) -> None:
    assert write_var_uint(value).hex() == encoded


@pytest.mark.parametrize("value", [-1, VAR_UINT_MAX + 1])
def test_other_integers_cannot_be_written(value: int) -> None:
    with pytest.raises(ValueError, match="unsigned integer below"):
        write_var_uint(value)


@pytest.mark.parametrize(
    ("encoded", "complaint"),
    [
        ("", "ends inside an integer"),
        ("80", "ends inside an integer"),
        ("ffffffffffffff", "ends inside an integer"),
        ("8000", "shortest form"),
        ("818000", "shortest form"),
        ("8080808080808000", "shortest form"),
        ("ffffffffffffff10", "2\\*\\*53 or larger"),
        ("ffffffffffffff8001", "2\\*\\*53 or larger"),
        ("ff" * 100_000, "2\\*\\*53 or larger"),
    ],
)
def test_other_encodings_of_integers_are_refused(encoded: str, complaint: str) -> None:
    with pytest.raises(MalformedMessage, match=complaint):
        Reader(bytes.fromhex(encoded)).var_uint()


@given(st.lists(st.binary() | texts | uints))
def test_values_in_a_row_are_read_one_after_another(values: list[bytes | str | int]) -> None:
    parts = []
    for value in values:
        if isinstance(value, bytes):
            parts.append(write_var_bytes(value))
        else:
            parts.append(write_var_string(value) if isinstance(value, str) else write_var_uint(value))
    reader = Reader(b"".join(parts))
    for value in values:
        if isinstance(value, bytes):
            assert reader.var_bytes() == value
        else:
            assert value == (reader.var_string() if isinstance(value, str) else reader.var_uint())
    assert reader.at_end
    assert reader.remaining == 0


@given(
    st.binary(), st.lists(st.sampled_from(["var_uint", "var_bytes", "var_string"]), max_size=10), st.binary(max_size=9)
)
def test_a_reader_never_sees_what_follows(data: bytes, methods: list[str], following: bytes) -> None:
    """Whatever it is asked for, it answers the same, or fails, without a look past the end."""
    reader = Reader(data)
    longer = Reader(data + following)
    for method in methods:
        try:
            value = getattr(reader, method)()
        except MalformedMessage:
            break
        assert reader.position <= len(data)
        assert getattr(longer, method)() == value


@given(st.binary(min_size=1))
def test_an_incomplete_byte_array_is_refused(payload: bytes) -> None:
    for prefix in [*truncations(write_var_bytes(payload)), wrong_length(payload)]:
        with pytest.raises(MalformedMessage):
            Reader(prefix).var_bytes()


def test_a_declared_length_costs_no_memory() -> None:
    with pytest.raises(MalformedMessage, match="4503599627370496 bytes are declared, 1 are left"):
        Reader(write_var_uint(2**52) + b"x").var_bytes()


@pytest.mark.parametrize("text", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"])
def test_strings_are_strict_utf_8(text: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not UTF-8"):
        Reader(write_var_bytes(text)).var_string()


def test_a_string_behind_its_length_in_characters_is_not_taken_for_shorter_text() -> None:
    reader = Reader(short_string("é" * 10))
    assert reader.var_string() == "é" * 5
    assert not reader.at_end


def test_half_a_surrogate_pair_cannot_be_written() -> None:
    with pytest.raises(UnicodeEncodeError):
        write_var_string("\ud83d")


@given(state_vectors)
def test_a_state_vector_survives_the_round_trip(clocks: dict[int, int]) -> None:
    assert decode_state_vector(encode_state_vector(clocks)) == clocks


@given(st.binary())
def test_whatever_is_not_a_state_vector_is_refused(data: bytes) -> None:
    try:
        clocks = decode_state_vector(data)
    except MalformedMessage:
        return
    assert encode_state_vector(clocks) == data


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (lying_state_vector(), "declares 134217728 clients in 1 bytes"),
        (write_var_uint(3) + bytes(5), "declares 3 clients in 5 bytes"),
        (encode_state_vector({1: 2}) + b"\x00", "1 bytes follow"),
        (b"\x02\x01\x05\x01\x06", "twice"),
        (b"\x01\x01" + write_var_uint(2**31), "2\\*\\*31"),
        (b"\x01" + b"\xff" * 7 + b"\x10\x01", "2\\*\\*53"),
        (b"", "ends inside"),
    ],
)
def test_a_state_vector_that_lies_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(MalformedMessage, match=complaint):
        decode_state_vector(data)


@given(state_vectors.filter(bool))
def test_an_incomplete_state_vector_is_refused(clocks: dict[int, int]) -> None:
    for prefix in truncations(encode_state_vector(clocks)):
        with pytest.raises(MalformedMessage):
            decode_state_vector(prefix)
