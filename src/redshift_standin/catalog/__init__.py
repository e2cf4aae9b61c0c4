"""What the backend's database holds of ours: operators, functions, look-alike catalog views and side tables."""
