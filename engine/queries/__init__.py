"""Numbers for the explorer, a module or folder a page: configuration in, numpy and xarray out, cached by content."""
