"""The cores, one file each; what engines and families they are made of lies beside this folder."""
