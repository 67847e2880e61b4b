"""The leaderboard: every core's last evaluations beside each other, where all but the core is the same."""
