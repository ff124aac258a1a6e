"""Pages for people: the report of one environment, and the state of all of them."""
