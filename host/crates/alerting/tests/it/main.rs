//! Channels as their receivers see them.
