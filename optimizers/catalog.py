"""The kinds of component in this package: where each name's class is. Nothing is imported here."""

KINDS: dict[str, dict[str, str]] = {
    "allocator": {
        "kkt": "optimizers.kkt:Kkt",
        "convex": "optimizers.convex:Convex",
        "tradeoff": "optimizers.objectives.tradeoff:TimeTradeoff",
        "tradeoff_log": "optimizers.objectives.tradeoff:LogTradeoff",
        "least_energy": "optimizers.objectives.least_energy:LeastEnergy",
        "lyapunov": "optimizers.lyapunov:Lyapunov",
        "max_min": "optimizers.objectives.max_min:MaxMin",
        "whole_blocks": "optimizers.resource_blocks:WholeBlocks",
        "liu2024": "optimizers.closed_forms.liu2024:Liu2024",
        "fixed_snr": "optimizers.closed_forms.fixed_snr:FixedSnr",
        "lambert_w": "optimizers.closed_forms.lambert_w:LambertW",
        "liu_yu2022": "optimizers.closed_forms.liu_yu2022:LiuYu2022",
        "cpu_frequency": "optimizers.convex.cpu_frequency:CpuFrequency",
        "ren2022": "optimizers.closed_forms.ren2022:Ren2022",
        "tt_prune": "optimizers.closed_forms.tt_prune:TtPrune",
        "prunefl": "optimizers.closed_forms.prunefl:PruneFl",
        "equal_share": "optimizers.baselines:EqualShare",
        "proportional": "optimizers.baselines:Proportional",
        "uniform_ratio": "optimizers.baselines:UniformRatio",
        "alternating": "optimizers.baselines:Alternating",
        "full_power": "optimizers.baselines:FullPower",
        "random_share": "optimizers.baselines:RandomShare",
        "dense": "optimizers.baselines:Dense",
    },
    # LossBased is missing: no device reports its loss yet, and without losses it would be random.
    "selection": {
        "random": "optimizers.selection.rules:Random",
        "round_robin": "optimizers.selection.rules:RoundRobin",
        "best_channel": "optimizers.selection.rules:BestChannel",
        "proportional_fair": "optimizers.selection.rules:ProportionalFair",
        "oldest": "optimizers.selection.rules:Oldest",
    },
}
