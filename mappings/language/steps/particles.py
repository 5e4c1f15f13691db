"""Small words inside family names."""

# Written small, and kept with the name that follows.
PARTICLES = frozenset(
    [
        "al",
        "bin",
        "da",
        "das",
        "de",
        "del",
        "della",
        "den",
        "der",
        "di",
        "do",
        "dos",
        "du",
        "el",
        "ibn",
        "la",
        "le",
        "ten",
        "ter",
        "van",
        "von",
        "zu",
        "zur",
    ]
)
# Kept with the name that follows, but written large.
PREFIXES = frozenset(["af", "av", "ben", "mac", "o", "st", "st."])
# Written small between names.
JOINERS = frozenset(["e", "y"])
