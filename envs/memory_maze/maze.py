"""Memory Maze without MuJoCo: the same rules, motion and pictures, for a whole batch at once, on any device."""

from __future__ import annotations

import gymnasium.spaces as gs
import numpy as np
import torch
from tensordict import TensorDict
from torch import Tensor

from engram.common.box_actions import BoxActions
from engram.common.checked import require
from engram.common.option_types import Count, Index
from engram.envs.hidden import Hidden
from engram.envs.memory_maze.episodes import begin_episodes, next_targets
from engram.envs.memory_maze.frames import draw_frames
from engram.envs.memory_maze.layouts import make_layouts
from engram.envs.memory_maze.motion import HEADING, TOUCH_DISTANCE, move
from engram.envs.memory_maze.motion.body import DRIVE, LOW_WALLS_TOUCH_DISTANCE, STEER
from engram.envs.memory_maze.observations import global_observables, global_spaces
from engram.envs.memory_maze.rendering.textures import load_textures
from engram.envs.memory_maze.rendering.top_view import draw_top_view, side_by_side
from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.sizes import CELL_METRES, COLORS, SIZES, SizeName
from engram.envs.memory_maze.visibility import visible_targets
from engram.envs.native import NativeVectorEnv

_STANDARD, _LOW = (1.5, 0.0), (0.4, 1.1)
"""Height of the walls and of the targets' centres, in metres."""
_VIEW_SIZE = 256
"""Pixels along a side of what the agent sees, drawn for people."""


class MemoryMaze(NativeVectorEnv):
    """Go to the target of the colour that the picture's border shows, again and again: 1 for each arrival.

    Layout, looks and targets stay for an episode, so that an agent that remembers where it saw a target goes
    straight back. An episode is truncated after 1,000, 2,000, 3,000 or 4,000 actions for the sizes 9x9 to
    15x15, and 250 for `tiny`. The actions are noop, forward, left, right, forward and left, forward and
    right; one takes 0.25 s.

    The return counts arrivals. An episode is a success if each of its targets was reached at least once. Within a trial
    the maze, its looks and its targets stay; the agent's place and the order of the targets are new.

    A target is reached where the centres are within 0.775 m at any of 50 moments of an action. The next
    target is any that is not being touched, and the same action's picture already shows its colour.

    What differs from the package: layouts come from a pool of `num_layouts` (rooms' objects, the agent's
    place, targets and textures are drawn for each episode), and its contacts are MuJoCo's, solved less
    exactly.

    Args:
        num_envs: number of environments B.
        size: `9x9`, `11x11`, `13x13`, `15x15`, or the package's sizes' little sister `tiny`.
        device: where everything lives.
        env_index_offset: index of the first environment, where several processes share one run.
        num_layouts: how many layouts there are, carved when the environment is made.
        layout_seed: of the pool: environments with another one share no layout, whatever their episodes' seed.
        global_observables: observe a Dict: the picture under `image`, and what `observations` has.
        camera: whether there is a picture; without one `global_observables` must be on.
        image_size: of the picture, pixels along a side.
        discrete_actions: False for two numbers in [-1, 1]: how hard forwards and how hard to the left.
        shuffle_colors: whether each episode takes any of the six colours (the package's 6CL).
        low_walls: whether walls are 0.4 m high and targets hang above them (the package's Vis).
        procedural_textures: draw the textures instead of reading labmaze's; None if it is not installed.
    """

    def __init__(
        self,
        num_envs: Count,
        size: SizeName = "9x9",
        device: torch.device | str = "cpu",
        env_index_offset: Index = 0,
        *,
        num_layouts: Count = 16_384,
        layout_seed: Index = 0,
        global_observables: bool = False,
        camera: bool = True,
        image_size: Count = 64,
        discrete_actions: bool = True,
        shuffle_colors: bool = False,
        low_walls: bool = False,
        procedural_textures: bool | None = None,
    ) -> None:
        super().__init__(num_envs, device, env_index_offset)
        require(
            camera or global_observables, "camera", "true where global_observables is false", camera, self
        )
        self.name = f"memory_maze/{size}"
        self.size = SIZES[size]
        self.max_episode_steps = self.size.episode_length
        self.camera, self.image_size = camera, image_size
        self.global_observables, self.shuffle_colors = global_observables, shuffle_colors
        self._reach = LOW_WALLS_TOUCH_DISTANCE if low_walls else TOUCH_DISTANCE
        self._heights = _LOW if low_walls else _STANDARD
        self._layouts = make_layouts(self.size, num_layouts, layout_seed).to(self.device)
        self._textures = load_textures(self.device, procedural_textures) if camera else None
        self._presses = torch.tensor([DRIVE, STEER], dtype=torch.float64, device=self.device)
        self.single_action_space: gs.Space = gs.Discrete(6)
        if not discrete_actions:
            presses = gs.Box(-1.0, 1.0, (2,), np.float32)
            self.single_action_space, self._to_env = presses, BoxActions(presses).on(self.device)
        self._trails: dict[int, tuple[tuple[int, int], list[Tensor]]] = {}
        image = gs.Box(0, 255, (image_size, image_size, 3), np.uint8)
        self.single_observation_space = image
        if global_observables:
            parts = {"image": image} if camera else {}
            self.single_observation_space = gs.Dict({**parts, **global_spaces(self.size)})

    def begin(self, seed: Tensor, env_index: Tensor, episode: Tensor) -> dict[str, Tensor]:  # noqa: D102
        return begin_episodes(self.size, self._layouts, self.shuffle_colors, seed, env_index, episode)

    def begin_within(  # noqa: D102
        self, seed: Tensor, env_index: Tensor, trial: Tensor, number: Tensor
    ) -> dict[str, Tensor]:
        return begin_episodes(self.size, self._layouts, self.shuffle_colors, seed, env_index, trial, number)

    def advance(  # noqa: D102
        self, task: dict[str, Tensor], time: Tensor, action: Tensor
    ) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
        drive, steer = self._press(action)
        current, positions = task["current_target"], task["target_positions"]
        goal = positions.gather(1, current[:, None, None].expand(-1, 1, 2)).squeeze(1)
        body, touched = move(
            task["body"], drive, steer, self._layouts.walls, task["layout"], goal, self._reach
        )
        away = positions - body[:, None, :2].to(torch.float32) / CELL_METRES
        touching = away.square().sum(2) < self._reach**2
        is_current = torch.arange(len(away[0]), device=current.device) == current[:, None]
        following = next_targets(current, touching, task["draws"], time)
        after = {
            **task,
            "body": body,
            "current_target": torch.where(touched, following, current),
            "reached": task["reached"] | (touched[:, None] & is_current),
        }
        is_over = time + 1 == self.max_episode_steps
        return after, touched.to(torch.float32), torch.zeros_like(is_over), is_over

    def outcome(  # noqa: D102
        self, task: dict[str, Tensor], reward: Tensor, is_terminal: Tensor
    ) -> dict[str, Tensor]:
        return {"success": task["reached"].all(1)}

    def conceals(self, task: dict[str, Tensor], time: Tensor) -> dict[str, Hidden]:
        """Return where targets lie, in cells to the right of the agent and ahead, by colour, and what is a wall.

        A target is shown where its centre is in view; of walls nothing says when they were, and they count from the
        first row on.
        """
        scene = self.scene(task)
        world, seen = global_observables(scene), visible_targets(scene)
        hides = {}
        for index, (name, _) in zip(range(self.size.num_targets), COLORS.items(), strict=False):
            hides[f"target_{index + 1 if self.shuffle_colors else name}"] = Hidden(
                world["targets_vec"][:, index], is_shown=seen[:, index]
            )
        hides["walls"] = Hidden(
            1 - world["maze_layout"].flatten(1).long(), 2, rows_ago=torch.zeros_like(time)
        )
        return hides

    def _press(self, action: Tensor) -> tuple[Tensor, Tensor]:
        """How hard forwards and to the left, float64 [B] each."""
        if action.ndim == 1:
            drive, steer = self._presses[:, action]
        else:
            drive, steer = action.to(torch.float64).T
        return drive, steer

    def observe(self, task: dict[str, Tensor], time: Tensor) -> Tensor | TensorDict:  # noqa: D102
        scene = self.scene(task)
        if not self.global_observables:
            return self._draw(scene, self.image_size)
        parts = {"image": self._draw(scene, self.image_size)} if self.camera else {}
        return TensorDict({**parts, **global_observables(scene)}, batch_size=[len(time)])

    def scene(self, task: dict[str, Tensor]) -> Scene:
        """Return what the task's tensors show."""
        layout, body = task["layout"], task["body"]
        return Scene(
            walls=self._layouts.walls[layout],
            rooms=self._layouts.is_room[layout],
            wall_textures=task["wall_textures"],
            position=(body[:, :2] / CELL_METRES).to(torch.float32),
            heading=body[:, HEADING].to(torch.float32),
            target_positions=task["target_positions"],
            target_colors=task["target_colors"],
            current_target=task["current_target"],
        )

    def render(self, index: int) -> np.ndarray:
        """Draw what agent `index` sees, beside the maze from above.

        The line there joins the places it was at when this was called before in the same episode, so a video
        of every step shows the way it went.
        """
        if self.state is None:
            raise ValueError(
                f"A picture shows a running episode, but {self.name} has none: call reset first."
            )
        if not 0 <= index < self.num_envs:
            raise ValueError(
                f"A picture shows one of the environments 0..{self.num_envs - 1}, but index is {index}: "
                "choose one of these."
            )
        state = self.state[index : index + 1]
        scene = self.scene(dict(state["task"].items()))
        episode = int(state["seed"]), int(state["episode"])
        if index not in self._trails or self._trails[index][0] != episode or state["time"] == 0:
            self._trails[index] = episode, []
        trail = self._trails[index][1]
        trail.append(scene.position[0].cpu())
        textures = load_textures(self.device) if self._textures is None else self._textures
        view = draw_frames(scene, textures, _VIEW_SIZE, *self._heights)[0]
        return side_by_side(view, draw_top_view(scene, textures, path=torch.stack(trail)))

    def _draw(self, scene: Scene, image_size: int) -> Tensor:
        """What the agents see, uint8 [B, size, size, 3]."""
        assert self._textures is not None, "without a camera there is no picture"
        return draw_frames(scene, self._textures, image_size, *self._heights)
