"""`python -m re_dms` is the same as the command `re-dms`."""

from re_dms.cli import main

if __name__ == "__main__":
    main()
