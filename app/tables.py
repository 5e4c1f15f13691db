"""Every table of the rooms, for processes that write rows: keys between rooms are found by the tables' names."""

from app.audiences import models as audiences
from app.contacts import models as contacts
from app.inbox import models as inbox
from app.lists import models as lists
from app.sources import models as sources

ROOMS = (sources, inbox, contacts, audiences, lists)
