"""How the master and its workers talk: one Connection contract, one file per wire."""
