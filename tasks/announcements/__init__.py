"""Announcements of a side: notifications to people, metrics to a monitor."""
