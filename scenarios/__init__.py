"""Scenarios that come with wflsim; `wflsim run NAME` plays one."""
