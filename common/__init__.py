"""The ground that cores, environments, agents and commands stand on: it imports none of them."""
