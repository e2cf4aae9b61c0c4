"""Capture and apply: the only room that knows all stages. Reader, encoder and apply are processes of their own."""

import re_dms.observe.lean  # noqa: F401 - every child begins here, and imports structlog next
