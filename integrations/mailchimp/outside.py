"""Calls to Mailchimp's other hosts, outside the Marketing API: the login host, the files of finished batches.

They take no slot (they do not count against the API's connections), carry no API key, and end in time all the same.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError

from integrations.mailchimp.deadline import Deadline, bounded_adapter
from integrations.mailchimp.problems import OUTAGE, UNKNOWN_OUTCOME, MailchimpProblem
from integrations.mailchimp.transport import CONNECT_SECONDS, LOOPBACK_HOSTS


def ask_outside(
    method: str,
    url: str,
    where: str,
    seconds: float,
    *,
    most_bytes: int,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:
    """Status and body (at most `most_bytes` and one) within `seconds`; `where` names the call in a MailchimpProblem.

    Nothing of what was sent stands in a problem.
    """
    deadline = Deadline()
    deadline.start(seconds)
    try:
        with requests.Session() as session:
            session.trust_env = urlsplit(url).hostname not in LOOPBACK_HOSTS
            session.mount(f"{urlsplit(url).scheme}://", bounded_adapter(deadline, 1))
            session.auth = _no_auth
            with session.request(
                method,
                url,
                data=form,
                headers={"User-Agent": "Muster", **(headers or {})},
                timeout=(min(CONNECT_SECONDS, seconds), seconds),
                allow_redirects=False,
                stream=True,
            ) as answer:
                return answer.status_code, answer.raw.read(most_bytes + 1, decode_content=True)
    except (requests.ConnectTimeout, requests.exceptions.SSLError):
        raise MailchimpProblem(OUTAGE, None, "Not Connected", where=where) from None
    except (requests.RequestException, HTTPError, OSError):
        raise MailchimpProblem(UNKNOWN_OUTCOME, None, "No Answer", where=where) from None


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keeps requests from looking for a password in a .netrc."""
    return request
