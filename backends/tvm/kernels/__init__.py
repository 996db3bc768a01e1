"""The kernels, one family a file: each has a table `KERNELS`, op name -> kernel."""
