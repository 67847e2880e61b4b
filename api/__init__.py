"""Training, evaluating and comparing from Python, by what the commands do as well."""
