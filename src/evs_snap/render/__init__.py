"""How results look: to people on a terminal, and to programs. Only here is rich known."""
