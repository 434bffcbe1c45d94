"""Package: the champion as a Bento, released once its answers equal the batch scorer's."""
