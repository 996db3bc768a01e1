"""The kernels that come with the compiler: one op family a file, found by listing this folder; each has `KERNELS`."""
