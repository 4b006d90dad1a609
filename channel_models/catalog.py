"""Catalogue: the class behind each kind that a scenario may name, by family; nothing is imported here."""

KINDS: dict[str, dict[str, str]] = {
    "placement": {
        "ring": "channel_models.geometry:Ring",
        "explicit": "channel_models.geometry:Explicit",
    },
    "path_loss": {
        "log_distance": "channel_models.path_loss:LogDistance",
        "uma": "channel_models.path_loss:UrbanMacro",
    },
    "shadowing": {
        "log_normal": "channel_models.shadowing:LogNormal",
        "none": "channel_models.shadowing:NoShadowing",
    },
    "fading": {
        "rayleigh": "channel_models.fading:Rayleigh",
        "rician": "channel_models.fading:Rician",
        "none": "channel_models.fading:NoFading",
    },
    "link": {
        "shannon": "channel_models.links:Shannon",
        "gap": "channel_models.links:Gap",
    },
}
