"""A marshmallow schema that names unknown keys with the nearest known one."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, validates_schema

from mappings.language.flaws import Flaw
from mappings.language.problems import suggestion


class StrictSchema(Schema):
    """The base of the schemas of documents that people write."""

    class Meta:
        """Unknown keys are named below, beside the other flaws, instead of by marshmallow alone."""

        unknown = EXCLUDE

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def name_unknown_keys(self, _data: Any, original_data: Any, **_kwargs: Any) -> None:
        """Raise for every key that the schema does not have."""
        if not isinstance(original_data, dict):
            return
        known = [loaded.data_key or name for name, loaded in self.load_fields.items()]
        unknown = {
            str(key): [
                Flaw("unknown_key", f'"{str(key)[:40]}" is not known here.', suggestion(str(key), known))
            ]
            for key in original_data
            if key not in known
        }
        if unknown:
            raise ValidationError(unknown)
