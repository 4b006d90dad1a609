"""Catalogue: the class behind each kind that a scenario may name, by family; nothing is imported here."""

KINDS: dict[str, dict[str, str]] = {
    "layout": {
        "one_cell": "channel_models.layouts.sites:OneCell",
        "hexagonal": "channel_models.layouts.sites:Hexagonal",
        "hall": "channel_models.layouts.sites:Hall",
    },
    "placement": {
        "ring": "channel_models.layouts.placements:Ring",
        "hexagon": "channel_models.layouts.placements:HexagonalCell",
        "hall": "channel_models.layouts.placements:HallFloor",
        "explicit": "channel_models.layouts.placements:Explicit",
    },
    "mobility": {
        "static": "channel_models.layouts.mobility:Static",
        "random_waypoint": "channel_models.layouts.random_waypoint:RandomWaypoint",
        "gauss_markov": "channel_models.layouts.gauss_markov:GaussMarkov",
        "trace": "channel_models.layouts.traces:Trace",
    },
    "path_loss": {
        "log_distance": "channel_models.large_scale.path_loss:LogDistance",
        "free_space": "channel_models.large_scale.path_loss:FreeSpace",
        "close_in": "channel_models.large_scale.path_loss:CloseIn",
        "uma": "channel_models.large_scale.urban:UrbanMacro",
        "umi": "channel_models.large_scale.urban:UrbanMicro",
        "rma": "channel_models.large_scale.rural:RuralMacro",
        "inh": "channel_models.large_scale.indoor:IndoorOffice",
        "inf": "channel_models.large_scale.indoor:IndoorFactory",
    },
    "shadowing": {
        "log_normal": "channel_models.large_scale.shadowing:LogNormal",
        "map": "channel_models.large_scale.shadowing:ShadowMap",
        "track": "channel_models.large_scale.shadowing:Track",
        "none": "channel_models.large_scale.shadowing:NoShadowing",
    },
    "element": {
        "isotropic": "channel_models.small_scale.elements:Isotropic",
        "sector": "channel_models.small_scale.elements:Sector",
        "column": "channel_models.small_scale.elements:Column",
    },
    "fading": {
        "rayleigh": "channel_models.small_scale.fading:Rayleigh",
        "rician": "channel_models.small_scale.fading:Rician",
        "nakagami": "channel_models.small_scale.fading:Nakagami",
        "tdl": "channel_models.small_scale.tapped_delay:TappedDelayLine",
        "sionna_tdl": "channel_models.sionna_backend.fading:SionnaTappedDelayLine",
        "sionna_cdl": "channel_models.sionna_backend.fading:SionnaClusteredDelayLine",
        "sionna_cluster": "channel_models.sionna_backend.clusters:SionnaClusters",
        "none": "channel_models.small_scale.fading:NoFading",
    },
    "correlation": {
        "none": "channel_models.small_scale.correlation:Uncorrelated",
        "exponential": "channel_models.small_scale.correlation:Exponential",
        "local_scattering": "channel_models.small_scale.correlation:LocalScattering",
    },
    "doppler": {
        "block": "channel_models.small_scale.doppler:Block",
        "ar1": "channel_models.small_scale.doppler:AutoRegressive",
        "jakes": "channel_models.small_scale.doppler:Jakes",
    },
    "interference": {
        "none": "channel_models.rates.interference:NoInterference",
        "full_buffer": "channel_models.rates.interference:FullBuffer",
        "load": "channel_models.rates.interference:Load",
        "coupled": "channel_models.rates.interference:Coupled",
    },
    "estimation": {
        "perfect": "channel_models.rates.estimation:Perfect",
        "pilots": "channel_models.rates.estimation:Pilots",
    },
    "link": {
        "shannon": "channel_models.rates.links:Shannon",
        "gap": "channel_models.rates.links:Gap",
        "mcs": "channel_models.rates.mcs:Mcs",
        "finite_blocklength": "channel_models.rates.links:FiniteBlocklength",
        "outage": "channel_models.rates.links:Outage",
    },
    "block_errors": {
        "curve": "channel_models.rates.block_errors:Curve",
        "sionna": "channel_models.sionna_backend.block_errors:SionnaBlockErrors",
    },
}
