"""The demo: a throwaway Postgres, a shop that never rests, a pipeline that is killed, and a comparison of every row."""
