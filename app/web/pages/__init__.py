"""The pages of the console, one module a room: parse, call one verb, show."""
