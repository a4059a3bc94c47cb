"""python -m jaxehr"""

from jaxehr.cli import main

raise SystemExit(main())
