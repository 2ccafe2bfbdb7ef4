"""Structs in Thrift's compact protocol, in which parquet files describe themselves.

Arrow's own reader ends the process where a footer contradicts itself, and gives no page headers,
so both are read here. Numbers and lists of structs are read; everything else is passed over.
"""

from collections.abc import Iterator

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
DEEPEST = 20  # structs and lists within each other; parquet needs six
DAMAGED = "its own description is damaged"


class CompactReader:
    """Reads one struct after the other from bytes.

    Parameters
    ----------
    content : bytes
        What is read from its beginning. IndexError where it ends too early.
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0
        self._depth = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and kind of each field of a struct; its value is read in between."""
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 15
            number = number + step if step else self._whole()
            yield number, kind

    def value(self, kind: int) -> int:
        """Return a number, or 0 once a value of another kind has been passed over.

        Parameters
        ----------
        kind : int
            As `fields` gives it.

        Raises
        ------
        ValueError
            If there is no such kind, or values lie too deep within each other.
        """
        if kind in (I16, I32, I64):
            return self._whole()
        if kind in (BYTE, DOUBLE):
            self._skip(1 if kind == BYTE else 8)
        elif kind == BINARY:
            self._skip(self._varint())
        elif kind in (LIST, SET, MAP, STRUCT):
            self._pass_over(kind)
        elif kind not in (TRUE, FALSE):
            raise ValueError(DAMAGED)
        return 0

    def text(self) -> str:
        """Return a text."""
        length = self._varint()
        begin = self.place
        self._skip(length)
        return self._content[begin : self.place].decode("utf-8", "replace")

    def list_of(self) -> tuple[int, int]:
        """Return length and kind of a list, whose values follow."""
        head = self._byte()
        length = head >> 4
        if length == 15:
            length = self._varint()
        if length > len(self._content) - self.place:  # each value takes a byte at least
            raise IndexError("the list goes on")
        return length, head & 15

    def _pass_over(self, kind: int) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ValueError(DAMAGED)
        if kind == STRUCT:
            for _, inner in self.fields():
                self.value(inner)
        elif kind == MAP:
            self._pass_over_map()
        else:
            length, inner = self.list_of()
            self._pass_over_values(length, inner)
        self._depth -= 1

    def _pass_over_map(self) -> None:
        length = self._varint()
        if length > len(self._content) - self.place:
            raise IndexError("the mapping goes on")
        if not length:
            return
        kinds = self._byte()
        for _ in range(length):
            self._pass_over_values(1, kinds >> 4)
            self._pass_over_values(1, kinds & 15)

    def _pass_over_values(self, length: int, kind: int) -> None:
        """Pass over values of a list, in which true and false take a byte each."""
        if kind in (TRUE, FALSE, BYTE):
            self._skip(length)
            return
        for _ in range(length):
            self.value(kind)

    def _byte(self) -> int:
        byte = self._content[self.place]
        self.place += 1
        return byte

    def _skip(self, count: int) -> None:
        self.place += count
        if self.place > len(self._content):
            raise IndexError("the value goes on")

    def _varint(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError(DAMAGED)

    def _whole(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)
