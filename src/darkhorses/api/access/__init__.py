"""Who may ask, how often, and from which pages of others: before any question is looked at."""
