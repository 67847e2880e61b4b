"""Other names that an option goes by: other libraries', and its own in earlier versions."""

from __future__ import annotations

_OTHER_NAMES = {
    "lr": ("learning_rate",),
    "total_timesteps": ("total_env_steps",),
    "timesteps": ("total_env_steps",),
    "steps": ("total_env_steps",),
    "total_steps": ("total_env_steps",),
    "n_envs": ("num_envs",),
    "n_steps": ("rollout_length",),
    "num_steps": ("rollout_length",),
    "n_epochs": ("num_epochs",),
    "update_epochs": ("num_epochs",),
    "num_minibatch": ("num_minibatches",),
    "clip_coef": ("clip_range",),
    "clip_epsilon": ("clip_range",),
    "ent_coef": ("entropy_coef",),
    "entropy_coeff": ("entropy_coef",),
    "vf_coef": ("value_coef",),
    "discount": ("gamma",),
    "lambda": ("gae_lambda",),
    "lam": ("gae_lambda",),
    "hidden": ("hidden_size",),
    "hidden_dim": ("hidden_size",),
    "hidden_units": ("hidden_size",),
    "d_model": ("hidden_size",),
    "layers": ("num_layers",),
    "n_layers": ("num_layers",),
    "env_id": ("id",),
    "log_dir": ("runs_dir",),
    "logdir": ("runs_dir",),
    "lmbda": ("gae_lambda",),
    "td_lambda": ("gae_lambda",),
    "return_lambda": ("gae_lambda",),
    "horizon": ("imagination_horizon", "max_time_scale"),
    "grad_clip": ("max_grad_norm",),
    "clip_grad_norm": ("max_grad_norm",),
    "model_clip": ("max_grad_norm",),
    "actor_clip": ("actor_max_grad_norm",),
    "critic_clip": ("critic_max_grad_norm",),
    "dynamics_scale": ("loss_scales",),
    "representation_scale": ("loss_scales",),
    "replay_value_scale": ("loss_scales",),
    "every": ("interval",),
    "eval_freq": ("interval",),
    "eval_interval": ("interval",),
    "save_freq": ("interval",),
    "save_interval": ("interval",),
    "every_minutes": ("interval_minutes",),
    "keep_every": ("keep_interval",),
    "log_every": ("log_interval",),
}


def other_names(name: str) -> tuple[str, ...]:
    """What an option of another name is called here, as `learning_rate` for `lr`; empty if nothing is known."""
    return _OTHER_NAMES.get(name.lower(), ())
