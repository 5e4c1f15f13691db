"""XML read by the parser of the standard library with everything dangerous refused, and what must never be kept.

A document with a DOCTYPE is refused before anything in it is declared, so there are no entities but XML's own five, no
external files, no expansion. Depth and number of elements are bounded.
"""

import re
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from integrations.kit.contract import Unreadable

MAX_DEPTH = 32
MAX_ELEMENTS = 50_000
_HINT = "Salesforce sends SOAP; check which program posts to this address."
_NIL = "http://www.w3.org/2001/XMLSchema-instance nil"
_TYPE = "http://www.w3.org/2001/XMLSchema-instance type"
# Up to the closing tag or, in a body that was cut off, to its end.
_SESSION = re.compile(
    r"(<(?:[\w.-]+:)?SessionId\b[^>]*>).*?(?=</(?:[\w.-]+:)?SessionId\s*>|\Z)", re.DOTALL | re.IGNORECASE
)
_PLAIN = re.compile(
    rb"""\s*(?:<\?xml\s+version=["']1\.0["'](?:\s+encoding=["']utf-8["'])?(?:\s+standalone=["']\w+["'])?\s*\?>\s*)?<[\w:.-]+[\s>]""",
    re.IGNORECASE,
)
_SESSION_BYTES = re.compile(_SESSION.pattern.encode(), re.DOTALL | re.IGNORECASE)


@dataclass(slots=True)
class Element:
    """An element by its local name; `kind` is what xsi:type says, without prefix."""

    name: str
    kind: str = ""
    is_nil: bool = False
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def find(self, name: str) -> "Element | None":
        """The first child of that name."""
        return next((child for child in self.children if child.name == name), None)

    def text_at(self, name: str) -> str:
        """The text of the first child of that name, "" without one."""
        child = self.find(name)
        return child.text.strip() if child else ""

    def as_value(self) -> Any:
        """Text, None where nil, or an object of the children; a name that repeats becomes a list."""
        if self.is_nil:
            return None
        if not self.children:
            return self.text.strip()
        made: dict[str, Any] = {}
        for child in self.children:
            value = child.as_value()
            known = made.get(child.name)
            if child.name not in made:
                made[child.name] = value
            elif isinstance(known, list):
                known.append(value)
            else:
                made[child.name] = [known, value]
        return made


class _FoundError(Exception):
    """The element that was looked for has ended; its text. No failure: it ends the parsing."""


class _Builder:
    """Puts together what the parser meets; raises Unreadable at the first thing that is refused."""

    def __init__(self, wanted: str = "", depth: int = 0) -> None:
        self._wanted, self._depth = wanted, depth  # an element to stop at, and how many are around it
        self.root: Element | None = None
        self._open: list[Element] = []
        self._pieces: list[list[str]] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) >= MAX_DEPTH or self._count > MAX_ELEMENTS:
            raise Unreadable("the XML is deeper or larger than any outbound message", _HINT)
        is_nil = attributes.get(_NIL) in ("true", "1")
        made = Element(_local(name), attributes.get(_TYPE, "").rpartition(":")[2].strip()[:80], is_nil)
        if self._open:
            self._open[-1].children.append(made)
        else:
            self.root = made
        self._open.append(made)
        self._pieces.append([])

    def end(self, _name: str) -> None:
        closed = self._open.pop()
        closed.text = "".join(self._pieces.pop())
        if closed.name == self._wanted and len(self._open) == self._depth:
            raise _FoundError(closed.text.strip())

    def characters(self, text: str) -> None:
        if self._pieces:
            self._pieces[-1].append(text)

    def refuse(self, *_declaration: object) -> None:
        raise Unreadable("the XML has a DOCTYPE, which is never read", _HINT)


def read_xml(body: bytes) -> Element:
    """The root element, or Unreadable."""
    if not body.strip():
        raise Unreadable("the body is empty", _HINT)
    builder = _Builder()
    _parse(body, builder)
    if builder.root is None:
        raise Unreadable("the XML has no element", _HINT)
    return builder.root


def find_text(body: bytes, name: str, depth: int) -> str | None:
    """The text of the first element of that name with so many around it, read no further; None where there is none."""
    try:
        _parse(body, _Builder(name, depth))
    except _FoundError as found:
        return str(found)
    return None


def _parse(body: bytes, builder: _Builder) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset}"
        raise Unreadable(f"not XML: {expat.ErrorString(error.code)}", _HINT, path=where) from None
    except (ValueError, LookupError):
        raise Unreadable("the XML is in an encoding that is not read here", _HINT) from None


def without_session(body: bytes) -> bytes:
    """The body with SessionId, a live login to Salesforce, emptied; nothing at all where that cannot be made sure."""
    if b"\x00" in body:  # UTF-16
        try:
            bare = _SESSION.sub(r"\1", body.decode("utf-16")).encode("utf-16")
        except UnicodeDecodeError:
            return b""
    else:
        bare = _SESSION_BYTES.sub(rb"\1", body)
    return bare if _is_safe(body, bare) else b""


def _is_safe(body: bytes, bare: bytes) -> bool:
    """Whether no parser finds a session in what is left, and nothing hides in letters that nobody can read."""
    if _PLAIN.match(body) and b"\x00" not in body and b"<!" not in body and body.count(b"<?") <= 1:
        return True  # UTF-8 without sections and comments: what the search sees is what a parser sees
    try:
        had_session = _has_session(read_xml(body))
    except Unreadable:
        return b"\x00" in body or _is_utf8(body)
    if not had_session:
        return True
    try:
        return not _has_session(read_xml(bare))
    except Unreadable:
        return False


def _is_utf8(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _has_session(element: Element) -> bool:
    return (element.name == "SessionId" and bool(element.text.strip())) or any(
        _has_session(child) for child in element.children
    )


def _local(name: str) -> str:
    return name.rpartition(" ")[2][:120]
