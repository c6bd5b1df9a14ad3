"""What a side tells others by itself: notifications to people, metrics to a monitor."""
