"""Emitted C on this machine: built by its C compiler, called through a shared library."""
