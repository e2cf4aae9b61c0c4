"""A local stand-in."""
