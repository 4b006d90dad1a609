"""The kinds of component in this package: where each name's class is. Nothing is imported here."""

KINDS: dict[str, dict[str, str]] = {
    "allocator": {
        "kkt": "optimizers.kkt:Kkt",
        "convex": "optimizers.convex:Convex",
        "equal_share": "optimizers.baselines:EqualShare",
        "dense": "optimizers.baselines:Dense",
        "uniform_ratio": "optimizers.baselines:UniformRatio",
    },
}
