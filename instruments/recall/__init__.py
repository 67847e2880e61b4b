"""Behavioural recall: how far back an agent's past reaches in what it does."""

from engram.instruments.recall.curve import RecallPoint, half_distance_of, point_of, reach_of
from engram.instruments.recall.forgetful import ForgetfulPolicy

__all__ = ["ForgetfulPolicy", "RecallPoint", "half_distance_of", "point_of", "reach_of"]
