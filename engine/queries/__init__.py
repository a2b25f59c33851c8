"""Data for the explorer, a module or package a page: configuration in, numpy and xarray out, cached by content."""
