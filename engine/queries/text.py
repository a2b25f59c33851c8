"""How places and durations are written in messages, on screen and in the terminal."""

from __future__ import annotations


def place(lat_deg: float, lon_deg: float) -> str:
    """Latitude and longitude with one decimal: ``12.5° N 30.5° W``."""
    return f"{abs(lat_deg):.1f}° {'N' if lat_deg >= 0 else 'S'} {abs(lon_deg):.1f}° {'E' if lon_deg >= 0 else 'W'}"


def duration(seconds: float) -> str:
    """Hours and minutes, minutes and seconds, or seconds: ``2 h 05 min``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def counted(count: int, noun: str) -> str:
    """``"1 epoch"``, ``"12 epochs"``: a number with a noun that takes an s."""
    return f"{count} {noun}" if count == 1 else f"{count:,} {noun}s".replace(",", "\u202f")
