"""No business words below this line: settings, database, queue, embedded servers, clock, errors, log."""
