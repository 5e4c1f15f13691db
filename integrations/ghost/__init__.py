"""Ghost: members who join, change, unsubscribe or leave."""
