"""Deep clustering: the network and the clusters are trained together. No label is read here."""
