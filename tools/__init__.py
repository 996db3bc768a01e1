"""What a user calls: the command line and the functions behind `gradlet.compile`."""
