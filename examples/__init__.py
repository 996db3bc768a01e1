"""Models that come with Gradlet."""
