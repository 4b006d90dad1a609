"""Which weights and units a device keeps, what that saves, and models that are really as small as what is kept."""
