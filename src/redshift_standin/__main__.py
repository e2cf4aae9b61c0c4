"""python -m redshift_standin"""

from redshift_standin.cli import main

main()
