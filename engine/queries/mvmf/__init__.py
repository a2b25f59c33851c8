"""Data of the Geolocation page: mixtures on the globe, their centres, and the predictions of a trained expert."""
