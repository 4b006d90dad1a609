"""Parts of scenarios that several extend; none is whole."""
