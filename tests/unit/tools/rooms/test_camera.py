"""The camera's way: smooth, inside the room, never in the furniture."""

import numpy as np
import pytest

from tests.support.rooms import bounds
from tools.rooms.camera import CameraPose, poses
from tools.rooms.homes import ROOMS
from tools.rooms.scene import Room

FRAMES = 60
CLEARANCE_METRES = 0.1

every_room = pytest.mark.parametrize("room", ROOMS.values(), ids=ROOMS.keys())


@every_room
def test_the_camera_moves_slowly_and_without_jerks(room: Room) -> None:
    eyes = np.array([pose.eye for pose in poses(room.walk, FRAMES)])
    step = np.diff(eyes, axis=0)
    assert np.linalg.norm(step, axis=1).max() < 0.1, "more than 10 cm a frame"
    assert np.linalg.norm(np.diff(step, axis=0), axis=1).max() < 0.02, "a jerk between frames"


@every_room
def test_the_view_turns_slowly(room: Room) -> None:
    backward = np.array([pose.axes()[2] for pose in poses(room.walk, FRAMES)])
    turn = np.degrees(np.arccos(np.clip((backward[1:] * backward[:-1]).sum(1), -1, 1)))
    assert turn.max() < 3.0


@every_room
def test_the_camera_stays_in_the_room_at_eye_height(room: Room) -> None:
    eyes = np.array([pose.eye for pose in poses(room.walk, FRAMES)])
    width, _, length = room.size
    assert (eyes[:, [0, 2]] > CLEARANCE_METRES).all()
    assert (eyes[:, [0, 2]] < np.array([width, length]) - CLEARANCE_METRES).all()
    assert ((eyes[:, 1] > 1.3) & (eyes[:, 1] < 1.75)).all()


@every_room
def test_the_camera_never_enters_furniture(room: Room) -> None:
    for pose in poses(room.walk, FRAMES):
        for piece in room.pieces:
            low, high = bounds(piece)
            inside = (pose.eye > low - CLEARANCE_METRES).all() and (pose.eye < high + CLEARANCE_METRES).all()
            assert not inside, f"at {pose.eye} the camera touches {piece}"


def test_camera_axes_are_right_up_and_backward() -> None:
    axes = CameraPose(np.array([0.0, 1.5, 0.0]), np.array([0.0, 1.5, -1.0])).axes()
    np.testing.assert_allclose(axes, np.eye(3), atol=1e-12)
