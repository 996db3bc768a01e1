"""The reference backend: numpy on this machine, the specification that every other backend is held to."""

from gradlet.backends.reference.session import emit, open_session
from gradlet.ir.backend import Backend

BACKEND = Backend("reference", emit, open_session)
