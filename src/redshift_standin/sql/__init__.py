"""SQL: Redshift's lexer and a whitelist grammar, which translates each statement for the backend or refuses it."""
