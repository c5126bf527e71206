"""The network in other people's tools."""
