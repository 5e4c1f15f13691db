"""What comes before a push after a long silence: a pull, so that what changed at Mailchimp meanwhile is judged by its time.

Without it, whoever came back from a pause or a revoked key would write first and find nothing left to judge.
"""

from functools import partial

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from app.audiences.connect import Connections
from app.audiences.gate import PULL_SECONDS
from app.audiences.load import LONG_AGO
from app.audiences.pull import pull_audience
from app.audiences.runs import RunWatch, run_counted
from app.core.db import transaction
from app.core.log import get_log
from integrations.mailchimp.problems import MailchimpProblem

# Three of the sweep's pulls were missed.
SILENCE_SECONDS = 3 * PULL_SECONDS
# The first pull of everybody is the dry run's, and a whole one that a new mapping asks for holds up nobody. One that an
# admin cancelled is not begun again at once.
IS_SILENT = text("""
    SELECT FROM audiences a WHERE id = :audience_id AND paused_at IS NULL
      AND pulled_until < now() - make_interval(secs => :silence) AND pulled_until > CAST(:long_ago AS timestamptz)
      AND NOT EXISTS (SELECT FROM sync_runs r WHERE r.audience_id = a.id AND r.kind = 'pull' AND r.state = 'cancelled'
        AND r.finished_at > now() - make_interval(secs => :every))
""")

log = get_log(__name__)


def pull_after_silence(sessions: sessionmaker[Session], connections: Connections, audience_id: int) -> bool:
    """Pull an audience that was not pulled for 15 minutes, under a run row; whether it was.

    A pull that fails is noted in its run, and holds up no push: new people matter more than fields that may differ.
    """
    asked = {
        "audience_id": audience_id,
        "silence": SILENCE_SECONDS,
        "every": PULL_SECONDS,
        "long_ago": LONG_AGO,
    }
    with transaction(sessions) as session:
        if session.execute(IS_SILENT, asked).first() is None:
            return False
    work = partial(pull_audience, sessions, connections, audience_id)
    try:
        run_counted(RunWatch(sessions, audience_id, "pull", is_folding=True), work)
    except MailchimpProblem as problem:
        log.warning("push.unread", audience_id=audience_id, error=problem.kind)
    return True
