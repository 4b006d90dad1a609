"""Which sample lies on which device, and which of a device's samples are set aside."""
