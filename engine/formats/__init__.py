"""What a file declares about itself, compared with the memory allowed before anything is allocated."""
