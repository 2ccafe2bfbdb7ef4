"""What several tests share: small data and fits, processes, a browser."""
