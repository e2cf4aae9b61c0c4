"""One client's session: transactions, settings, and an executor for each kind of statement over one backend connection."""
