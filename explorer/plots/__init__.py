"""Figures: each a plain function, arrays in, a HoloViews element out."""
