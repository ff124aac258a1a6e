"""The package: a registered model, compiled where possible, sealed with all that serving it needs."""
