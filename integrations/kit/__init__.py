"""What every integration shares: the contract, signing, a host-pinned client, the registry."""
