"""The task ``expert``: a network learns to tell where, in which climate and when a picture was taken."""
