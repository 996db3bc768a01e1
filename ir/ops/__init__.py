"""The ops that come with the compiler: one family a file, found by listing this folder; each has a tuple `OPS`."""
