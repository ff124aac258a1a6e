"""The steps of `pipelines/qualify.yml`, each in a process of its own."""
