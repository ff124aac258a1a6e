"""Rollout: from the model that serves to another one, in guarded stages."""
