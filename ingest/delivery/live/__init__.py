"""Live delivery over WebSockets and long polls."""
