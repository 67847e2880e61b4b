"""What tasks hide, against the rows that have shown it."""

import pytest
import torch

from engram import envs
from engram.envs.memory_maze.frames import draw_frames
from engram.envs.memory_maze.scene import Scene
from engram.envs.memory_maze.visibility import visible_targets


def play(env, num_rows, seed=0):
    """Rows and what is hidden at each, by random actions."""
    generator = torch.Generator().manual_seed(seed)
    row, rows, hidden = env.reset(seed), [], []
    for _ in range(num_rows):
        rows.append(row)
        hidden.append(env.hidden())
        row = env.step(torch.randint(env.single_action_space.n, (env.num_envs,), generator=generator))
    return torch.stack(rows, dim=1), hidden


def test_the_cards_of_repeat_previous():
    rows, hidden = play(envs.make_env("popgym/repeat_previous_easy", num_envs=3), 60)
    assert list(hidden[0]) == ["card_1_ago", "card_2_ago", "card_3_ago"]
    begin = 0
    for t in range(60):
        begin = t if rows["is_first"][0, t] else begin
        for ago in (1, 2, 3):
            found = hidden[t][f"card_{ago}_ago"]
            is_known = t - ago >= begin
            assert found.rows_ago.tolist() == [ago if is_known else -1] * 3 and found.num_classes == 4
            assert not is_known or torch.equal(found.value, rows["obs"][:, t - ago])


@pytest.mark.parametrize(
    ("name", "options", "thing", "shown_on"),
    [
        ("popgym/repeat_first_easy", {}, "first", [0]),
        ("diagnostic/recall_first", {"delay": 4}, "cue", [0]),
        ("diagnostic/memory_chain", {"num_bits": 3}, "bits", [0, 1]),
        ("diagnostic/t_maze", {}, "goal", [0]),
    ],
)
def test_what_is_shown_at_first(name, options, thing, shown_on):
    rows, hidden = play(envs.make_env(name, num_envs=4, kwargs=options), 6)
    length = rows["is_last"][0].nonzero()[:1].flatten().tolist() or [6]
    for t in range(length[0]):
        found = hidden[t][thing]
        assert torch.equal(found.value, hidden[0][thing].value)
        assert found.is_shown.tolist() == [t in shown_on] * 4
        assert 0 <= found.value.min() and found.value.max() < found.num_classes
    first = rows["obs"][:, 0]
    value = hidden[0][thing].value
    if thing == "goal":
        assert torch.equal(first[:, 1], 2.0 * value - 1)
    elif thing == "bits":
        assert torch.equal(first[:, 2:], 2.0 * value - 1)
    else:
        assert torch.equal(first, value)


def test_minigrid_memory_shows_the_objects_that_are_in_view():
    rows, hidden = play(envs.make_env("minigrid/memory_s13random", num_envs=64), 200)
    counts = {"cue": 0, "fork": 0}
    for t in range(200):
        found, image = hidden[t], rows["obs", "image"][:, t]
        objects = torch.isin(image[..., 0], torch.tensor([5, 6]))  # [B, left to right, far to near]
        cue, fork = found["cue"], found["fork"]
        assert torch.equal(objects.any(-1).any(-1), cue.is_shown | fork.is_shown)
        for env in (cue.is_shown & ~fork.is_shown).nonzero().flatten():
            assert image[env, ..., 0][objects[env]].tolist() == [5 + cue.value[env]]
            counts["cue"] += 1
        looks_right = rows["obs", "direction"][:, t] == 0
        for env in (fork.is_shown & ~cue.is_shown & looks_right).nonzero().flatten():
            upper = 5 + fork.value[env]
            for column, row in objects[env].nonzero().tolist():
                assert image[env, column, row, 0] == (upper if column < 3 else 11 - upper)
                counts["fork"] += 1
    assert min(counts.values()) > 50, counts


def test_red_blue_doors_shows_the_doors_that_are_in_view():
    env = envs.make_env("minigrid/red_blue_doors_6x6", num_envs=64)
    rows, hidden = play(env, 120)
    opened = 0
    for t in range(120):
        found, image = hidden[t], rows["obs", "image"][:, t]
        for name, color in (("red", 0), ("blue", 2)):
            is_door = (image[..., 0] == 4) & (image[..., 1] == color)
            assert torch.equal(is_door.any(-1).any(-1), found[f"{name}_row"].is_shown)
            assert found[f"{name}_row"].num_classes == 4
            if name == "red":
                is_open = (is_door & (image[..., 2] == 0)).any(-1).any(-1)
                shown = found["red_open"].is_shown
                assert torch.equal(is_open[shown], found["red_open"].value[shown].bool())
                opened += int(is_open.sum())
    assert opened > 20
    kinds = env._grids[env.state["task", "layout"]].view(64, 6, 12)
    for name, column, either in (("red", 3, (4, 5)), ("blue", 8, (6, 7))):
        there = kinds[:, :, column].gather(1, found[f"{name}_row"].value[:, None] + 1)
        assert torch.isin(there, torch.tensor(either, dtype=torch.uint8)).all()


def test_a_ballet_hides_its_dances_and_then_who_danced_the_named_one():
    env = envs.make_env("ballet/ballet", num_envs=32, kwargs={"num_dancers": 3, "delay": 2})
    rows, hidden = play(env, 53)
    assert list(hidden[0]) == ["dance_1", "dance_2", "dance_3", "target"]
    for t, ages in ((0, [0, -1, -1, -1]), (16, [1, -1, -1, -1]), (17, [2, 0, -1, -1]), (50, [35, 18, 1, -1])):
        assert [one.rows_ago[0].item() for one in hidden[t].values()] == ages
    found = hidden[51]
    dances = torch.stack([found[f"dance_{dancer}"].value for dancer in (1, 2, 3)], dim=1)
    named = dances.gather(1, found["target"].value[:, None]).squeeze(1)
    assert torch.equal(named, rows["obs", "instruction"][:, 51] - 1)
    assert torch.equal(found["target"].rows_ago, 36 - 17 * found["target"].value)


def test_key_to_door_hides_the_key_that_was_taken():
    rows, hidden = play(envs.make_env("tvt/key_to_door", num_envs=256), 86)
    took = torch.zeros(256, dtype=torch.bool)
    for t in range(86):
        has_key, explores = hidden[t]["has_key"], t < 15
        in_view = (rows["obs"][:, t] == 3).flatten(1).any(1)  # a key
        took_now = has_key.value.bool() & ~took
        assert torch.equal(has_key.is_shown, (in_view | took_now) & explores)
        took |= took_now
        assert torch.equal(took, has_key.value.bool())
    assert 5 < took.sum() < 250 and rows["is_last"][:, 85].all()


def test_visual_match_hides_the_colour():
    rows, hidden = play(envs.make_env("tvt/visual_match", num_envs=16), 60)
    seen = rows["obs"][:, 0].flatten(1).amax(1) - 7  # red, green and blue are the last of the symbols
    for t in range(60):
        target = hidden[t]["target"]
        assert torch.equal(target.value, seen) and target.is_shown.tolist() == [t < 15] * 16


def test_a_task_may_hide_nothing_that_it_says():
    env = envs.make_env("diagnostic/parity", num_envs=1)
    env.reset(0)
    assert env.hidden() == {}


@pytest.fixture(scope="module")
def mazes():
    env = envs.make_env("memory_maze/tiny", num_envs=48, kwargs={"num_layouts": 32})
    env.reset(0)
    for _ in range(25):
        env.step(torch.randint(6, (48,), generator=torch.Generator().manual_seed(int(env.state["time"][0]))))
    return env


def test_a_target_is_in_view_where_it_changes_the_picture(mazes):
    """Looked at in eight directions from where the agents stand."""
    one = vars(mazes.scene(dict(mazes.state["task"].items())))
    scene = Scene(**{name: part.repeat(8, *(1,) * (part.dim() - 1)) for name, part in one.items()})
    turned = scene.heading + torch.arange(8).repeat_interleave(48) * torch.pi / 4
    scene = Scene(**{**vars(scene), "heading": turned})
    seen = visible_targets(scene)
    picture = draw_frames(scene, mazes._textures, 64, *mazes._heights)
    for target in range(2):
        places = scene.target_positions.clone()
        places[:, target] = -50.0  # behind the walls
        without = Scene(**{**vars(scene), "target_positions": places})
        moved = draw_frames(without, mazes._textures, 64, *mazes._heights) != picture
        count = moved.any(-1).flatten(1).sum(1)
        in_view = seen[:, target]
        assert 5 < in_view.sum() < 200
        assert (count[in_view] > 0).float().mean() > 0.9
        # Part of it may still be seen where its centre is not.
        assert (count[~in_view] == 0).float().mean() > 0.95


def test_what_mazes_hide(mazes):
    found = mazes.hidden()
    assert list(found) == ["target_red", "target_green", "walls"]
    assert found["target_red"].value.shape == (48, 2) and found["target_red"].num_classes is None
    assert found["walls"].value.shape == (48, 49) and found["walls"].rows_ago.eq(0).all()
    scene = mazes.scene(dict(mazes.state["task"].items()))
    distance = (scene.target_positions[:, 0] - scene.position).norm(dim=1)
    torch.testing.assert_close(found["target_red"].value.norm(dim=1), distance)
    walls = scene.walls[:, 1:-1, 1:-1].flatten(1)
    assert torch.equal(found["walls"].value.bool(), walls)
