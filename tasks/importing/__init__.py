"""The disconnected side: incoming bundle, plan, apply, audit, and the receipt that goes out."""
