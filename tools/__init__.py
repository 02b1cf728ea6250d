"""What the checks use beside the package itself."""
