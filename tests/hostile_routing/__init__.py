"""What an ill-meaning customer, or an unlucky moment, must not be able to do to everybody else."""
