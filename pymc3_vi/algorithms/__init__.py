"""How q is found: the Newton rule for Gaussian families, and whatever else is an algorithm of its own."""
