"""What every page shares: header, theme, own components, the boundary where errors become messages."""
