"""Events: what happened, told as CloudEvents to the log, to webhooks and to GitHub."""
