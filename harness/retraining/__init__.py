"""Jobs in, outcomes out: coupled training of many models, on workers, remembered in a ledger."""
