"""The journal: immutable batches of CSV files in an object store, and what belongs to them.

`store` (the contract), `local`, `memory`   where objects are kept
`keys`                                      how objects are named
`journal`                                   root, batches, positions, registry: the protocol's rules
`completed`                                 which transactions of replayed streams are in it
`retention`                                 what may be removed, and when
`dialect`, `csv`                            how values are written
"""
