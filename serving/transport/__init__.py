"""What stands between a socket and an application: limits of a connection, hosts, places, the server."""
