"""Catalogue: the class behind each kind that a scenario may name, by family; nothing is imported here."""

KINDS: dict[str, dict[str, str]] = {
    "placement": {
        "ring": "channel_models.layouts.placements:Ring",
        "explicit": "channel_models.layouts.placements:Explicit",
    },
    "layout": {
        "one_cell": "channel_models.layouts.sites:OneCell",
    },
    "mobility": {
        "static": "channel_models.layouts.mobility:Static",
    },
    "path_loss": {
        "log_distance": "channel_models.large_scale.path_loss:LogDistance",
        "uma": "channel_models.large_scale.urban:UrbanMacro",
    },
    "shadowing": {
        "log_normal": "channel_models.large_scale.shadowing:LogNormal",
        "none": "channel_models.large_scale.shadowing:NoShadowing",
    },
    "fading": {
        "rayleigh": "channel_models.small_scale.fading:Rayleigh",
        "rician": "channel_models.small_scale.fading:Rician",
        "none": "channel_models.small_scale.fading:NoFading",
    },
    "link": {
        "shannon": "channel_models.rates.links:Shannon",
        "gap": "channel_models.rates.links:Gap",
    },
}
