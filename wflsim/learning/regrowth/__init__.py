"""One mask for each group of devices, which loses what matters least and takes in what is missed most, a step at a time."""
