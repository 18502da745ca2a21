"""The shared gradient engine: directional derivatives of per-example losses, and curvature products."""
