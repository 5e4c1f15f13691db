"""HTTP only: parse, call one function, answer."""
