"""Methods of federated learning, one file each."""
