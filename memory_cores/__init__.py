"""Memory cores: sequence models with an explicit carry, behind one contract."""
