"""dswarm."""
