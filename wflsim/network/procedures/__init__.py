"""Procedures: what stands between a device and its upload, and the uplink itself."""
