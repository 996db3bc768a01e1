"""Devices to compile for: one file each, data only, found by listing this folder."""
