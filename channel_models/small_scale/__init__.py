"""Small scale: many antennas and many paths, coefficients that vary over a wavelength and a coherence time."""
