"""How states, kinds and stages are called on pages: name, colour, meaning."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """How a state is shown: its colour, its name, what it means and what to do."""

    tone: str  # ok, wait, bad, off
    name: str
    meaning: str = ""


STATES: dict[str, dict[str, Word]] = {
    "delivery": {
        "waiting": Word("wait", "Waiting", "Stored. A worker takes it next."),
        "done": Word("ok", "Done", "Everything in it has been dealt with."),
        "dead": Word("bad", "Dead letter", "Something in it was given up. Read why, mend it, then replay."),
    },
    "event": {
        "new": Word("wait", "Waiting", "A worker takes it next, or tries again after a failure."),
        "waiting_enrich": Word(
            "wait", "Fetching", "The platform sent an id only; Muster asks its API for the rest."
        ),
        "blocked": Word(
            "bad", "Blocked", "The platform refused our credentials. Renew them in the source's settings."
        ),
        "done": Word("ok", "Done", "Mapped, matched and written to a contact."),
        "ignored": Word("off", "Ignored", "Known, and of no concern for the customer database."),
        "dead": Word("bad", "Dead letter", "Given up. Mend the cause, then replay it: nothing is lost."),
    },
    "member": {
        "subscribed": Word("ok", "Subscribed", "Receives the mails of this audience."),
        "pending": Word("wait", "Pending", "Mailchimp waits for the person to confirm."),
        "unsubscribed": Word(
            "off", "Unsubscribed", "Opted out. Muster does not subscribe them again without newer proof."
        ),
        "cleaned": Word("bad", "Cleaned", "Mailchimp could not deliver to the address."),
        "archived": Word("off", "Archived", "Kept at Mailchimp, out of sight."),
        "transactional": Word("off", "Non-subscribed", "Known at Mailchimp, never asked for mails."),
        "": Word("wait", "Not there yet", "Planned, not yet at Mailchimp."),
    },
    "consent": {
        "given": Word("ok", "Given"),
        "withdrawn": Word("bad", "Withdrawn", "Absorbing: only newer, confirmed consent lifts it."),
    },
    "contact": {
        "active": Word("ok", "Active"),
        "merged": Word("off", "Merged", "This person lives on in another contact."),
        "erased": Word("off", "Erased", "Only a keyed hash is left, to stop re-imports."),
    },
    "source": {
        "on": Word("ok", "On"),
        "paused": Word("bad", "Paused", "The platform refused our credentials."),
        "off": Word("off", "Off", "Deliveries are answered 503, so that the platform sends them again."),
    },
    "audience": {
        "ready": Word("ok", "Ready", "Changes are written as they happen."),
        "off": Word("off", "Off", "Switched off: nothing is pushed or pulled."),
        "paused": Word("bad", "Paused", "Only opt-outs and erasures are written."),
        "waiting": Word("wait", "Waiting", "Nothing is written yet."),
    },
    "run": {
        "running": Word("wait", "Running"),
        "waiting": Word("wait", "Waits for you", "Nothing of it happens before somebody approves it."),
        "paused": Word("wait", "Paused", "Goes on where it stopped once the audience is resumed."),
        "done": Word("ok", "Done"),
        "failed": Word("bad", "Broken off"),
        "cancelled": Word("off", "Cancelled"),
    },
    "webhook": {
        "registered": Word("ok", "Working", "Mailchimp tells at once what people do there."),
        "unreachable": Word(
            "off", "Not possible", "Nobody outside can call this Muster; pulls bring the news instead."
        ),
        "missing": Word("wait", "Not made yet", "It is made as soon as the web server answers."),
        "broken": Word("bad", "Broken", "Pulls bring the news meanwhile, some minutes later."),
    },
    "health": {
        "alive": Word("ok", "Sending", "The platform says that it sends to this address."),
        "dead": Word("bad", "Not sending", "The platform says that it does not send to this address."),
        "unknown": Word("off", "Nobody can say", "The platform has no way to ask whether it sends."),
    },
    "process": {
        "alive": Word("ok", "Running"),
        "silent": Word("bad", "Silent", "No sign of life for 30 seconds. `muster up` restarts what dies."),
    },
}
PROOFS = {"claimed": "claimed on a form or sheet", "confirmed": "confirmed by the owner of the address"}
RUN_KINDS = {
    "push": "Push",
    "pull": "Pull",
    "first_sync": "First sync, dry run",
    "reconcile": "Reconcile",
    "guard": "Guard",
    "activity": "Activity",
}
# What the number of a run's done counts, for whoever asks.
DONE_MEANING = (
    "Push: people. Pull and activity: members read."
    " Reconcile and first sync: steps, one for each member read there and one for each person looked at here."
)
DIRECTION_WORDS = {
    "newest": "the newest wins",
    "ours": "ours is written",
    "theirs": "theirs is taken",
    "never_blank": "the newest, never a blank",
    "review": "somebody decides",
}
OPERATIONS = {
    "nothing": "nothing to write",
    "upsert": "would be written",
    "ask": "Mailchimp would ask by mail",
    "set_status": "would be set",
    "archive": "would be archived",
    "erase": "would be deleted",
    "change_email": "would get the new address",
    "tags": "would get other tags",
    "cannot_sync": "cannot be synced",
}
# Of what a run counts, the names that a page shows otherwise than they are.
COUNT_WORDS = {"erase": "deleted"}
MESSAGE_KINDS = {
    "comment": "Comment",
    "mention": "Mention",
    "direct_message": "Direct message",
    "review": "Review",
    "post": "Post",
    "reaction": "Reaction",
}
STAGES = {
    "split": "reading the delivery",
    "enrich": "asking the platform",
    "map": "mapping",
    "record": "writing the contact",
    "push": "pushing to Mailchimp",
    "pull": "pulling from Mailchimp",
}
