"""What all chat bots share: commands, who may give them, and the events of which a chat is told."""
