"""The application. Rooms, from the door inwards and out again:

web        HTTP only: hooks, console, templates
jobs       what RQ calls: ids in, nothing out, safe to run twice
lists      list sync jobs: a file compared with its last snapshot
pipeline   the story: claim, map, resolve, record, queue for sync
audiences  customer database to Mailchimp: plan, push, pull, settle
contacts   the customer database: identity, survivorship, consent
inbox      inbound durability: receive, claim, settle
sources    what admins configure: sources, secrets, mapping versions
core       no business words: settings, database, queue, servers, errors
"""
