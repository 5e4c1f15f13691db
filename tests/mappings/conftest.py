"""How tests of mappings write a document: the rules alone; the head is the same for all."""

from collections.abc import Callable
from typing import Any

import pytest

from mappings.language.compile import CompiledMapping, EventInfo, compile_mapping
from mappings.language.document import load_document
from mappings.language.patch import MappingResult

HEAD = "mapping: example\nversion: 1\ntarget: contact\n"


@pytest.fixture
def compiled() -> Callable[[str], CompiledMapping]:
    """Compile rules written without the head of the document."""
    return lambda rules: compile_mapping(load_document(HEAD + rules))


@pytest.fixture
def apply(compiled: Callable[[str], CompiledMapping]) -> Callable[..., MappingResult]:
    """Apply rules written without the head to content."""

    def run(rules: str, content: Any, **event: Any) -> MappingResult:
        return compiled(rules).apply(content, EventInfo(**event))

    return run
