"""The spatio-temporal model: days with gaps to months, by attention over days, months and locations."""
