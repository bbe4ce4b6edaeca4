"""The Python state that a compiled function reads besides its arguments: how it is found, compared and restored."""
