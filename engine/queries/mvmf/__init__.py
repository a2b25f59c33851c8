"""Numbers of the Geolocation page: mixtures on the globe, their centres, and what a trained expert believes."""
