"""The official SDK behind our transport: what every group of calls on an account shares."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from mailchimp_marketing import Client

from integrations.mailchimp.answers import subscriber_hash
from integrations.mailchimp.problems import BAD_ANSWER, MailchimpProblem
from integrations.mailchimp.slots import ConnectionSlots, LocalSlots
from integrations.mailchimp.transport import Allowance, Call, Login, Transport

PAGE_SIZE = 1000  # the largest `count`
DEADLINE_SECONDS = 10.0
BULK_DEADLINE_SECONDS = 110.0  # Mailchimp gives up by itself after 120 s

Asked = TypeVar("Asked")
Found = TypeVar("Found")


class Door:
    """The SDK's parts, with a transport that is ours. Safe to share by threads."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        slots: ConnectionSlots | None = None,
        *,
        login: Login = "api_key",
        deadline_seconds: float = DEADLINE_SECONDS,
        bulk_deadline_seconds: float = BULK_DEADLINE_SECONDS,
        on_call: Callable[[Call], None] | None = None,
    ) -> None:
        self._transport = Transport(
            base_url,
            api_key,
            slots or LocalSlots(),
            deadline_seconds=deadline_seconds,
            login=login,
            on_call=on_call,
        )
        self._bulk_seconds = bulk_deadline_seconds
        client = Client()
        # All 27 parts of the SDK hold the same client object; handing each ours replaces the transport wholly.
        for part in vars(client).values():
            if hasattr(part, "api_client"):
                part.api_client = self._transport
        self._lists, self._root, self._ping = client.lists, client.root, client.ping
        self._search, self._batches = client.searchMembers, client.batches

    @property
    def call_count(self) -> int:
        """Calls made since this gateway was built, successful or not."""
        return self._transport.call_count

    def close(self) -> None:
        self._transport.close()

    def _in_bulk(self, read: Callable[[bytes], Any] | None = None) -> Allowance:
        """A call of many members: more time, and behind the interactive ones."""
        return Allowance(self._bulk_seconds, is_bulk=True, read=read)


def member_key(member: str) -> str:
    """An e-mail address is hashed here, so that no address ever stands in a path (and in a log)."""
    return subscriber_hash(member) if "@" in member else member


def time_text(moment: datetime) -> str:
    # Whole seconds: a 7-digit fraction was ignored and gave everyone (MailChimp.Net issue 525).
    return moment.astimezone(UTC).replace(microsecond=0).isoformat()


def expect(answer: Any, *keys: str) -> Mapping[str, Any]:
    """The answer, where it is one with these keys; an empty object with status 200 is nobody's answer."""
    if isinstance(answer, Mapping) and all(key in answer for key in keys):
        return answer
    raise MailchimpProblem(BAD_ANSWER, 200, "Unexpected Answer")


def expect_nothing(answer: Any) -> None:
    """Done is 204 and nothing else: what a proxy says with status 200 has archived and erased nobody."""
    if answer is not None:
        raise MailchimpProblem(BAD_ANSWER, 200, "Unexpected Answer")


def understand(read: Callable[[Asked], Found], answer: Asked) -> Found:
    """What a reader makes of an answer, or of a part of one; an answer that is not of its shape is nobody's."""
    try:
        return read(answer)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise MailchimpProblem(BAD_ANSWER, 200, "Unexpected Answer") from None


def understand_all(read: Callable[[Any], Found], answer: Any, key: str) -> tuple[Found, ...]:
    """The same of every entry of a listing, which may be empty but not absent."""
    return understand(lambda body: tuple(read(one) for one in body[key]), expect(answer, key))
