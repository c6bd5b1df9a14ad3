"""The staging side: draft, metadata package, bundle, and the receipt that comes back."""
