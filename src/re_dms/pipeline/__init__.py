"""Capture and apply: the only room that knows all stages. Reader, encoder and apply are processes of their own."""
