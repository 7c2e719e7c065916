"""Between nodes: one leads, others follow it, and what is not theirs is sent on."""
