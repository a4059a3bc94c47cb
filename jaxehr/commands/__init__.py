"""The commands of `jaxehr`, a file each: `add` describes one to the command line, `_run` runs it."""
