"""A device's whole lesson in one compiled call: plain networks of linear layers, convolutions, rectifiers and pooling."""
