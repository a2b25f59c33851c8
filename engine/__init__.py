"""The maths of Harmonia: geo-embeddings on the sphere and SST reconstruction. It knows no screen."""
