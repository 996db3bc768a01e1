"""Emitted C as firmware of an Arm Cortex-M: built, and run in an emulator that has the target's memories."""
