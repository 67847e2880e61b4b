"""The world-model memory exam: what a world model still knows once it is shown no more observations."""
