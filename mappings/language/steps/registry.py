"""Every step by its name; a new one is a function in its family's module."""

from mappings.language.steps import choice, contact, lists, names, privacy, text, values
from mappings.language.steps.declare import Step

STEPS: dict[str, Step] = {
    step.name: step
    for family in (text, values, contact, names, lists, choice, privacy)
    for step in family.STEPS
}
