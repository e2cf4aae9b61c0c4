"""Warehouses: what is loaded from the journal, each batch and its watermark in one transaction."""
