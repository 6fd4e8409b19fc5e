"""What the end-to-end tests are made of: real processes, and a scripted person."""
