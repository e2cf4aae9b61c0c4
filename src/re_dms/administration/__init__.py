"""What an operator asks of a pipeline that is not running it: its status, copying again, removing it.

Beside `service`, above `pipeline`: it knows source, journal and warehouse, and starts nothing.
"""
