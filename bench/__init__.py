"""Speed, measured against peers in the same run. Every module has `run() -> list[Row]`."""
