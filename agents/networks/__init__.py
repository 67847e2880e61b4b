"""Networks of agents: encoders of observations, actor-critics, distributions of actions."""
