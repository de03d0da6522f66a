"""Hypothesis without deadlines: how long an example takes says nothing on a machine that is busy."""

from hypothesis import settings

settings.register_profile("dswarm", deadline=None, print_blob=True)
settings.load_profile("dswarm")
