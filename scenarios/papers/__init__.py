"""What papers claim, as scenarios; `wflsim reproduce NAME` plays and judges one."""
