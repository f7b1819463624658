"""The vendor's API: the one door to the network, and what its answers mean."""
