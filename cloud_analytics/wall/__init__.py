"""The live wall: a page of the cloud service that shows every camera's results as they come.

    browser <--WebSocket--> Session (one a page) --Plan--> Follower --> Subscriptions of the cloud

The page lies in `static/`: plain HTML, CSS and JavaScript modules, with nothing to build and nothing from elsewhere.
"""

from __future__ import annotations

from cloud_analytics.wall.limits import WallLimits, WallMetrics
from cloud_analytics.wall.routes import WALL_OPEN_PATHS, add_wall

__all__ = ["WALL_OPEN_PATHS", "WallLimits", "WallMetrics", "add_wall"]
