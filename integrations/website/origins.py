"""Which pages may post: the allow-list of origins, read from configuration alone."""

from urllib.parse import urlsplit

from integrations.kit.contract import RawRequest, SourceConfig

_DEFAULT_PORTS = {"https": 443, "http": 80}


def list_origins(config: SourceConfig) -> tuple[str, ...]:
    """The allowed origins in one spelling; what is no origin is left out (and allows nothing)."""
    found = (find_origin(text) for text in _written(config))
    return tuple(origin for origin in found if origin)


def list_bad_origins(config: SourceConfig) -> tuple[str, ...]:
    """What stands in the allow-list and is no origin."""
    return tuple(text for text in _written(config) if find_origin(text) is None)


def find_origin(address: str) -> str | None:
    """scheme://host[:port] of an address, in lower case, without the usual port; None when it has none."""
    try:
        parts = urlsplit(address.strip())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "\\" in address:
        return None
    suffix = f":{port}" if port and port != _DEFAULT_PORTS[parts.scheme] else ""
    return f"{parts.scheme}://{parts.hostname}{suffix}"


def find_allowed_origin(request: RawRequest, config: SourceConfig) -> str | None:
    """The Origin header as sent, when it is on the list (it goes back into a header, so only a listed one)."""
    given = request.header("origin") or ""
    return given if find_origin(given) in list_origins(config) else None


def find_origin_refusal(request: RawRequest, config: SourceConfig) -> str | None:
    """Why the page may not post, or None. Origin is asked first; some browsers send only Referer."""
    if not any(_written(config)):
        return None
    given = request.header("origin") or request.header("referer")
    if given is None:
        return "neither Origin nor Referer says which page posts"
    return (
        None
        if find_origin(given) in list_origins(config)
        else "the page is not on the list of those that may post"
    )


def _written(config: SourceConfig) -> list[str]:
    pieces = config.settings.get("allowed_origins", "").split(",")
    return [piece.strip() for piece in pieces if piece.strip()]
