"""Samples for every primitive, by name. A primitive without an entry fails the suite."""
