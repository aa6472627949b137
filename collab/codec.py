"""lib0, the encoding under every Yjs message: bounded, strict, written and read one way only.

Three shapes are enough for the protocol: unsigned integers of seven bits a byte with the least significant first,
byte arrays and UTF-8 strings behind their length in bytes. State vectors are built from the first.

Rule C1: a reader never looks past the end of its data and never reserves memory that a declared count asks for.
Rule C2: every value has one encoding. An integer with a needless last zero byte is refused: no lib0 writer makes one,
and yrs reads some integers as single bytes, so that two readers would see two different messages.
"""

from collections.abc import Mapping

from collab.errors import MalformedMessage

VAR_UINT_MAX = 2**53 - 1
"""Largest integer that JavaScript, and so lib0, holds exactly."""

CLOCK_END = 2**31
"""First clock that is refused. yrs counts in 32 bits and wraps silently where Yjs goes on; half of it is far away."""

_ONE_BYTE = tuple(bytes((value,)) for value in range(128))


def write_var_uint(value: int) -> bytes:
    """Encode 0 <= `value` < 2**53.

    Raises:
        ValueError: the value is outside that range.
    """
    if 0 <= value < 128:
        return _ONE_BYTE[value]
    if not 0 <= value <= VAR_UINT_MAX:
        raise ValueError(f"{value} is not an unsigned integer below 2**53")
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def write_var_bytes(data: bytes) -> bytes:
    """Encode `data` behind its length."""
    return write_var_uint(len(data)) + data


def write_var_string(text: str) -> bytes:
    """Encode `text` as UTF-8 behind its length in bytes.

    Raises:
        UnicodeEncodeError: the text holds half of a surrogate pair.
    """
    return write_var_bytes(text.encode())


class Reader:
    """Reads lib0 values one after another. After an error the position is undefined: drop the reader."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.data)

    @property
    def remaining(self) -> int:
        """Bytes not read yet: the upper bound of any count that is still to be believed."""
        return len(self.data) - self.position

    def var_uint(self) -> int:
        """Read an unsigned integer below 2**53.

        Raises:
            MalformedMessage: the data ends inside it, it is too large, or it is not in its shortest form.
        """
        data = self.data
        position = self.position
        try:
            value = data[position]
            position += 1
            if value > 127:
                value, position = read_long_var_uint(data, position)
        except IndexError:
            raise MalformedMessage("the message ends inside an integer") from None
        self.position = position
        return value

    def var_bytes(self) -> bytes:
        """Read a byte array.

        Raises:
            MalformedMessage: its length is malformed, or larger than what is left.
        """
        length = self.var_uint()
        start = self.position
        end = start + length
        if end > len(self.data):
            raise MalformedMessage(f"{length} bytes are declared, {self.remaining} are left")
        self.position = end
        return self.data[start:end]

    def var_string(self) -> str:
        """Read a string.

        Raises:
            MalformedMessage: its length is malformed or too large, or the bytes are not UTF-8.
        """
        try:
            return self.var_bytes().decode()
        except UnicodeDecodeError as error:
            raise MalformedMessage(f"a string is not UTF-8: {error.reason}") from None


def read_long_var_uint(data: bytes, position: int) -> tuple[int, int]:
    """Read an integer of more than one byte whose first byte, just before `position`, was seen to be one.

    For loops that read single bytes themselves and call only for the rest.

    Returns:
        The value and the position after it.

    Raises:
        MalformedMessage: it is too large or not in its shortest form.
        IndexError: the data ends inside it.
    """
    value = data[position - 1] & 127
    shift = 7
    while True:
        byte = data[position]
        position += 1
        if byte < 128:
            if byte == 0:
                raise MalformedMessage("an integer is not in its shortest form")
            if shift == 49 and byte > 15:
                raise MalformedMessage("an integer is 2**53 or larger")
            return value | byte << shift, position
        if shift == 49:
            raise MalformedMessage("an integer is 2**53 or larger")
        value |= (byte & 127) << shift
        shift += 7


def encode_state_vector(clocks: Mapping[int, int]) -> bytes:
    """Encode the first clock not known, by client id.

    Raises:
        ValueError: an id or a clock is outside its range.
    """
    parts = [write_var_uint(len(clocks))]
    for client, clock in clocks.items():
        parts.append(write_var_uint(client))
        parts.append(write_var_uint(clock))
    return b"".join(parts)


def decode_state_vector(data: bytes) -> dict[int, int]:
    """Decode a whole state vector: the first clock not known, by client id.

    Raises:
        MalformedMessage: more entries are declared than fit, an id or clock is out of range, a client comes twice, or
            bytes are left over.
    """
    reader = Reader(data)
    count = reader.var_uint()
    if count > reader.remaining // 2:
        raise MalformedMessage(f"a state vector declares {count} clients in {reader.remaining} bytes")
    clocks: dict[int, int] = {}
    for _ in range(count):
        client = reader.var_uint()
        clock = reader.var_uint()
        if clock >= CLOCK_END:
            raise MalformedMessage("a state vector holds a clock of 2**31 or more")
        clocks[client] = clock
    if len(clocks) != count:
        raise MalformedMessage("a state vector names a client twice")
    if not reader.at_end:
        raise MalformedMessage(f"{reader.remaining} bytes follow a state vector")
    return clocks
