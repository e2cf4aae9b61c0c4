"""The rules as cases: each says what Redshift does with a statement. The test suite runs them against the stand-in through
two drivers; `redshift-standin verify --live` runs them against a real cluster and says where the stand-in is wrong."""
